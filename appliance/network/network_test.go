package network

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"causeway/appliance/model"
)

// fakeKernel holds a State and obeys the kernel's rules that matter here.
type fakeKernel struct {
	mu        sync.Mutex
	state     State
	did       []string // every change made through the interface
	refuse    error    // what every change fails with
	watchers  map[chan struct{}]bool
	watchErr  chan error
	unstable  bool // addresses vanish as soon as they are set
	readFails error
}

func newFakeKernel(present ...model.LANName) *fakeKernel {
	k := &fakeKernel{watchers: map[chan struct{}]bool{}, watchErr: make(chan error, 1)}
	for _, lan := range present {
		k.state.LANs[lan] = Interface{Present: true, Carrier: true, MAC: fmt.Sprintf("02:00:00:00:00:0%d", lan+1)}
	}
	return k
}

// change makes one change, by whoever, and tells the watchers.
func (k *fakeKernel) change(what string, do func(*State) error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.refuse != nil {
		return k.refuse
	}
	if what != "" {
		k.did = append(k.did, what)
	}
	err := do(&k.state)
	for watcher := range k.watchers {
		select {
		case watcher <- struct{}{}:
		default:
		}
	}
	return err
}

func (k *fakeKernel) Read() (State, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.state
	for lan := range s.LANs {
		s.LANs[lan].Addresses = slices.Clone(s.LANs[lan].Addresses)
	}
	s.Routes, s.Rules = slices.Clone(s.Routes), slices.Clone(s.Rules)
	return s, k.readFails
}

func (k *fakeKernel) SetUp(lan model.LANName) error {
	return k.change("up "+lan.String(), func(s *State) error { s.LANs[lan].Up = true; return nil })
}

func (k *fakeKernel) AddAddress(lan model.LANName, address netip.Prefix) error {
	return k.change("add "+address.String(), func(s *State) error {
		if k.unstable {
			return nil
		}
		return insert(&s.LANs[lan].Addresses, address)
	})
}

func (k *fakeKernel) RemoveAddress(lan model.LANName, address netip.Prefix) error {
	return k.change("remove "+address.String(), func(s *State) error { return remove(&s.LANs[lan].Addresses, address) })
}

func (k *fakeKernel) AddRoute(r Route) error {
	return k.change("add "+r.String(), func(s *State) error {
		if !s.LANs[r.LAN].Up {
			return unix.ENETDOWN
		}
		for _, other := range s.Routes {
			if other.Table == r.Table && other.Destination == r.Destination && other.Metric == r.Metric {
				return unix.EEXIST
			}
		}
		return insert(&s.Routes, r)
	})
}

func (k *fakeKernel) RemoveRoute(r Route) error {
	return k.change("remove "+r.String(), func(s *State) error { return remove(&s.Routes, r) })
}

func (k *fakeKernel) AddRule(r Rule) error {
	return k.change("add "+r.String(), func(s *State) error { return insert(&s.Rules, r) })
}

func (k *fakeKernel) RemoveRule(r Rule) error {
	return k.change("remove "+r.String(), func(s *State) error { return remove(&s.Rules, r) })
}

func insert[T comparable](list *[]T, element T) error {
	if slices.Contains(*list, element) {
		return unix.EEXIST
	}
	*list = append(*list, element)
	return nil
}

func remove[T comparable](list *[]T, element T) error {
	i := slices.Index(*list, element)
	if i < 0 {
		return unix.ENOENT
	}
	*list = slices.Delete(*list, i, i+1)
	return nil
}

func (k *fakeKernel) Watch(ctx context.Context, changed func()) error {
	watcher := make(chan struct{}, 1)
	k.mu.Lock()
	k.watchers[watcher] = true
	k.mu.Unlock()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-k.watchErr:
			return err
		case <-watcher:
			changed()
		}
	}
}

// takeDone gives what was done since the last call.
func (k *fakeKernel) takeDone() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	did := k.did
	k.did = nil
	return did
}

var (
	prefix = netip.MustParsePrefix
	addr   = netip.MustParseAddr
)

