package routing

import (
	"testing"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// TestBillingIsNotDeletedWithItsMode: "no sbe" and "no sbc" keep the rule that
// "no billing" keeps.
func TestBillingIsNotDeletedWithItsMode(t *testing.T) {
	for _, test := range []struct {
		billing model.Billing
		refused bool
	}{
		{model.Billing{}, false},
		{model.Billing{Configured: true}, false},
		{model.Billing{Configured: true, Active: true}, true},
		{model.Billing{Configured: true, MethodPacketCable: true}, true},
		{model.Billing{Configured: true, MethodXML: true}, true},
	} {
		for _, command := range SBCCommands()[:2] {
			c := &model.Config{SBC: model.SBC{Name: "a", SBE: true, Billing: test.billing}}
			if err := command.Negate(c, config.Args{"SBC": "a"}); (err != nil) != test.refused || test.refused != c.SBC.SBE {
				t.Errorf("no %s with %+v = %v; refused: want %v", command.No, test.billing, err, test.refused)
			}
		}
	}
}
