package trace

import (
	"encoding/binary"
	"net/netip"
)

// A pcap file in the classic format, little-endian, with microseconds. Its
// packets are raw IP (LINKTYPE_RAW), made up around each message: addresses and
// ports are true, the transport is always UDP. A message that came over TCP,
// TLS or WebSocket is one datagram too, and readable, since it was traced
// behind the TLS.
const (
	pcapMagic   = 0xa1b2c3d4
	pcapLinkRaw = 101

	ipv4Header = 20
	ipv6Header = 40
	udpHeader  = 8
	protoUDP   = 17
	hopLimit   = 64

	// packetMax is the longest message that fits into a datagram of either
	// family, in octets. A longer one is cut.
	packetMax = 65535 - ipv4Header - udpHeader
	snapLen   = 65535 + ipv6Header
)

// appendPcapHeader appends what a file begins with.
func appendPcapHeader(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, pcapMagic)
	b = append(b, 2, 0, 4, 0)             // version 2.4
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0) // UTC
	b = binary.LittleEndian.AppendUint32(b, snapLen)
	return binary.LittleEndian.AppendUint32(b, pcapLinkRaw)
}

// appendPacket appends a message as one packet.
func appendPacket(b []byte, r *record, message []byte) []byte {
	message = message[:min(len(message), packetMax)]
	from, to := r.remote, r.local
	if r.sent {
		from, to = to, from
	}
	header := ipv4Header
	if from.Addr().Is6() || to.Addr().Is6() {
		header = ipv6Header
	}
	length := header + udpHeader + len(message)
	b = binary.LittleEndian.AppendUint32(b, uint32(r.time.Unix()))
	b = binary.LittleEndian.AppendUint32(b, uint32(r.time.Nanosecond()/1000))
	b = binary.LittleEndian.AppendUint32(b, uint32(length))
	b = binary.LittleEndian.AppendUint32(b, uint32(length))
	if header == ipv4Header {
		b = appendIPv4(b, from.Addr(), to.Addr(), length)
	} else {
		b = appendIPv6(b, from.Addr(), to.Addr(), length-ipv6Header)
	}
	return appendUDP(b, from, to, message)
}

// appendIPv4 appends the header of a packet (RFC 791 §3.1).
func appendIPv4(b []byte, from, to netip.Addr, length int) []byte {
	start := len(b)
	b = append(b, 4<<4|ipv4Header/4, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(length))
	b = append(b, 0, 0, 0, 0, hopLimit, protoUDP, 0, 0)
	b = append(b, from.AsSlice()...)
	b = append(b, to.AsSlice()...)
	binary.BigEndian.PutUint16(b[start+10:], ^fold(sum(0, b[start:])))
	return b
}

// appendIPv6 appends the header of a packet (RFC 8200 §3); length is that of
// what follows. An IPv4 address is written in its mapped form.
func appendIPv6(b []byte, from, to netip.Addr, length int) []byte {
	b = append(b, 6<<4, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(length))
	b = append(b, protoUDP, hopLimit)
	source, destination := from.As16(), to.As16()
	return append(append(b, source[:]...), destination[:]...)
}

// appendUDP appends a datagram with its checksum (RFC 768, RFC 8200 §8.1).
func appendUDP(b []byte, from, to netip.AddrPort, message []byte) []byte {
	start, length := len(b), udpHeader+len(message)
	b = binary.BigEndian.AppendUint16(b, from.Port())
	b = binary.BigEndian.AppendUint16(b, to.Port())
	b = binary.BigEndian.AppendUint16(b, uint16(length))
	b = append(b, 0, 0)
	b = append(b, message...)
	// The zeros of a mapped address add nothing but their 0xffff, which is 0
	// in this arithmetic: both families have one pseudo-header.
	source, destination := from.Addr().As16(), to.Addr().As16()
	checksum := ^fold(sum(sum(sum(uint32(protoUDP+length), source[:]), destination[:]), b[start:]))
	if checksum == 0 {
		checksum = 0xffff
	}
	binary.BigEndian.PutUint16(b[start+6:], checksum)
	return b
}

// sum adds 16-bit words to a checksum of the Internet (RFC 1071).
func sum(so uint32, b []byte) uint32 {
	for ; len(b) > 1; b = b[2:] {
		so += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		so += uint32(b[0]) << 8
	}
	return so
}

// fold makes 16 bits of a sum. 64 KiB of words do not overflow 32 bits.
func fold(sum uint32) uint16 {
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}
