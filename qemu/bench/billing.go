package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"causeway/appliance/billing/journal"
	"causeway/appliance/model"
	"causeway/qemu/lab"
)

// Billing is what the billing process of this host is given: events of calls
// that wait in the journal, four event messages for each half of a call.
type Billing struct {
	Program  string // the appliance
	Peers    *lab.Peers
	Backlog  int // event messages that wait while no server answers
	Drain    int // event messages that wait when the server comes
	Progress io.Writer
}

// perCall is how many event messages an answered call has.
const perCall = 8

// BillingCost is what it took.
type BillingCost struct {
	Events     float64 // of calls, journalled with fsync, a second
	Records    float64 // event messages made of them and cached with fsync, a second
	Backlog    int
	EmptyKB    int           // resident, before the backlog
	BacklogKB  int           // resident, with it
	Journal    time.Duration // of processors, for the events of a call
	PerCall    time.Duration // of processors, for billing a call
	Ours, Best float64       // event messages a second that FreeRADIUS took from us, and from radclient
	Parallel   int           // requests of radclient side by side, with which it was best
	PerRequest float64       // event messages
}

// String gives the result, one key=value a line.
func (c BillingCost) String() string {
	return fmt.Sprintf("journal_events_per_s=%.0f\ncache_records_per_s=%.0f\nbacklog=%d\nrss_kb_empty=%d\nrss_kb_backlog=%d\n"+
		"cpu_us_per_call_journal=%d\ncpu_us_per_call_billing=%d\nems_per_request=%.1f\ndrain_ems_per_s=%.0f\nradclient_ems_per_s=%.0f\nradclient_parallel=%d\ndrain_ratio=%.2f\n",
		c.Events, c.Records, c.Backlog, c.EmptyKB, c.BacklogKB, c.Journal.Microseconds(), c.PerCall.Microseconds(), c.PerRequest, c.Ours, c.Best, c.Parallel, c.Ours/c.Best)
}

// Run measures.
func (b Billing) Run(ctx context.Context) (cost BillingCost, err error) {
	dir, err := os.MkdirTemp("", "causeway-bench-")
	if err != nil {
		return cost, fmt.Errorf("measure billing: %w", err)
	}
	defer os.RemoveAll(dir)
	where, err := lab.NewNamespace()
	if err != nil {
		return cost, err
	}
	defer where.Close()
	r := &billingRun{Billing: b, where: where, dir: dir}
	fmt.Fprintf(b.Progress, "%d event messages wait\n", b.Backlog)
	if err := r.backlog(ctx, &cost); err != nil {
		return cost, err
	}
	fmt.Fprintf(b.Progress, "%d event messages for FreeRADIUS\n", b.Drain)
	requests, messages, err := r.drain(ctx, &cost)
	if err != nil {
		return cost, err
	}
	file, err := r.write(requests)
	if err != nil {
		return cost, err
	}
	for _, parallel := range []int{16, 32, 50, 64} {
		fmt.Fprintf(b.Progress, "the same from radclient, %d side by side\n", parallel)
		rate, err := r.radclient(ctx, file, messages, parallel)
		if err != nil {
			return cost, err
		}
		fmt.Fprintf(b.Progress, "%.0f event messages a second\n", rate)
		if rate > cost.Best {
			cost.Best, cost.Parallel = rate, parallel
		}
	}
	return cost, nil
}

// billingRun is a run under way.
type billingRun struct {
	Billing
	where *lab.Namespace
	dir   string
}

// billingKeeper is where the record keeper is, when there is one.
var billingKeeper = netip.MustParseAddrPort("127.0.0.1:1813")

const (
	billingSecret = "cisco"
	// sideBySide is as many requests as fit into the socket buffer of FreeRADIUS.
	sideBySide = 32
)

func billingConfig(key string) string {
	return fmt.Sprintf(`hostname bench
sbc bench
 sbe
  radius accounting keeper
   concurrent-requests %d
   server only
    address ipv4 %v
    port %d
    key %s
    exit
   activate
   exit
  billing
   element-id 7
   method packetcable-em
   packetcable-em 0 transport radius keeper
    batch-size 2000
    batch-time 50
    attach
    exit
   activate
   exit
  exit
 exit
`, sideBySide, billingKeeper.Addr(), billingKeeper.Port(), key)
}

// start starts billing in a folder of its own, with events of that many calls in
// its journal, and says what it took to write them.
func (r *billingRun) start(ctx context.Context, name string, calls int) (billing *lab.Billing, writing effort, err error) {
	dir := filepath.Join(r.dir, name)
	events := filepath.Join(dir, "harddisk", "billcache")
	if err := os.MkdirAll(events, 0o700); err != nil {
		return nil, effort{}, err
	}
	writing, err = effortOf(func() error { return writeCalls(events, calls) })
	if err != nil {
		return nil, effort{}, err
	}
	key, err := lab.Seal(dir, billingSecret)
	if err != nil {
		return nil, effort{}, err
	}
	billing, err = r.where.StartBilling(ctx, r.Program, dir, billingConfig(key))
	return billing, writing, err
}

// effort is what something took: time, and time of processors.
type effort struct{ time, cpu time.Duration }

// effortOf says what do takes this process.
func effortOf(do func() error) (effort, error) {
	cpu := func() time.Duration {
		var used syscall.Rusage
		syscall.Getrusage(syscall.RUSAGE_SELF, &used) // cannot fail
		return time.Duration(used.Utime.Nano() + used.Stime.Nano())
	}
	began, before := time.Now(), cpu()
	err := do()
	return effort{time.Since(began), cpu() - before}, err
}

