// Package grammar puts the commands of all subjects together: the one grammar
// with which control, proxy, billing and the check command read and print a
// configuration. A new subject is one line here.
package grammar

import (
	_ "embed"

	"causeway/appliance/clock"
	"causeway/appliance/config"
	"causeway/appliance/network"
	"causeway/appliance/resolver"
	"causeway/appliance/routing"
)

// All is the grammar of the appliance; the order is that of the text. A
// mistake in a declaration panics: it is in the program, and the first test
// that calls All finds it.
func All() *config.Grammar {
	g, err := config.New(
		network.Commands(),
		resolver.Commands(),
		clock.Commands(),
		routing.Commands(),
	)
	if err != nil {
		panic("grammar: " + err.Error())
	}
	return g
}

//go:embed built-in.conf
var builtIn string

// BuiltIn is the configuration of a new box: both LANs at their addresses,
// SIP from each to the host .2 of the other, and the public name server of
// NET-6. It has no default route: which router and which LAN face the customer's
// network is known at the first configuration (NET-1, NET-2).
func BuiltIn() string { return builtIn }
