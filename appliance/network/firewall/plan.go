package firewall

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"causeway/appliance/model"
)

// pingLimit is how many echo requests a second each port answers.
const pingLimit = 100

// connectionLimit is how many SIP connections a second each port begins, in
// IPv4 and in IPv6: a handshake of TLS costs the processor more than a call,
// and those that nobody completes stay in the table of connections (16,384)
// for a minute. What a crowd of phones lacks comes with the next SYN.
const connectionLimit = 200

// service is something that a port offers to whoever asks.
type service struct {
	name  string
	match []Match
	limit uint64 // packets a second; 0: any number
	on    bool
}

// services is the table of them. What is not here, nor a SIP listener, is
// closed.
func services(c *model.Config, l *model.LAN) []service {
	metrics, ssh, web := c.Metrics.TCPPort(), c.Access.SSH.TCPPort(), c.Access.Web.TCPPort()
	return []service{
		{"ping", []Match{is(ICMPType, Element{Number: 8})}, pingLimit, !l.NoPing},
		{"ping over IPv6", []Match{is(ICMP6Type, Element{Number: 128})}, pingLimit, !l.NoPing && hasIPv6(l)},
		{"DHCP server, udp port 67", []Match{is(Family, Element{Number: unix.NFPROTO_IPV4}), is(UDPDestination, Element{Port: 67})}, 0,
			l.DHCP.Mode == model.DHCPServer},
		{fmt.Sprintf("metrics, tcp port %d", metrics), []Match{is(TCPDestination, Element{Port: metrics})}, 0, c.Metrics.On},
		{fmt.Sprintf("SSH, tcp port %d", ssh), []Match{is(TCPDestination, Element{Port: ssh})}, 0, c.Access.SSHAt(l.Port)},
		{fmt.Sprintf("administration pages, tcp port %d", web), []Match{is(TCPDestination, Element{Port: web})}, 0, c.Access.WebAt(l.Port)},
	}
}

func hasIPv6(l *model.LAN) bool { return l.Address6.IsValid() }

// family is what differs between IPv4 and IPv6, with the sets of the box.
type family struct {
	sip       Set // SIP listeners of UDP, each on the port that has its address
	listeners Set // the same as they stand in packets, wherever those go
	streams   Set // SIP listeners of TCP, TLS and WebSocket, with the port that has the address, if one has
	addresses Set // all addresses of the box
	errors    Set // types of ICMP messages that tell what became of other packets

	source, destination, icmpType Field
	has                           func(netip.Addr) bool
}

// families gives both.
func families(config *model.Config, owned []own) []family {
	list := []family{
		{
			sip:       Set{Name: "sip4", Key: []Field{In, Destination4, UDPDestination}, Counted: true},
			listeners: Set{Name: "listeners4", Key: []Field{Destination4, UDPDestination}},
			streams:   Set{Name: "streams4", Key: []Field{Destination4, TCPDestination}, Counted: true},
			addresses: Set{Name: "addresses4", Key: []Field{Destination4}},
			// Destination unreachable, time exceeded, parameter problem (RFC 792).
			errors: Set{Name: "errors4", Key: []Field{ICMPType}, Elements: []Element{{Number: 3}, {Number: 11}, {Number: 12}}},
			source: Source4, destination: Destination4, icmpType: ICMPType, has: netip.Addr.Is4,
		},
		{
			sip:       Set{Name: "sip6", Key: []Field{In, Destination6, UDPDestination}, Counted: true},
			listeners: Set{Name: "listeners6", Key: []Field{Destination6, UDPDestination}},
			streams:   Set{Name: "streams6", Key: []Field{Destination6, TCPDestination}, Counted: true},
			addresses: Set{Name: "addresses6", Key: []Field{Destination6}},
			// The same and packet too big (RFC 4443 §3).
			errors: Set{Name: "errors6", Key: []Field{ICMP6Type}, Elements: []Element{{Number: 1}, {Number: 2}, {Number: 3}, {Number: 4}}},
			source: Source6, destination: Destination6, icmpType: ICMP6Type, has: netip.Addr.Is6,
		},
	}
	for i := range list {
		list[i].fill(config, owned)
	}
	return list
}

// fill puts the elements of the family in its sets.
func (f *family) fill(config *model.Config, owned []own) {
	for _, o := range owned {
		if f.has(o.address) {
			f.addresses.Elements = append(f.addresses.Elements, Element{Address: o.address})
		}
	}
	for _, network := range config.SIP.Networks {
		for _, listen := range network.Listens {
			if f.has(listen.Address.Addr()) {
				f.listen(listen, owned)
			}
		}
	}
	for _, set := range []*Set{&f.sip, &f.listeners, &f.streams, &f.addresses} {
		set.sort()
	}
}

