//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"causeway/appliance/model"
	"causeway/qemu/lab"
	"causeway/qemu/lab/callhomed"
)

// TestPagesCallHome sets Call Home up on its page, by the rules of CH-34, and calls
// home.
func TestPagesCallHome(t *testing.T) {
	t.Parallel()
	b := newPagesBox(t, "")
	home, err := b.LAN1.CallHomed(lab.PeerLAN1, callhomed.Options{Schema: root + "/docs/callhome.xsd"})
	b.check(err)
	t.Cleanup(func() { home.Stop() })
	b.check(b.control.Trust(b.ctx, model.ForCallHome, home.Root()))
	v := b.operator("anna", lab.Screen{})
	url := strings.Replace(home.URL, lab.CallHomeName, lab.PeerLAN1.String(), 1)

	v.visits("Call Home")
	v.chooses("Call Home *", "None")
	v.follows("button", "Save")
	b.inForce(" mode none")
	v.visits("Backup / Restore")
	v.sees("Smart Call Home is not configured")
	v.follows("link", "go to Call Home")

	v.chooses("Call Home *", "Enabled (Anonymous Call Home)")
	for label, off := range map[string]bool{
		"E-mail address *": true, "Company": true, "Include trace logs and diagnostic information": true,
		"Send data to the vendor using *": false, "Send a copy to these e-mail addresses": false,
	} {
		field, err := v.scope.Field(b.ctx, label)
		b.check(err)
		if field.Disabled != off {
			t.Errorf("in Anonymous mode %q is disabled %t; want %t", label, field.Disabled, off)
		}
	}
	v.chooses("Call Home *", "Enabled (Smart Call Home)")
	v.follows("button", "Save")
	v.sees("this is needed")
	if v.Status() != http.StatusUnprocessableEntity {
		t.Errorf("a form without the e-mail address is answered with %d; want 422", v.Status())
	}
	b.inForce(" mode none")
	v.fills("E-mail address *", "noc@example.com")
	v.fills("Contact name", "No Blanks")
	v.fills("Address of the vendor", url)
	v.follows("button", "Save")
	v.part("Call Home Configuration").fills("Contact name", "Noc.Lead")
	v.follows("button", "Save")
	v.sees("Call Home configuration saved", "I accept the agreement")
	b.inForce(" contact-email-addr noc@example.com")
	b.inForce(" contact-name Noc.Lead")

	v.presses("checkbox", "I accept the agreement")
	v.follows("button", "Accept")
	v.follows("button", "Save and Call Home now")
	v.sees("Call Home configuration saved and all Call Home messages sent successfully")
	for _, kind := range []string{model.GroupInventory, model.GroupTelemetry} {
		b.check(b.control.Await(b.ctx, func() error {
			if !slices.ContainsFunc(home.Deliveries(), func(d callhomed.Delivery) bool { return d.Message.Kind == kind }) {
				return fmt.Errorf("no %s has come", kind)
			}
			return nil
		}))
	}

	v.loads("hostname other")
	v.visits("Call Home")
	v.fills("Company", "Example")
	v.follows("button", "Save")
	v.sees("which has other changes")
	if text := b.running(); strings.Contains(text, "company Example") || strings.Contains(text, "hostname other") {
		t.Errorf("with other changes in the candidate Save has committed all of it:\n%s", text)
	}
}
