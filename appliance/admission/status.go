package admission

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"causeway/appliance/link"
	"causeway/appliance/model"
)

// Methods are what the other processes may ask of the gate.
func (g *Gate) Methods() link.Methods {
	return link.Methods{
		"proxy.cps":      func(context.Context) (CPSStatus, error) { return g.cpsStatus(), nil },
		"proxy.cac":      func(_ context.Context, q CACQuery) (CACStatus, error) { return g.cacStatus(q) },
		"proxy.flood":    func(context.Context) (FloodStatus, error) { return g.floodStatus(), nil },
		"proxy.overload": func(context.Context) (OverloadStatus, error) { return g.overloadStatus(), nil },
		"proxy.drain": func(ctx context.Context) error {
			if err := link.OnlyControl(ctx); err != nil {
				return err
			}
			g.Drain()
			return nil
		},
		"proxy.failed-calls": func(_ context.Context, q FailedCallsQuery) (FailedCallsStatus, error) {
			status := g.failed.status(q)
			status.On = g.LogsFailures()
			return status, nil
		},
		"proxy.clear-failed-calls": func(ctx context.Context) error {
			if err := link.OnlyOperators(ctx); err != nil {
				return err
			}
			return g.failed.clear()
		},
	}
}

// CPSStatus is how many calls are offered, and what the limit is (CP-17). Its
// counters count since the process started.
type CPSStatus struct {
	Immediate bool          `json:"immediate"`
	Equal     bool          `json:"equal"`    // the average equal to the limit rejects
	Licensed  bool          `json:"licensed"` // calls may be set up at all
	Limit     int           `json:"limit"`    // calls per second; 0: none
	Rule      string        `json:"rule"`     // what the limit comes from
	Snapshots []Snapshot    `json:"snapshots"`
	Average   float64       `json:"average"`  // calls per second, of the snapshots
	Enforced  bool          `json:"enforced"` // there are enough of them
	Next      time.Duration `json:"next"`     // until the next one
	Rejecting bool          `json:"rejecting"`
	Since     time.Time     `json:"since"` // when rejecting became what it is

	Now           float64 `json:"now"`            // calls per second, of the last second
	MinuteAverage float64 `json:"minute_average"` // of the last minute
	MinuteMaximum float64 `json:"minute_maximum"` // of its busiest second

	Offered         int64 `json:"offered"`
	Admitted        int64 `json:"admitted"`
	Emergency       int64 `json:"emergency"` // of these: would have been refused
	RefusedLicence  int64 `json:"refused_licence"`
	RefusedCPS      int64 `json:"refused_cps"`
	RefusedCallRate int64 `json:"refused_call_rate"` // call-rate-limit
	RefusedCAC      int64 `json:"refused_cac"`
	RefusedDrain    int64 `json:"refused_drain"` // before a restart
	Shed            int64 `json:"shed"`          // by overload, before they were offered
}

func (g *Gate) cpsStatus() CPSStatus {
	now, p := g.now(), g.plan.Load()
	allowance := g.allowance(now)
	limit := p.limit(allowance)
	s := CPSStatus{
		Immediate: p.immediate, Equal: p.equal, Licensed: allowance.Calls, Limit: limit.cps, Rule: limit.rule,
		Offered: g.counted.offered.Load(), Admitted: g.counted.admitted.Load(), Emergency: g.counted.emergency.Load(),
		RefusedLicence: g.counted.licence.Load(), RefusedCPS: g.counted.cps.Load(), RefusedCallRate: g.counted.callRate.Load(),
		RefusedCAC: g.counted.cac.Load(), RefusedDrain: g.counted.drained.Load(), Shed: g.counted.shed.Load(),
	}
	r := &g.rates
	r.mu.Lock()
	defer r.mu.Unlock()
	average := r.average()
	s.Average, s.Enforced = average.rate(), average.enforced
	s.Snapshots, s.Next = slices.Clone(r.snapshots.kept), max(0, r.snapshots.next-now)
	s.Rejecting, s.Since = r.rejecting, time.Now().Add(r.since-now)
	if seconds := r.seconds.kept; len(seconds) > 0 {
		s.Now, s.MinuteAverage = seconds[len(seconds)-1].rate(), r.seconds.whole().rate()
		for _, second := range seconds {
			s.MinuteMaximum = max(s.MinuteMaximum, second.rate())
		}
	}
	return s
}

// CACQuery names a policy set, a table of it, or an entry of that.
type CACQuery struct {
	SBC   string `json:"sbc"`
	Set   int    `json:"set"`
	Table string `json:"table"` // empty: all
	Entry int    `json:"entry"` // 0: all
}

