package network

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"causeway/appliance/model"
)

// refusing makes a kernel refuse some changes.
func refusing[T any](err error) func(any) error {
	return func(of any) error {
		if _, is := of.(T); is {
			return err
		}
		return nil
	}
}

// changing gives a step's change of the configuration of two LANs.
func changing(change func(*model.Config)) func(*fakeKernel, *Reconciler) {
	return func(_ *fakeKernel, r *Reconciler) {
		c := twoLANs()
		change(c)
		r.Apply(c)
	}
}

// others gives a step in which somebody else changes the kernel.
func others(change func(*State)) func(*fakeKernel, *Reconciler) {
	return func(k *fakeKernel, _ *Reconciler) { k.others(change) }
}

// reconcilerSteps are one life of a box: each step changes something and says
// what the reconciler must do about it. Ports without a problem are left out.
var reconcilerSteps = []struct {
	name      string
	change    func(*fakeKernel, *Reconciler)
	wait      time.Duration
	did       []string
	announced []string
	problem   map[string]string
}{
	{
		name:   "nothing applied, nothing touched",
		change: func(*fakeKernel, *Reconciler) {}, wait: time.Hour,
		problem: map[string]string{"LAN1": "not looked at yet", "LAN2": "not looked at yet"},
	}, {
		name: "first configuration", change: changing(func(*model.Config) {}),
		did: []string{
			"remove LAN1 rule from 192.168.42.1/32 table 101", // of an older version
			"set LAN1 link up", "add LAN1 address 192.168.42.1/24", "set LAN2 link up", "add LAN2 address 192.168.43.1/24",
			"add LAN1 route 192.168.42.0/24", "add LAN1 route 192.168.42.0/24 table 10000",
			"add LAN2 route 192.168.43.0/24", "add LAN2 route 192.168.43.0/24 table 20000",
			"add LAN2 route 0.0.0.0/0 via 192.168.43.254", "add LAN2 route 0.0.0.0/0 via 192.168.43.254 table 20000",
			"add LAN1 route 198.51.100.0/24 via 192.168.42.254 metric 10", "add LAN1 route 198.51.100.0/24 via 192.168.42.254 metric 10 table 10000",
			"add LAN1 rule from 192.168.42.1/32 table 10000", "add LAN2 rule from 192.168.43.1/32 table 20000",
		},
		announced: []string{"LAN1 192.168.42.1", "LAN2 192.168.43.1"},
	}, {
		name: "the same again", change: changing(func(*model.Config) {}),
	}, {
		name: "another metric", change: changing(func(c *model.Config) { c.Routes[1].Metric = 20 }),
		did: []string{ // the old route goes once the new one is there
			"add LAN1 route 198.51.100.0/24 via 192.168.42.254 metric 20", "add LAN1 route 198.51.100.0/24 via 192.168.42.254 metric 20 table 10000",
			"remove LAN1 route 198.51.100.0/24 via 192.168.42.254 metric 10", "remove LAN1 route 198.51.100.0/24 via 192.168.42.254 metric 10 table 10000",
		},
	}, {
		name: "and back", change: changing(func(*model.Config) {}),
		did: []string{
			"add LAN1 route 198.51.100.0/24 via 192.168.42.254 metric 10", "add LAN1 route 198.51.100.0/24 via 192.168.42.254 metric 10 table 10000",
			"remove LAN1 route 198.51.100.0/24 via 192.168.42.254 metric 20", "remove LAN1 route 198.51.100.0/24 via 192.168.42.254 metric 20 table 10000",
		},
	}, {
		name: "a default route of an older version goes before ours", change: others(func(s *State) {
			s.Routes = append(s.Routes, Route{lan1, unix.RT_TABLE_MAIN, prefix("0.0.0.0/0"), addr("192.168.42.66"), 0})
		}),
		did: []string{"remove LAN1 route 0.0.0.0/0 via 192.168.42.66 metric 0"},
	}, {
		name: "an hour of periodic passes", change: func(*fakeKernel, *Reconciler) {}, wait: time.Hour,
	}, {
		name: "somebody takes the address away",
		change: others(func(s *State) {
			_ = s.edit(lan1, func(i *Interface) { i.Addresses = nil })
		}),
		did: []string{"add LAN1 address 192.168.42.1/24"},
	}, {
		name: "somebody sets the link down, and up",
		change: others(func(s *State) {
			s.down(lan2)
			_ = s.edit(lan2, func(i *Interface) { i.Up = true })
		}),
		did: []string{
			"add LAN2 route 192.168.43.0/24", "add LAN2 route 192.168.43.0/24 table 20000",
			"add LAN2 route 0.0.0.0/0 via 192.168.43.254", "add LAN2 route 0.0.0.0/0 via 192.168.43.254 table 20000",
		},
	}, {
		name: "somebody changes a gateway, the MTU and parameters",
		change: others(func(s *State) {
			i := slices.IndexFunc(s.Routes, func(r Route) bool { return r.Gateway == addr("192.168.43.254") && r.Table == 254 })
			s.Routes[i].Gateway = addr("192.168.43.66")
			_ = s.edit(lan1, func(i *Interface) { i.MTU = 1400 })
			s.Parameters[forwarding], s.Parameters["net/ipv4/conf/lan1/rp_filter"] = "1", "1"
		}),
		did: []string{"set LAN1 MTU 1500", "add LAN2 route 0.0.0.0/0 via 192.168.43.254"},
	}, {
		name: "another address, and the default route by the other port",
		change: changing(func(c *model.Config) {
			c.LANs[0].Address = prefix("192.168.42.7/24")
			c.Routes[0].Gateway, c.Routes[0].Port = addr("192.168.42.253"), lan1
		}),
		did: []string{ // the new default route takes the place of the old one
			"remove LAN1 rule from 192.168.42.1/32 table 10000", "remove LAN2 route 0.0.0.0/0 via 192.168.43.254 table 20000",
			"remove LAN1 address 192.168.42.1/24", "add LAN1 address 192.168.42.7/24",
			"add LAN1 route 0.0.0.0/0 via 192.168.42.253", "add LAN1 route 0.0.0.0/0 via 192.168.42.253 table 10000",
			"add LAN1 rule from 192.168.42.7/32 table 10000",
		},
		announced: []string{"LAN1 192.168.42.7"},
	}, {
		name: "a VLAN", change: changing(func(c *model.Config) {
			c.Routes = nil
			c.LANs = []model.LAN{configured(lan1), configured(vlan100, "192.168.100.1/24", "2001:db8::1/64"), configured(lan2)}
			c.LANs[1].MTU = 1400
		}),
		did: []string{
			"remove LAN2 rule from 192.168.43.1/32 table 20000", "remove LAN1 rule from 192.168.42.7/32 table 10000",
			"remove LAN1 route 192.168.42.0/24", "remove LAN1 route 192.168.42.0/24 table 10000",
			"remove LAN1 route 198.51.100.0/24 via 192.168.42.254 metric 10", "remove LAN1 route 198.51.100.0/24 via 192.168.42.254 metric 10 table 10000",
			"remove LAN2 route 192.168.43.0/24", "remove LAN2 route 192.168.43.0/24 table 20000",
			"remove LAN1 route 0.0.0.0/0 via 192.168.42.253", "remove LAN1 route 0.0.0.0/0 via 192.168.42.253 table 10000",
			"remove LAN1 address 192.168.42.7/24", "remove LAN2 address 192.168.43.1/24",
			"add LAN1.100 VLAN interface lan1.100", "set LAN1.100 MTU 1400", "set LAN1.100 link up",
			"add LAN1.100 address 192.168.100.1/24", "add LAN1.100 address 2001:db8::1/64",
			"add LAN1.100 route 192.168.100.0/24", "add LAN1.100 route 192.168.100.0/24 table 10100",
			"add LAN1.100 route 2001:db8::/64", "add LAN1.100 route 2001:db8::/64 table 10100",
			"add LAN1.100 rule from 192.168.100.1/32 table 10100", "add LAN1.100 rule from 2001:db8::1/128 table 10100",
		},
		announced: []string{"LAN1.100 192.168.100.1"},
	}, {
		name: "somebody deletes the VLAN, and makes another", change: others(func(s *State) {
			s.unplug(vlan100)
			s.Strays = []VLAN{{model.Port{LAN: model.LAN2, VLAN: 5}, "vlan5"}}
		}),
		did: []string{
			"remove LAN1.100 rule from 192.168.100.1/32 table 10100", "remove LAN1.100 rule from 2001:db8::1/128 table 10100",
			"remove LAN2.5 VLAN interface vlan5",
			"add LAN1.100 VLAN interface lan1.100", "set LAN1.100 MTU 1400", "set LAN1.100 link up",
			"add LAN1.100 address 192.168.100.1/24", "add LAN1.100 address 2001:db8::1/64",
			"add LAN1.100 route 192.168.100.0/24", "add LAN1.100 route 192.168.100.0/24 table 10100",
			"add LAN1.100 route 2001:db8::/64", "add LAN1.100 route 2001:db8::/64 table 10100",
			"add LAN1.100 rule from 192.168.100.1/32 table 10100", "add LAN1.100 rule from 2001:db8::1/128 table 10100",
		},
	}, {
		name: "the port of the VLAN is shut down", change: changing(func(c *model.Config) {
			c.Routes = nil
			c.LANs = []model.LAN{configured(lan1), configured(vlan100, "192.168.100.1/24", "2001:db8::1/64"), configured(lan2)}
			c.LANs[0].Shutdown, c.LANs[1].MTU = true, 1400
		}),
		did: []string{
			"remove LAN1.100 rule from 192.168.100.1/32 table 10100", "remove LAN1.100 rule from 2001:db8::1/128 table 10100",
			"remove LAN1.100 route 192.168.100.0/24", "remove LAN1.100 route 192.168.100.0/24 table 10100",
			"remove LAN1.100 route 2001:db8::/64", "remove LAN1.100 route 2001:db8::/64 table 10100",
			"remove LAN1.100 address 192.168.100.1/24", "remove LAN1.100 address 2001:db8::1/64",
			"set LAN1 link down", "set LAN1.100 link down",
		},
	}, {
		name: "the VLAN is not configured any more", change: changing(func(c *model.Config) { c.Routes, c.LANs = nil, nil }),
		did: []string{"remove LAN1.100 VLAN interface lan1.100", "set LAN1 link up"},
	}, {
		name: "a lease", change: func(_ *fakeKernel, r *Reconciler) {
			c := &model.Config{LANs: []model.LAN{configured(lan1)}}
			c.LANs[0].DHCP.Mode = model.DHCPClient
			r.Apply(c)
			r.ApplyLeases([]model.Lease{{Port: lan1, Address: prefix("192.168.42.7/24"), Router: addr("192.168.42.254")}})
		},
		did: []string{
			"add LAN1 address 192.168.42.7/24", "add LAN1 route 192.168.42.0/24", "add LAN1 route 192.168.42.0/24 table 10000",
			"add LAN1 route 0.0.0.0/0 via 192.168.42.254 metric 254", "add LAN1 route 0.0.0.0/0 via 192.168.42.254 metric 254 table 10000",
			"add LAN1 rule from 192.168.42.7/32 table 10000",
		},
		announced: []string{"LAN1 192.168.42.7"},
	}, {
		name: "no lease any more", change: func(_ *fakeKernel, r *Reconciler) { r.ApplyLeases(nil) },
		did: []string{
			"remove LAN1 rule from 192.168.42.7/32 table 10000",
			"remove LAN1 route 192.168.42.0/24", "remove LAN1 route 192.168.42.0/24 table 10000",
			"remove LAN1 route 0.0.0.0/0 via 192.168.42.254 metric 254", "remove LAN1 route 0.0.0.0/0 via 192.168.42.254 metric 254 table 10000",
			"remove LAN1 address 192.168.42.7/24",
		},
	}, {
		name: "NAT on LAN2", change: changing(func(c *model.Config) { c.Routes, c.LANs[0], c.LANs[1].NAT = nil, configured(lan1), true }),
		did: []string{
			"add LAN2 address 192.168.43.1/24", "add LAN2 route 192.168.43.0/24", "add LAN2 route 192.168.43.0/24 table 20000",
			"add LAN2 rule from 192.168.43.1/32 table 20000",
		},
		announced: []string{"LAN2 192.168.43.1"},
	}, {
		name: "LAN2 is pulled out", change: others(func(s *State) { s.unplug(lan2) }),
		did:     []string{"remove LAN2 rule from 192.168.43.1/32 table 20000"},
		problem: map[string]string{"LAN2": "no NIC for LAN2"},
	}, {
		name: "LAN2 comes back without a cable", change: others(func(s *State) {
			s.plug(lan2)
			_ = s.edit(lan2, func(i *Interface) { i.Carrier = false })
		}),
		did: []string{
			"set LAN2 link up", "add LAN2 address 192.168.43.1/24", "add LAN2 route 192.168.43.0/24",
			"add LAN2 route 192.168.43.0/24 table 20000", "add LAN2 rule from 192.168.43.1/32 table 20000",
		},
		problem: map[string]string{"LAN2": "no carrier"},
	}, {
		name: "the cable", change: others(func(s *State) { _ = s.edit(lan2, func(i *Interface) { i.Carrier = true }) }),
		announced: []string{"LAN2 192.168.43.1"},
	}, {
		name: "the kernel refuses addresses", change: func(k *fakeKernel, _ *Reconciler) {
			k.refuse = refusing[Address](unix.EPERM)
			k.others(func(s *State) { _ = s.edit(lan2, func(i *Interface) { i.Addresses = nil }) })
		},
		problem: map[string]string{"LAN2": "add address 192.168.43.1/24: operation not permitted"},
	}, {
		name: "and no longer", wait: retryPeriod, change: func(k *fakeKernel, _ *Reconciler) {
			k.mu.Lock()
			k.refuse = nil
			k.mu.Unlock()
		},
		did:       []string{"add LAN2 address 192.168.43.1/24"},
		announced: []string{"LAN2 192.168.43.1"},
	}, {
		name: "a VLAN that the kernel cannot make, on one port, and the other missing", change: func(k *fakeKernel, r *Reconciler) {
			k.refuse = refusing[VLAN](unix.EOPNOTSUPP)
			k.others(func(s *State) { s.unplug(lan1) })
			r.Apply(&model.Config{LANs: []model.LAN{configured(vlan100, "192.168.42.1/24"), configured(model.Port{LAN: model.LAN2, VLAN: 5}, "192.168.43.1/24")}})
		},
		did: []string{
			"remove LAN2 rule from 192.168.43.1/32 table 20000", "remove LAN2 route 192.168.43.0/24",
			"remove LAN2 route 192.168.43.0/24 table 20000", "remove LAN2 address 192.168.43.1/24",
		},
		problem: map[string]string{
			"LAN1": "no NIC for LAN1", "LAN1.100": "no NIC for LAN1", "LAN2.5": "add VLAN interface lan2.5: operation not supported",
		},
	}, {
		name: "another agent undoes every change", change: func(k *fakeKernel, r *Reconciler) {
			k.others(func(s *State) { s.plug(lan1) })
			k.mu.Lock()
			k.unstable, k.refuse = true, nil
			k.mu.Unlock()
			r.Apply(&model.Config{LANs: []model.LAN{configured(lan1, "192.168.42.1/32")}})
		},
		did: []string{
			"set LAN1 link up", "add LAN1 address 192.168.42.1/32", "add LAN1 rule from 192.168.42.1/32 table 10000",
			"add LAN1 address 192.168.42.1/32", "add LAN1 address 192.168.42.1/32", // and so on
		},
		problem: map[string]string{"LAN1": "add address 192.168.42.1/32: did not last"},
	},
}

