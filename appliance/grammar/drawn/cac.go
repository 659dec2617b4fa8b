package drawn

import (
	"slices"

	"pgregory.net/rapid"

	"causeway/appliance/model"
)

// drawCAC draws the tables of call admission control.
func drawCAC(t *rapid.T, s *model.SBC) {
	for _, set := range rising(t, number, "policy sets") {
		s.CACPolicySets = append(s.CACPolicySets, policySet(t, set))
	}
	if len(s.CACPolicySets) > 0 && rapid.Bool().Draw(t, "a set is active") {
		s.ActiveCACPolicySet = rapid.SampledFrom(s.CACPolicySets).Draw(t, "active set").Number
	}
}

var (
	description = rapid.OneOf(rapid.Just(""), rapid.StringMatching(`[A-Za-z0-9!]([ -~]{0,40}[!-~])?`))
	callLimit   = rapid.OneOf(rapid.Just(0), rapid.IntRange(1, 1_000_000))
	cacScope    = rapid.SampledFrom([]model.CACScope{
		model.ScopeNotSet, model.ScopeGlobal, model.ScopeCall, model.ScopeAdjacency, model.ScopeAdjacencyGroup,
		model.ScopeAccount, model.ScopeSource, model.ScopeDestination,
	})
	tableType = rapid.Custom(func(t *rapid.T) model.CACTableType {
		return model.CACTableType(rapid.IntRange(0, len(model.CACTableTypeNames)-1).Draw(t, "type"))
	})
)

// policySet draws a set whose tables lead calls from one to a later one.
func policySet(t *rapid.T, n int) model.CACPolicySet {
	p := model.CACPolicySet{
		Number: n, Description: description.Draw(t, "description"),
		FirstScope: cacScope.Filter(func(s model.CACScope) bool { return s != model.ScopeCall }).Draw(t, "first scope"),
		TableType:  tableType.Draw(t, "type of the set"),
	}
	names := rapid.SliceOfNDistinct(name, 0, 3, rapid.ID).Draw(t, "tables")
	if len(names) > 0 && rapid.Bool().Draw(t, "a first table") {
		p.FirstTable = rapid.SampledFrom(names).Draw(t, "first table")
	}
	for i, table := range names {
		drawn := model.CACTable{Name: table, Description: description.Draw(t, "description"), Type: tableType.Draw(t, "type")}
		for _, entry := range rising(t, number, "entries") {
			drawn.Entries = append(drawn.Entries, cacEntry(t, entry, slices.Clone(names[i+1:])))
		}
		p.Tables = append(p.Tables, drawn)
	}
	return p
}

func cacEntry(t *rapid.T, n int, later []string) model.CACEntry {
	e := model.CACEntry{
		Number: n, Match: rapid.OneOf(rapid.Just(""), name).Draw(t, "match"),
		Scope:         cacScope.Draw(t, "scope"),
		BillingFilter: rapid.SampledFrom([]model.CACBillingFilter{model.BillingFilterNotSet, model.BillingFilterDisable, model.BillingFilterEnable}).Draw(t, "filter"),
		BillingXML:    rapid.Bool().Draw(t, "XML"), BillingPackets: rapid.Bool().Draw(t, "event messages"),
	}
	switch {
	case rapid.Bool().Draw(t, "complete"):
		e.Action = model.CACComplete
	case len(later) > 0 && rapid.Bool().Draw(t, "goes on"):
		e.Action, e.NextTable = model.CACNextTable, rapid.SampledFrom(later).Draw(t, "next table")
	}
	if e.Scope == model.ScopeCall {
		return e
	}
	e.MaxCalls = callLimit.Draw(t, "calls")
	if e.MaxRate = callLimit.Draw(t, "rate"); e.MaxRate > 0 {
		e.Burst = callLimit.Draw(t, "burst")
	}
	return e
}
