package ssh

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"causeway/appliance/model"
)

// door is where the server listens: all addresses of one interface, whichever
// they are and come to be. What comes by another interface does not get there,
// with or without a firewall.
type door struct {
	name  string // of the interface
	index int    // of the interface: one that comes back after it was pulled has another
	port  uint16 // TCP
}

// onPort is the door of a port of the box.
func onPort(p model.Port, tcp uint16) (door, error) {
	found, err := net.InterfaceByName(p.Interface())
	if err != nil {
		return door{}, fmt.Errorf("%v: %w", p, err)
	}
	return door{found.Name, found.Index, tcp}, nil
}

// listen opens the door.
func listen(d door) (net.Listener, error) {
	config := net.ListenConfig{
		Control: func(_, _ string, socket syscall.RawConn) error {
			var bound error
			err := socket.Control(func(fd uintptr) { bound = unix.BindToDevice(int(fd), d.name) })
			if err != nil {
				return err
			}
			return bound
		},
	}
	return config.Listen(context.Background(), "tcp", net.JoinHostPort("", strconv.Itoa(int(d.port))))
}

// addressOf is the address and port of a peer.
func addressOf(wire net.Conn) netip.AddrPort {
	peer, _ := netip.ParseAddrPort(wire.RemoteAddr().String())
	return netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port())
}
