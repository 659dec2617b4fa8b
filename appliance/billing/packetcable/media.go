package packetcable

import (
	"encoding/binary"
	"net/netip"
)

// DocumentationVendor is the vendor number that RFC 5612 keeps for examples:
// ours until we have one.
const DocumentationVendor = 32473

// TypeMediaDescription is our Media_Session_Desc (billing requirements §2).
const TypeMediaDescription = 1

// MediaKind is what a stream carries.
type MediaKind uint8

// The kinds.
const (
	Audio MediaKind = 1
	Video MediaKind = 2
	Fax   MediaKind = 3
	Other MediaKind = 4
)

// MediaDirection is which way a stream flows.
type MediaDirection uint8

// The directions (RFC 3264 §5.1), as the local end sees them.
const (
	Inactive MediaDirection = iota
	SendOnly
	ReceiveOnly
	SendReceive
)

// Media describes one stream of a call, as cdr media-info has it.
type Media struct {
	Kind      MediaKind
	Direction MediaDirection
	// Local is the end that our side of the half-call describes, Remote the
	// other one; an address that is not valid is not known yet, and zero.
	Local, Remote netip.AddrPort
	Rate          uint32 // reserved, bit/s
	Stream        uint64 // its SF_ID
	PayloadType   uint16 // NoPayloadType: none
	ClockRate     int    // Hz
	Codec         string // "PCMU/8000"; at most 187 characters stand in the record
}

// NoPayloadType stands for a stream without one.
const NoPayloadType = 0xFFFF

const (
	mediaVersion = 1
	mediaFixed   = 60
)

// Attribute writes the stream, in the layout of billing requirements §2.
func (m *Media) Attribute(vendor uint32) Attribute {
	b := make([]byte, 0, mediaFixed+len(m.Codec))
	family := byte(4)
	if m.Local.Addr().Is6() && !m.Local.Addr().Is4In6() || m.Remote.Addr().Is6() && !m.Remote.Addr().Is4In6() {
		family = 6
	}
	b = append(b, mediaVersion, byte(m.Kind), byte(m.Direction), family)
	b = appendAddress(b, m.Local.Addr())
	b = appendAddress(b, m.Remote.Addr())
	b = binary.BigEndian.AppendUint16(b, m.Local.Port())
	b = binary.BigEndian.AppendUint16(b, m.Remote.Port())
	b = binary.BigEndian.AppendUint32(b, m.Rate)
	b = binary.BigEndian.AppendUint64(b, m.Stream)
	b = binary.BigEndian.AppendUint16(b, m.PayloadType)
	b = binary.BigEndian.AppendUint16(b, uint16(m.ClockRate/100))
	b = append(b, 0, 0, 0, 0)
	b = append(b, m.Codec[:min(len(m.Codec), maxValue-mediaFixed)]...)
	return Attribute{vendor, TypeMediaDescription, b}
}

// appendAddress appends 16 octets: an IPv4 address stands in the last four.
func appendAddress(b []byte, a netip.Addr) []byte {
	var octets [16]byte
	switch a = a.Unmap(); {
	case a.Is4():
		four := a.As4()
		copy(octets[12:], four[:])
	case a.Is6():
		octets = a.As16()
	}
	return append(b, octets[:]...)
}
