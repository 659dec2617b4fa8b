package network

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"causeway/appliance/model"
)

// fakeKernel holds a State and obeys the kernel's rules that matter here.
type fakeKernel struct {
	mu        sync.Mutex
	state     State
	did       []string // every change made through the interface but parameters
	announced []string
	refuse    func(of any) error // what a change fails with; nil: nothing does
	watchers  map[chan struct{}]bool
	watchErr  chan error
	unstable  bool // addresses vanish as soon as they are set
	readFails error
}

func newFakeKernel(present ...model.LANName) *fakeKernel {
	k := &fakeKernel{watchers: map[chan struct{}]bool{}, watchErr: make(chan error, 1)}
	k.state = State{Interfaces: map[model.Port]Interface{}, Parameters: map[string]string{}}
	for _, p := range parameters(nil, false) {
		k.state.Parameters[p.Name] = "untouched"
	}
	for _, lan := range present {
		k.state.plug(model.Port{LAN: lan})
	}
	return k
}

// plug is a new interface.
func (s *State) plug(port model.Port) {
	s.Interfaces[port] = Interface{Carrier: true, LinkLocal: true, MTU: 1500, MAC: fmt.Sprintf("02:00:00:00:00:0%d", port.LAN+1)}
	for i, p := range parametersOf(port, port.Interface()) {
		s.Parameters[p.Name] = s.Parameters[parametersOf(port, "default")[i].Name]
	}
}

// unplug takes an interface away, with what goes with it.
func (s *State) unplug(port model.Port) {
	for other := range s.Interfaces {
		if other == port || port.VLAN == 0 && other.LAN == port.LAN {
			delete(s.Interfaces, other)
			for _, p := range parametersOf(other, other.Interface()) {
				delete(s.Parameters, p.Name)
			}
			s.Routes = slices.DeleteFunc(s.Routes, func(r Route) bool { return r.Port == other })
		}
	}
}

// edit changes an interface.
func (s *State) edit(port model.Port, change func(*Interface)) error {
	i, present := s.Interfaces[port]
	if !present {
		return unix.ENODEV
	}
	change(&i)
	s.Interfaces[port] = i
	return nil
}

// down is what the kernel does to a link that is set down.
func (s *State) down(port model.Port) {
	for other := range s.Interfaces {
		if other == port || port.VLAN == 0 && other.LAN == port.LAN {
			_ = s.edit(other, func(i *Interface) {
				i.Up = false
				i.Addresses = slices.DeleteFunc(slices.Clone(i.Addresses), func(a netip.Prefix) bool { return a.Addr().Is6() })
			})
			s.Routes = slices.DeleteFunc(s.Routes, func(r Route) bool { return r.Port == other })
		}
	}
}

