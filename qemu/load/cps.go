package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"causeway/appliance/admission"
	"causeway/appliance/model"
	"causeway/qemu/lab"
)

// CPS offers calls to proxies that are licensed for ten a second: one proxy for
// each mode and rate, all side by side. What became of each call is read in
// SIPp's own log and held against CP-4 to CP-13 (RatedCalls.Check).
type CPS struct {
	Program   string // the appliance
	Snapshots int    // that the load lasts, 2 at least; more than 10 are beyond a full window
	Resumed   int    // that pass then until calls are served again where they were rejected
	Progress  io.Writer
}

const (
	licensedCPS = 10 // two licences
	quietCPS    = 4  // what is left of each load after its last snapshot
	// quietAfter is how long that goes on after the last snapshot of all.
	quietAfter = 5 * time.Second
)

// CPSCase is one proxy, and the calls a second that it is offered.
type CPSCase struct {
	Immediate bool // "cps mode immediate", and 500 is what calls are rejected with
	Rate      int
}

// cpsCases are below the limit, at it and above.
var cpsCases = []CPSCase{{false, 8}, {false, 10}, {false, 12}, {true, 8}, {true, 10}, {true, 12}}

// String is as "window5m_12".
func (c CPSCase) String() string {
	mode := "window5m"
	if c.Immediate {
		mode = "immediate"
	}
	return fmt.Sprintf("%s_%d", mode, c.Rate)
}

// config is what stands behind a Config.
func (c CPSCase) config() string {
	if c.Immediate {
		return "cps mode immediate\ncps reject-code 500\n"
	}
	return ""
}

// caller takes being rejected for an end like another; with another status than
// the configured one the call fails.
func (c CPSCase) caller() lab.Ladder {
	status := "503"
	if c.Immediate {
		status = "500"
	}
	return lab.Ladder("send INVITE, recv 100?, recv " + status + "? ends, recv 180?, recv 200, send ACK, hold, send BYE, recv 200")
}

// Run does it, and gives what was seen in each case, whether it is right or not.
func (c CPS) Run(ctx context.Context) ([]RatedCalls, error) {
	results, errs := make([]RatedCalls, len(cpsCases)), make([]error, len(cpsCases))
	var running sync.WaitGroup
	for i, one := range cpsCases {
		running.Go(func() {
			if results[i], errs[i] = c.offer(ctx, one); errs[i] != nil {
				errs[i] = fmt.Errorf("%s: %w", one, errs[i])
			}
			fmt.Fprintf(c.Progress, "%s is over\n", one)
		})
	}
	running.Wait()
	return results, errors.Join(errs...)
}

// offer is one case.
func (c CPS) offer(ctx context.Context, one CPSCase) (r RatedCalls, err error) {
	r = RatedCalls{CPSCase: one, Load: c.Snapshots, Resumed: c.Resumed}
	w, err := open(ctx, c.Program, 1, one.config())
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	if err := license(ctx, w.proxy); err != nil {
		return r, err
	}
	calls, err := w.beginRated(ctx, one, time.Duration(c.Snapshots+c.Resumed+2)*snapshotPeriod)
	if err != nil {
		return r, err
	}
	defer calls.stop()
	if err = r.follow(ctx, w.proxy, c.Snapshots); err != nil {
		return r, err
	}
	r.Fell = time.Now()
	if err = calls.most.Finish(); err != nil {
		return r, err
	}
	if err = r.follow(ctx, w.proxy, c.Snapshots+c.Resumed); err != nil {
		return r, err
	}
	sleep(ctx, quietAfter)
	if err = calls.quiet.Finish(); err != nil {
		return r, err
	}
	if r.Calls, err = calls.seen(ctx); err != nil {
		return r, err
	}
	err = w.proxy.Call(ctx, "proxy.cps", nil, &r.Shown)
	return r, err
}

// license grants calls, as control does. The proxy may answer SIP before it
// listens to that.
func license(ctx context.Context, proxy *lab.Proxy) error {
	grant := model.Grant{Generation: 1, Now: model.Allowance{Calls: true, LimitCPS: licensedCPS}}
	for {
		err := proxy.Call(ctx, "proxy.grant", grant, nil)
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED) || ctx.Err() != nil {
			return err
		}
		sleep(ctx, 10*time.Millisecond)
	}
}

