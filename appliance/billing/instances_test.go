package billing

import (
	"testing"

	"causeway/appliance/model"
)

// twoInstances makes options under which "billed" and "off" have a second
// instance 5 that sends to another keeper, attached unless the text says
// "detached".
func twoInstances(o Options, second *keeper, mode model.DeactMode) Options {
	parse := o.Parse
	o.Parse = func(text string) (*model.Config, error) {
		c, err := parse(text)
		if err == nil && text != wrong {
			sbc := billing(true, second.address)
			client := sbc.RADIUSClients[0]
			client.Name = "venus"
			c.SBC.RADIUSClients = append(c.SBC.RADIUSClients, client)
			c.SBC.Billing.PacketCable = append(c.SBC.Billing.PacketCable,
				model.PacketCableMethod{Index: 5, Client: "venus", DeactMode: mode, Attached: text != detached})
		}
		return c, err
	}
	return o
}

const detached = "detached\n"

// An instance that is not attached gets no records, and what waited for it
// before is kept, or delivered, as its deact-mode says.
func TestDetachedInstance(t *testing.T) {
	for _, test := range []struct {
		mode model.DeactMode
		// of 5 calls and an open one before it is detached, and 5 more:
		kept, delivered int
	}{
		{model.DeactAbort, 5*8 + 8, 0},
		{model.DeactNormal, 0, 5*8 + 8},
		{model.DeactQuiesce, 0, 5*8 + 4}, // the open call goes on
	} {
		t.Run(test.mode.String(), func(t *testing.T) {
			first, second := newKeeper(t), newKeeper(t)
			o := twoInstances(testOptions(t.TempDir(), first.address), second, test.mode)
			w := openJournal(t, o)
			second.silent.Store(true)
			start(t, o)
			use(t, o, billed)
			calls(t, w, 6, 10)
			calls(t, w, 11, 11)
			first.await(t, 5*8+4)
			use(t, o, detached)
			calls(t, w, 21, 25)
			first.await(t, 10*8+4)
			second.silent.Store(false)
			waitForStatus(t, o, "what is left", func(s model.BillingStatus) bool {
				return consumer(&s.Cache, "packetcable-em-5").Records == int64(test.kept) && second.count() == test.delivered
			})
			first.check(t, 21, 25)
		})
	}
}
