package web

import (
	"slices"
	"strings"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// ofMode is an argument of the commands of a mode whose syntax begins so.
type ofMode struct {
	mode   config.Mode
	begins string
	arg    string
}

// What other lines name.
var (
	ofNetworks      = ofMode{config.Global, "sip network", "NETWORK"}
	ofPorts         = ofMode{config.Global, "lan", "LAN"}
	ofAddresses     = ofMode{"config-lan", "ip address", "ADDRESS"}
	ofServerGroups  = ofMode{config.Global, "server-group sip group", "GROUP"}
	ofServers       = ofMode{"config-sg", "element ip-address", "HOST"}
	ofRouteGroups   = ofMode{config.Global, "route group", "ROUTE-GROUP"}
	ofRouteTables   = ofMode{config.Global, "route table", "TABLE"}
	ofLookups       = ofMode{config.Global, "policy lookup", "POLICY"}
	ofNormalization = ofMode{config.Global, "policy normalization", "POLICY"}
	ofTimes         = ofMode{config.Global, "policy time", "POLICY"}
	ofConditions    = ofMode{config.Global, "trigger condition", "CONDITION"}
	ofUsers         = ofMode{config.Global, "username", "USER"}
	ofGroups        = ofMode{config.Global, "group", "GROUP"}
	ofRADIUSClients = ofMode{"config-sbc-sbe", "radius accounting", "CLIENT"}
	ofPolicySets    = ofMode{"config-sbc-sbe", "cac-policy-set", "SET"}
	ofCACTables     = ofMode{"config-sbc-sbe-cacpolicy", "cac-table", "TABLE"}
	ofAdjacencies   = ofMode{"config-sbc-sbe", "adjacency sip", "ADJACENCY"}
	ofAccounts      = ofMode{"config-sbc-sbe-adj-sip", "account", "ACCOUNT"}
	ofAdjGroups     = ofMode{"config-sbc-sbe-adj-sip", "group", "GROUP"}
)

// naming says which values name something that other lines define.
var naming = []struct {
	value ofMode
	of    []ofMode
}{
	{ofMode{config.Global, "ip route", "LAN"}, []ofMode{ofPorts}},
	{ofMode{config.Global, "ipv6 route", "LAN"}, []ofMode{ofPorts}},
	{ofMode{config.Global, "sip listen", "NETWORK"}, []ofMode{ofNetworks}},
	{ofMode{config.Global, "sip listen", "ADDRESS"}, []ofMode{ofAddresses}},
	{ofMode{config.Global, "sip record-route", "NETWORK"}, []ofMode{ofNetworks}},
	{ofMode{config.Global, "sip next-hop", "NETWORK"}, []ofMode{ofNetworks}},
	{ofMode{config.Global, "sip next-hop", "OUT-NETWORK"}, []ofMode{ofNetworks}},
	{ofMode{config.Global, "sip privacy trusted-destination", "NETWORK"}, []ofMode{ofNetworks}},
	{ofMode{config.Global, "server-group sip group", "NETWORK"}, []ofMode{ofNetworks}},
	{ofMode{config.Global, "server-group sip ping-options", "NETWORK"}, []ofMode{ofNetworks}},
	{ofMode{config.Global, "server-group sip ping-options", "ADDRESS"}, []ofMode{ofAddresses}},
	{ofMode{config.Global, "trigger", "POLICY"}, []ofMode{ofLookups, ofNormalization}},
	{ofMode{config.Global, "trigger", "CONDITION"}, []ofMode{ofConditions}},
	{ofMode{config.Global, "username", "USER"}, []ofMode{ofUsers}},
	{ofMode{config.Global, "username", "GROUP"}, []ofMode{ofGroups}},
	{ofMode{config.Global, "group", "GROUP"}, []ofMode{ofGroups}},
	{ofMode{"config-sg", "element ip-address", "HOST"}, []ofMode{ofServers}},
	{ofMode{"config-trigger-seq", "in-network", "VALUE"}, []ofMode{ofNetworks}},
	{ofMode{"config-trigger-seq", "not in-network", "VALUE"}, []ofMode{ofNetworks}},
	{ofMode{"config-trigger-seq", "out-network", "VALUE"}, []ofMode{ofNetworks}},
	{ofMode{"config-trigger-seq", "not out-network", "VALUE"}, []ofMode{ofNetworks}},
	{ofMode{"config-trigger-seq", "time", "VALUE"}, []ofMode{ofTimes}},
	{ofMode{"config-trigger-seq", "not time", "VALUE"}, []ofMode{ofTimes}},
	{ofMode{"config-lookup", "sequence", "TABLE"}, []ofMode{ofRouteTables}},
	{ofMode{"config-rt", "key", "TARGET"}, []ofMode{ofServerGroups}},
	{ofMode{"config-rt", "key", "NETWORK"}, []ofMode{ofNetworks}},
	{ofMode{"config-rt", "key", "GROUP"}, []ofMode{ofRouteGroups}},
	{ofMode{"config-rt", "key", "POLICY"}, []ofMode{ofLookups}},
	{ofMode{"config-rg", "element", "TARGET"}, []ofMode{ofServerGroups}},
	{ofMode{"config-rg", "element", "NETWORK"}, []ofMode{ofNetworks}},
	{ofMode{"config-rg", "element", "GROUP"}, []ofMode{ofRouteGroups}},
	{ofMode{"config-rg", "element", "POLICY"}, []ofMode{ofLookups}},
	{ofMode{"config-rg", "element", "TIMES"}, []ofMode{ofTimes}},
	{ofMode{"config-sbc-sbe", "active-cac-policy-set", "SET"}, []ofMode{ofPolicySets}},
	{ofMode{"config-sbc-sbe", "control address", "ADDRESS"}, []ofMode{ofAddresses}},
	{ofMode{"config-sbc-sbe-adj-sip", "network", "NETWORK"}, []ofMode{ofNetworks}},
	{ofMode{"config-sbc-sbe-adj-sip", "account", "ACCOUNT"}, []ofMode{ofAccounts}},
	{ofMode{"config-sbc-sbe-adj-sip", "group", "GROUP"}, []ofMode{ofAdjGroups}},
	{ofMode{"config-sbc-sbe-cacpolicy", "first-cac-table", "FIRST"}, []ofMode{ofCACTables}},
	{ofMode{"config-sbc-sbe-cacpolicy-cactable-entry", "action next-table", "NEXT"}, []ofMode{ofCACTables}},
	{ofMode{"config-sbc-sbe-cacpolicy-cactable-entry", "match-value", "VALUE"}, []ofMode{ofAdjGroups, ofAdjacencies, ofAccounts}},
	{ofMode{"config-sbc-sbe-billing", "packetcable-em", "CLIENT"}, []ofMode{ofRADIUSClients}},
	{ofMode{"config-sbc-sbe-billing", "local-address", "ADDRESS"}, []ofMode{ofAddresses}},
	{ofMode{"config-sbc-sbe-billing-packetcable-em", "local-address", "ADDRESS"}, []ofMode{ofAddresses}},
}

// mostSuggested is how many values a field offers.
const mostSuggested = 100

// offer has the lines from which fields take what they may name, by mode.
type offer map[config.Mode][]config.PrintedLine

// offered is what who looks is offered of the candidate.
func (v *visit) offered(c *model.Config) offer {
	all, _ := once(v, "offered", func() (offer, error) {
		if !v.seesAll() {
			c = &model.Config{}
		}
		return offerOf(v.Grammar, c), nil
	})
	return all
}

func offerOf(g *config.Grammar, c *model.Config) offer {
	all := make(offer)
	for _, l := range g.Lines(c) {
		all[l.Command.Mode] = append(all[l.Command.Mode], l)
	}
	return all
}

// suggested gives what the argument of a command may name: what somebody would have
// to remember else.
func (o offer) suggested(command *config.Command, arg string) (list []string) {
	for _, one := range naming {
		if !one.value.is(command, arg) {
			continue
		}
		for _, of := range one.of {
			list = append(list, o.defined(of)...)
		}
		if slices.Contains(one.of, ofGroups) {
			list = append(list, model.GroupPrivileged, model.GroupReadOnly)
		}
	}
	slices.Sort(list)
	list = slices.Compact(list)
	return list[:min(len(list), mostSuggested)]
}

// is says whether the value is an argument of a command.
func (v ofMode) is(command *config.Command, arg string) bool {
	return v.arg == arg && v.mode == command.Mode && strings.HasPrefix(command.Syntax, v.begins+" ")
}

// defined gives the values that lines define.
func (o offer) defined(of ofMode) (list []string) {
	for _, l := range o[of.mode] {
		for _, a := range l.Command.Args {
			if of.is(l.Command, a.Name) {
				list = append(list, a.Type.Format(l.Args[of.arg]))
			}
		}
	}
	return list
}
