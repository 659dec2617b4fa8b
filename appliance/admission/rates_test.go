package admission

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"causeway/appliance/model"
)

// window5m is a configuration with "cps mode window5m".
func window5m(equal bool) *model.Config {
	return &model.Config{Admission: model.Admission{CPSEqual: equal}}
}

// TestCPSWindow is CP-4…CP-7 and CP-11…CP-13 at loads below, at and above a
// limit of 10 calls per second: phases of constant load, and whether calls are
// rejected at the end of each.
func TestCPSWindow(t *testing.T) {
	type phase struct {
		rate, seconds int
		rejecting     bool
	}
	for _, test := range []struct {
		name   string
		equal  bool
		phases []phase
	}{
		{"below the limit", false, []phase{{9, 600, false}}},
		{"below the limit, rejecting at equal", true, []phase{{9, 600, false}}},
		{"the average equals the limit", false, []phase{{10, 600, false}}},
		{"the average equals the limit, rejecting at equal", true, []phase{{10, 59, false}, {10, 1, true}, {10, 600, true}}},
		{"never before the second snapshot", false, []phase{{100, 59, false}, {100, 1, true}}},
		// 300 s at 12 make 3600 calls in the window; each 30 s at 4 take 240 off: after 3 of them 2880 are left.
		{"above, and resumed when the average falls below", false, []phase{{12, 300, true}, {4, 60, true}, {4, 30, false}}},
		// Each 30 s at 8 take 120 off: after 5 of them 3000 are left, the limit exactly.
		{"above, and resumed when it falls to the limit", false, []phase{{12, 300, true}, {8, 149, true}, {8, 1, false}}},
		{"above, and not resumed at the limit when rejecting at equal", true, []phase{{12, 300, true}, {8, 150, true}, {8, 29, true}, {8, 1, false}}},
		{"a volume that stays high is not served again", false, []phase{{20, 3600, true}}},
		{"a peak of a minute is within the average", false, []phase{{5, 300, false}, {30, 60, false}, {5, 300, false}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			now := time.Hour
			g := gateAt(t, &now, 10, window5m(test.equal))
			in := invite(t, "sip:bob@example.com", anyAdjacency)
			for i, p := range test.phases {
				offerEvenly(t, g, &now, p.rate, p.seconds)
				refusal := g.Offer(in)
				g.counted.offered.Add(-1) // that one was only a question
				if rejecting := refusal.Status != 0; rejecting != p.rejecting || g.cpsStatus().Rejecting != p.rejecting {
					t.Fatalf("after phase %d, average %.2f: Offer() = %+v, show cps says rejecting %t; want rejecting %t",
						i+1, g.rates.average().rate(), refusal, g.cpsStatus().Rejecting, p.rejecting)
				}
				if p.rejecting && (refusal.Status != 503 || refusal.Rule != model.RuleCPS || refusal.Reason == "" || refusal.RetryAfter < 1 || refusal.RetryAfter > 30) {
					t.Errorf("Offer() = %+v; want 503 with a phrase and a Retry-After of 1–30 (CP-15)", refusal)
				}
			}
		})
	}
}

// TestRejectingDoesNotOscillate is CP-10: rejected calls count as offered, so
// a volume twice the limit is rejected once and for all. If only admitted
// calls were counted, rejecting would end itself.
func TestRejectingDoesNotOscillate(t *testing.T) {
	const limit = 10
	for _, test := range []struct {
		name    string
		counted func(offered, admitted int64) int64
		changes func(n int) bool
	}{
		{"offered calls count", func(offered, _ int64) int64 { return offered }, func(n int) bool { return n == 1 }},
		{"admitted calls count", func(_, admitted int64) int64 { return admitted }, func(n int) bool { return n > 5 }},
	} {
		p := &plan{}
		var r rates
		r.start(0)
		exceeds := func(time.Duration) bool { return p.rejects(r.average(), limit) }
		var offered, admitted int64
		changes, was := 0, false
		for second := range 2 * 3600 {
			offered += 2 * limit
			if !exceeds(0) {
				admitted += 2 * limit
			}
			r.tick(time.Duration(second+1)*time.Second, test.counted(offered, admitted), exceeds)
			if is := exceeds(0); is != was {
				changes, was = changes+1, is
			}
		}
		if !test.changes(changes) {
			t.Errorf("%s: rejecting changed %d times in two hours", test.name, changes)
		}
	}
}

