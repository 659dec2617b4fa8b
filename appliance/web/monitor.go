package web

import (
	"context"
	"strings"
)

// monitorPages are those of the menu Monitor.
func monitorPages() []*page {
	inSBC := presetByRunning(map[string]string{"SBC": "sbc", "SET": "active-cac-policy-set", "CLIENT": "radius accounting", "ADJACENCY": "adjacency sip"})
	return []*page{
		{
			path: "/monitor/calls", title: "Calls",
			parts: []part{
				showing{command: "show calls summary", title: "Calls", every: often},
				showing{command: "show calls brief", title: "Open calls", every: often},
				showing{command: "show calls detail", title: "Both sides of each open call"},
				showing{command: "show calls history [last COUNT] [number TEXT] [detail]", title: "Calls that ended", every: seldom},
			},
		},
		{
			path: "/monitor/admission", title: "Admission",
			parts: []part{
				showing{command: "show call-rate", title: "Call rate", every: often},
				showing{command: "show cps", title: "Calls per second over five minutes", every: often},
				showing{command: "show sip overload", title: "Overload", every: often},
				showing{command: "show sip flood", title: "Floods", every: often},
				showing{command: "show sbc SBC sbe cac-policy-set SET [table TABLE [entry ENTRY]]", title: "Call admission control", preset: inSBC},
			},
		},
		{
			path: "/monitor/adjacencies", title: "Adjacencies",
			parts: []part{
				showing{command: "show sbc SBC sbe adjacencies", title: "Adjacencies", every: often, preset: inSBC},
				showing{command: "show sbc SBC sbe adjacencies ADJACENCY detail", title: "One of them", every: often, preset: inSBC},
			},
		},
		{
			path: "/monitor/elements", title: "Server groups and elements",
			parts: []part{
				showing{command: "show status server-group sip [NAME]", title: "Server groups", every: often},
				doing{command: "clear server-group sip statistics", title: "Set the counters of all elements back", button: "Set back"},
			},
		},
		{
			path: "/monitor/transactions", title: "Transactions",
			parts: []part{
				showing{command: "show sip transactions", title: "Transactions under way", every: often},
				showing{command: "show sip connections", title: "Connections", every: often},
				showing{command: "show sip listen", title: "Where the proxy listens"},
				showing{command: "show sip statistics", title: "Statistics", every: seldom},
			},
		},
		{
			path: "/monitor/routing", title: "Routing",
			parts: []part{
				showing{command: "show trigger", title: "Triggers", every: seldom},
				showing{command: "show policy lookup [POLICY]", title: "Lookup policies", every: seldom},
				showing{command: "show route table", title: "Route tables", every: seldom},
				showing{command: "show routes table TABLE [key KEY]", title: "Routes of a table", preset: presetByRunning(map[string]string{"TABLE": "route table"})},
			},
		},
		{
			path: "/monitor/radius", title: "RADIUS servers",
			parts: []part{
				showing{command: "show sbc SBC sbe billing remote", title: "Where records go", every: often, preset: inSBC},
				showing{command: "show sbc SBC sbe radius-client-accounting CLIENT [stats]", title: "RADIUS client", preset: inSBC},
				showing{command: "show sbc SBC sbe billing local", title: "What waits on the box", every: often, preset: inSBC},
				showing{command: "show sbc SBC sbe billing instance", title: "Billing Manager and instances", preset: inSBC},
				doing{command: "clear sbc SBC sbe billing cache INSTANCE", title: "Give up the records that wait for an instance", button: "Give them up", danger: true, preset: inSBC},
			},
		},
		{
			path: "/monitor/interfaces", title: "Interfaces",
			parts: []part{
				showing{command: "show ip interface brief", title: "Addresses", every: often},
				showing{command: "show interfaces [LAN]", title: "Ports", every: often},
				showing{command: "show ip route", title: "IPv4 routes"},
				showing{command: "show ipv6 route", title: "IPv6 routes"},
				showing{command: "show arp", title: "IPv4 neighbours"},
				showing{command: "show ipv6 neighbors", title: "IPv6 neighbours"},
			},
		},
		{
			path: "/monitor/dhcp", title: "DHCP",
			parts: []part{
				showing{command: "show dhcp lease", title: "What DHCP servers gave to the ports", every: seldom},
				doing{command: "dhcp renew LAN", title: "Renew a lease", button: "Renew"},
				doing{command: "dhcp release LAN", title: "Give an address back", button: "Give back", danger: true},
				showing{command: "show dhcp binding", title: "What the DHCP server gave to hosts", every: seldom},
				doing{command: "clear dhcp binding ADDRESS", others: []string{"clear dhcp binding all"}, title: "Forget which host has an address", button: "Forget", danger: true},
			},
		},
		{
			path: "/monitor/dns", title: "DNS",
			parts: []part{
				showing{command: "show dns", title: "Name servers", every: seldom},
				showing{command: "show hosts", title: "Host names known without asking"},
				doing{command: "clear dns cache", title: "Forget what name servers answered", button: "Forget"},
				showing{command: "show sip dns [HOST]", title: "SIP servers located in the DNS"},
				doing{command: "clear sip dns", title: "Forget where SIP servers are", button: "Forget"},
			},
		},
		{
			path: "/monitor/alarms", title: "Alarms",
			parts: []part{
				showing{command: "show alarms detail", title: "Active alarms", every: often},
				doing{command: "clear alarm ALARM [OBJECT]", title: "Clear an alarm", intro: "It is raised again when its condition comes anew.", button: "Clear"},
				showing{command: "show alarms history", title: "What was raised and cleared"},
			},
		},
		{
			path: "/monitor/alarm-table", title: "Table of alarms",
			parts: []part{showing{command: "show alarms table", title: "All alarms that there can be"}},
		},
	}
}

// presetByRunning gives what the configuration in force names first, by arguments and the
// words of the lines in which it stands.
func presetByRunning(words map[string]string) preset {
	return func(ctx context.Context, v *visit) (map[string]string, error) {
		now, err := ask[struct {
			Text string `json:"text"`
		}](ctx, v, "control", "control.running")
		if err != nil {
			return nil, err
		}
		filled := map[string]string{}
		for line := range strings.Lines(now.Text) {
			for argument, before := range words {
				if rest, is := strings.CutPrefix(strings.TrimSpace(line), before+" "); is && filled[argument] == "" {
					filled[argument], _, _ = strings.Cut(rest, " ")
				}
			}
		}
		return filled, nil
	}
}