// twoLANs is the configuration of the source documents, with a default route.
func twoLANs() *model.Config {
	return &model.Config{
		LANs: [model.LANCount]model.LAN{{Address: prefix("192.168.42.1/24")}, {Address: prefix("192.168.43.1/24")}},
		Routes: []model.IPRoute{
			{Destination: prefix("0.0.0.0/0"), Gateway: addr("192.168.43.254"), LAN: model.LAN2, Metric: 1},
			{Destination: prefix("198.51.100.0/24"), Gateway: addr("192.168.42.254"), LAN: model.LAN1, Metric: 10},
		},
	}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestPlan(t *testing.T) {
	got := plan(twoLANs())
	want := State{
		LANs: [model.LANCount]Interface{
			{Addresses: []netip.Prefix{prefix("192.168.42.1/24")}},
			{Addresses: []netip.Prefix{prefix("192.168.43.1/24")}},
		},
		Routes: []Route{
			{model.LAN1, 101, prefix("192.168.42.0/24"), netip.Addr{}, 1},
			{model.LAN2, 102, prefix("192.168.43.0/24"), netip.Addr{}, 1},
			{model.LAN2, 254, prefix("0.0.0.0/0"), addr("192.168.43.254"), 1},
			{model.LAN2, 102, prefix("0.0.0.0/0"), addr("192.168.43.254"), 1},
			{model.LAN1, 254, prefix("198.51.100.0/24"), addr("192.168.42.254"), 10},
			{model.LAN1, 101, prefix("198.51.100.0/24"), addr("192.168.42.254"), 10},
		},
		Rules: []Rule{{model.LAN1, addr("192.168.42.1")}, {model.LAN2, addr("192.168.43.1")}},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("plan(two LANs) (-want +got):\n%s", diff)
	}
	if got := plan(&model.Config{}); got.Routes != nil || got.Rules != nil {
		t.Errorf("plan(nothing) = %v; want nothing", got)
	}
}

// TestReconciler walks through one life of a box: each step changes something
// and says what the reconciler must do about it.
func TestReconciler(t *testing.T) {
	steps := []struct {
		name    string
		change  func(*fakeKernel, *Reconciler)
		wait    time.Duration
		did     []string
		problem [model.LANCount]string
	}{
		{
			name:   "nothing applied, nothing touched",
			change: func(*fakeKernel, *Reconciler) {}, wait: time.Hour,
			problem: [2]string{"not looked at yet", "not looked at yet"},
		}, {
			name: "first configuration", change: func(_ *fakeKernel, r *Reconciler) { r.Apply(twoLANs()) },
			did: []string{
				"up LAN1", "add 192.168.42.1/24", "up LAN2", "add 192.168.43.1/24",
				"add route 192.168.42.0/24 table 101", "add route 192.168.43.0/24 table 102",
				"add route 0.0.0.0/0 via 192.168.43.254", "add route 0.0.0.0/0 via 192.168.43.254 table 102",
				"add route 198.51.100.0/24 via 192.168.42.254 metric 10", "add route 198.51.100.0/24 via 192.168.42.254 metric 10 table 101",
				"add rule from 192.168.42.1 table 101", "add rule from 192.168.43.1 table 102",
			},
		}, {
			name: "the same again", change: func(_ *fakeKernel, r *Reconciler) { r.Apply(twoLANs()) },
		}, {
			name: "an hour of periodic passes", change: func(*fakeKernel, *Reconciler) {}, wait: time.Hour,
		}, {
			name: "somebody takes the address away", change: func(k *fakeKernel, _ *Reconciler) {
				_ = k.change("", func(s *State) error { s.LANs[0].Addresses = nil; return nil })
			},
			did: []string{"add 192.168.42.1/24"},
		}, {
			name: "another address and a changed gateway", change: func(_ *fakeKernel, r *Reconciler) {
				c := twoLANs()
				c.LANs[0].Address = prefix("192.168.42.7/24")
				c.Routes[0].Gateway = addr("192.168.43.253")
				r.Apply(c)
			},
			did: []string{
				"remove 192.168.42.1/24", "add 192.168.42.7/24", "remove rule from 192.168.42.1 table 101",
				"remove route 0.0.0.0/0 via 192.168.43.254", "remove route 0.0.0.0/0 via 192.168.43.254 table 102",
				"add route 0.0.0.0/0 via 192.168.43.253", "add route 0.0.0.0/0 via 192.168.43.253 table 102",
				"add rule from 192.168.42.7 table 101",
			},
		}, {
			name: "LAN2 is pulled out", change: func(k *fakeKernel, _ *Reconciler) {
				_ = k.change("", func(s *State) error {
					s.LANs[1] = Interface{}
					s.Routes = slices.DeleteFunc(s.Routes, func(r Route) bool { return r.LAN == model.LAN2 })
					return nil
				})
			},
			did:     []string{"remove rule from 192.168.43.1 table 102"},
			problem: [2]string{"", "no NIC for LAN2"},
		}, {
			name: "LAN2 comes back without a cable", change: func(k *fakeKernel, _ *Reconciler) {
				_ = k.change("", func(s *State) error { s.LANs[1] = Interface{Present: true}; return nil })
			},
			did: []string{
				"up LAN2", "add 192.168.43.1/24", "add route 192.168.43.0/24 table 102", "add route 0.0.0.0/0 via 192.168.43.253",
				"add route 0.0.0.0/0 via 192.168.43.253 table 102", "add rule from 192.168.43.1 table 102",
			},
			problem: [2]string{"", "no carrier"},
		}, {
			name: "the cable", change: func(k *fakeKernel, _ *Reconciler) {
				_ = k.change("", func(s *State) error { s.LANs[1].Carrier = true; return nil })
			},
		}, {
			name: "the kernel refuses", change: func(k *fakeKernel, _ *Reconciler) {
				_ = k.change("", func(s *State) error { s.LANs[0].Addresses = nil; k.refuse = unix.EPERM; return nil })
			},
			problem: [2]string{"add address 192.168.42.7/24: operation not permitted", ""},
		}, {
			name: "and no longer", wait: retryPeriod, change: func(k *fakeKernel, _ *Reconciler) {
				k.mu.Lock()
				k.refuse = nil
				k.mu.Unlock()
			},
			did: []string{"add 192.168.42.7/24"},
		}, {
			name: "another agent undoes every change", change: func(k *fakeKernel, r *Reconciler) {
				k.mu.Lock()
				k.unstable = true
				k.mu.Unlock()
				c := twoLANs()
				c.Routes = nil
				c.LANs[0].Address = netip.Prefix{}
				c.LANs[1].Address = prefix("192.168.43.9/24")
				_ = k.RemoveAddress(model.LAN1, prefix("192.168.42.7/24"))
				r.Apply(c)
			},
			problem: [2]string{"", "add address 192.168.43.9/24: did not last"},
		},
	}
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel(model.LAN1, model.LAN2)
		r := NewReconciler(k, quiet())
		ended := make(chan error, 1)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { ended <- r.Run(ctx) }()
		for _, step := range steps {
			synctest.Wait()
			step.change(k, r)
			time.Sleep(max(step.wait, 4*settleTime))
			synctest.Wait()
			did := k.takeDone()
			if diff := cmp.Diff(step.did, did); diff != "" && !k.unstable {
				t.Errorf("%s: did (-want +got):\n%s", step.name, diff)
			}
			for lan, s := range r.Status() {
				if s.Problem != step.problem[lan] {
					t.Errorf("%s: Status()[%s].Problem = %q; want %q", step.name, s.LAN, s.Problem, step.problem[lan])
				}
			}
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v; want nil", err)
		}
	})
}