// listen puts a listen point in its sets.
func (f *family) listen(listen model.SIPListen, owned []own) {
	e := Element{Address: listen.Address.Addr(), Port: listen.Address.Port()}
	here := e // with the port that has the address
	for _, o := range owned {
		if o.address == e.Address {
			here.In = o.port.Interface()
		}
	}
	if listen.Transport.Stream() {
		f.streams.Elements = append(f.streams.Elements, here)
		return
	}
	f.listeners.Elements = append(f.listeners.Elements, e)
	if here.In != "" {
		f.sip.Elements = append(f.sip.Elements, here)
	}
}

// own is an address of a port.
type own struct {
	port    model.Port
	address netip.Addr
}

// addresses gives all that the box has, by configuration and by DHCP.
func addresses(config *model.Config, leases []model.Lease) []own {
	var all []own
	add := func(port model.Port, address netip.Prefix) {
		if address.IsValid() {
			all = append(all, own{port, address.Addr()})
		}
	}
	for _, lan := range config.LANs {
		add(lan.Port, lan.Address)
		add(lan.Port, lan.Address6)
	}
	for _, lease := range leases {
		add(lease.Port, lease.Address)
	}
	return all
}

// neighbours are the types of neighbour discovery that the box takes:
// solicitation and advertisement (RFC 4861 §4). Routers are not listened to.
var neighbours = Set{Name: "neighbours", Key: []Field{ICMP6Type}, Elements: []Element{{Number: 135}, {Number: 136}}}

// plan gives the rules that a configuration asks for, with the addresses that
// DHCP has brought.
func plan(config *model.Config, leases []model.Lease) Ruleset {
	owned := addresses(config, leases)
	both := families(config, owned)
	r := Ruleset{Sets: []Set{neighbours}}
	for _, f := range both {
		r.Sets = append(r.Sets, f.errors, f.sip, f.listeners, f.streams, f.addresses)
	}
	r.Chains = untrack(both)
	if !config.FirewallOff {
		r.Chains = append(r.Chains, input(config, both, owned)...)
	}
	addNAT(&r, config, both[0].listeners)
	return r.trimmed()
}

// untrack gives the chains that keep SIP out of connection tracking.
func untrack(both []family) []Chain {
	in, out := Chain{Name: "prerouting", Hook: RawIn}, Chain{Name: "output", Hook: RawOut}
	for _, f := range both {
		if len(f.listeners.Elements) == 0 {
			continue
		}
		rule := Rule{What: "SIP is not tracked", Verdict: NoTrack}
		rule.Match = []Match{isIn(f.listeners, f.destination, UDPDestination)}
		in.Rules = append(in.Rules, rule)
		rule.Match = []Match{isIn(f.listeners, f.source, UDPSource)}
		out.Rules = append(out.Rules, rule)
	}
	return []Chain{in, out}
}

// input gives the chain of what comes in for the box, SIP first, and those of
// the ports, to which it goes.
func input(config *model.Config, both []family, owned []own) []Chain {
	all := Chain{Name: "input", Hook: Input, Drop: true, Rules: []Rule{{What: "the box itself", Match: []Match{is(In, Element{In: "lo"})}}}}
	for _, f := range both {
		if len(f.sip.Elements) > 0 {
			all.Rules = append(all.Rules, Rule{What: "SIP", Match: []Match{isIn(f.sip, In, f.destination, UDPDestination)}})
		}
	}
	var chains []Chain
	for i := range config.LANs {
		lan := &config.LANs[i]
		name := lan.Port.Interface()
		chains = append(chains, Chain{Name: name, Rules: portRules(config, lan, both, owned)})
		all.Rules = append(all.Rules, Rule{What: lan.Port.String(), Match: []Match{is(In, Element{In: name})}, Verdict: GoTo, Goto: name})
	}
	all.Rules = append(all.Rules, Rule{What: "other interfaces", Counted: true, Verdict: Drop})
	return append(chains, all)
}

