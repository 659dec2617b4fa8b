package dhcp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"causeway/appliance/alarm"
	"causeway/appliance/model"
)

// ServerOptions are what a Server uses.
type ServerOptions struct {
	File        string               // of the bindings: /bootflash/control/dhcp.db
	NameServers func() []netip.Addr  // that hosts are told of, at once; those of IPv4 count
	TimeServers func() []netip.Addr  // likewise
	Kernel      Kernel               // nil: Linux
	Boot        func() time.Duration // CLOCK_BOOTTIME
	Log         *slog.Logger
}

// Server gives addresses to the hosts of each port in mode server. What it
// does for one that asks for its first lease is limited in rate, so that
// invented hosts cannot wear out the flash; what they hold is limited by the
// size of the pools, and never taken from a host with a lease. Hosts that are
// known are always answered.
type Server struct {
	o     ServerOptions
	ports *ports[*service]

	mu        sync.Mutex
	services  map[model.Port]*service
	table     *bindings // nil while Run does not run
	newcomers bucket    // hosts that are made an offer
	writes    bucket    // to the file
}

// service is what is configured of a port in mode server.
type service struct {
	Self netip.Prefix
	DHCP model.DHCP
}

// Limits.
const (
	perSecond  = 50 // newcomers, and writes
	burst      = 200
	probesMax  = 32 // at a time on a port
	sweepEvery = time.Minute
)

// NewServer makes a server that does nothing until Run runs and a
// configuration was applied.
func NewServer(o ServerOptions) *Server {
	if o.Kernel == nil {
		o.Kernel = Linux{}
	}
	s := &Server{o: o, newcomers: bucket{now: o.Boot}, writes: bucket{now: o.Boot}}
	s.ports = newPorts(o.Kernel, o.Log, s.serve)
	return s
}

// Apply makes config the one to obey.
func (s *Server) Apply(config *model.Config) {
	services := map[model.Port]*service{}
	s.mu.Lock()
	for _, lan := range config.LANs {
		if lan.DHCP.Mode != model.DHCPServer || lan.Shutdown || !lan.Address.IsValid() {
			continue
		}
		services[lan.Port] = &service{lan.Address, lan.DHCP}
		if running := s.services[lan.Port]; reflect.DeepEqual(running, services[lan.Port]) {
			services[lan.Port] = running // undisturbed
		}
	}
	s.services = services
	s.mu.Unlock()
	s.ports.want(services)
}

// Run serves until ctx ends, which gives nil, or the file of the bindings
// cannot be used.
func (s *Server) Run(ctx context.Context) error {
	file, records, err := openStore(s.o.File)
	switch {
	case file == nil:
		return err
	case err != nil:
		s.o.Log.Warn("DHCP begins anew", "error", err)
	}
	s.mu.Lock()
	s.table = loadBindings(file, records, s.o.Boot)
	s.mu.Unlock()

	ctx, cancel := context.WithCancel(ctx)
	var sweeping sync.WaitGroup
	sweeping.Go(func() {
		for pause(ctx, sweepEvery) {
			s.sweep()
		}
	})
	err = s.ports.run(ctx)
	cancel()
	sweeping.Wait()
	s.sweep()
	s.mu.Lock()
	s.table = nil
	s.mu.Unlock()
	return errors.Join(err, file.close())
}

// sweep brings the file up to date.
func (s *Server) sweep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.table.sweep(s.served); err != nil {
		s.o.Log.Error("DHCP bindings are not kept up to date", "error", err)
	}
}

// served reports whether the address is in a pool. mu is held.
func (s *Server) served(address netip.Addr) bool {
	for _, service := range s.services {
		if _, in := poolOf(service.DHCP.Pools, address); in {
			return true
		}
	}
	return false
}

// serve answers on one port until ctx ends or the socket fails.
func (s *Server) serve(ctx context.Context, port model.Port, want *service, link Link) error {
	if link.Index == 0 {
		<-ctx.Done()
		return nil
	}
	listener, err := s.o.Kernel.Listen(port.Interface(), link)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { listener.Close() })
	defer func() {
		if stop() {
			listener.Close()
		}
	}()
	c := &counter{
		desk:     desk{s, port, want.Self, want.DHCP.Pools, time.Duration(want.DHCP.LeaseTime) * time.Minute},
		link:     link,
		listener: listener,
		room:     make(chan struct{}, probesMax),
	}
	defer c.probing.Wait() // ctx has ended, or the socket failed: a probe is short
	for {
		m, err := listener.Receive()
		if err != nil {
			return fmt.Errorf("receive on %v: %w", port, err)
		}
		s.mu.Lock()
		a := c.desk.answer(m)
		s.mu.Unlock()
		c.act(ctx, m, a)
	}
}

// Conditions gives the ports that have no address left for a newcomer, on
// their own network or on that of a relay.
func (s *Server) Conditions() []model.Condition {
	s.mu.Lock()
	defer s.mu.Unlock()
	var held []model.Condition
	if s.table == nil {
		return nil
	}
	for port, service := range s.services {
		size, taken := map[netip.Prefix]int{}, map[netip.Prefix]int{}
		for _, pool := range service.DHCP.Pools {
			size[pool.Start.Masked()] += pool.Count
		}
		for _, b := range s.table.byAddress {
			if pool, in := poolOf(service.DHCP.Pools, b.address); in && b.standing != offered && s.table.alive(b) {
				taken[pool.Start.Masked()]++
			}
		}
		for network, count := range size {
			if taken[network] >= count {
				held = append(held, model.Condition{Name: alarm.DHCPPoolFull, Object: port.String(),
					Text: fmt.Sprintf("all %d addresses of the pools of %v are taken", count, network)})
				break // one condition a port
			}
		}
	}
	slices.SortFunc(held, func(a, b model.Condition) int { return strings.Compare(a.Object, b.Object) })
	return held
}
