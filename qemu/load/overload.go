package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"causeway/qemu/lab"
)

// Overload is ten times the calls that a proxy can do. SIPp fills two
// processors before a proxy does, so the proxy gets only so much of one
// processor that a tenth of the calls would fill it.
type Overload struct {
	Program  string // the appliance
	Rate     int    // calls offered per second
	Length   time.Duration
	Progress io.Writer
}

// overload is how many times more calls are offered than can be done.
const overload = 10

// patient takes a refusal for an end like another.
const patient lab.Ladder = "send INVITE, recv 100?, recv 503? ends, recv 180?, recv 200, send ACK, hold, send BYE, recv 200"

// Overloaded is how a proxy fared.
type Overloaded struct {
	Offered    int           // calls
	Admitted   int           // that reached the callee
	Completed  int           // of these: to their end
	Refused    int           // with 503
	Unanswered int           // neither
	MemoryKB   int           // resident before
	WorstKB    int           // and at the worst
	Recovery   time.Duration // from the last INVITE of these calls
}

// String gives the result, one key=value a line.
func (o Overloaded) String() string {
	return fmt.Sprintf("calls_offered=%d\ncalls_admitted=%d\ncalls_completed=%d\ncompleted_percent=%.2f\ncalls_refused=%d\ncalls_unanswered=%d\n"+
		"rss_kb_before=%d\nrss_kb_worst=%d\nrecovery_ms=%d\n",
		o.Offered, o.Admitted, o.Completed, o.percent(), o.Refused, o.Unanswered, o.MemoryKB, o.WorstKB, o.Recovery.Milliseconds())
}

func (o Overloaded) percent() float64 {
	return 100 * float64(o.Completed) / float64(max(o.Admitted, 1))
}

// Check fails unless that part of the admitted calls completed, in percent, and
// overload did no more harm than it must.
func (o Overloaded) Check(percent float64) error {
	var errs []error
	for _, rule := range []struct {
		broken bool
		text   string
	}{
		{o.Admitted == 0 || o.Refused == 0, "calls were not both admitted and refused: there was no overload"},
		{o.percent() < percent, fmt.Sprintf("fewer than %v %% of the admitted calls completed", percent)},
		{o.WorstKB > o.MemoryKB+flatKB, "memory was not flat"},
		{o.Recovery > 10*time.Second, "the proxy did not recover within seconds"},
	} {
		if rule.broken {
			errs = append(errs, errors.New(rule.text))
		}
	}
	return errors.Join(errs...)
}

// flatKB is by how much the memory of a proxy may rise under what it cannot do.
const flatKB = 48 << 10

// Run does it.
func (o Overload) Run(ctx context.Context) (result Overloaded, err error) {
	pairs := (o.Rate + PairRate - 1) / PairRate
	w, err := open(ctx, o.Program, pairs+1, "") // the last one is for single calls
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	share, err := o.share(ctx, w, pairs)
	if err != nil {
		return result, err
	}
	release, err := lab.Throttle(w.proxy.PID(), share)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, release()) }()
	fmt.Fprintf(o.Progress, "%d calls a second for %v, with %.1f %% of a processor\n", o.Rate, o.Length, 100*share)
	if result.MemoryKB, err = w.proxy.MemoryKB(); err != nil {
		return result, err
	}
	watch := watchMemory(w.proxy)
	callers, callees, err := o.offer(ctx, w, pairs)
	if err == nil {
		sleep(ctx, o.Length+repeats)
		result.Recovery, err = w.recovery(ctx, pairs)
	}
	result.WorstKB = watch.stop()
	if err == nil {
		err = result.count(ctx, callers, callees)
	}
	for _, run := range append(callers, callees...) {
		run.Stop()
		run.Wait() // removes its files
	}
	return result, err
}

// share is what of a processor a tenth of the rate needs, by what the whole of it
// needs: the fewer calls there are, the more each one costs.
func (o Overload) share(ctx context.Context, w *world, pairs int) (float64, error) {
	const seconds = 4
	before, err := lab.Usage(w.proxy.PID())
	if err != nil {
		return 0, err
	}
	flows := make([]Flow, pairs)
	for n := range flows {
		rate := o.Rate*(n+1)/pairs - o.Rate*n/pairs
		flows[n] = Flow{Caller: Caller, Callee: Callee, Calls: rate * seconds, Rate: rate, Hold: talk}
	}
	if _, err := Place(ctx, w.where, flows); err != nil && !errors.Is(err, ErrCallsFailed) { // no call has to be perfect here
		return 0, err
	}
	after, err := lab.Usage(w.proxy.PID())
	if err != nil {
		return 0, err
	}
	return (after.CPU - before.CPU).Seconds() / seconds / overload, nil
}

// repeats is how long SIPp repeats an INVITE that nobody answers: five times,
// first after T1 (500 ms) and then after twice as long each time.
const repeats = (1<<5 - 1) * 500 * time.Millisecond