// change makes one change, by whoever, and tells the watchers.
func (k *fakeKernel) change(what string, of any, do func(*State) error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if of != nil && k.refuse != nil {
		if err := k.refuse(of); err != nil {
			return err
		}
	}
	if _, quiet := of.(Parameter); what != "" && !quiet {
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

// others is a change that somebody else makes.
func (k *fakeKernel) others(do func(*State)) {
	_ = k.change("", nil, func(s *State) error { do(s); return nil })
}

func (k *fakeKernel) Read() (State, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.state
	s.Interfaces, s.Parameters = maps.Clone(s.Interfaces), maps.Clone(s.Parameters)
	s.Routes, s.Rules, s.Strays = slices.Clone(s.Routes), slices.Clone(s.Rules), slices.Clone(s.Strays)
	return s, k.readFails
}

func (k *fakeKernel) Add(o Object) error {
	return k.change(fmt.Sprintf("add %v %v", o.port(), o), o, func(s *State) error {
		switch o := o.(type) {
		case VLAN:
			if _, present := s.Interfaces[model.Port{LAN: o.Port.LAN}]; !present || o.Name != o.Port.Interface() {
				return unix.ENODEV
			}
			s.plug(o.Port)
		case Address:
			if k.unstable {
				return nil
			}
			return s.edit(o.Port, func(i *Interface) { i.Addresses = append(slices.Clone(i.Addresses), o.Address) })
		case Route:
			if !s.Interfaces[o.Port].Up {
				return unix.ENETDOWN
			}
			s.Routes = slices.DeleteFunc(s.Routes, func(r Route) bool { return r.place() == o.place() })
			s.Routes = append(s.Routes, o)
		case Rule:
			s.Rules = append(s.Rules, o)
		}
		return nil
	})
}

func (k *fakeKernel) Remove(o Object) error {
	return k.change(fmt.Sprintf("remove %v %v", o.port(), o), o, func(s *State) error {
		switch o := o.(type) {
		case VLAN:
			if stray := slices.Index(s.Strays, o); stray >= 0 {
				s.Strays = slices.Delete(s.Strays, stray, stray+1)
				return nil
			}
			s.unplug(o.Port)
		case Address:
			i := s.Interfaces[o.Port]
			defer func() { s.Interfaces[o.Port] = i }()
			i.Addresses = slices.Clone(i.Addresses)
			return remove(&i.Addresses, o.Address)
		case Route:
			return remove(&s.Routes, o)
		case Rule:
			return remove(&s.Rules, o)
		}
		return nil
	})
}

func remove[T comparable](list *[]T, element T) error {
	i := slices.Index(*list, element)
	if i < 0 {
		return unix.ENOENT
	}
	*list = slices.Delete(*list, i, i+1)
	return nil
}

func (k *fakeKernel) Set(setting Setting) error {
	return k.change(fmt.Sprintf("set %v %v", setting.port(), setting), setting, func(s *State) error {
		switch v := setting.(type) {
		case Link:
			if v.Up && !s.Interfaces[v.Port].Up && v.Port.VLAN != 0 && !s.Interfaces[model.Port{LAN: v.Port.LAN}].Up {
				return unix.ENETDOWN
			}
			if !v.Up {
				s.down(v.Port)
				return nil
			}
			return s.edit(v.Port, func(i *Interface) { i.Up = true })
		case MTU:
			for other, i := range s.Interfaces { // a VLAN's is never more than that of its port
				switch {
				case v.Port.VLAN != 0 && other == model.Port{LAN: v.Port.LAN} && v.Octets > i.MTU:
					return unix.ERANGE
				case v.Port.VLAN == 0 && other.LAN == v.Port.LAN:
					i.MTU = min(i.MTU, v.Octets)
					s.Interfaces[other] = i
				}
			}
			return s.edit(v.Port, func(i *Interface) { i.MTU = v.Octets })
		case PortMode:
			return s.edit(v.Port, func(i *Interface) {
				want, err := i.Ethernet.with(v.Mode)
				if err == nil {
					i.Ethernet = &want
				}
			})
		case Parameter:
			if _, exists := s.Parameters[v.Name]; !exists {
				return unix.ENOENT
			}
			s.Parameters[v.Name] = v.Value
			if v.Name == forwarding {
				s.Parameters["net/ipv4/conf/all/accept_redirects"] = map[string]string{"0": "1", "1": "0"}[v.Value]
			}
		}
		return nil
	})
}

func (k *fakeKernel) Announce(port model.Port, address netip.Addr) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.announced = append(k.announced, fmt.Sprintf("%v %v", port, address))
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

// take gives what was done, and announced, since the last call.
func (k *fakeKernel) take() (did, announced []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	did, announced = k.did, k.announced
	k.did, k.announced = nil, nil
	return did, announced
}

var (
	prefix = netip.MustParsePrefix
	addr   = netip.MustParseAddr

	lan1, lan2 = model.Port{LAN: model.LAN1}, model.Port{LAN: model.LAN2}
	vlan100    = model.Port{LAN: model.LAN1, VLAN: 100}
)

// configured gives a port with addresses of either family.
func configured(port model.Port, addresses ...string) model.LAN {
	lan := model.NewLAN(port)
	for _, text := range addresses {
		if address := prefix(text); address.Addr().Is4() {
			lan.Address = address
		} else {
			lan.Address6 = address
		}
	}
	return lan
}

// twoLANs is the configuration of the source documents, with a default route.
func twoLANs() *model.Config {
	return &model.Config{
		LANs: []model.LAN{configured(lan1, "192.168.42.1/24"), configured(lan2, "192.168.43.1/24")},
		Routes: []model.IPRoute{
			{Destination: prefix("0.0.0.0/0"), Gateway: addr("192.168.43.254"), Port: lan2, Metric: 1},
			{Destination: prefix("198.51.100.0/24"), Gateway: addr("192.168.42.254"), Port: lan1, Metric: 10},
		},
	}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// wrongParameters gives those that are not as they are to be.
func (k *fakeKernel) wrongParameters(desired State) (wrong []string) {
	s, _ := k.Read()
	for name, value := range desired.Parameters {
		if got, exists := s.Parameters[name]; exists && got != value {
			wrong = append(wrong, name+" is "+got)
		}
	}
	return wrong
}
