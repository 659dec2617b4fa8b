package admission

import (
	"fmt"
	"strings"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

// The sides of a call, both of which a table is tried for.
const (
	caller = iota
	callee
	legCount
)

// policySet is a set of tables as calls go through them. It never changes.
type policySet struct {
	config *model.CACPolicySet
	tables []*cacTable
	first  *cacTable // nil: the set has no table
}

// cacTable is one table.
type cacTable struct {
	config  *model.CACTable
	kind    model.CACTableType // never TableNotSet
	entries []*cacEntry
	next    *cacTable // where a call goes on that no entry takes
}

// cacEntry is one entry.
type cacEntry struct {
	config *model.CACEntry
	scope  model.CACScope // never ScopeNotSet
	next   *cacTable      // where a call goes on that it took; nil: nowhere
	*tallies

	// The bucket of max-call-rate-per-scope: a minute's calls and the burst.
	token, depth     time.Duration
	tooMany, tooFast hop.Refusal
}

// newPolicySet makes the set that a configuration says. Tables are found by
// name; one that does not exist, which Check refuses, is nowhere.
func newPolicySet(c *model.CACPolicySet, talliesOf func(entryKey) *tallies) *policySet {
	set := &policySet{config: c}
	byName := make(map[string]*cacTable)
	for i := range c.Tables {
		t := &cacTable{config: &c.Tables[i], kind: c.Tables[i].Type}
		if t.kind == model.TableNotSet {
			t.kind = c.TableType
		}
		if t.kind == model.TableNotSet {
			t.kind = model.TablePolicySet
		}
		if i > 0 {
			set.tables[i-1].next = t
		}
		set.tables = append(set.tables, t)
		byName[t.config.Name] = t
	}
	if set.first = byName[c.FirstTable]; set.first == nil && len(set.tables) > 0 {
		set.first = set.tables[0]
	}
	for _, t := range set.tables {
		for i := range t.config.Entries {
			e := newEntry(c.Number, t, &t.config.Entries[i], talliesOf)
			switch e.config.Action {
			case model.CACNotSet:
				e.next = t.next
			case model.CACNextTable:
				e.next = byName[e.config.NextTable]
			}
			if e.scope == model.ScopeNotSet && t == set.first {
				e.scope = c.FirstScope
			}
			if e.scope == model.ScopeNotSet {
				e.scope = model.ScopeGlobal
			}
			t.entries = append(t.entries, e)
		}
	}
	return set
}

func newEntry(set int, t *cacTable, c *model.CACEntry, talliesOf func(entryKey) *tallies) *cacEntry {
	e := &cacEntry{config: c, scope: c.Scope, tallies: talliesOf(entryKey{set, t.config.Name, c.Number})}
	name := fmt.Sprintf("cac entry %d/%s/%d ", set, t.config.Name, c.Number)
	e.tooMany = hop.Refusal{Status: 503, Reason: "Call Limit Reached", Rule: name + "max-num-calls"}
	e.tooFast = hop.Refusal{Status: 503, Reason: "Call Rate Limit Reached", Rule: name + "max-call-rate-per-scope"}
	if c.MaxRate > 0 {
		e.token = time.Minute / time.Duration(c.MaxRate)
		e.depth = e.token * time.Duration(c.MaxRate+c.Burst)
	}
	return e
}

// comparisons say, by type of table, which legs a table is tried for and what
// a match-value is compared with.
var comparisons = [...]struct {
	legs    [legCount]bool
	matches func(value string, leg *model.Adjacency, dialled []byte) bool
}{
	model.TablePolicySet:      {[legCount]bool{true, true}, inGroupOrNamed},
	model.LimitAdjacencyGroup: {[legCount]bool{true, true}, inGroupOrNamed},
	model.LimitAdjacency:      {[legCount]bool{true, true}, named},
	model.LimitSource:         {[legCount]bool{caller: true}, named},
	model.LimitDestination:    {[legCount]bool{callee: true}, named},
	model.LimitAccount:        {[legCount]bool{true, true}, ofAccount},
	model.LimitPrefix:         {[legCount]bool{true, true}, dialling},
}

func inGroupOrNamed(value string, leg *model.Adjacency, _ []byte) bool {
	return leg.Group == value || leg.Name == value
}

func named(value string, leg *model.Adjacency, _ []byte) bool { return leg.Name == value }

func ofAccount(value string, leg *model.Adjacency, _ []byte) bool { return leg.Account == value }

func dialling(value string, _ *model.Adjacency, dialled []byte) bool {
	return len(dialled) >= len(value) && string(dialled[:len(value)]) == value
}

// find gives for each leg of a call the first entry that takes it, or nil. An
// entry without match-value takes every leg that the table is tried for.
func (t *cacTable) find(legs *[legCount]*model.Adjacency, dialled []byte) (found [legCount]*cacEntry) {
	compared := &comparisons[t.kind]
	for side, leg := range legs {
		if leg == nil || !compared.legs[side] {
			continue
		}
		for _, e := range t.entries {
			if e.config.Match == "" || compared.matches(e.config.Match, leg, dialled) {
				found[side] = e
				break
			}
		}
	}
	return found
}

// bill brings in what the entry says about billing: it replaces what an
// earlier one said.
func (e *cacEntry) bill(b *model.CallBilling) {
	switch e.config.BillingFilter {
	case model.BillingFilterEnable:
		*b = model.CallBilling{Filtered: true, XML: e.config.BillingXML, PacketCable: e.config.BillingPackets}
	case model.BillingFilterDisable:
		*b = model.CallBilling{}
	}
}

// checkSet says what no single line of a policy set can be blamed for: tables
// that lead a call round in a circle, limits of what is not counted.
func checkSet(c *model.CACPolicySet) error {
	set := newPolicySet(c, func(entryKey) *tallies { return nil })
	done := make(map[*cacTable]bool)
	for _, t := range set.tables {
		if circle := t.circle(nil, done); circle != nil {
			return fmt.Errorf("calls would go round in a circle: cac-table %s", strings.Join(circle, ", then "))
		}
		for _, e := range t.entries {
			if e.scope == model.ScopeCall && (e.config.MaxCalls > 0 || e.config.MaxRate > 0) {
				return fmt.Errorf("cac-table %s, entry %d: a limit with cac-scope call never counts more than one call", t.config.Name, e.config.Number)
			}
		}
	}
	return nil
}

// circle gives the names of tables that lead to each other, or nil. done are
// those that are known to lead to an end.
func (t *cacTable) circle(path []string, done map[*cacTable]bool) []string {
	if t == nil || done[t] {
		return nil
	}
	for i, name := range path {
		if name == t.config.Name {
			return append(path[i:], name)
		}
	}
	path = append(path, t.config.Name)
	if circle := t.next.circle(path, done); circle != nil {
		return circle
	}
	for _, e := range t.entries {
		if circle := e.next.circle(path, done); circle != nil {
			return circle
		}
	}
	done[t] = true
	return nil
}
