package dhcp

import (
	"context"
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// TestProbeIsOfItsVLAN has a station claim the address that is probed: without
// a tag, and in a VLAN that the host has no interface for, whose frames the
// kernel shows to packet sockets of the port itself.
func TestProbeIsOfItsVLAN(t *testing.T) {
	box, other := namespace(t), namespace(t)
	ethernet(t, box, other)
	address := netip.MustParseAddr("192.168.42.10")
	claim := arp{arpReply, Station{address, strangeMAC}, Station{netip.IPv4Unspecified(), broadcastMAC}}.packet()
	link := linkOf(netlink.LinkUpdate{Link: box.link(t, "lan1")})
	for name, test := range map[string]struct {
		tag  []byte
		want MAC
	}{
		"no tag":   {nil, strangeMAC},
		"VLAN 200": {binary.BigEndian.AppendUint16([]byte{0x81, 0}, 200), MAC{}},
	} {
		frame := append(append([]byte{}, broadcastMAC[:]...), strangeMAC[:]...)
		frame = append(append(append(frame, test.tag...), 0x08, 0x06), claim...)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			ended <- other.Do(func() error { return shout(ctx, other.link(t, "lan1").Attrs().Index, frame) })
		}()
		holder, err := box.Probe(ctx, link, address)
		cancel()
		if err != nil || holder != test.want {
			t.Errorf("%s: Probe = %v, %v; want %v", name, holder, err, test.want)
		}
		if err := <-ended; err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// shout sends a frame again and again until ctx ends.
func shout(ctx context.Context, index int, frame []byte) error {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for pause(ctx, probeEvery/10) {
		if err := unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: index}); err != nil {
			return err
		}
	}
	return nil
}
