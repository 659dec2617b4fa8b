package clock

import (
	"testing"
	"testing/synctest"

	"causeway/appliance/exec/exectest"
	"causeway/appliance/model"
)

func TestShow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // its clock begins in 2000
		s := exectest.Session{Answers: map[string]any{
			"control.status": model.ControlStatus{Clock: "synchronised to 192.0.2.1, offset 3 ms"},
		}}
		exectest.Golden(t, "show-clock", s.Type(t.Context(), t, ExecCommands(), "show clock"))
	})
}
