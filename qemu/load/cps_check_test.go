package load

import (
	"testing"
	"time"

	"causeway/appliance/admission"
)

// obeys gives what a proxy that obeys the rules is seen to do: calls come evenly
// from the start of the first snapshot, and what SIPp notes is counted at once.
func obeys(c CPSCase, load, resumed int) RatedCalls {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	r := RatedCalls{CPSCase: c, Load: load, Resumed: resumed, Ends: []time.Time{start}, Fell: start.Add(time.Duration(load) * snapshotPeriod)}
	tokens := float64(licensedCPS)
	rejecting, inShot := false, 0
	var sums []int
	at := start.Add(time.Millisecond)
	for end := start.Add(time.Duration(load+resumed)*snapshotPeriod + quietAfter); at.Before(end); {
		rate := c.Rate
		if at.After(r.Fell) {
			rate = quietCPS
		}
		for at.After(start.Add(time.Duration(len(r.Counts)+1) * snapshotPeriod)) {
			r.Ends, r.Counts = append(r.Ends, r.Ends[len(r.Counts)].Add(snapshotPeriod)), append(r.Counts, inShot)
			sums = append(sums, inShot)
			sum := 0
			for _, n := range sums[max(0, len(sums)-10):] {
				sum += n
			}
			rejecting = len(sums) >= 2 && sum > 300*min(len(sums), 10)
			inShot = 0
		}
		call := RatedCall{At: at, Rejected: rejecting}
		if c.Immediate {
			call.Rejected = tokens < 1
			if !call.Rejected {
				tokens--
			}
		}
		r.Calls = append(r.Calls, call)
		inShot++
		step := time.Second / time.Duration(rate)
		at, tokens = at.Add(step), min(licensedCPS, tokens+licensedCPS*step.Seconds())
	}
	r.Shown = shown(r)
	return r
}

func shown(r RatedCalls) admission.CPSStatus {
	rejected := int64(r.rejected())
	return admission.CPSStatus{Offered: int64(len(r.Calls)), Admitted: int64(len(r.Calls)) - rejected, RefusedCPS: rejected}
}

// TestRatedCallsCheck: what obeys the rules passes, in the short form and the
// long one.
func TestRatedCallsCheck(t *testing.T) {
	for _, c := range cpsCases {
		for _, length := range [][2]int{{2, 1}, {11, 3}} {
			if err := obeys(c, length[0], length[1]).Check(); err != nil {
				t.Errorf("Check() of %v with %v snapshots = %v", c, length, err)
			}
		}
	}
}

// TestRatedCallsCheckFindsFaults: what does not is found.
func TestRatedCallsCheckFindsFaults(t *testing.T) {
	above, immediate := CPSCase{false, 12}, CPSCase{true, 12}
	within := func(r *RatedCalls, from, to time.Duration, rejected bool) {
		for i := range r.Calls {
			if after := r.Calls[i].At.Sub(r.Ends[0]); after >= from && after < to {
				r.Calls[i].Rejected = rejected
			}
		}
		r.Shown = shown(*r)
	}
	for _, test := range []struct {
		name  string
		of    CPSCase
		spoil func(*RatedCalls)
	}{
		{"one call let in while the average is above", above, func(r *RatedCalls) { within(r, 200*time.Second, 200*time.Second+80*time.Millisecond, false) }},
		{"rejected before the second snapshot", above, func(r *RatedCalls) { within(r, 40*time.Second, 41*time.Second, true) }},
		{"rejecting a snapshot too late", above, func(r *RatedCalls) { within(r, time.Minute, 90*time.Second, false) }},
		{"served again a snapshot too early", above, func(r *RatedCalls) { within(r, 390*time.Second, 420*time.Second, false) }},
		{"served again a snapshot too late", above, func(r *RatedCalls) { within(r, 420*time.Second, time.Hour, true) }},
		{"never rejecting", above, func(r *RatedCalls) { within(r, 0, time.Hour, false) }},
		{"rejecting below the limit", CPSCase{false, 8}, func(r *RatedCalls) { within(r, 100*time.Second, 101*time.Second, true) }},
		{"a call that show cps has not counted", above, func(r *RatedCalls) { r.Shown.Offered-- }},
		{"a rejection that show cps has not counted", above, func(r *RatedCalls) { r.Shown.RefusedCPS--; r.Shown.Admitted++ }},
		{"a snapshot with too few calls", above, func(r *RatedCalls) { r.Counts[4] -= 13 }},
		{"a snapshot of 40 s", above, func(r *RatedCalls) { r.Ends[5] = r.Ends[5].Add(10 * time.Second) }},
		{"more load than there should be", CPSCase{false, 8}, func(r *RatedCalls) { r.Rate = 6 }},
		{"a snapshot is missing", above, func(r *RatedCalls) { r.Counts = r.Counts[1:] }},
		{"immediate: nothing is rejected", immediate, func(r *RatedCalls) { within(r, 0, time.Hour, false) }},
		{"immediate: all is rejected for ten seconds", immediate, func(r *RatedCalls) { within(r, 100*time.Second, 110*time.Second, true) }},
		{"immediate: rejected after the load has fallen", immediate, func(r *RatedCalls) { within(r, 335*time.Second, 336*time.Second, true) }},
		{"immediate: rejected at the limit", CPSCase{true, 10}, func(r *RatedCalls) { within(r, 100*time.Second, 101*time.Second, true) }},
	} {
		r := obeys(test.of, 11, 3)
		test.spoil(&r)
		if err := r.Check(); err == nil {
			t.Errorf("%s: Check() = nil; want an error", test.name)
		}
	}
}
