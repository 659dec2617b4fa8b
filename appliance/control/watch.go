package control

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"causeway/appliance/alarm"
	"causeway/appliance/model"
)

// watched is what the monitor looks at.
type watched struct {
	health  func(context.Context) (model.SystemHealth, error)
	proxy   func(context.Context) (model.ProxyStatus, error)
	billing func(context.Context) (model.BillingStatus, error)
	status  func() model.ControlStatus
	config  func() *model.Config
	adjust  func(*unix.Timex) (state int, err error)
	kernel  kernelFiles
	crashes func() ([]string, error) // names of the crash files

	subjects []func() []model.Condition // what parts of control find themselves
}

// reporter takes what the monitor finds: alarm.Alarms.
type reporter interface {
	Report(source string, active []model.Condition)
	Measure(source string, readings []alarm.Reading)
}

// watch is the monitor of the box: it looks at everything again and again and
// reports what is not as it should be. What follows from a look is in
// watch_rules.go.
type watch struct {
	watched
	to      reporter
	listing chan answer[[]string] // of crash files, that is under way; nil: none
	again   chan struct{}         // holds one: look at once
}

// newWatch makes the monitor of the box that c controls. Crash files are in the
// directory crashes.
func newWatch(c *control, crashes string, to reporter) *watch {
	return &watch{watched{
		health:  ask[model.SystemHealth](c, "init", "health"),
		proxy:   ask[model.ProxyStatus](c, "proxy", "status"),
		billing: ask[model.BillingStatus](c, "billing", "status"),
		status:  c.status,
		config:  func() *model.Config { return c.configuration.InForce().Config },
		adjust:  c.options.Adjust,
		kernel:  kernelFiles{proc: "/proc", cgroup: "/sys/fs/cgroup"},
		crashes: func() ([]string, error) { return crashFiles(crashes) },

		subjects: []func() []model.Condition{
			c.firewall.Conditions, c.dhcpClient.Conditions, c.dhcpServer.Conditions, c.resolver.Conditions, c.clock.Conditions,
			c.certificates.Conditions, c.license.Conditions, c.subscription.Conditions, c.access.Conditions, c.backup.Conditions,
			c.update.Conditions,
			c.linkConditions, func() []model.Condition { return c.outbox.Status().Conditions() },
			func() []model.Condition { return c.callhome.Conditions() }, // it is made after the monitor
		},
	}, to, nil, make(chan struct{}, 1)}
}

// ask makes the question that a process answers with a T.
func ask[T any](c *control, process, method string) func(context.Context) (T, error) {
	return func(ctx context.Context) (result T, err error) {
		err = c.call(ctx, process, method, nil, &result)
		return result, err
	}
}

// The pace of the monitor.
const (
	watchPeriod = 5 * time.Second
	watchLimit  = 4 * time.Second // for a process to answer
)

// sample is one look at the box.
type sample struct {
	at      time.Time
	health  answer[model.SystemHealth]
	proxy   answer[model.ProxyStatus]
	billing answer[model.BillingStatus]
	status  model.ControlStatus
	config  *model.Config

	unsynchronised bool // the kernel's clock
	cpu            cpuTime
	proxyTicks     uint64                   // of the cpu time, those for the proxy; 0: not known
	memory         map[string]serviceMemory // by service
	crashes        answer[[]string]         // names of the crash files
	restarts       map[string]restartLog    // by service
}

// answer is what a process or a disk said last, and why it does not answer now.
type answer[T any] struct {
	value T
	err   error
}

// follow makes a the one after before: without an answer nothing has changed.
func (a *answer[T]) follow(before answer[T]) {
	if a.err != nil {
		a.value = before.value
	}
}

// follow completes s with what is only known from the sample before; nil:
// there was none.
func (s *sample) follow(before *sample) {
	if before == nil {
		before = &sample{}
	}
	s.health.follow(before.health)
	s.proxy.follow(before.proxy)
	s.billing.follow(before.billing)
	s.crashes.follow(before.crashes)
	s.restarts = restartsSince(s, before)
}

// run watches until ctx ends.
func (w *watch) run(ctx context.Context) error {
	tick := time.NewTicker(watchPeriod)
	defer tick.Stop()
	var before *sample
	for {
		now := w.look(ctx)
		if ctx.Err() != nil {
			return nil // half of what was asked did not answer because of that
		}
		now.follow(before)
		w.report(now, before)
		before = now
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-w.again:
		}
	}
}

// hurry has it look at once.
func (w *watch) hurry() {
	select {
	case w.again <- struct{}{}:
	default: // it will
	}
}

// report tells what follows from a sample, and from what has changed since the
// one before; nil: there was none.
func (w *watch) report(now, before *sample) {
	found := conditions(now, before)
	for _, conditions := range w.subjects {
		found = append(found, conditions()...)
	}
	w.to.Report("watch", found)
	w.to.Measure("measured", readings(now, before))
	if now.proxy.err == nil {
		w.to.Report("proxy", now.proxy.value.Alarms)
	}
	if now.billing.err == nil {
		w.to.Report("billing", now.billing.value.Alarms)
	}
}

// look takes a sample.
func (w *watch) look(ctx context.Context) *sample {
	ctx, cancel := context.WithTimeout(ctx, watchLimit)
	defer cancel()
	s := &sample{at: time.Now()}
	var asked sync.WaitGroup
	asked.Go(func() { s.health.value, s.health.err = w.health(ctx) })
	asked.Go(func() { s.proxy.value, s.proxy.err = w.proxy(ctx) })
	asked.Go(func() { s.billing.value, s.billing.err = w.billing(ctx) })
	asked.Go(func() { s.crashes = w.listCrashes(ctx) })
	asked.Wait()
	s.status, s.config = w.status(), w.config()
	var clock unix.Timex
	if _, err := w.adjust(&clock); err == nil {
		s.unsynchronised = clock.Status&unix.STA_UNSYNC != 0
	}
	s.cpu, s.proxyTicks = w.kernel.cpu(), w.kernel.serviceTicks("proxy")
	s.memory = w.kernel.memory(s.health.value.Services)
	return s
}

// listCrashes lists the crash files. A disk that hangs is waited for until ctx
// ends, and has no second listing begun: the monitor goes on without it.
func (w *watch) listCrashes(ctx context.Context) answer[[]string] {
	if w.listing == nil {
		listing := make(chan answer[[]string], 1)
		go func() {
			names, err := w.crashes()
			listing <- answer[[]string]{names, err}
		}()
		w.listing = listing
	}
	select {
	case list := <-w.listing:
		w.listing = nil
		return list
	case <-ctx.Done():
		return answer[[]string]{err: ctx.Err()}
	}
}