// portRules are the rules for what comes in by a port and is no SIP over UDP
// to an address of it.
func portRules(config *model.Config, lan *model.LAN, both []family, owned []own) []Rule {
	var rules []Rule
	add := func(verdict Verdict, what string, match ...Match) *Rule {
		rules = append(rules, Rule{What: what, Match: match, Counted: true, Verdict: verdict})
		return &rules[len(rules)-1]
	}
	for _, f := range both {
		if len(f.addresses.Elements) > 0 { // the strong host of RFC 1122 §3.3.4.2
			match := []Match{isIn(f.addresses, f.destination)}
			for _, o := range owned {
				if o.port == lan.Port && f.has(o.address) {
					match = append(match, isNot(f.destination, Element{Address: o.address}))
				}
			}
			add(Drop, "to an address of another port", match...)
		}
		if len(f.listeners.Elements) > len(f.sip.Elements) { // a router sends it, or DHCP brings the address later
			add(Accept, "SIP to an address of no port", isNotIn(f.addresses, f.destination), isIn(f.listeners, f.destination, UDPDestination))
		}
	}
	if hasIPv6(lan) {
		// What crossed a router is not a neighbour's (RFC 4861 §7.1).
		add(Accept, "neighbours", isIn(neighbours, ICMP6Type), is(HopLimit6, Element{Number: 255}))
		// Switches ask who listens, and cut off who does not answer (RFC 4541).
		add(Accept, "multicast queries", is(ICMP6Type, Element{Number: 130}))
		// RFC 3704 §2.4; the kernel does it by itself for IPv4 (rp_filter).
		add(Drop, "from where no route leads back", is(SourceRoute6, Element{Number: 0})).Extra = true
	}
	for _, f := range both {
		if f.icmpType == ICMPType || hasIPv6(lan) {
			// Before those of no connection are dropped: SIP has none.
			add(Accept, "ICMP errors", isIn(f.errors, f.icmpType))
		}
	}
	// Only those: a service that is closed or limited is so at once, also for
	// who has used it before.
	add(Accept, "answers", connection(Established), is(Direction, Element{Number: 1}))
	add(Drop, "of no connection", connection(Invalid))
	for _, f := range both {
		if len(f.streams.Elements) > 0 { // to addresses of this port and to those of none: the strong host was first
			add(Accept, "SIP in connections", connection(Established), isIn(f.streams, f.destination, TCPDestination))
			begin := add(Accept, "new SIP connections", isIn(f.streams, f.destination, TCPDestination))
			begin.Limit, begin.Extra = connectionLimit, true
		}
	}
	for _, s := range services(config, lan) {
		if s.on {
			rule := add(Accept, s.name, s.match...)
			rule.Limit, rule.Extra = s.limit, s.limit > 0
		}
	}
	add(Drop, "all else")
	return rules
}

// addNAT adds what the ports with NAT need. Only IPv4 is translated, and only
// what is translated is forwarded.
func addNAT(r *Ruleset, config *model.Config, listeners Set) {
	pairs := Set{Name: "hidden", Key: []Field{In, Out}} // from which port to which
	for _, to := range config.LANs {
		for _, from := range config.LANs {
			if to.NAT && from.Port != to.Port {
				pairs.Elements = append(pairs.Elements, Element{In: from.Port.Interface(), Out: to.Port.Interface()})
			}
		}
	}
	forward := Chain{Name: "forward", Hook: Forward, Drop: !config.FirewallOff}
	through := []Match{is(Family, Element{Number: unix.NFPROTO_IPV4}), isIn(pairs, In, Out)}
	if len(pairs.Elements) > 0 {
		pairs.sort()
		r.Sets = append(r.Sets, pairs)
		forward.Rules = []Rule{
			{What: "answers", Match: []Match{connection(Established | Related)}, Counted: true, Extra: true},
			{What: "NAT", Match: through, Counted: true, Extra: true},
		}
		hide := Rule{What: "NAT", Match: through, Counted: true, Verdict: Masquerade, Extra: true}
		rules := []Rule{hide}
		if ports := portsOf(listeners); len(ports.Elements) > 0 {
			// SIP is not tracked: a phone that kept the port of a listener
			// would get no answer, since the proxy would get it.
			r.Sets = append(r.Sets, ports)
			move := hide
			move.Match, move.Random = append(slices.Clone(through), isIn(ports, UDPSource)), true
			rules = []Rule{move, hide}
		}
		r.Chains = append(r.Chains, Chain{Name: "postrouting", Hook: SourceNAT, Rules: rules})
	}
	if !config.FirewallOff {
		forward.Rules = append(forward.Rules, Rule{What: "not to be forwarded", Counted: true, Verdict: Drop})
		r.Chains = append(r.Chains, forward)
	}
}

// portsOf gives the ports of listeners.
func portsOf(listeners Set) Set {
	ports := Set{Name: "ports", Key: []Field{UDPSource}}
	for _, e := range listeners.Elements {
		ports.Elements = append(ports.Elements, Element{Port: e.Port})
	}
	ports.sort()
	return ports
}

// sort puts the elements in order, each once.
func (s *Set) sort() {
	slices.SortFunc(s.Elements, func(a, b Element) int {
		return cmp.Or(cmp.Compare(a.In, b.In), cmp.Compare(a.Out, b.Out), a.Address.Compare(b.Address), cmp.Compare(a.Port, b.Port))
	})
	s.Elements = slices.Compact(s.Elements)
}