// TestRunEnds covers what Run gives up for: its watch, not a failing pass.
func TestRunEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel(model.LAN1)
		k.readFails = errors.New("no netlink")
		r := NewReconciler(k, quiet())
		r.Apply(twoLANs())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(t.Context()) }()
		time.Sleep(time.Minute)
		if got := r.Status()[model.LAN1].Problem; got != "state not readable: no netlink" {
			t.Errorf("Problem = %q while the kernel is not readable", got)
		}
		k.mu.Lock()
		k.readFails = nil
		k.mu.Unlock()
		time.Sleep(retryPeriod)
		synctest.Wait()
		if did := k.takeDone(); len(did) == 0 || did[0] != "up LAN1" {
			t.Errorf("after the kernel became readable: did %v; want LAN1 set up", did)
		}
		broken := errors.New("no more notifications")
		k.watchErr <- broken
		if err := <-ended; !errors.Is(err, broken) {
			t.Errorf("Run = %v; want %v", err, broken)
		}
	})
}

// TestDifferenceConverges: from any state to any configuration in one pass,
// every change allowed by the kernel, and then nothing is left.
func TestDifferenceConverges(t *testing.T) {
	host := rapid.Custom(func(t *rapid.T) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 168, 42, rapid.Byte().Draw(t, "host")}), rapid.IntRange(24, 32).Draw(t, "bits"))
	})
	gateway := rapid.Map(rapid.IntRange(250, 254), func(n int) netip.Addr { return netip.AddrFrom4([4]byte{192, 168, 42, byte(n)}) })
	config := rapid.Custom(func(t *rapid.T) *model.Config {
		c := &model.Config{}
		for lan := range model.LANCount {
			if rapid.Bool().Draw(t, "has address") {
				c.LANs[lan].Address = host.Draw(t, "address")
			}
		}
		metrics := rapid.Permutation([]int{1, 2, 3, 4}).Draw(t, "metrics")
		for _, metric := range metrics[:rapid.IntRange(0, 4).Draw(t, "routes")] {
			c.Routes = append(c.Routes, model.IPRoute{
				Destination: prefix("0.0.0.0/0"), Gateway: gateway.Draw(t, "gateway"), Metric: metric,
				LAN: model.LANName(rapid.IntRange(0, 1).Draw(t, "LAN")),
			})
		}
		return c
	})
	rapid.Check(t, func(t *rapid.T) {
		k := newFakeKernel(rapid.SampledFrom([][]model.LANName{nil, {model.LAN1}, {model.LAN2}, {model.LAN1, model.LAN2}}).Draw(t, "present")...)
		for range rapid.IntRange(1, 3).Draw(t, "configurations") {
			desired := plan(config.Draw(t, "config"))
			actual, _ := k.Read()
			for _, change := range difference(desired, actual) {
				if err := change.do(k); err != nil {
					t.Fatalf("%s: %v", change.what, err)
				}
			}
			actual, _ = k.Read()
			if left := difference(desired, actual); len(left) != 0 {
				t.Fatalf("%d changes left, first %s", len(left), left[0].what)
			}
			for _, r := range actual.Routes {
				if !actual.LANs[r.LAN].Present {
					t.Fatalf("%s stands without its NIC", r)
				}
			}
		}
	})
}
