// Package lab is the world around a box under test: a network on each of its
// two sides, peers in them that nobody of us wrote (SIPp; servers and clients of
// DNS, NTP and DHCP; nmap), and a prober that sends raw datagrams. Everything is
// in network namespaces of its own, so labs do not meet each other nor the
// host's network.
package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
)

// The addresses of the lab: the box has its built-in configuration, and each
// LAN has one host.
var (
	BoxLAN1  = netip.MustParseAddrPort("192.168.42.1:5060")
	BoxLAN2  = netip.MustParseAddrPort("192.168.43.1:5060")
	PeerLAN1 = netip.MustParseAddr("192.168.42.2")
	PeerLAN2 = netip.MustParseAddr("192.168.43.2")
)

// The ports of the peers: the built-in configuration sends calls to the
// callee's; the caller's is free to choose.
const (
	CalleePort = 5060
	CallerPort = 5070
)

// maskBits is the size of both LANs.
const maskBits = 24

// Lab is the two LANs of one box.
type Lab struct {
	LAN1, LAN2 *Namespace
	Home       *Namespace // where a box without a machine lives; nil with QEMU
	taps       []*os.File
	cut        func() error // ends the line to LAN1; nil: a cable
}

// New makes a lab without a box.
func New() (*Lab, error) {
	l := &Lab{}
	var err1, err2 error
	l.LAN1, err1 = NewNamespace()
	l.LAN2, err2 = NewNamespace()
	if err := errors.Join(err1, err2); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// Taps gives the lab's ends of the cables of LAN1 and LAN2 for the network
// cards of a machine. They are closed with the lab.
func (l *Lab) Taps() (lan1, lan2 *os.File, err error) {
	if lan1, err = l.LAN1.OpenTap("lan1", netip.PrefixFrom(PeerLAN1, maskBits)); err != nil {
		return nil, nil, err
	}
	l.taps = append(l.taps, lan1)
	if lan2, err = l.LAN2.OpenTap("lan2", netip.PrefixFrom(PeerLAN2, maskBits)); err != nil {
		return nil, nil, err
	}
	l.taps = append(l.taps, lan2)
	return lan1, lan2, nil
}

// Box gives a namespace with the box's addresses, cabled to both LANs, for a
// proxy that runs on this host.
func (l *Lab) Box() (*Namespace, error) { return l.box(Connect) }

// BoxBehind is Box, with a line in the place of the cable to LAN1.
func (l *Lab) BoxBehind(line Line) (*Namespace, error) {
	return l.box(func(a *Namespace, nameA string, addressA netip.Prefix, b *Namespace, nameB string, addressB netip.Prefix) (err error) {
		l.cut, err = line.Connect(a, nameA, addressA, b, nameB, addressB)
		return err
	})
}

// box has LAN1 connected in the way of Connect.
func (l *Lab) box(lan1 func(a *Namespace, nameA string, addressA netip.Prefix, b *Namespace, nameB string, addressB netip.Prefix) error) (*Namespace, error) {
	box, err := NewNamespace()
	if err != nil {
		return nil, err
	}
	l.Home = box
	err = errors.Join(
		lan1(box, "lan1", netip.PrefixFrom(BoxLAN1.Addr(), maskBits), l.LAN1, "lan1", netip.PrefixFrom(PeerLAN1, maskBits)),
		Connect(box, "lan2", netip.PrefixFrom(BoxLAN2.Addr(), maskBits), l.LAN2, "lan2", netip.PrefixFrom(PeerLAN2, maskBits)))
	if err != nil {
		return nil, fmt.Errorf("cable the box: %w", err)
	}
	return box, nil
}

// Close takes the lab down. Processes started in it must have ended.
func (l *Lab) Close() error {
	var errs []error
	if l.cut != nil {
		errs = append(errs, l.cut())
	}
	for _, tap := range l.taps {
		errs = append(errs, tap.Close())
	}
	for _, namespace := range []*Namespace{l.LAN1, l.LAN2, l.Home} {
		if namespace != nil {
			errs = append(errs, namespace.Close())
		}
	}
	return errors.Join(errs...)
}
