// Package network makes LAN1 and LAN2 what the configuration says: link up,
// address, static routes, and the policy routing by which an answer leaves by
// the LAN its question came from (NET-1, NET-2).
//
// In: the configuration (Apply) and the kernel's notifications. Out: the
// kernel's state, and InterfaceStatus for show commands. The Reconciler is
// level-triggered: each pass reads what the kernel has, compares it with what
// is wanted and does the difference, so it does not matter which change it
// was told of, and a NIC that comes late is used when it comes.
//
// It owns the addresses of the interfaces lan1 and lan2 (init gives them
// these names) and the routes and rules of its own protocol number, and
// touches nothing else.
package network

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"causeway/appliance/model"
)

// Kernel is the network state of the machine. Its methods change what they
// say and nothing else; none waits for the hardware.
type Kernel interface {
	// Read gives the LAN interfaces, and the routes and rules of Protocol.
	Read() (State, error)
	SetUp(model.LANName) error
	AddAddress(model.LANName, netip.Prefix) error
	RemoveAddress(model.LANName, netip.Prefix) error
	AddRoute(Route) error
	RemoveRoute(Route) error
	AddRule(Rule) error
	RemoveRule(Rule) error
	// Watch calls changed after every change of links, addresses, routes
	// and rules, until ctx ends or the kernel's notifications fail.
	Watch(ctx context.Context, changed func()) error
}

// How long the Reconciler waits.
const (
	settleTime  = 50 * time.Millisecond // after a notification, for those that come with it
	retryPeriod = 2 * time.Second       // between passes while something wanted is missing
	calmPeriod  = 30 * time.Second      // between passes otherwise
)

// repairs is how often one reconciliation repairs before it reports what is
// left. The second puts back what the kernel dropped in the first: routes go
// with the address they came from.
const repairs = 2

// Reconciler keeps the kernel at the configuration last applied.
type Reconciler struct {
	kernel Kernel
	log    *slog.Logger
	kick   chan struct{} // holds one; a pass is due

	mu      sync.Mutex
	desired State
	applied bool
	status  [model.LANCount]model.InterfaceStatus
}

// NewReconciler makes a reconciler that touches nothing until Run runs and a
// configuration was applied.
func NewReconciler(kernel Kernel, log *slog.Logger) *Reconciler {
	r := &Reconciler{kernel: kernel, log: log, kick: make(chan struct{}, 1)}
	for lan := range model.LANCount {
		r.status[lan] = model.InterfaceStatus{LAN: lan.String(), Problem: "not looked at yet"}
	}
	return r
}

// Apply makes config the desired state. Run brings it about.
func (r *Reconciler) Apply(config *model.Config) {
	r.mu.Lock()
	r.desired, r.applied = plan(config), true
	r.mu.Unlock()
	r.wake()
}

func (r *Reconciler) wake() {
	select {
	case r.kick <- struct{}{}:
	default: // a pass is due already
	}
}

// Status gives each LAN as the last pass found it.
func (r *Reconciler) Status() []model.InterfaceStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.status[:])
}

// Run reconciles until ctx ends, which gives nil, or the kernel's
// notifications fail.
func (r *Reconciler) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var watch sync.WaitGroup
	defer watch.Wait()
	watch.Go(func() { cancel(r.kernel.Watch(ctx, r.wake)) })

	r.wake() // what was applied before the last end of Run
	period := time.NewTimer(calmPeriod)
	defer period.Stop()
	for {
		select {
		case <-ctx.Done():
			if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
				return err
			}
			return nil
		case <-period.C:
		case <-r.kick:
		}
		if r.reconcile() {
			period.Reset(calmPeriod)
		} else {
			period.Reset(retryPeriod)
		}
		// Wait out the notifications of this pass and those that come in
		// bursts; they leave one kick.
		select {
		case <-ctx.Done():
		case <-time.After(settleTime):
		}
	}
}

// reconcile reports whether the kernel is as desired.
func (r *Reconciler) reconcile() bool {
	r.mu.Lock()
	desired, applied := r.desired, r.applied
	r.mu.Unlock()
	if !applied {
		return true
	}
	failed := map[string]error{} // by what a change says
	for repair := 0; ; repair++ {
		actual, err := r.kernel.Read()
		if err != nil {
			return r.publish(func(lan model.LANName) model.InterfaceStatus {
				return model.InterfaceStatus{LAN: lan.String(), Problem: "state not readable: " + err.Error()}
			})
		}
		left := difference(desired, actual)
		r.log.Debug("network looked at", "differences", len(left))
		if len(left) == 0 || repair == repairs {
			return r.report(actual, left, failed)
		}
		for _, change := range left {
			if failed[change.what] = change.do(r.kernel); failed[change.what] == nil {
				r.log.Info("network changed", "lan", change.lan, "did", change.what)
			}
		}
	}
}

// report makes the status of each LAN from what the kernel has and from the
// changes that are left, and reports whether no LAN has a problem.
func (r *Reconciler) report(actual State, left []change, failed map[string]error) bool {
	return r.publish(func(lan model.LANName) model.InterfaceStatus {
		status := actual.LANs[lan].status(lan)
		var problems []string
		if status.Problem != "" {
			problems = append(problems, status.Problem)
		}
		for _, change := range left {
			if change.lan != lan {
				continue
			}
			reason := "did not last"
			if err := failed[change.what]; err != nil {
				reason = err.Error()
			}
			problems = append(problems, change.what+": "+reason)
		}
		status.Problem = strings.Join(problems, "; ")
		return status
	})
}

// publish makes the status of each LAN what it is now, logs what is new, and
// reports whether no LAN has a problem.
func (r *Reconciler) publish(now func(model.LANName) model.InterfaceStatus) bool {
	good := true
	r.mu.Lock()
	defer r.mu.Unlock()
	for lan := range model.LANCount {
		status := now(lan)
		good = good && status.Problem == ""
		if status == r.status[lan] {
			continue
		}
		r.status[lan] = status
		if status.Problem != "" {
			r.log.Warn("network not as configured", "lan", lan, "problem", status.Problem)
		} else {
			r.log.Info("network as configured", "lan", lan, "address", status.Address, "link", status.Link)
		}
	}
	return good
}
