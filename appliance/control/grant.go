package control

import (
	"causeway/appliance/clock"
	"causeway/appliance/model"
)

// GrantSource says what the proxy may do. It is asked every few seconds; what
// it gives replaces what the proxy has when the two differ.
type GrantSource interface {
	// Grant gives the grant in force. A new one has a larger generation
	// than every one before it since boot.
	Grant() model.Grant
}

// Unlimited grants all calls for ever: a new box must be able to call.
type Unlimited struct{ grant model.Grant }

// NewUnlimited makes a source whose generation is the time since boot in
// nanoseconds, which grows over restarts of the process; what the proxy keeps
// does not outlive the boot.
func NewUnlimited() Unlimited {
	return Unlimited{model.Grant{
		Generation: uint64(clock.BootTime()),
		Now:        model.Allowance{Calls: true},
	}}
}

// Grant implements GrantSource.
func (u Unlimited) Grant() model.Grant { return u.grant }
