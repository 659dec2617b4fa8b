package load

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"causeway/appliance/admission"
)

// The rules as they are written, whatever the proxy's code says.
const (
	snapshotPeriod = 30 * time.Second // CP-4
	windowMost     = 10               // snapshots: five minutes (CP-4)
	enforcedFrom   = 2                // snapshots (CP-13)
)

// RatedCall is a call as its caller's SIPp noted it.
type RatedCall struct {
	At       time.Time // of the INVITE
	Rejected bool
}

// RatedCalls is what was seen of one proxy.
type RatedCalls struct {
	CPSCase
	Load, Resumed int         // as in CPS
	Calls         []RatedCall // by time
	Fell          time.Time   // when the load did

	// What show cps said: the start and the end of each snapshot, how many calls
	// were in each, and everything at the end.
	Ends   []time.Time
	Counts []int
	Shown  admission.CPSStatus

	next time.Time // snapshot that was last announced
}

// transit is how long a call may take from SIPp's note of it to being counted,
// where neither gets a processor at once.
const transit = time.Second

// between is how many calls SIPp has sent after one time and up to another.
func (r RatedCalls) between(after, upTo time.Time) (n int) {
	for _, c := range r.Calls {
		if c.At.After(after) && !c.At.After(upTo) {
			n++
		}
	}
	return n
}

// average is that of the window which ends with snapshot k, from 1, by SIPp's
// log: it leaves open in which snapshot a call at the end of one was counted.
func (r RatedCalls) average(k int) (least, most float64) {
	begin, end := r.Ends[max(0, k-windowMost)], r.Ends[k]
	seconds := end.Sub(begin).Seconds()
	return float64(r.between(begin, end.Add(-transit))) / seconds, float64(r.between(begin.Add(-transit), end)) / seconds
}

// rejects is what the rules say of calls after snapshot k: rejected if the
// average exceeds the limit by more than a call in the window (CP-6, CP-11,
// CP-12). What SIPp's log leaves open, the snapshots decide; how many calls are
// in them is checked by itself.
func (r RatedCalls) rejects(k int) bool {
	if k < enforcedFrom {
		return false
	}
	first := max(0, k-windowMost)
	seconds := r.Ends[k].Sub(r.Ends[first]).Seconds()
	exceeded := licensedCPS + 1/seconds
	least, most := r.average(k)
	if least > exceeded || most <= exceeded {
		return least > exceeded
	}
	sum := 0
	for _, count := range r.Counts[first:k] {
		sum += count
	}
	return float64(sum)-licensedCPS*seconds > 1
}

// rejected counts the calls that were.
func (r RatedCalls) rejected() (n int) {
	for _, c := range r.Calls {
		if c.Rejected {
			n++
		}
	}
	return n
}

// Check says what is not as CP-4 to CP-13 have it.
func (r RatedCalls) Check() error {
	if len(r.Counts) != r.Load+r.Resumed {
		return fmt.Errorf("%s: %d snapshots; want %d", r.CPSCase, len(r.Counts), r.Load+r.Resumed)
	}
	errs := []error{r.checkLoad(), r.checkCounts(), r.checkSnapshots()}
	if r.Immediate {
		errs = append(errs, r.checkImmediate())
	} else {
		errs = append(errs, r.checkWindow())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%s: %w", r.CPSCase, err)
	}
	return nil
}

// checkLoad: SIPp has offered what it should, but for the time that it took to start.
func (r RatedCalls) checkLoad() error {
	least, most := r.average(r.Load)
	if rate := float64(r.Rate); most < 0.85*rate || least > 1.02*rate {
		return fmt.Errorf("SIPp has offered %s; want %d", r.averageText(r.Load), r.Rate)
	}
	return nil
}

// checkCounts: show cps counts what SIPp counts.
func (r RatedCalls) checkCounts() error {
	if shown := r.Shown; int(shown.Offered) != len(r.Calls) || int(shown.RefusedCPS) != r.rejected() || int(shown.Admitted) != len(r.Calls)-r.rejected() {
		return fmt.Errorf("show cps says %d calls offered, %d admitted, %d rejected; SIPp %d, %d rejected",
			shown.Offered, shown.Admitted, shown.RefusedCPS, len(r.Calls), r.rejected())
	}
	return nil
}

// checkSnapshots: there is one every 30 s, with the calls that SIPp sent then.
func (r RatedCalls) checkSnapshots() error {
	var errs []error
	for i, count := range r.Counts {
		begin, end := r.Ends[i], r.Ends[i+1]
		if span := end.Sub(begin); math.Abs((span - snapshotPeriod).Seconds()) > 2 { // the clock of the snapshots ticks once a second
			errs = append(errs, fmt.Errorf("snapshot %d lasts %v; want 30 s", i+1, span))
		}
		least, most := r.between(begin, end.Add(-transit)), r.between(begin.Add(-transit), end)
		if count < least || count > most {
			errs = append(errs, fmt.Errorf("snapshot %d has %d calls; want %d to %d as SIPp says", i+1, count, least, most))
		}
	}
	return errors.Join(errs...)
}