func TestReconciler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel(model.LAN1, model.LAN2)
		k.state.Rules = []Rule{{prefix("192.168.42.1/32"), 101, 101}}
		r := NewReconciler(k, quiet())
		ended := make(chan error, 1)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { ended <- r.Run(ctx) }()
		for _, step := range reconcilerSteps {
			synctest.Wait()
			step.change(k, r)
			time.Sleep(max(step.wait, 4*settleTime))
			synctest.Wait()
			did, announced := k.take()
			if k.unstable {
				did = did[:min(len(did), len(step.did))]
			}
			if diff := cmp.Diff(step.did, did); diff != "" {
				t.Errorf("%s: did (-want +got):\n%s", step.name, diff)
			}
			if diff := cmp.Diff(step.announced, announced); diff != "" {
				t.Errorf("%s: announced (-want +got):\n%s", step.name, diff)
			}
			for _, s := range r.Status() {
				if s.Problem != step.problem[s.LAN] {
					t.Errorf("%s: Status()[%s].Problem = %q; want %q", step.name, s.LAN, s.Problem, step.problem[s.LAN])
				}
			}
			if wrong := k.wrongParameters(r.desired); len(wrong) > 0 {
				t.Errorf("%s: %v", step.name, wrong)
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
		if got := r.Status()[0].Problem; got != "state not readable: no netlink" {
			t.Errorf("Problem = %q while the kernel is not readable", got)
		}
		k.mu.Lock()
		k.readFails = nil
		k.mu.Unlock()
		time.Sleep(retryPeriod)
		synctest.Wait()
		if did, _ := k.take(); len(did) == 0 || did[0] != "set LAN1 link up" {
			t.Errorf("after the kernel became readable: did %v; want LAN1 set up", did)
		}
		broken := errors.New("no more notifications")
		k.watchErr <- broken
		if err := <-ended; !errors.Is(err, broken) {
			t.Errorf("Run = %v; want %v", err, broken)
		}
	})
}

// TestFight: with one who undoes each change the reconciler does not race, nor
// is it slow when that one has gone.
func TestFight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel(model.LAN1, model.LAN2)
		k.unstable = true
		r := NewReconciler(k, quiet())
		r.Apply(twoLANs())
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		time.Sleep(time.Minute)
		did, _ := k.take()
		if most := 70 * repairs * 2; len(did) > most { // of both addresses
			t.Errorf("%d changes in a minute; want %d at the most", len(did), most)
		}
		k.mu.Lock()
		k.unstable = false
		k.mu.Unlock()
		for _, wait := range []time.Duration{longestWait, 2 * settleTime, 2 * settleTime} {
			time.Sleep(wait)
			synctest.Wait()
			if actual, _ := k.Read(); len(difference(r.desired, actual)) > 0 {
				t.Errorf("still to do after %v: %v", wait, difference(r.desired, actual)[0].attempt)
			}
			k.others(func(s *State) { _ = s.edit(lan1, func(i *Interface) { i.Addresses = nil }) })
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v; want nil", err)
		}
	})
}
