package sip

import (
	"net/netip"
	"syscall"
	"testing"

	"causeway/appliance/sip/hop"

	"golang.org/x/sys/unix"

	"causeway/appliance/model"
)

// TestDSCP reads back what the kernel sends with, after each commit.
func TestDSCP(t *testing.T) {
	lan := func(name model.LANName, address, address6 string, dscp int) model.LAN {
		l := model.NewLAN(model.Port{LAN: name})
		l.DSCP = dscp
		if address != "" {
			l.Address = netip.MustParsePrefix(address)
		}
		if address6 != "" {
			l.Address6 = netip.MustParsePrefix(address6)
		}
		return l
	}
	own, neighbour, own6, other := addressOf("192.0.2.1:5060"), addressOf("192.0.2.2:5060"), addressOf("[2001:db8::1]:5060"), addressOf("198.51.100.1:5060")
	network := model.SIPNetwork{Name: "all"}
	for _, address := range []netip.AddrPort{own, neighbour, own6, other} {
		network.Listens = append(network.Listens, model.SIPListen{Address: address})
	}
	p := runProxy(t)
	for _, test := range []struct {
		name string
		lans []model.LAN
		want map[netip.AddrPort]int
	}{
		{"new sockets", []model.LAN{lan(model.LAN1, "192.0.2.1/24", "2001:db8::1/64", 46), lan(model.LAN2, "203.0.113.1/24", "", 10)},
			map[netip.AddrPort]int{own: 46, neighbour: 46, own6: 46, other: model.DefaultDSCP}},
		{"the same sockets", []model.LAN{lan(model.LAN1, "198.51.100.1/24", "2001:db8::1/64", 63), lan(model.LAN2, "192.0.2.1/24", "", 0)},
			map[netip.AddrPort]int{own: 0, neighbour: 0, own6: 63, other: 63}},
	} {
		if err := p.Prepare(&model.Config{LANs: test.lans, SIP: model.SIP{Networks: []model.SIPNetwork{network}}}); err != nil {
			t.Fatal(err)
		}
		if err := p.Switch(); err != nil {
			t.Fatal(err)
		}
		for address, want := range test.want {
			level, name := unix.IPPROTO_IP, unix.IP_TOS
			if address.Addr().Is6() {
				level, name = unix.IPPROTO_IPV6, unix.IPV6_TCLASS
			}
			for _, socket := range p.config.Load().own[hop.Place{Address: address}].sockets {
				var got int
				var err error
				if e := socket.raw.Control(func(fd uintptr) { got, err = unix.GetsockoptInt(int(fd), level, name) }); e != nil || err != nil {
					t.Fatal(e, err)
				}
				if got != want<<2 {
					t.Errorf("%s: %v sends with %#x; want DSCP %d", test.name, address, got, want)
				}
			}
		}
	}
}

// A kernel without room for a datagram says nothing about who should get it.
func TestNoRoomIsNoAnswer(t *testing.T) {
	b := newOutbox()
	b.put(nil, lan1, append(b.buffer(), "INVITE "...))
	for errno, want := range map[syscall.Errno]int{unix.EAGAIN: 0, unix.ENOBUFS: 0, unix.ECONNREFUSED: 1} {
		b.first, b.unsent = 0, nil
		if b.refuse(errno); len(b.unsent) != want || b.first != 1 {
			t.Errorf("%v: %d datagrams are told of as undelivered; want %d", errno, len(b.unsent), want)
		}
	}
}
