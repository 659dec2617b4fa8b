// Package billing is the billing process: it reads the call events that the
// proxy put into the journal, makes records of them, and sees each record out to
// the record keeper.
//
// In come events from the journal and a revision from control over link. On
// their way are the Billing Manager (manager: half-calls, event messages, call
// records), the cache (cache: what is not delivered yet), and for each instance
// of a method its delivery (packetcable over radius; xmlcdr). Out go
// acknowledgements of events and billing.status.
//
// A restart at any moment loses nothing: events are acknowledged when their
// records are in the cache and the open calls in a snapshot; what comes again
// after a crash makes the same records, which the cache has already.
//
// One goroutine, that of run, has reader, manager and cache in hand, and waits
// for disks. Requests over link ask it to do things between two batches of
// events, and wait for it no longer than taskLimit; billing.status does not at
// all, and says when run is stuck. Whoever is asked over a network is asked from
// a goroutine of its own.
package billing

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"causeway/appliance/billing/cache"
	"causeway/appliance/billing/journal"
	"causeway/appliance/clock"
	"causeway/appliance/link"
	"causeway/appliance/model"
)

// Options are what the process is started with.
type Options struct {
	Journal string // directory of the journal
	Run     string // directory of the sockets and of what survives a crash
	Serial  string // file of the box's serial number, which marks its journal
	Volumes string // directory of the volumes: "/" on the box
	TLS     string // directory of certificate, key and authorities for RADIUS over TLS, as control keeps it
	KeyDir  string // directory of the box key, which opens the secrets of RADIUS servers
	// Parse reads a revision with the grammar of the appliance.
	Parse func(text string) (*model.Config, error)
	Log   *slog.Logger
	Debug link.Methods // switches the debug lines of Log

	recallAfter time.Duration // how long control is waited for; 0: recallAfter
}

// Flags declares the options on a flag set, with the box's own values as
// defaults.
func (o *Options) Flags(set *flag.FlagSet) {
	set.StringVar(&o.Journal, "journal", "/harddisk/billcache", "`directory` of the call event journal")
	set.StringVar(&o.Run, "run", link.RunDir, "`directory` of sockets and of what survives a crash")
	set.StringVar(&o.Serial, "serial", model.SerialFile, "`file` of the box's serial number")
	set.StringVar(&o.Volumes, "volumes", "/", "`directory` of the volumes")
	set.StringVar(&o.TLS, "tls", filepath.Join(model.CertificateDir, string(model.ForRADIUS)), "`directory` of certificate and authorities for RADIUS over TLS")
	set.StringVar(&o.KeyDir, "key-dir", "/bootflash/keys", "`directory` of the box key")
}

// process is the running whole.
type process struct {
	options  Options
	box      journal.Box
	revision link.Revision
	tasks    chan func()   // for the goroutine of run
	ended    chan struct{} // closed when it takes no more

	// Of the goroutine of run.
	feed
	prepared  *plan
	plan      *plan        // in force; nil: none came yet
	settleAt  time.Time    // when its terms may take effect
	cache     *cache.Cache // nil: none is open
	cacheUsed cacheUse     // what it was opened for
	checks    []longCheck
	instances []*instance // at work

	asking sync.WaitGroup // goroutines that ask the proxy for run

	mu     sync.Mutex // guards what follows
	doing  string     // what run is at; empty: nothing
	began  time.Time  // when it began that
	report model.BillingStatus
}

// Main runs the process until ctx ends.
func Main(ctx context.Context, o Options) (err error) {
	box, err := journal.ReadBox(o.Serial)
	if err != nil {
		return err
	}
	p := &process{options: o, box: box, tasks: make(chan func()), ended: make(chan struct{})}
	if err := p.openInTime(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	p.revision = link.Revision{Process: "billing", Parse: o.Parse, Log: o.Log, File: filepath.Join(o.Run, "billing", "revision"),
		Prepare: p.prepare, Apply: p.apply}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var parts sync.WaitGroup
	for _, part := range []func(context.Context) error{p.run, p.serve, p.recall, p.watchClock} {
		parts.Go(func() {
			if err := part(ctx); err != nil {
				cancel(err)
			}
		})
	}
	parts.Wait()
	p.asking.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return errors.Join(cause, err)
	}
	return nil
}

