package dhcp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// MAC is an Ethernet address.
type MAC [6]byte

// String is the usual notation.
func (m MAC) String() string { return net.HardwareAddr(m[:]).String() }

// MarshalText makes a MAC a word in JSON.
func (m MAC) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads that word.
func (m *MAC) UnmarshalText(text []byte) error {
	mac, err := net.ParseMAC(string(text))
	if err != nil || len(mac) != len(m) {
		return fmt.Errorf("%q is not a MAC address", text)
	}
	copy(m[:], mac)
	return nil
}

// datagram is a UDP datagram over IPv4.
type datagram struct {
	source, destination netip.AddrPort
	payload             []byte
}

// Lengths of headers without options, in octets, and the protocol number.
const (
	ipHeader  = 20 // RFC 791 §3.1
	udpHeader = 8  // RFC 768
	protoUDP  = 17
)

var errNoDatagram = errors.New("no UDP datagram over IPv4")

// parseDatagram reads an IPv4 packet; the payload is a part of it. The
// checksum of UDP is not looked at: what another process of this machine, or
// a virtual NIC, sends has none yet when a packet socket sees it.
func parseDatagram(packet []byte) (datagram, error) {
	if len(packet) < ipHeader || packet[0]>>4 != 4 {
		return datagram{}, errNoDatagram
	}
	header, total := int(packet[0]&0xf)*4, int(binary.BigEndian.Uint16(packet[2:]))
	fragment := binary.BigEndian.Uint16(packet[6:]) & 0x3fff // more fragments, or an offset
	if header < ipHeader || total > len(packet) || total < header+udpHeader || fragment != 0 || packet[9] != protoUDP {
		return datagram{}, errNoDatagram
	}
	udp := packet[header:total] // behind it an Ethernet frame may have padding
	length := int(binary.BigEndian.Uint16(udp[4:]))
	if length < udpHeader || length > len(udp) {
		return datagram{}, errNoDatagram
	}
	end := func(ip []byte, port int) netip.AddrPort {
		return netip.AddrPortFrom(addr(ip), binary.BigEndian.Uint16(udp[port:]))
	}
	return datagram{end(packet[12:16], 0), end(packet[16:20], 2), udp[udpHeader:length]}, nil
}

// packet writes the IPv4 packet.
func (d datagram) packet() []byte {
	total := ipHeader + udpHeader + len(d.payload)
	p := make([]byte, ipHeader+udpHeader, total)
	source, destination := d.source.Addr().As4(), d.destination.Addr().As4()
	p[0] = 4<<4 | ipHeader/4
	p[1] = 6 << 5 // CS6, network control (RFC 4594 §3.2)
	binary.BigEndian.PutUint16(p[2:], uint16(total))
	p[8] = 64 // hops
	p[9] = protoUDP
	copy(p[12:], source[:])
	copy(p[16:], destination[:])
	binary.BigEndian.PutUint16(p[10:], ^sum(p[:ipHeader], 0))

	udp := p[ipHeader:]
	binary.BigEndian.PutUint16(udp[0:], d.source.Port())
	binary.BigEndian.PutUint16(udp[2:], d.destination.Port())
	binary.BigEndian.PutUint16(udp[4:], uint16(udpHeader+len(d.payload)))
	pseudo := sum(p[12:20], protoUDP+uint32(udpHeader+len(d.payload)))
	checksum := ^sum(d.payload, uint32(sum(udp, uint32(pseudo))))
	if checksum == 0 {
		checksum = 0xffff // 0 would say that there is none
	}
	binary.BigEndian.PutUint16(udp[6:], checksum)
	return append(p, d.payload...)
}

// sum is the ones' complement sum of RFC 1071, going on from start.
func sum(octets []byte, start uint32) uint16 {
	total := start
	for ; len(octets) > 1; octets = octets[2:] {
		total += uint32(binary.BigEndian.Uint16(octets))
	}
	if len(octets) == 1 {
		total += uint32(octets[0]) << 8
	}
	for total > 0xffff {
		total = total>>16 + total&0xffff
	}
	return uint16(total)
}

// arp is an ARP packet for IPv4 over Ethernet (RFC 826).
type arp struct {
	operation uint16 // arpRequest or arpReply
	sender    Station
	target    Station
}

const (
	arpRequest = 1
	arpReply   = 2
	arpLength  = 28
)

// arpBeginning is what every such packet begins with: hardware Ethernet,
// protocol IPv4, and the lengths of their addresses.
var arpBeginning = [6]byte{0, 1, 8, 0, 6, 4}

func (a arp) packet() []byte {
	p := append(make([]byte, 0, arpLength), arpBeginning[:]...)
	p = binary.BigEndian.AppendUint16(p, a.operation)
	for _, s := range []Station{a.sender, a.target} {
		p = append(append(p, s.MAC[:]...), s.Address.AsSlice()...)
	}
	return p
}

func parseARP(packet []byte) (arp, error) {
	if len(packet) < arpLength || [6]byte(packet[:6]) != arpBeginning {
		return arp{}, errors.New("no ARP for IPv4 over Ethernet")
	}
	station := func(octets []byte) Station { return Station{addr(octets[6:10]), MAC(octets[:6])} }
	return arp{binary.BigEndian.Uint16(packet[6:]), station(packet[8:18]), station(packet[18:28])}, nil
}
