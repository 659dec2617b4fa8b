// Package grammar puts the commands of all subjects together: the one grammar
// with which control, proxy, billing and the check command read and print a
// configuration, the EXEC commands of the console, and the reference of both.
// A new subject is a line in All and one in Exec.
package grammar

import (
	_ "embed"

	"causeway/appliance/access"
	"causeway/appliance/admission"
	"causeway/appliance/alarm"
	"causeway/appliance/backup"
	"causeway/appliance/billing"
	"causeway/appliance/callhome"
	"causeway/appliance/certificates"
	"causeway/appliance/clock"
	"causeway/appliance/com"
	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/license"
	"causeway/appliance/logging"
	"causeway/appliance/metrics"
	"causeway/appliance/network"
	"causeway/appliance/network/dhcp"
	"causeway/appliance/network/firewall"
	"causeway/appliance/reports"
	"causeway/appliance/resolver"
	"causeway/appliance/routing"
	"causeway/appliance/routing/servergroup"
	"causeway/appliance/sip"
	"causeway/appliance/sip/locate"
	"causeway/appliance/sip/trace"
	"causeway/appliance/storage/files"
	"causeway/appliance/system"
	"causeway/appliance/update"
)

// All is the grammar of the appliance; the order is that of the text. A
// mistake in a declaration panics: it is in the program, and the first test
// that calls All finds it. Each call builds it anew, in some milliseconds.
func All() *config.Grammar {
	var of ruled
	g, err := config.New(
		network.Commands(),
		dhcp.Commands(),
		firewall.Commands(),
		resolver.Commands(),
		clock.Commands(),
		logging.Commands(),
		alarm.Commands(),
		metrics.Commands(),
		access.Commands(of.begins),
		backup.Commands(),
		routing.Commands(),
		routing.SBCCommands(),
		license.Commands(),
		com.Commands(),
		callhome.Commands(),
		admission.Commands(),
		billing.Commands(),
	)
	if err != nil {
		panic("grammar: " + err.Error())
	}
	of.grammar = g
	return g
}

// Exec is the EXEC commands of all subjects. Those of the session itself
// belong to the console.
func Exec() []exec.Command {
	var all []exec.Command
	for _, commands := range [][]exec.Command{
		system.ExecCommands(),
		clock.ExecCommands(),
		network.ExecCommands(),
		dhcp.ExecCommands(),
		firewall.ExecCommands(),
		resolver.ExecCommands(),
		sip.ExecCommands(),
		routing.ExecCommands(),
		servergroup.ExecCommands(),
		license.ExecCommands(),
		com.ExecCommands(),
		callhome.ExecCommands(),
		admission.ExecCommands(),
		locate.ExecCommands(),
		trace.ExecCommands(),
		billing.ExecCommands(),
		alarm.ExecCommands(),
		logging.ExecCommands(),
		reports.ExecCommands(),
		metrics.ExecCommands(),
		access.ExecCommands(),
		files.ExecCommands(),
		backup.ExecCommands(),
		update.ExecCommands(),
		certificates.ExecCommands(),
		testCommands(),
	} {
		all = append(all, commands...)
	}
	return append(all, system.TechSupport(all))
}

//go:embed built-in.conf
var builtIn string

// BuiltIn is the configuration of a new box: both LANs at their addresses and
// SIP from each to the host .2 of the other. It has no default route: which router and which LAN face the customer's
// network is known at the first configuration (NET-1, NET-2).
func BuiltIn() string { return builtIn }
