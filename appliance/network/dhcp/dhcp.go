// Package dhcp gives ports their addresses from a DHCP server (Client) and
// gives addresses to the hosts of a port (Server), over IPv4 (RFC 2131).
//
// In: the configuration (Apply), the kernel's word on links, and what servers
// and hosts send. Out: the leases in force, for those who set addresses and
// ask name servers (ClientOptions.Changed); answers to hosts; conditions for
// the alarms. This package sets no address and no route.
//
// Both talk through Kernel and count time on CLOCK_BOOTTIME, so that a step of
// the wall clock means nothing to a lease. Messages are read and written by
// github.com/insomniacslk/dhcp/dhcpv4. Its nclient4 is not used: its socket
// has no filter, so each datagram of each call would wake this process, and it
// cannot send to one station; its repetitions know neither jitter nor a
// change of the link.
//
// The states of RFC 2131 §4.4 are in states.go, what a server may say in
// judge.go, what a host is answered in answer.go, who has which address in
// bindings.go.
package dhcp

import (
	"context"
	"net/netip"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// The ports of RFC 2131 §4.1.
const (
	serverPort = 67
	clientPort = 68
)

// broadcastMAC is every station of an Ethernet.
var broadcastMAC = MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// broadcastAddress is every host of the local network.
var broadcastAddress = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// Kernel is what this package needs of the machine.
type Kernel interface {
	// Watch calls changed with each network interface that there is, and
	// then whenever one changes, until ctx ends, which gives nil, or the
	// kernel's notifications fail. A zero Link means that it is gone.
	Watch(ctx context.Context, changed func(name string, link Link)) error
	// Wire opens the link for a client. It works without an address.
	Wire(link Link) (Wire, error)
	// Listen opens the interface for a server.
	Listen(name string, link Link) (Listener, error)
	// Probe asks the link who has the address, without claiming it (RFC 5227
	// §2.1.1), and gives the one that answers within about a second, or zero.
	Probe(ctx context.Context, link Link, address netip.Addr) (MAC, error)
	// Announce tells the link that the address is at this interface now.
	Announce(link Link, address netip.Addr) error
}

// Wire carries the messages of a client.
type Wire interface {
	// Send sends a message from the port of clients to that of servers.
	Send(m *dhcpv4.DHCPv4, source netip.Addr, to Station) error
	// Received gives what comes for clients; closed when the link fails.
	// What nobody takes in time is dropped.
	Received() <-chan Received
	Close() error
}

// Station is one host on a link, or all of them.
type Station struct {
	Address netip.Addr
	MAC     MAC
}

// everyone is all hosts on a link.
var everyone = Station{broadcastAddress, broadcastMAC}

// Received is a message and the station that the frame came from: the server
// or the relay before it.
type Received struct {
	Message *dhcpv4.DHCPv4
	From    MAC
}

// Listener carries the messages of a server.
type Listener interface {
	// Receive waits for the next message.
	Receive() (*dhcpv4.DHCPv4, error)
	// Send sends a message from the server at source. Without a MAC the
	// kernel finds the way.
	Send(m *dhcpv4.DHCPv4, source netip.Addr, to netip.AddrPort, mac MAC) error
	// Close ends Receive.
	Close() error
}

// addr is an address of a message; invalid where it has none.
func addr(ip []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}
