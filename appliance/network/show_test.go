package network

import (
	"testing"

	"causeway/appliance/exec/exectest"
	"causeway/appliance/model"
)

// lans are two ports, one of which is not there.
var lans = []model.InterfaceStatus{
	{LAN: "LAN1", MAC: "00:00:5e:00:53:01", Link: "up", Address: "192.168.42.1/24"},
	{LAN: "LAN2", Link: "missing", Problem: "no NIC for LAN2"},
}

func TestShow(t *testing.T) {
	s := exectest.Session{Answers: map[string]any{"control.status": model.ControlStatus{Interfaces: lans}}}
	exectest.Golden(t, "show-interfaces", s.Type(t.Context(), t, ExecCommands(), "show interfaces"))
}
