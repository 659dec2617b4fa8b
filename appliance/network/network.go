// Package network makes the ports what the configuration and the DHCP leases
// say: LAN1, LAN2 and the VLANs on them with MTU, speed, addresses and static
// routes, and the policy routing by which an answer leaves by the port its
// question came from (NET-1, NET-2).
//
// In: the configuration (Apply), the leases (ApplyLeases) and the kernel's
// notifications. Out: the kernel's state, and InterfaceStatus for show
// commands and alarms. The Reconciler is level-triggered: each pass reads what
// the kernel has, compares it with what is wanted and does the difference, so
// it does not matter which change it was told of, and a NIC that comes late is
// used when it comes.
//
// It owns the interfaces lan1 and lan2 (init gives them these names), their
// VLANs, the routes and rules of its own protocol number, and the parameters
// of parameter.go, and touches nothing else; but a route that stands in the
// place of one of its own is replaced.
package network

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"causeway/appliance/model"
)

// Kernel is the network state of the machine. Its methods change what they
// say and nothing else; none waits for the hardware. But for Watch they are
// called by one goroutine.
type Kernel interface {
	// Read gives the interfaces of the ports, the routes and rules of
	// Protocol, and those of the parameters that exist.
	Read() (State, error)
	// Add adds an object; a Route in the place of another replaces it.
	Add(Object) error
	Remove(Object) error
	Set(Setting) error
	// Announce tells the neighbours of a port that an IPv4 address is there.
	Announce(model.Port, netip.Addr) error
	// Watch calls changed after every change of links, addresses, routes,
	// rules and forwarding, until ctx ends or the kernel's notifications
	// fail.
	Watch(ctx context.Context, changed func()) error
}

// How long the Reconciler waits.
const (
	settleTime  = 50 * time.Millisecond // after a pass, for the notifications that come with it; doubled
	longestWait = time.Second           // up to this while each pass works in vain
	retryPeriod = 2 * time.Second       // between passes while something wanted is missing
	calmPeriod  = 30 * time.Second      // between passes otherwise
)

// Reconciler keeps the kernel at the configuration and leases last applied.
type Reconciler struct {
	kernel Kernel
	log    *slog.Logger
	kick   chan struct{} // holds one; a pass is due

	mu      sync.Mutex
	config  *model.Config // nil: none was applied
	leases  leases
	desired State
	refused results // disturbing changes that were to no avail, since the last Apply
	status  []model.InterfaceStatus
}

// NewReconciler makes a reconciler that touches nothing until Run runs and a
// configuration was applied.
func NewReconciler(kernel Kernel, log *slog.Logger) *Reconciler {
	r := &Reconciler{kernel: kernel, log: log, kick: make(chan struct{}, 1)}
	for lan := range model.LANCount {
		r.status = append(r.status, model.InterfaceStatus{LAN: lan.String(), Problem: "not looked at yet"})
	}
	return r
}

// Apply makes config the desired state. Run brings it about.
func (r *Reconciler) Apply(config *model.Config) {
	r.change(func() { r.config, r.refused = config, results{} })
}

// ApplyLeases gives the ports that are DHCP clients their addresses; those
// without a lease have none.
func (r *Reconciler) ApplyLeases(list []model.Lease) {
	r.change(func() {
		r.leases = leases{}
		for _, lease := range list {
			r.leases[lease.Port] = lease
		}
	})
}

// change changes what is desired.
func (r *Reconciler) change(change func()) {
	r.mu.Lock()
	change()
	if r.config != nil {
		r.desired = plan(r.config, r.leases)
	}
	r.mu.Unlock()
	r.wake()
}

func (r *Reconciler) wake() {
	select {
	case r.kick <- struct{}{}:
	default: // a pass is due already
	}
}

// Status gives each port as the last pass found it, in order: LAN1 and LAN2,
// and the VLANs of the configuration.
func (r *Reconciler) Status() []model.InterfaceStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.status)
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
	wait := settleTime
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
		good, vain := r.reconcile()
		if good {
			period.Reset(calmPeriod)
		} else {
			period.Reset(retryPeriod)
		}
		// Wait out the notifications of this pass and those that come in
		// bursts; they leave one kick. Whoever undoes each change meets patience.
		if wait = min(2*wait, longestWait); !vain {
			wait = settleTime
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}
