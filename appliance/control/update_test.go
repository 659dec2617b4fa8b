package control

import (
	"context"
	"strings"
	"testing"

	"causeway/appliance/config/change"
	"causeway/appliance/link"
	"causeway/appliance/model"
)

// TestTrialKeepsRevision: on trial a revision that the proxy refuses is not
// withdrawn: the firmware of before, which comes back, serves with it.
func TestTrialKeepsRevision(t *testing.T) {
	b := newBox(t)
	b.keep(change.StateCommitted, text("saved"))
	b.process("billing")
	b.process("proxy")
	t.Cleanup(serve(t, link.Socket(b.options.Run, "init"), link.Methods{
		"init.health":   func(context.Context) (model.SystemHealth, error) { return model.SystemHealth{Trial: true}, nil },
		"init.firmware": func(context.Context) (model.Firmware, error) { return model.Firmware{}, nil },
	}))
	c := build(b.options, b.pace)
	if err := c.configuration.Start(); err != nil {
		t.Fatal(err)
	}
	c.abandon(c.configuration.InForce(), context.DeadlineExceeded)
	if f := c.configuration.InForce(); f.Config.HostName != "saved" || !strings.Contains(b.printed(), "the firmware on trial does not serve") {
		t.Errorf("on trial %q is in force, and the log is %q; want the revision to stay, and the log to say so", f.Config.HostName, b.printed())
	}
	look, err := c.lookAtHealth(t.Context())
	if err != nil || !look.Saved || look.Control.ConfigSource != change.SourceRevision || look.Config.HostName != "saved" {
		t.Errorf("the gate sees %+v, %v; want the saved configuration", look.Control, err)
	}
}
