// Package entrance keeps a TCP service of the box open at the ports of the box where
// the configuration has it: SSH, and the administration pages.
//
// In: where it is to be (Want), and the interfaces of the machine as they come and
// go. Out: listeners, to who serves them.
package entrance

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"causeway/appliance/model"
)

// lookEvery is the time between looks at the interfaces and the listeners.
const lookEvery = 5 * time.Second

// Options are what an Entrance is made of.
type Options struct {
	Service string // as the log has it: "SSH"
	// Ready says what is missing before anybody can be served: nil, nothing is.
	Ready func() error
	// Serve serves a listener until that is closed, and the connections from it as
	// long as it likes, but not longer than ctx.
	Serve func(ctx context.Context, l net.Listener)
	// Listen opens a TCP port at a port of the box. nil: at all addresses of its
	// interface, whichever they are and come to be. What comes by another interface
	// does not get there then, with or without a firewall.
	Listen func(p model.Port, tcp uint16) (net.Listener, error)
	Log    *slog.Logger
}

// Entrance is where one service is. Make it with New.
type Entrance struct {
	Options
	index func(model.Port) (int, error) // of an interface: one that comes back after it was pulled has another
	kick  chan struct{}                 // holds one: what is wanted has changed

	mu     sync.Mutex
	wanted []model.Port // ascending
	tcp    uint16
}

// New makes an entrance that is closed.
func New(o Options) *Entrance {
	e := &Entrance{Options: o, index: indexOf, kick: make(chan struct{}, 1)}
	if o.Listen != nil {
		e.index = func(model.Port) (int, error) { return 0, nil }
	} else {
		e.Listen = listen
	}
	return e
}

// Want says at which ports of the box the service is to be, and at which TCP port.
// Run brings it about. Connections go on where nobody else is let in.
func (e *Entrance) Want(at func(model.Port) bool, tcp uint16) {
	var wanted []model.Port
	for lan := range model.LANCount {
		if port := (model.Port{LAN: lan}); at(port) {
			wanted = append(wanted, port)
		}
	}
	e.mu.Lock()
	e.wanted, e.tcp = wanted, tcp
	e.mu.Unlock()
	select {
	case e.kick <- struct{}{}:
	default: // Run will look anyway
	}
}

// Run keeps the entrance until ctx ends, and waits for who serves.
func (e *Entrance) Run(ctx context.Context) error {
	open := map[model.Port]opened{}
	var running sync.WaitGroup
	defer running.Wait()
	defer func() {
		for _, l := range open {
			l.Close()
		}
	}()
	var told string
	for {
		err := e.reconcile(open, func(l net.Listener) { running.Go(func() { e.Serve(ctx, l) }) })
		if problem := fmt.Sprint(err); problem != told {
			if told = problem; err != nil {
				e.Log.Warn(e.Service+" is not served everywhere, it is tried again", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-e.kick:
		case <-time.After(lookEvery):
		}
	}
}

// opened is a port of the box where the service is.
type opened struct {
	place
	net.Listener
}

// place is where one listener is.
type place struct {
	index int    // of the interface
	tcp   uint16 // port
}

// reconcile opens and closes ports until they are as they are wanted.
func (e *Entrance) reconcile(open map[model.Port]opened, serve func(net.Listener)) error {
	e.mu.Lock()
	ports, tcp := e.wanted, e.tcp
	e.mu.Unlock()
	wanted := map[model.Port]place{}
	var problems error
	for _, port := range ports {
		index, err := e.index(port)
		if err != nil {
			problems = errors.Join(problems, err)
			continue
		}
		wanted[port] = place{index, tcp}
	}
	for port, l := range maps.All(open) {
		if wanted[port] != l.place {
			l.Close()
			delete(open, port)
		}
	}
	for _, port := range ports {
		where, found := wanted[port]
		if _, is := open[port]; is || !found {
			continue
		}
		err := e.Ready()
		var l net.Listener
		if err == nil {
			l, err = e.Listen(port, tcp)
		}
		if err != nil {
			problems = errors.Join(problems, fmt.Errorf("serve %s on %v: %w", e.Service, port, err))
			continue
		}
		open[port] = opened{where, l}
		serve(l)
	}
	return problems
}

// indexOf is that of the interface of a port.
func indexOf(p model.Port) (int, error) {
	found, err := net.InterfaceByName(p.Interface())
	if err != nil {
		return 0, fmt.Errorf("%v: %w", p, err)
	}
	return found.Index, nil
}

// listen listens at an interface.
func listen(p model.Port, tcp uint16) (net.Listener, error) {
	config := net.ListenConfig{
		Control: func(_, _ string, socket syscall.RawConn) error {
			var bound error
			err := socket.Control(func(fd uintptr) { bound = unix.BindToDevice(int(fd), p.Interface()) })
			if err != nil {
				return err
			}
			return bound
		},
	}
	return config.Listen(context.Background(), "tcp", net.JoinHostPort("", strconv.Itoa(int(tcp))))
}

// Peer is the address and port at the other end of a connection; the zero value
// where it has none.
func Peer(wire net.Conn) netip.AddrPort {
	peer, _ := netip.ParseAddrPort(wire.RemoteAddr().String())
	return netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port())
}

// Source is who counts as one: an address, of IPv6 the network that a host has to
// itself.
func Source(peer netip.Addr) netip.Prefix {
	bits := 32
	if peer.Is6() {
		bits = 64
	}
	source, _ := peer.WithZone("").Prefix(bits)
	return source
}
