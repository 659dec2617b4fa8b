// Package firewall keeps one table of nftables, inet causeway, at what the
// configuration asks for: closed, but for the SIP listeners and the services
// that are switched on, on the ports that they belong to; NAT between ports;
// and SIP over UDP is not tracked as connections (docs/architecture.md, "Choices").
//
// In: the configuration (Apply), the addresses that DHCP brings (ApplyLeases),
// and the kernel's notifications. Out: the table, what show firewall prints,
// and a condition while the table is not as it should be. plan makes the
// rules as values and Netlink brings them to the kernel. The Firewall is
// level-triggered: each pass compares the whole table with what is wanted, and
// replaces it in one transaction if anything differs.
//
// The table stays in the kernel when this process ends.
package firewall

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"causeway/appliance/alarm"
	"causeway/appliance/model"
)

// Kernel is where the table is.
type Kernel interface {
	// Compare says what in the table differs from the ruleset, empty if
	// nothing does, and what the table has counted.
	Compare(Ruleset) (difference string, counted Counters, err error)
	// Replace makes the ruleset the whole of the table, in one transaction.
	Replace(Ruleset) error
	// Watch calls changed after every change of any table, until ctx ends or
	// the kernel's notifications fail.
	Watch(ctx context.Context, changed func()) error
}

// How long the Firewall waits.
const (
	bootPeriod  = 50 * time.Millisecond  // between passes until the table stands
	settleTime  = 200 * time.Millisecond // after a pass, for the notifications of what it did
	retryPeriod = time.Second            // between passes while rules are missing
	calmPeriod  = 30 * time.Second       // between passes otherwise

	// bootLimit is how long the network waits for the table. A box without it
	// is open, and an alarm says so; but it listens to little besides SIP,
	// and one that nobody reaches serves nobody and cannot be mended.
	bootLimit = 10 * time.Second
)

// Firewall keeps the table at the configuration last applied.
type Firewall struct {
	kernel  Kernel
	log     *slog.Logger
	kick    chan struct{} // holds one; a pass is due
	settled chan struct{}
	settle  func() // closes settled, once

	mu      sync.Mutex
	config  *model.Config // nil: none was applied
	leases  []model.Lease
	problem string // with the table; empty if there is none
}

// New makes a firewall that touches nothing until Run runs and a configuration
// was applied.
func New(kernel Kernel, log *slog.Logger) *Firewall {
	settled := make(chan struct{})
	return &Firewall{
		kernel:  kernel,
		log:     log,
		kick:    make(chan struct{}, 1),
		settled: settled,
		settle:  sync.OnceFunc(func() { close(settled) }),
	}
}

// Apply makes config the desired state. Run brings it about.
func (f *Firewall) Apply(config *model.Config) {
	f.mu.Lock()
	f.config = config
	f.mu.Unlock()
	f.wake()
}

// ApplyLeases says which addresses DHCP has brought, all of them.
func (f *Firewall) ApplyLeases(leases []model.Lease) {
	f.mu.Lock()
	f.leases = leases
	f.mu.Unlock()
	f.wake()
}

// Settled is closed when the table stands for the first time, or when Run has
// tried in vain for bootLimit: then the network may come up.
func (f *Firewall) Settled() <-chan struct{} { return f.settled }

func (f *Firewall) wake() {
	select {
	case f.kick <- struct{}{}:
	default: // a pass is due already
	}
}

// Run keeps the table until ctx ends, which gives nil.
func (f *Firewall) Run(ctx context.Context) error {
	var watch sync.WaitGroup
	defer watch.Wait()
	watch.Go(func() { f.watch(ctx) })
	limit := time.AfterFunc(bootLimit, f.settle)
	defer limit.Stop()

	f.wake() // what was applied before the last end of Run
	period := time.NewTimer(calmPeriod)
	defer period.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-period.C:
		case <-f.kick:
		}
		next, rest := f.pass()
		period.Reset(next)
		select {
		case <-ctx.Done():
		case <-time.After(rest):
		}
	}
}

// watch has a pass made after every change of the tables. When that fails it
// begins anew: at boot the kernel may not have what it takes yet.
func (f *Firewall) watch(ctx context.Context) {
	said := ""
	for ctx.Err() == nil {
		err := f.kernel.Watch(ctx, f.wake)
		if text := fmt.Sprint(err); text != said && ctx.Err() == nil {
			f.log.Warn("changes of the firewall by others are noticed late", "after", calmPeriod, "error", err)
			said = text
		}
		select {
		case <-ctx.Done():
		case <-time.After(retryPeriod):
		}
	}
}

// wanted gives the ruleset that should stand, if a configuration was applied.
func (f *Firewall) wanted() (wanted Ruleset, applied bool) {
	f.mu.Lock()
	config, leases := f.config, f.leases
	f.mu.Unlock()
	if config == nil {
		return Ruleset{}, false
	}
	return plan(config, leases), true
}

// pass brings the table to what is wanted. It says when to look again, and how
// long not to, whatever happens.
func (f *Firewall) pass() (next, rest time.Duration) {
	wanted, applied := f.wanted()
	if !applied {
		return calmPeriod, settleTime
	}
	err := f.bring(wanted)
	f.publish(err)
	switch {
	case !f.hasSettled():
		return bootPeriod, bootPeriod
	case errors.Is(err, errFollow): // the ports come up now, and have the processors
		return retryPeriod, retryPeriod
	case err != nil:
		return retryPeriod, settleTime
	}
	return calmPeriod, settleTime
}

var (
	// errClosed says that the table is closed and not the whole. At boot that
	// passes.
	errClosed = errors.New("only rules that need no further kernel modules are in force")
	errFollow = errors.New("the others follow")
)

// bring makes the table what is wanted, or at least closed. The first time
// after a boot it does no more: the ports wait for it, and init loads what the
// other rules need when the services run.
func (f *Firewall) bring(wanted Ruleset) error {
	err := errFollow
	if f.hasSettled() || f.stands(wanted) {
		err = f.put(wanted)
	}
	if err != nil {
		if err := f.put(wanted.closed()); err != nil {
			return err
		}
		err = fmt.Errorf("%w: %w", errClosed, err)
	}
	f.settle()
	return err
}

func (f *Firewall) hasSettled() bool {
	select {
	case <-f.settled:
		return true
	default:
		return false
	}
}

// stands reports whether the ruleset is the table.
func (f *Firewall) stands(r Ruleset) bool {
	difference, _, err := f.kernel.Compare(r)
	return err == nil && difference == ""
}

// put makes the ruleset the table, unless it is.
func (f *Firewall) put(r Ruleset) error {
	difference, _, err := f.kernel.Compare(r)
	if err != nil || difference == "" {
		return err
	}
	if err := f.kernel.Replace(r); err != nil {
		return err
	}
	f.log.Info("firewall written", "differed", difference)
	return nil
}

// publish makes err the problem, and logs what is new.
func (f *Firewall) publish(err error) {
	problem := ""
	if err != nil {
		problem = err.Error()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case problem == f.problem:
	case problem == "":
		f.log.Info("firewall as configured")
	case errors.Is(err, errClosed):
		f.log.Info("firewall closed", "but", problem) // if it lasts there is an alarm
	default:
		f.log.Warn("firewall not as configured", "problem", problem)
	}
	f.problem = problem
}

// Conditions gives the alarm condition that holds, if any.
func (f *Firewall) Conditions() []model.Condition {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.problem == "" {
		return nil
	}
	return []model.Condition{{Name: alarm.FirewallProblem, Text: f.problem}}
}