// CACStatus is a policy set as it is in force.
type CACStatus struct {
	SBC    string             `json:"sbc"`
	Active bool               `json:"active"`
	Set    model.CACPolicySet `json:"set"` // without its tables
	Tables []CACTableStatus   `json:"tables"`
}

// CACTableStatus is one of its tables.
type CACTableStatus struct {
	Table    model.CACTable   `json:"table"` // with the type that it has, without its entries
	Failures int64            `json:"failures"`
	Entries  []CACEntryStatus `json:"entries"`
}

// CACEntryStatus is one entry.
type CACEntryStatus struct {
	Entry    model.CACEntry `json:"entry"`
	Failures int64          `json:"failures"` // calls refused since the process started
	Admitted int64          `json:"admitted"` // places given since then
	Calls    []CACCalls     `json:"calls"`    // now, by what they are counted for
}

// CACCalls are the calls that are counted for one thing.
type CACCalls struct {
	Scope string `json:"scope"` // "global", "adjacency"
	Name  string `json:"name"`  // of that adjacency
	Calls int64  `json:"calls"`
}

func (g *Gate) cacStatus(q CACQuery) (CACStatus, error) {
	p := g.plan.Load()
	if p.sbc == "" || p.sbc != q.SBC {
		return CACStatus{}, fmt.Errorf("there is no SBC %s", q.SBC)
	}
	i := slices.IndexFunc(p.sets, func(s *policySet) bool { return s.config.Number == q.Set })
	if i < 0 {
		return CACStatus{}, fmt.Errorf("there is no policy set %d", q.Set)
	}
	set := p.sets[i]
	status := CACStatus{SBC: p.sbc, Active: set == p.cac, Set: *set.config}
	status.Set.Tables = nil
	for _, t := range set.tables {
		if q.Table != "" && q.Table != t.config.Name {
			continue
		}
		one := CACTableStatus{Table: *t.config}
		one.Table.Type, one.Table.Entries = t.kind, nil
		for _, e := range t.entries {
			one.Failures += e.failures.Load()
			if q.Entry == 0 || q.Entry == e.config.Number {
				one.Entries = append(one.Entries, CACEntryStatus{Entry: *e.config, Failures: e.failures.Load(), Admitted: e.admitted.Load(), Calls: e.counted()})
			}
		}
		if q.Entry != 0 && len(one.Entries) == 0 {
			return CACStatus{}, fmt.Errorf("cac-table %s has no entry %d", q.Table, q.Entry)
		}
		status.Tables = append(status.Tables, one)
	}
	if q.Table != "" && len(status.Tables) == 0 {
		return CACStatus{}, fmt.Errorf("policy set %d has no cac-table %s", q.Set, q.Table)
	}
	return status, nil
}

// counted gives the tallies of an entry, by name.
func (t *tallies) counted() []CACCalls {
	var all []CACCalls
	for scope := range t.byName {
		for name, tally := range *t.byName[scope].Load() {
			all = append(all, CACCalls{model.CACScopeNames[scope], name, tally.calls.Load()})
		}
	}
	slices.SortFunc(all, func(a, b CACCalls) int { return strings.Compare(a.Scope+" "+a.Name, b.Scope+" "+b.Name) })
	return all
}

// FloodStatus is what was dropped because of where it came from.
type FloodStatus struct {
	Limit   int      `json:"limit"`   // requests a second of one address outside dialogs
	Dropped int64    `json:"dropped"` // over it
	Deny    int      `json:"deny"`    // networks and addresses of sip deny
	Denied  int64    `json:"denied"`  // messages that came from there
	Sources []Source `json:"sources"` // the worst ones
}

// topSources is how many of them are told.
const topSources = 10

func (g *Gate) floodStatus() FloodStatus {
	p := g.plan.Load()
	return FloodStatus{
		Limit: p.sourceRate, Dropped: g.sources.dropped.Load(), Deny: len(p.denied), Denied: g.counted.denied.Load(),
		Sources: g.sources.top(topSources),
	}
}

// OverloadStatus is what the box does against overload.
type OverloadStatus struct {
	Percent int       `json:"percent"` // of new calls that are refused now
	Since   time.Time `json:"since"`   // of the overload, if there is one
	Shed    int64     `json:"shed"`    // calls refused since the process started
}

func (g *Gate) overloadStatus() OverloadStatus {
	percent, _, _ := g.Feedback()
	g.overload.mu.Lock()
	defer g.overload.mu.Unlock()
	return OverloadStatus{percent, time.Now().Add(g.overload.began - g.now()), g.counted.shed.Load()}
}
