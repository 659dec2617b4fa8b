package control

import (
	"encoding/json"
	"strings"
	"testing"

	"causeway/appliance/com"
	"causeway/appliance/exec/exectest"
)

// TestShowCOM: a new box answers all that operators ask of the link.
func TestShowCOM(t *testing.T) {
	b := newBox(t)
	b.start()
	session := exectest.Session{Answers: map[string]any{}}
	for _, method := range []string{"com.status", "com.services", "com.sessions", "com.subscriptions", "com.outbox"} {
		session.Answers["control."+method] = func(string) (answer any, err error) {
			var raw json.RawMessage
			err = b.ask(method, nil, &raw)
			return raw, err
		}
	}
	for line, want := range map[string]string{
		"show com":               "Link: not set up\n",
		"show com services":      "alarms       off",
		"show com sessions":      "Nobody is in from COM.\n",
		"show com subscriptions": "remote-management   no: ",
		"show com outbox":        "Entries: ",
	} {
		if got := session.Type(t.Context(), t, com.ExecCommands(), line); !strings.Contains(got, want) || strings.Contains(got, "% ") {
			t.Errorf("%s prints %q; want %q and no error", line, got, want)
		}
	}
}
