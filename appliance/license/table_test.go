package license

import (
	"testing"

	"causeway/appliance/model"
)

// TestTable holds every state, event and profile against what was transcribed
// from the source documents (L-5 to L-28, X-1 to X-7), and not from the table of
// the code. A dot is "stays".
func TestTable(t *testing.T) {
	const (
		uncfg, unid, reg, evalExp, auth, ooc, authExp = Unconfigured, Unidentified, Registered, EvalExpired, Authorized, OutOfCompliance, AuthorizationExpired
		stays                                         = State(-1)
	)
	states := []State{uncfg, unid, reg, evalExp, auth, ooc, authExp}
	transitions := []struct {
		event   event
		profile string // "": both
		to      [7]State
	}{
		{enabled, "", [7]State{unid, stays, stays, stays, stays, stays, stays}},
		{disabled, "", [7]State{uncfg, uncfg, uncfg, uncfg, uncfg, uncfg, uncfg}},
		{registered, "", [7]State{stays, reg, stays, stays, stays, stays, stays}},
		{deregistered, "", [7]State{stays, stays, unid, stays, unid, unid, unid}},
		{inCompliance, "", [7]State{stays, stays, auth, auth, auth, auth, auth}},
		{outOfCompliance, "", [7]State{stays, stays, ooc, ooc, ooc, ooc, ooc}},
		{unauthorized, "", [7]State{stays, stays, stays, stays, reg, reg, reg}}, // as if Mother May I was never answered
		{requestFailed, "", [7]State{stays, stays, stays, stays, stays, stays, stays}},
		{reentitlingFailed, "cusp-9", [7]State{stays, stays, stays, stays, stays, stays, stays}},
		{reentitlingFailed, "cccsp-15", [7]State{stays, stays, stays, stays, ooc, stays, stays}},
		{evaluationOver, "", [7]State{stays, evalExp, evalExp, stays, stays, stays, stays}},
		{authorizationOver, "", [7]State{stays, stays, stays, stays, authExp, authExp, stays}},
		{idExpired, "cusp-9", [7]State{stays, stays, authExp, stays, authExp, authExp, stays}},
		{idExpired, "cccsp-15", [7]State{stays, stays, unid, stays, unid, unid, unid}},
	}
	seen := map[event]map[string]bool{}
	for _, row := range transitions {
		for _, profile := range []string{model.LicenseStrict, model.LicenseContinuity} {
			if row.profile != "" && row.profile != profile {
				continue
			}
			if seen[row.event] == nil {
				seen[row.event] = map[string]bool{}
			}
			seen[row.event][profile] = true
			for i, from := range states {
				want := row.to[i]
				if want == stays {
					want = from
				}
				if got := from.after(row.event, profile); got != want {
					t.Errorf("%s: %v after %q = %v; want %v", profile, from, row.event, got, want)
				}
			}
		}
	}
	for e := range event(events) {
		if len(seen[e]) != 2 {
			t.Errorf("%q is held against the profiles %v; want both", e, seen[e])
		}
	}

	effects := []struct {
		state                    State
		evaluates                bool
		strict, continuity       bool // calls are allowed
		strictTold, continueTold bool // notification listen mode
	}{
		{uncfg, false, false, false, false, false},
		{unid, true, true, true, false, false},
		{reg, true, true, true, false, false},
		{evalExp, false, false, false, false, false},
		{auth, false, true, true, false, false},
		{ooc, false, true, true, false, true},
		{authExp, false, false, true, false, true},
	}
	if len(effects) != len(table) || len(table) != len(renderings) {
		t.Errorf("%d effects, %d rows, %d renderings; want one of each for a state", len(effects), len(table), len(renderings))
	}
	for _, want := range effects {
		if got := want.state.evaluates(); got != want.evaluates {
			t.Errorf("%v.evaluates() = %t; want %t", want.state, got, want.evaluates)
		}
		if got := want.state.effect("cusp-9"); got != (effect{want.strict, want.strictTold}) {
			t.Errorf("cusp-9: %v.effect() = %+v; want calls %t, listens %t", want.state, got, want.strict, want.strictTold)
		}
		if got := want.state.effect("cccsp-15"); got != (effect{want.continuity, want.continueTold}) {
			t.Errorf("cccsp-15: %v.effect() = %+v; want calls %t, listens %t", want.state, got, want.continuity, want.continueTold)
		}
	}
}