// ratedRuns is SIPp at both ends of the calls of one case.
type ratedRuns struct{ callee, most, quiet *lab.Run }

// beginRated starts the calls: those of quietCPS, and the others.
func (w *world) beginRated(ctx context.Context, one CPSCase, limit time.Duration) (runs ratedRuns, err error) {
	defer func() {
		if err != nil {
			runs.stop()
		}
	}()
	runs.callee, err = w.where.SIPp(ctx, lab.SIPp{Ladder: Callee, Local: CalleeAt(0), Limit: limit, Repeats: true})
	if err != nil {
		return runs, err
	}
	for n, caller := range []struct {
		run  **lab.Run
		rate int
	}{{&runs.most, one.Rate - quietCPS}, {&runs.quiet, quietCPS}} {
		*caller.run, err = w.where.SIPp(ctx, lab.SIPp{
			Ladder: one.caller(), Local: callerAt(n), Remote: ProxyAt, User: Number(0),
			Rate: caller.rate, Open: 100, Hold: talk, Limit: limit, Messages: true, Repeats: true,
		})
		if err != nil {
			return runs, err
		}
	}
	return runs, nil
}

// stop ends what still runs, and removes the files.
func (r ratedRuns) stop() {
	for _, run := range []*lab.Run{r.most, r.quiet, r.callee} {
		if run != nil {
			run.Stop()
			run.Wait()
		}
	}
}

// seen waits for the callers, who have been told to finish, and gives their calls.
func (r ratedRuns) seen(ctx context.Context) ([]RatedCall, error) {
	var all []RatedCall
	for _, run := range []*lab.Run{r.most, r.quiet} {
		select {
		case <-run.Ended():
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the end of the calls: %w", context.Cause(ctx))
		}
		messages, err := run.Seen()
		if err != nil {
			return nil, err
		}
		calls := ratedCalls(messages)
		statistics, err := run.Statistics()
		if err != nil {
			return nil, err
		}
		failed := placed{failed: statistics.Failed}
		if err := failed.tolerate(len(calls), ErrCallsFailed); err != nil || statistics.Created != len(calls) {
			return nil, fmt.Errorf("SIPp began %d calls of which %d failed, and noted %d", statistics.Created, statistics.Failed, len(calls))
		}
		all = append(all, calls...)
	}
	slices.SortFunc(all, func(a, b RatedCall) int { return a.At.Compare(b.At) })
	return all, nil
}

// ratedCalls finds the calls in a caller's messages.
func ratedCalls(messages []lab.Seen) (calls []RatedCall) {
	index := map[string]int{}
	for _, m := range messages {
		i, known := index[m.CallID]
		switch {
		case m.Sent && !known && strings.HasPrefix(m.Start, "INVITE "):
			index[m.CallID] = len(calls)
			calls = append(calls, RatedCall{At: m.At})
		case !m.Sent && known && strings.HasPrefix(m.Start, "SIP/2.0 50"):
			calls[i].Rejected = true
		}
	}
	return calls
}

// follow notes the snapshots of show cps until there are that many.
func (r *RatedCalls) follow(ctx context.Context, proxy *lab.Proxy, snapshots int) error {
	for {
		var status admission.CPSStatus
		if err := proxy.Call(ctx, "proxy.cps", nil, &status); err != nil {
			return err
		}
		if len(r.Ends) == 0 { // nothing was rejected since the start
			r.Ends = []time.Time{status.Since}
		}
		// Ten are shown; a look every 100 ms misses none of those that come every 30 s.
		next := time.Now().Add(status.Next)
		if n := len(status.Snapshots); n > 0 && next.Sub(r.next) > snapshotPeriod/2 {
			shot := status.Snapshots[n-1]
			r.Ends = append(r.Ends, r.Ends[len(r.Ends)-1].Add(shot.Span))
			r.Counts = append(r.Counts, int(shot.Calls))
		}
		r.next = next
		if len(r.Counts) >= snapshots {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for snapshot %d: %w", snapshots, context.Cause(ctx))
		case <-time.After(100 * time.Millisecond):
		}
	}
}