// TestCPSWindowAgainstTheRules draws loads and compares with CP-4…CP-13 as
// they are written, snapshot by snapshot.
func TestCPSWindowAgainstTheRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 20).Draw(t, "limit")
		equal := rapid.Bool().Draw(t, "reject at equal")
		now := time.Hour
		g := New(Options{Now: func() time.Duration { return now }})
		g.Apply(window5m(equal))
		if err := g.SetGrant(model.Grant{Now: model.Allowance{Calls: true, LimitCPS: limit}}); err != nil {
			t.Fatal(err)
		}
		var snapshots []int // calls in each 30 s, since the start
		for range rapid.IntRange(1, 30).Draw(t, "snapshots") {
			calls := rapid.OneOf(rapid.IntRange(30*limit-2, 30*limit+2), rapid.IntRange(0, 60*limit)).Draw(t, "calls")
			g.counted.offered.Add(int64(calls))
			now += 30 * time.Second
			g.rates.tick(now, g.counted.offered.Load(), g.exceeds)

			snapshots = append(snapshots, calls)
			last := snapshots[max(0, len(snapshots)-10):]
			sum := 0
			for _, n := range last {
				sum += n
			}
			over := sum - limit*30*len(last)
			want := len(snapshots) >= 2 && (over > 1 || equal && over >= -1) // one call more or less is the limit
			if got := g.exceeds(now); got != want {
				t.Fatalf("after %v with limit %d, reject at equal %t: rejecting = %t; want %t", snapshots, limit, equal, got, want)
			}
		}
	})
}

// TestLateTicks: a snapshot covers what has passed, however late it is taken.
func TestLateTicks(t *testing.T) {
	for _, test := range []struct {
		name    string
		late    time.Duration
		average string
		kept    int
	}{
		{"in time", 0, "10.00", 10},
		{"a second", time.Second, "9.97", 10},
		{"suspended for an hour", time.Hour, "0.08", 1},
	} {
		w := window{period: snapshotPeriod, most: snapshotMost, next: snapshotPeriod}
		var now time.Duration
		var total int64
		for range 20 {
			now += snapshotPeriod
			total += 300
			w.tick(now, total)
		}
		now += snapshotPeriod + test.late
		w.tick(now, total+300)
		if got := fmt.Sprintf("%.2f", w.whole().rate()); got != test.average || len(w.kept) != test.kept {
			t.Errorf("%s late: average %s of %d snapshots; want %s of %d", test.name, got, len(w.kept), test.average, test.kept)
		}
		if w.next <= now || w.next > now+snapshotPeriod {
			t.Errorf("%s late: next snapshot %v from now; want within %v", test.name, w.next-now, snapshotPeriod)
		}
	}
}

// TestCommitKeepsTheCount: the window goes on when the limit or the mode
// changes, and a higher limit ends the rejecting at once.
func TestCommitKeepsTheCount(t *testing.T) {
	now := time.Hour
	g := gateAt(t, &now, 10, window5m(false))
	in := invite(t, "sip:bob@example.com", anyAdjacency)
	offerEvenly(t, g, &now, 12, 300)
	for _, step := range []struct {
		name   string
		change func()
		passes bool
	}{
		{"at first", func() {}, false},
		{"immediate mode", func() { g.Apply(&model.Config{Admission: model.Admission{CPSImmediate: true}}) }, true},
		{"the window again", func() { g.Apply(window5m(false)) }, false},
		{"a higher limit", func() {
			if err := g.SetGrant(model.Grant{Generation: 2, Now: model.Allowance{Calls: true, LimitCPS: 15}}); err != nil {
				t.Fatal(err)
			}
		}, true},
		{"a lower one of the operator", func() { g.Apply(&model.Config{Admission: model.Admission{CallRate: 11}}) }, false},
	} {
		step.change()
		if refusal := g.Offer(in); (refusal.Status == 0) != step.passes {
			t.Errorf("%s: Offer() = %+v; want it to pass: %t", step.name, refusal, step.passes)
		}
		if got := len(g.cpsStatus().Snapshots); got != 10 {
			t.Errorf("%s: %d snapshots; want 10", step.name, got)
		}
	}
}

// TestCallRate: the last second, and average and maximum of the last minute.
func TestCallRate(t *testing.T) {
	now := time.Hour
	g := gateAt(t, &now, 0, &model.Config{})
	offerEvenly(t, g, &now, 30, 60)
	offerEvenly(t, g, &now, 5, 30)
	offerEvenly(t, g, &now, 2, 1)
	status := g.cpsStatus()
	if want := (29*30 + 30*5 + 2) / 60.; status.Now != 2 || status.MinuteAverage != want || status.MinuteMaximum != 30 {
		t.Errorf("now %v, average %v, maximum %v; want 2, %v, 30", status.Now, status.MinuteAverage, status.MinuteMaximum, want)
	}
	offerEvenly(t, g, &now, 5, 60)
	if status := g.cpsStatus(); status.MinuteMaximum != 5 {
		t.Errorf("a minute later the maximum is %v; want 5", status.MinuteMaximum)
	}
}
