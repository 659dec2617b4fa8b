package billing

import (
	"errors"
	"fmt"
	"strings"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// The rules about changes of seed 003. A commit that deactivates billing may
// change everything, and so may one that activates it.

var errActive = errors.New("billing is active: deactivate it (no activate), commit, then change it")

// lockOf gives the rule about changes of a line, nil if there is none.
func lockOf(command *config.Command) func(running, candidate *model.Config, a config.Args) error {
	switch {
	case command.Opens == inBilling:
		return billingStays
	case command.Opens == inClient, command.Mode == inClient, command.Mode == inServer:
		return clientInUse
	case command.Mode == inBilling && strings.HasPrefix(command.Syntax, "ldr-check"):
		return methodsAreThere
	case command.Mode == inPacketCable && strings.HasPrefix(command.Syntax, "batch-"):
		return moreInstances
	case command.Mode == inBilling, command.Mode == inPacketCable, command.Mode == inXML:
		return billingIsActive
	}
	return nil
}

// staysActive reports whether billing is active before and after the commit.
func staysActive(running, candidate *model.Config) bool {
	return running.SBC.Billing.Active && candidate.SBC.Billing.Active
}

// billingStays keeps active billing from being deleted, as by a configuration
// without it: it is deactivated by its own word (seed 003).
func billingStays(running, candidate *model.Config, _ config.Args) error {
	if running.SBC.Billing.Active && !candidate.SBC.Billing.Configured {
		return errActive
	}
	return nil
}

func billingIsActive(running, candidate *model.Config, _ config.Args) error {
	if staysActive(running, candidate) {
		return errActive
	}
	return nil
}

// moreInstances lets the batches of a sole instance be changed at any time.
func moreInstances(running, candidate *model.Config, _ config.Args) error {
	b := &running.SBC.Billing
	if n := len(b.PacketCable) + len(b.XML); n > 1 && staysActive(running, candidate) {
		return fmt.Errorf("with %d instances batches cannot be changed, as with one; %w", n, errActive)
	}
	return nil
}

// methodsAreThere fixes the billing-level ldr-check once there is a method.
func methodsAreThere(running, candidate *model.Config, _ config.Args) error {
	if hasMethod(&running.SBC.Billing) && hasMethod(&candidate.SBC.Billing) {
		return errors.New("billing has methods: remove them, commit, then change ldr-check, or set that of each instance")
	}
	return nil
}

// clientInUse keeps a RADIUS client as it is while an instance at work sends with it.
func clientInUse(running, candidate *model.Config, a config.Args) error {
	if !staysActive(running, candidate) {
		return nil
	}
	for _, m := range running.SBC.Billing.PacketCable {
		if m.Client == a.Text("CLIENT") && m.Attached {
			return fmt.Errorf("RADIUS client %s serves packetcable-em %d; %w", m.Client, m.Index, errActive)
		}
	}
	return nil
}