// afterwards is how long calls may take to end, one way or the other: 64·T1 and
// a little.
const afterwards = 40 * time.Second

// offer starts callees that go on and callers that begin their calls within the
// time; what became of those is known later.
func (o Overload) offer(ctx context.Context, w *world, pairs int) (callers, callees []*lab.Run, err error) {
	limit := o.Length + repeats + recovering + 2*afterwards
	for n := range pairs {
		callee, err := w.where.SIPp(ctx, lab.SIPp{Ladder: Callee, Local: CalleeAt(n), Limit: limit, Repeats: true})
		if err != nil {
			return callers, callees, err
		}
		callees = append(callees, callee)
		rate := o.Rate*(n+1)/pairs - o.Rate*n/pairs
		caller, err := w.where.SIPp(ctx, lab.SIPp{
			Ladder: patient, Local: callerAt(n), Remote: ProxyAt, User: Number(n),
			Calls: int(o.Length.Seconds() * float64(rate)), Rate: rate, Hold: time.Second, Limit: limit, Repeats: true,
		})
		if err != nil {
			return callers, callees, err
		}
		callers = append(callers, caller)
	}
	return callers, callees, nil
}

// count adds up both ends' accounts when every admitted call has completed, or
// none does any more.
func (r *Overloaded) count(ctx context.Context, callers, callees []*lab.Run) error {
	for end := time.Now().Add(afterwards); ; {
		sleep(ctx, 2*time.Second) // SIPp writes its account once a second
		calling, err := total(callers)
		if err != nil {
			return err
		}
		called, err := total(callees)
		if err != nil {
			return err
		}
		r.Offered, r.Admitted, r.Completed = calling.Created, called.Created, called.Succeeded
		r.Refused, r.Unanswered = calling.Succeeded-called.Succeeded, calling.Created-calling.Succeeded
		if r.Completed == r.Admitted || ctx.Err() != nil || time.Now().After(end) {
			return ctx.Err()
		}
	}
}

// total adds up accounts as they are so far.
func total(runs []*lab.Run) (sum lab.Statistics, err error) {
	for _, run := range runs {
		one, err := run.Statistics()
		if err != nil {
			return sum, err
		}
		sum.Created += one.Created
		sum.Succeeded += one.Succeeded
	}
	return sum, nil
}

// recoveryCalls is how many single calls in a row have to come through, and
// recovering how long that may take.
const (
	recoveryCalls = 5
	recovering    = time.Minute
)

// recovery places single calls to a callee of number n, until enough of them in a
// row have got its answer, and gives the time until the first of these.
func (w *world) recovery(ctx context.Context, n int) (time.Duration, error) {
	callee, err := w.where.Probe(CalleeAt(n))
	if err != nil {
		return 0, err
	}
	defer callee.Close()
	go answerBusy(ctx, callee)
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, recovering)
	defer cancel()
	var first time.Time
	for row := 0; ; {
		one, cancel := context.WithTimeout(ctx, time.Second)
		asked := time.Now()
		answer, err := w.prober.Ask(one, w.prober.Request("INVITE", "sip:"+Number(n)+"@"+ProxyAt.String()), ProxyAt)
		cancel()
		switch {
		case err == nil && strings.HasPrefix(string(answer), "SIP/2.0 486 "):
			if row++; row == 1 {
				first = asked
			}
			if row == recoveryCalls {
				return first.Sub(began), nil
			}
		case ctx.Err() != nil:
			return 0, fmt.Errorf("wait for the proxy to recover: %w", context.Cause(ctx))
		default:
			row = 0
		}
		sleep(ctx, 100*time.Millisecond)
	}
}

// answerBusy answers every INVITE with 486 until the prober is closed.
func answerBusy(ctx context.Context, callee *lab.Prober) {
	for {
		request, from, err := callee.Receive(ctx)
		if err != nil {
			return
		}
		if strings.HasPrefix(string(request), "INVITE ") {
			callee.Send(request.Reply("486 Busy Here", callee.Contact()), from)
		}
	}
}

// memoryWatch looks at a proxy's memory again and again.
type memoryWatch struct {
	worst atomic.Int64
	end   chan struct{}
	ended chan struct{}
}

func watchMemory(proxy *lab.Proxy) *memoryWatch {
	m := &memoryWatch{end: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(m.ended)
		for {
			if now, err := proxy.MemoryKB(); err == nil {
				m.worst.Store(max(m.worst.Load(), int64(now)))
			}
			select {
			case <-m.end:
				return
			case <-time.After(200 * time.Millisecond):
			}
		}
	}()
	return m
}

// stop ends it and gives the most that it has seen, in kB.
func (m *memoryWatch) stop() int {
	close(m.end)
	<-m.ended
	return int(m.worst.Load())
}

func sleep(ctx context.Context, length time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(length):
	}
}