// openInTime opens the journal, once the disk lets it.
func (p *process) openInTime(ctx context.Context) error {
	told := ""
	for ctx.Err() == nil {
		err := p.open()
		if err == nil || errors.Is(err, journal.ErrInUse) {
			return err
		}
		if text := err.Error(); text != told {
			told = text
			p.options.Log.Error("billing waits for the journal", "error", err)
		}
		sleep(ctx, upkeep)
	}
	return nil
}

func (p *process) serve(ctx context.Context) error {
	return link.Serve(ctx, link.Socket(p.options.Run, "billing"), p.methods())
}

// recallAfter is how long control is waited for. It knows whether the revision
// of before is still in force: the events of calls that were offered since may be
// for another one.
const recallAfter = 10 * time.Second

// recall comes back with the revision of an earlier life, unless control has
// brought one.
func (p *process) recall(ctx context.Context) error {
	sleep(ctx, cmp.Or(p.options.recallAfter, recallAfter))
	if ctx.Err() != nil {
		return nil
	}
	if err := p.revision.Recall(); err != nil {
		p.options.Log.Error("the kept revision does not serve", "error", err)
	}
	return nil
}

// watchClock has steps of the clock recorded.
func (p *process) watchClock(ctx context.Context) error {
	return clock.WatchSteps(ctx, func(step clock.Step) {
		p.do(func() { p.clockStepped(step.Offset) })
	})
}

// errEnding is the answer to what comes when the process is about to end.
var errEnding = link.Passing(errors.New("billing is ending"))

// taskLimit bounds how long run is waited for.
const taskLimit = 10 * time.Second

// do has the goroutine of run do something, and waits for it. After an error
// the task may still be under way: nobody must look at what it makes.
func (p *process) do(task func()) error {
	done, limit := make(chan struct{}), time.After(taskLimit)
	select {
	case p.tasks <- func() { defer close(done); task() }:
	case <-p.ended:
		return errEnding
	case <-limit:
		return p.stuck()
	}
	select {
	case <-done:
		return nil
	case <-limit:
		return p.stuck()
	}
}

// stuck is the error of who has waited for run too long.
func (p *process) stuck() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return link.Passing(fmt.Errorf("billing has been at work on %s for %v: a disk may not answer",
		p.doing, time.Since(p.began).Round(time.Second)))
}

// at notes what run is at.
func (p *process) at(work string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.doing, p.began = work, time.Now()
}

// The pace of run.
const (
	pace   = 50 * time.Millisecond // between two looks into the journal: events gather
	upkeep = time.Second
)

// run reads events, and does what others ask for, until ctx ends. Then it
// leaves everything as a clean end leaves it.
func (p *process) run(ctx context.Context) error {
	look, tend := time.NewTicker(pace), time.NewTicker(upkeep)
	defer look.Stop()
	defer tend.Stop()
	for {
		p.at("")
		select {
		case <-ctx.Done():
			p.at("its end")
			close(p.ended)
			return p.end()
		case task := <-p.tasks:
			p.at("a request")
			task()
		case <-look.C:
			p.at("call events")
			p.read()
		case <-tend.C:
			p.at("its cache and its instances")
			p.tend(ctx)
		}
	}
}

// tend is what is to be done once a second.
func (p *process) tend(ctx context.Context) {
	if p.cache != nil {
		p.cache.Upkeep()
	}
	p.adapt()
	p.runLongChecks(ctx, time.Now())
	p.reconcile()
	p.keepSnapshot()
	p.noteStatus()
}

// end keeps what is known. The instances stop first: what waits for one that is
// stopped goes to the disk.
func (p *process) end() error {
	p.read()
	p.stopInstances()
	p.closeCache()
	var err error
	if p.terms != nil {
		err = p.seal()
	}
	if err := errors.Join(err, p.sequence.close(), p.reader.Close()); err != nil {
		p.options.Log.Error("at the end", "error", err)
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// prepare checks a configuration. It changes nothing.
func (p *process) prepare(c *model.Config) error {
	next, err := p.newPlan(c)
	if err != nil {
		return err
	}
	var refusal error
	if err := p.do(func() {
		if refusal = p.mayChange(next); refusal == nil {
			p.prepared = next
		}
	}); err != nil {
		return err
	}
	return refusal
}

// apply puts in force what was prepared last.
func (p *process) apply() error {
	return p.do(func() { p.use(p.prepared) })
}
