package firewall

import (
	"fmt"
	"net/netip"
	"slices"
)

// Ruleset is a whole table of nftables as values.
type Ruleset struct {
	Sets   []Set
	Chains []Chain
}

// Set is a named set of what packets may carry.
type Set struct {
	Name     string
	Key      []Field
	Counted  bool // each element counts the packets that it matches
	Elements []Element
}

// Element is one element of a set, or what one field is compared with. Of its
// values those count that the fields ask for.
type Element struct {
	In, Out string // interfaces
	Address netip.Addr
	Port    uint16
	Number  uint8 // of an ICMP type, a hop limit, a family, a direction, a yes or no
}

// Chain is a list of rules, tried in order.
type Chain struct {
	Name  string
	Hook  Hook
	Drop  bool // what no rule decides on; else it is accepted
	Rules []Rule
}

// Hook is where the kernel enters a chain.
type Hook uint8

// The hooks.
const (
	NoHook    Hook = iota // other chains go there
	RawIn                 // all that comes in, before connections are tracked
	RawOut                // all that the box sends, likewise
	Input                 // what is for the box
	Forward               // what goes through the box
	SourceNAT             // the first packet of each connection that leaves
)

// Rule says what becomes of the packets that match all of Match.
type Rule struct {
	What    string // in words; the rule's comment in the kernel
	Match   []Match
	Limit   uint64 // packets a second; 0: any number
	Counted bool
	Verdict Verdict
	Goto    string // the chain of GoTo
	Random  bool   // Masquerade gives any source port; else it keeps the host's if that is free
	// Extra is a rule whose modules are loaded late or may be missing. Without
	// it the table is no more open than with it.
	Extra bool
}

// Verdict is what becomes of a packet.
type Verdict uint8

// The verdicts.
const (
	Accept Verdict = iota
	Drop
	NoTrack
	Masquerade
	GoTo
)

// Match is one condition. With a Set the fields, taken together, are an
// element of it; else the only field has the value, or for Connection one of
// the states.
type Match struct {
	Fields []Field
	Not    bool
	Set    string
	Value  Element
	States State
}

// State is a set of states that connection tracking gives a packet.
type State uint32

// The states (NF_CT_STATE_BIT).
const (
	Invalid State = 1 << iota
	Established
	Related
)

// is matches packets whose field has the value.
func is(field Field, value Element) Match { return Match{Fields: []Field{field}, Value: value} }

// isNot matches all others.
func isNot(field Field, value Element) Match {
	return Match{Fields: []Field{field}, Value: value, Not: true}
}

// isIn matches packets whose fields are an element of the set.
func isIn(set Set, fields ...Field) Match { return Match{Fields: fields, Set: set.Name} }

// isNotIn matches all others.
func isNotIn(set Set, fields ...Field) Match {
	return Match{Fields: fields, Set: set.Name, Not: true}
}

// connection matches packets in one of the states.
func connection(states State) Match { return Match{Fields: []Field{Connection}, States: states} }

// closed is the ruleset without its Extra rules.
func (r Ruleset) closed() Ruleset {
	closed := Ruleset{Sets: r.Sets}
	for _, chain := range r.Chains {
		chain.Rules = slices.DeleteFunc(slices.Clone(chain.Rules), func(rule Rule) bool { return rule.Extra })
		closed.Chains = append(closed.Chains, chain)
	}
	return closed.trimmed()
}

// trimmed is the ruleset without chains that do nothing and sets that no rule
// uses.
func (r Ruleset) trimmed() Ruleset {
	r.Chains = slices.DeleteFunc(slices.Clone(r.Chains), func(chain Chain) bool { return len(chain.Rules) == 0 && !chain.Drop })
	used := map[string]bool{}
	for _, chain := range r.Chains {
		for _, rule := range chain.Rules {
			for _, match := range rule.Match {
				used[match.Set] = true
			}
		}
	}
	r.Sets = slices.DeleteFunc(slices.Clone(r.Sets), func(set Set) bool { return !used[set.Name] })
	return r
}

// Counter is what a rule or an element has counted.
type Counter struct {
	Packets uint64 `json:"packets"`
	Octets  uint64 `json:"octets"`
}

// Counters are those of a table, by the names that these two give.
type Counters map[string]Counter

func ruleCounter(chain, what string) string { return chain + ": " + what }

func elementCounter(set string, e Element) string {
	return fmt.Sprintf("%s: %s %s", set, e.In, netip.AddrPortFrom(e.Address, e.Port))
}