// callsInCommit is how many calls have an event in one commit of the journal: at
// 500 a second and 20 ms, ten.
const callsInCommit = 10

// callEvents is how many events an answered call has.
const callEvents = 6

// writeCalls writes the events of answered calls to the journal in dir, as the
// proxy does, on the disk each 20 ms' worth.
func writeCalls(dir string, calls int) error {
	writer, _, err := journal.Open(dir, journal.Options{Box: journal.BoxOf("")}) // a host without a serial number
	if err != nil {
		return err
	}
	var batch journal.Batch
	now := time.Now()
	for first := 0; first < calls; first += callsInCommit {
		for step := range callEvents {
			for n := first; n < min(first+callsInCommit, calls); n++ {
				batch.Append(benchEvent(n, step, now))
			}
			if err := writer.Commit(&batch); err != nil {
				return errors.Join(err, writer.Close())
			}
			batch.Reset()
		}
	}
	return writer.Close()
}

// benchEvent is one event of call n.
func benchEvent(n, step int, now time.Time) *model.CallEvent {
	kinds := [callEvents]model.CallEventKind{model.CallOffered, model.CallRouted, model.CallProvisional, model.CallAnswered, model.CallDisconnect, model.CallEnded}
	e := &model.CallEvent{Kind: kinds[step], Time: now.Add(time.Duration(n) * time.Millisecond)}
	for i := range 4 {
		e.Key[i] = byte(n >> (8 * i))
	}
	e.Key[11] = 1
	switch e.Kind {
	case model.CallOffered:
		e.CallID = fmt.Appendf(nil, "%d-4711@192.0.2.1", n)
		e.From, e.To = fmt.Appendf(nil, "<sip:+1555%07d@192.0.2.1>;tag=%d", n, n), []byte("<sip:+493055550100@192.0.2.2>")
		e.RequestURI = []byte("sip:+493055550100@192.0.2.2")
		e.Network, e.Peer, e.Transport, e.Adjacency = []byte("lan1"), []byte("192.0.2.1:5060"), []byte("UDP"), []byte("SIPPA")
	case model.CallRouted, model.CallAnswered:
		e.RequestURI = []byte("sip:+493055550100@192.0.2.9")
		e.Network, e.Peer, e.Transport, e.Adjacency = []byte("lan2"), []byte("192.0.2.9:5060"), []byte("UDP"), []byte("SIPPB")
		if e.Kind == model.CallAnswered {
			e.Status = 200
		}
	case model.CallProvisional:
		e.Status = 180
	case model.CallDisconnect, model.CallEnded:
		e.Cause, e.Status = model.EndCallerHungUp, 200
	}
	return e
}

// cached waits until that many records wait in the cache, 0: none.
func cached(ctx context.Context, billing *lab.Billing, records int) error {
	for {
		status, err := billing.Status(ctx)
		if err == nil && status.Cache.Records == int64(records) && status.Counters[model.CallEnded.String()] > 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until %d records are in the cache: %w; %+v: %s", records, context.Cause(ctx), status.Cache, billing.Output())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// backlog has records wait while no server answers.
func (r *billingRun) backlog(ctx context.Context, cost *BillingCost) error {
	empty, _, err := r.start(ctx, "empty", 0)
	if err != nil {
		return err
	}
	used, err := lab.Usage(empty.PID())
	if err = errors.Join(err, empty.Close()); err != nil {
		return err
	}
	cost.EmptyKB = used.MemoryKB

	calls := r.Backlog / perCall
	billing, writing, err := r.start(ctx, "backlog", calls)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := cached(ctx, billing, calls*perCall); err != nil {
		return err
	}
	cost.Events = float64(calls*callEvents) / writing.time.Seconds()
	cost.Journal = writing.cpu / time.Duration(calls)
	cost.Records = float64(calls*perCall) / time.Since(began).Seconds()
	cost.Backlog = calls * perCall
	used, err = lab.Usage(billing.PID())
	cost.BacklogKB = used.MemoryKB
	return errors.Join(err, billing.Close(), os.RemoveAll(filepath.Join(r.dir, "backlog")))
}

// drain has records wait, then starts a server, and gives what it has stored,
// and how many event messages are in that.
func (r *billingRun) drain(ctx context.Context, cost *BillingCost) (requests []lab.Stored, messages int, err error) {
	calls := r.Drain / perCall
	billing, _, err := r.start(ctx, "drain", calls)
	if err != nil {
		return nil, 0, err
	}
	if err := cached(ctx, billing, calls*perCall); err != nil {
		return nil, 0, err
	}
	keeper, err := r.keeper(ctx, "ours")
	if err != nil {
		return nil, 0, err
	}
	defer keeper.Kill()
	took, err := keeper.storing(ctx, func() error { return cached(ctx, billing, 0) })
	if err != nil {
		return nil, 0, err
	}
	used, err := lab.Usage(billing.PID())
	if err = errors.Join(err, billing.Close()); err != nil {
		return nil, 0, err
	}
	requests, messages, err = keeper.stored()
	if err != nil {
		return nil, 0, err
	}
	if messages < calls*perCall {
		return nil, 0, fmt.Errorf("FreeRADIUS has stored %d event messages of %d", messages, calls*perCall)
	}
	cost.PerCall = used.CPU / time.Duration(calls)
	cost.Ours = float64(calls*perCall) / took.Seconds()
	cost.PerRequest = float64(messages) / float64(len(requests))
	return requests, messages, nil
}
