package firewall

import (
	"cmp"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"causeway/appliance/model"
)

// pingLimit is how many echo requests a second each port answers.
const pingLimit = 100

// service is something that the box offers on its ports to whoever asks.
type service struct {
	name  string
	match Match
	limit uint64
	when  func(*model.LAN) bool
}

// services is the table of them. What is not here, nor a SIP listener, is
// closed.
var services = []service{
	{"ping", is(ICMPType, Element{Number: 8}), pingLimit, answersPing},
	{"ping over IPv6", is(ICMP6Type, Element{Number: 128}), pingLimit,
		func(l *model.LAN) bool { return answersPing(l) && hasIPv6(l) }},
	{"DHCP server, udp port 67", is(UDPDestination, Element{Port: 67}), 0,
		func(l *model.LAN) bool { return l.DHCP.Mode == model.DHCPServer }},
}

func answersPing(l *model.LAN) bool { return !l.NoPing }
func hasIPv6(l *model.LAN) bool     { return l.Address6.IsValid() }

// family is what differs between IPv4 and IPv6.
type family struct {
	sip       string // set: SIP listeners, each on the port that has its address
	listeners string // set: SIP listeners as they stand in packets, wherever those go
	addresses string // set: all addresses of the box
	errors    string // set: types of ICMP messages that tell what became of other packets

	source, destination, icmpType Field
	has                           func(netip.Addr) bool
}

var families = []family{
	{"sip4", "listeners4", "addresses4", "errors4", Source4, Destination4, ICMPType, netip.Addr.Is4},
	{"sip6", "listeners6", "addresses6", "errors6", Source6, Destination6, ICMP6Type, netip.Addr.Is6},
}

// Other sets.
const (
	neighbours = "neighbours" // types of neighbour discovery (RFC 4861 §4)
	hidden     = "hidden"     // from which port to which there is NAT
)

// icmpTypes are the elements of sets of ICMP types.
var icmpTypes = []Set{
	// Destination unreachable, time exceeded, parameter problem (RFC 792).
	{Name: families[0].errors, Key: []Field{ICMPType}, Elements: []Element{{Number: 3}, {Number: 11}, {Number: 12}}},
	// The same and packet too big (RFC 4443 §3).
	{Name: families[1].errors, Key: []Field{ICMP6Type}, Elements: []Element{{Number: 1}, {Number: 2}, {Number: 3}, {Number: 4}}},
	// Solicitation and advertisement; routers are not listened to.
	{Name: neighbours, Key: []Field{ICMP6Type}, Elements: []Element{{Number: 135}, {Number: 136}}},
}

// plan gives the rules that a configuration asks for, with the addresses that
// DHCP has brought.
func plan(config *model.Config, leases []model.Lease) Ruleset {
	owned := addresses(config, leases)
	r := Ruleset{Sets: slices.Clone(icmpTypes)}
	for _, f := range families {
		r.Sets = append(r.Sets, f.sets(config, owned)...)
	}
	size := func(set string) int {
		return len(r.Sets[slices.IndexFunc(r.Sets, func(s Set) bool { return s.Name == set })].Elements)
	}
	untracked, sent, input := Chain{Name: "prerouting", Hook: RawIn}, Chain{Name: "output", Hook: RawOut},
		Chain{Name: "input", Hook: Input, Drop: true, Rules: []Rule{{What: "the box itself", Match: []Match{is(In, Element{In: "lo"})}}}}
	for _, f := range families {
		if size(f.listeners) == 0 {
			continue
		}
		untracked.Rules = append(untracked.Rules, Rule{What: "SIP is not tracked", Match: []Match{isIn(f.listeners, f.destination, UDPDestination)}, Verdict: NoTrack})
		sent.Rules = append(sent.Rules, Rule{What: "SIP is not tracked", Match: []Match{isIn(f.listeners, f.source, UDPSource)}, Verdict: NoTrack})
		if size(f.sip) > 0 {
			input.Rules = append(input.Rules, Rule{What: "SIP", Match: []Match{isIn(f.sip, In, f.destination, UDPDestination)}})
		}
	}
	r.Chains = append(r.Chains, untracked, sent)
	if !config.FirewallOff {
		for i := range config.LANs {
			lan := &config.LANs[i]
			name := lan.Port.Interface()
			input.Rules = append(input.Rules, Rule{What: lan.Port.String(), Match: []Match{is(In, Element{In: name})}, Verdict: GoTo, Goto: name})
			r.Chains = append(r.Chains, Chain{Name: name, Rules: portRules(lan, owned, size)})
		}
		input.Rules = append(input.Rules, Rule{What: "other interfaces", Counted: true, Verdict: Drop})
		r.Chains = append(r.Chains, input)
	}
	addNAT(&r, config)
	return r.trimmed()
}

