package lab

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// vlanHost is a host on a VLAN that knows ARP and ICMP echoes. It writes the
// tags itself (IEEE 802.1Q), so that this machine's kernel needs no VLANs.
type vlanHost struct {
	socket  int // AF_PACKET
	device  *net.Interface
	vlan    uint16
	address netip.Addr
}

// PingVLAN has a host with that address on that VLAN of the device ask `to`
// for its Ethernet address, and then for an echo, until both are answered with
// the tag. from must not be an address of this machine.
func (n *Namespace) PingVLAN(ctx context.Context, device string, vlan int, from, to netip.Addr) error {
	h := vlanHost{vlan: uint16(vlan), address: from}
	err := n.Do(func() (err error) {
		if h.device, err = net.InterfaceByName(device); err != nil {
			return err
		}
		h.socket, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return fmt.Errorf("open a packet socket on %s: %w", device, err)
	}
	defer unix.Close(h.socket)
	if err := h.bind(); err != nil {
		return fmt.Errorf("open a packet socket on %s: %w", device, err)
	}
	reply, err := h.exchange(ctx, h.arpRequest(to), func(payload []byte) bool {
		return binary.BigEndian.Uint16(payload) == unix.ETH_P_ARP && len(payload) >= 30 &&
			payload[9] == arpReply && bytes.Equal(payload[16:20], to.AsSlice())
	})
	if err != nil {
		return fmt.Errorf("ask on VLAN %d who has %s: %w", vlan, to, err)
	}
	peer := net.HardwareAddr(bytes.Clone(reply[10:16]))
	_, err = h.exchange(ctx, h.echoRequest(peer, to), func(payload []byte) bool {
		return binary.BigEndian.Uint16(payload) == unix.ETH_P_IP && len(payload) >= 30 &&
			payload[11] == unix.IPPROTO_ICMP && payload[22] == echoReply && bytes.Equal(payload[14:18], to.AsSlice())
	})
	if err != nil {
		return fmt.Errorf("ping %s on VLAN %d: %w", to, vlan, err)
	}
	return nil
}

// bind has the socket take all frames of the device, and their tags, which the
// kernel takes off.
func (h *vlanHost) bind() error {
	networkOrder := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL))
	return errors.Join(
		unix.SetsockoptInt(h.socket, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1),
		unix.SetsockoptTimeval(h.socket, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 100_000}),
		unix.Bind(h.socket, &unix.SockaddrLinklayer{Protocol: networkOrder, Ifindex: h.device.Index}))
}

// exchange sends a frame once a second until a tagged one comes whose payload,
// from its Ethernet type on, is wanted.
func (h *vlanHost) exchange(ctx context.Context, frame []byte, wanted func(payload []byte) bool) ([]byte, error) {
	var (
		next      time.Time
		data      = make([]byte, 2048)
		ancillary = make([]byte, 256)
	)
	for ctx.Err() == nil {
		if now := time.Now(); !now.Before(next) {
			if _, err := unix.Write(h.socket, frame); err != nil {
				return nil, err
			}
			next = now.Add(time.Second)
		}
		length, ancillaryLength, _, _, err := unix.Recvmsg(h.socket, data, ancillary, 0)
		switch {
		case err == unix.EAGAIN || err == unix.EINTR:
		case err != nil:
			return nil, err
		case length > ethernetAddresses+2 && tagOf(ancillary[:ancillaryLength]) == h.vlan && wanted(data[ethernetAddresses:length]):
			return data[ethernetAddresses:length], nil
		}
	}
	return nil, context.Cause(ctx)
}

// ethernetAddresses is how much of a frame comes before its type.
const ethernetAddresses = 12

// tagOf gives the VLAN that a frame was tagged with; 0 if it had no tag. The
// ancillary data is a struct tpacket_auxdata (packet(7)).
func tagOf(ancillary []byte) uint16 {
	messages, err := unix.ParseSocketControlMessage(ancillary)
	if err != nil {
		return 0
	}
	for _, message := range messages {
		if message.Header.Type == unix.PACKET_AUXDATA && len(message.Data) >= 20 &&
			binary.NativeEndian.Uint32(message.Data)&unix.TP_STATUS_VLAN_VALID != 0 {
			return binary.NativeEndian.Uint16(message.Data[16:]) & 0xfff
		}
	}
	return 0
}

// Types of messages (RFC 826, RFC 792).
const (
	arpQuestion = 1
	arpReply    = 2
	echoRequest = 8
	echoReply   = 0
)

// header is that of a tagged Ethernet frame.
func (h *vlanHost) header(to net.HardwareAddr, ethernetType uint16) []byte {
	frame := append(append([]byte{}, to...), h.device.HardwareAddr...)
	frame = binary.BigEndian.AppendUint16(frame, unix.ETH_P_8021Q)
	frame = binary.BigEndian.AppendUint16(frame, h.vlan)
	return binary.BigEndian.AppendUint16(frame, ethernetType)
}

// arpRequest asks everybody for the Ethernet address of `of`.
func (h *vlanHost) arpRequest(of netip.Addr) []byte {
	frame := h.header(net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, unix.ETH_P_ARP)
	frame = append(frame, 0, 1, 8, 0, 6, 4, 0, arpQuestion) // Ethernet, IPv4
	frame = append(append(frame, h.device.HardwareAddr...), h.address.AsSlice()...)
	return append(append(frame, make([]byte, 6)...), of.AsSlice()...)
}

// echoRequest asks for an echo of nothing.
func (h *vlanHost) echoRequest(at net.HardwareAddr, to netip.Addr) []byte {
	message := []byte{echoRequest, 0, 0, 0, 'v', 'l', 0, 1} // type, code, checksum, identifier, number
	binary.BigEndian.PutUint16(message[2:], checksum(message))
	packet := []byte{0x45, 0, 0, byte(20 + len(message)), 0, 0, 0, 0, 64, unix.IPPROTO_ICMP, 0, 0}
	packet = append(append(packet, h.address.AsSlice()...), to.AsSlice()...)
	binary.BigEndian.PutUint16(packet[10:], checksum(packet))
	return append(append(h.header(at, unix.ETH_P_IP), packet...), message...)
}

// checksum is that of IP and ICMP (RFC 1071); the data is of even length.
func checksum(data []byte) uint16 {
	var sum uint32
	for i := 0; i < len(data); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(data[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