// checkWindow: every call is treated as the average before it says, and the
// changes come with the snapshots that arithmetic says.
func (r RatedCalls) checkWindow() error {
	wrong, rejects, rejecting := make([]int, len(r.Ends)), make([]bool, len(r.Ends)), make([]bool, len(r.Ends))
	for k := range rejects {
		rejects[k] = r.rejects(k)
	}
	for _, c := range r.Calls {
		k := 0 // snapshots that are over
		for k+1 < len(r.Ends) && c.At.After(r.Ends[k+1]) {
			k++
		}
		if k+1 < len(r.Ends) && c.At.After(r.Ends[k+1].Add(-transit)) {
			continue // it may be counted in this snapshot or after it
		}
		rejecting[k] = rejecting[k] || c.Rejected
		if c.Rejected != rejects[k] {
			wrong[k]++
		}
	}
	var errs []error
	for k, n := range wrong {
		if n > 0 {
			errs = append(errs, fmt.Errorf("after snapshot %d, at %s, %d calls are not treated as they should: rejected is to be %t", k, r.averageText(k), n, rejects[k]))
		}
	}
	for k := range rejecting {
		want := r.Rate > licensedCPS && k >= enforcedFrom && k < r.Load+r.Resumed
		if r.Rate != licensedCPS && rejecting[k] != want {
			errs = append(errs, fmt.Errorf("after snapshot %d, at %s: rejecting is %t; want %t", k, r.averageText(k), rejecting[k], want))
		}
	}
	return errors.Join(errs...)
}

func (r RatedCalls) averageText(k int) string {
	if k == 0 {
		return "the start"
	}
	least, most := r.average(k)
	return fmt.Sprintf("%.2f–%.2f calls/s", least, most)
}

// checkImmediate: a load up to the limit is served whole; of one above it as much
// as the limit is, from when the first second's worth of calls has been used up;
// and all of it again when it has fallen.
func (r RatedCalls) checkImmediate() error {
	if r.Rate <= licensedCPS {
		if n := r.rejected(); n > 0 {
			return fmt.Errorf("%d calls were rejected; want none", n)
		}
		return nil
	}
	// The bucket is empty licensedCPS/(Rate−licensedCPS) seconds after the start.
	const span = 10 * time.Second
	var errs []error
	for begin := r.Calls[0].At.Add(span); begin.Add(span).Before(r.Fell); begin = begin.Add(span) {
		admitted := 0
		for _, c := range r.Calls {
			if !c.Rejected && c.At.After(begin) && !c.At.After(begin.Add(span)) {
				admitted++
			}
		}
		if want := licensedCPS * int(span.Seconds()); admitted < want-licensedCPS/2 || admitted > want+licensedCPS/2 {
			errs = append(errs, fmt.Errorf("%d calls were admitted in 10 s; want about %d", admitted, want))
		}
	}
	for _, c := range r.Calls {
		if after := c.At.Sub(r.Fell); c.Rejected && after > time.Second {
			errs = append(errs, fmt.Errorf("a call was rejected %v after the load had fallen", after))
		}
	}
	return errors.Join(errs...)
}

// String gives what was seen, one key=value a line.
func (r RatedCalls) String() string {
	var text strings.Builder
	say := func(key string, value any) { fmt.Fprintf(&text, "%s_%s=%v\n", r.CPSCase, key, value) }
	say("sipp_calls", len(r.Calls))
	say("sipp_rejected", r.rejected())
	say("show_cps_offered", r.Shown.Offered)
	say("show_cps_rejected", r.Shown.RefusedCPS)
	var first, last time.Duration
	for _, c := range r.Calls {
		if c.Rejected {
			last = c.At.Sub(r.Ends[0])
			if first == 0 {
				first = last
			}
		}
	}
	if last > 0 {
		say("first_rejected_s", fmt.Sprintf("%.1f", first.Seconds()))
		say("last_rejected_s", fmt.Sprintf("%.1f", last.Seconds()))
	}
	if r.Load <= len(r.Counts) {
		least, most := r.average(r.Load)
		say("average_at_full_load", fmt.Sprintf("%.3f-%.3f", least, most))
	}
	say("load_fell_s", fmt.Sprintf("%.1f", r.Fell.Sub(r.Ends[0]).Seconds()))
	return text.String()
}