// own is an address of a port.
type own struct {
	port    model.Port
	address netip.Addr
}

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

// sets are those of one family.
func (f family) sets(config *model.Config, owned []own) []Set {
	sip := Set{Name: f.sip, Key: []Field{In, f.destination, UDPDestination}, Counted: true}
	listeners := Set{Name: f.listeners, Key: []Field{f.destination, UDPDestination}}
	all := Set{Name: f.addresses, Key: []Field{f.destination}}
	for _, o := range owned {
		if f.has(o.address) {
			all.Elements = append(all.Elements, Element{Address: o.address})
		}
	}
	for _, network := range config.SIP.Networks {
		for _, listen := range network.Listens {
			address, port := listen.Address.Addr(), listen.Address.Port()
			if !f.has(address) {
				continue
			}
			listeners.Elements = append(listeners.Elements, Element{Address: address, Port: port})
			for _, o := range owned {
				if o.address == address {
					sip.Elements = append(sip.Elements, Element{In: o.port.Interface(), Address: address, Port: port})
				}
			}
		}
	}
	return []Set{sip.sorted(), listeners.sorted(), all.sorted()}
}

// portRules are the rules for what comes in by a port and is no SIP.
func portRules(lan *model.LAN, owned []own, size func(set string) int) []Rule {
	var rules []Rule
	add := func(verdict Verdict, what string, match ...Match) *Rule {
		rules = append(rules, Rule{What: what, Match: match, Counted: true, Verdict: verdict})
		return &rules[len(rules)-1]
	}
	for _, f := range families { // the strong host of RFC 1122 §3.3.4.2
		if size(f.addresses) == 0 {
			continue
		}
		match := []Match{isIn(f.addresses, f.destination)}
		for _, o := range owned {
			if o.port == lan.Port && f.has(o.address) {
				match = append(match, isNot(f.destination, Element{Address: o.address}))
			}
		}
		add(Drop, "to an address of another port", match...)
	}
	for _, f := range families { // a router sends to them, or they come later
		if size(f.listeners) > size(f.sip) {
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
	for _, f := range families {
		if f.icmpType == ICMPType || hasIPv6(lan) {
			// Before those of no connection are dropped: SIP has none.
			add(Accept, "ICMP errors", isIn(f.errors, f.icmpType))
		}
	}
	add(Accept, "answers", connection(Established|Related))
	add(Drop, "of no connection", connection(Invalid))
	for _, s := range services {
		if s.when(lan) {
			rule := add(Accept, s.name, s.match)
			rule.Limit, rule.Extra = s.limit, s.limit > 0
		}
	}
	add(Drop, "all else")
	return rules
}

// addNAT adds what the ports with NAT need. Only IPv4 is translated, and only
// what is translated is forwarded.
func addNAT(r *Ruleset, config *model.Config) {
	pairs := Set{Name: hidden, Key: []Field{In, Out}}
	for _, to := range config.LANs {
		for _, from := range config.LANs {
			if to.NAT && from.Port != to.Port {
				pairs.Elements = append(pairs.Elements, Element{In: from.Port.Interface(), Out: to.Port.Interface()})
			}
		}
	}
	forward := Chain{Name: "forward", Hook: Forward, Drop: !config.FirewallOff}
	through := []Match{is(Family, Element{Number: unix.NFPROTO_IPV4}), isIn(hidden, In, Out)}
	if len(pairs.Elements) > 0 {
		r.Sets = append(r.Sets, pairs.sorted())
		forward.Rules = []Rule{
			{What: "answers", Match: []Match{connection(Established | Related)}, Counted: true, Extra: true},
			{What: "NAT", Match: through, Counted: true, Extra: true},
		}
		r.Chains = append(r.Chains, Chain{Name: "postrouting", Hook: SourceNAT, Rules: []Rule{
			{What: "NAT", Match: through, Counted: true, Verdict: Masquerade, Extra: true},
		}})
	}
	if !config.FirewallOff {
		forward.Rules = append(forward.Rules, Rule{What: "not to be forwarded", Counted: true, Verdict: Drop})
		r.Chains = append(r.Chains, forward)
	}
}

// sorted gives the set with its elements in order, each once.
func (s Set) sorted() Set {
	slices.SortFunc(s.Elements, func(a, b Element) int {
		return cmp.Or(cmp.Compare(a.In, b.In), cmp.Compare(a.Out, b.Out), a.Address.Compare(b.Address), cmp.Compare(a.Port, b.Port))
	})
	s.Elements = slices.Compact(s.Elements)
	return s
}
