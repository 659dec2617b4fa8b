package chaos

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// A disturbance is what somebody does to the network behind control's back.
type disturbance struct {
	name string
	// script gives the shell commands that do it to a box in that state; empty
	// if the state has nothing of the kind.
	script func(state State, random *rand.Rand) string
	// far runs them at the other end of the cable of LAN1.
	far bool
}

var disturbances = []disturbance{
	{name: "address", script: one(addresses, deleteAddress)},
	{name: "addresses", script: every(addresses, deleteAddress)},
	{name: "route", script: one(routes, deleteRoute)},
	{name: "routes", script: every(routes, deleteRoute)},
	{name: "route6", script: one(routes6, deleteRoute6)},
	{name: "rule", script: one(rules, deleteRule)},
	{name: "rules", script: every(rules, deleteRule)},
	{name: "firewall", script: always("nft flush ruleset")},
	{name: "stranger", script: always("ip address add 192.0.2.77/24 dev lan1")},
	{name: "down", script: always("ip link set lan1 down")},
	{name: "flap", script: always("ip link set lan2 down; ip link set lan2 up")},
	{name: "cable", script: always("ip link set lan1 down; ip link set lan1 up"), far: true},
}

func always(script string) func(State, *rand.Rand) string {
	return func(State, *rand.Rand) string { return script }
}

// every does it to all lines of a kind.
func every(kind string, to func(line string) string) func(State, *rand.Rand) string {
	return func(state State, _ *rand.Rand) string { return strings.Join(commands(state[kind], to), "\n") }
}

// one does it to one line of a kind.
func one(kind string, to func(line string) string) func(State, *rand.Rand) string {
	return func(state State, random *rand.Rand) string {
		all := commands(state[kind], to)
		if len(all) == 0 {
			return ""
		}
		return all[random.IntN(len(all))]
	}
}

// commands are what undoes each line; some are not to be undone.
func commands(lines []string, to func(line string) string) []string {
	all := make([]string, 0, len(lines))
	for _, line := range lines {
		if command := to(line); command != "" {
			all = append(all, command)
		}
	}
	return slices.Clip(all)
}

// deleteAddress undoes "2: lan1    inet 192.168.42.1/24 brd … scope global lan1 …".
func deleteAddress(line string) string {
	fields := strings.Fields(line)
	if len(fields) < 4 || fields[1] == "lo" {
		return ""
	}
	return fmt.Sprintf("ip address del %s dev %s", fields[3], fields[1])
}

// deleteRoute undoes "default via 192.168.42.2 dev lan1 table 101 proto 77";
// those that come and go with an address are left alone. Some go with another.
func deleteRoute(line string) string { return deleteRouteBy("ip -4", line) }

func deleteRoute6(line string) string { return deleteRouteBy("ip -6", line) }

func deleteRouteBy(ip, line string) string {
	if strings.Contains(line, "proto kernel") {
		return ""
	}
	return fmt.Sprintf("%s route del %s || true", ip, strings.TrimSuffix(strings.TrimSuffix(line, " linkdown"), " dead"))
}

// deleteRule undoes "32764:	from 192.168.42.1 lookup 101"; the kernel's own
// three stay.
func deleteRule(line string) string {
	preference, _, _ := strings.Cut(line, ":")
	if slices.Contains([]string{"0", "32766", "32767"}, preference) {
		return ""
	}
	return "ip -4 rule del preference " + preference
}
