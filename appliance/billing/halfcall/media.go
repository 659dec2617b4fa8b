package halfcall

import (
	"net/netip"

	"causeway/appliance/billing/packetcable"
)

// sides of a call. The upstream half-call is with the caller, the downstream
// one with the callee (billing requirements §1.4).
const (
	upstream = iota
	downstream
	sides
)

// stream is a media stream as both sides agreed on it. Its SF_ID is its place
// among the m= lines, from 1.
type stream struct {
	told   streamState           // what event messages have said of it
	format                       // that of the answer; direction: as the caller sees it
	ends   [sides]netip.AddrPort // where each side receives, as it says
}

// streamState is how far a stream is.
type streamState uint8

const (
	streamUnused streamState = iota
	streamReserved
	streamCommitted
)

// mirror is a direction as the other side sees it.
func mirror(d packetcable.MediaDirection) packetcable.MediaDirection {
	return d>>1&packetcable.SendOnly | d<<1&packetcable.ReceiveOnly
}

// negotiate gives the streams that an offer and its answer agree on (RFC 3264
// §6); those refused or switched off have no ends. offerer is the side whose
// offer it is.
func negotiate(offer, answer []flow, offerer int) []stream {
	agreed := make([]stream, min(len(offer), len(answer)))
	for i := range agreed {
		o, a := &offer[i], &answer[i]
		if o.address.Port() == 0 || a.address.Port() == 0 {
			continue
		}
		s := &agreed[i]
		s.format = a.format
		s.ends[offerer], s.ends[1-offerer] = o.address, a.address
		if s.direction = o.direction & mirror(a.direction); offerer == downstream {
			s.direction = mirror(s.direction)
		}
	}
	return agreed
}

// used says whether the sides agreed on the stream.
func (s *stream) used() bool { return s.ends[upstream].Port() != 0 }

// same says whether two streams differ in nothing but what was told of them.
func (s stream) same(t stream) bool {
	s.told, t.told = 0, 0
	return s == t
}

// describe is the stream as one half-call has it: remote is the party that the
// half-call is with, local what that party was told of the other one, since no
// media pass through the box.
func (s *stream) describe(side, index int) packetcable.Media {
	local := s.direction // of the downstream half, the caller's
	if side == upstream {
		local = mirror(local)
	}
	return packetcable.Media{Kind: s.kind, Direction: local, Local: s.ends[1-side], Remote: s.ends[side],
		Rate: s.rate, Stream: uint64(index + 1), PayloadType: s.payload, ClockRate: s.clock, Codec: s.codec}
}

// sharedAddresses are those of carriers' address translators (RFC 6598).
var sharedAddresses = netip.MustParsePrefix("100.64.0.0/10")

// unknownAddress is what stands for an end behind NAT.
var unknownAddress netip.AddrPort

// public says whether an address can be that of a host on the internet.
func public(a netip.Addr) bool {
	return a.IsGlobalUnicast() && !a.IsPrivate() && !sharedAddresses.Contains(a)
}

// behindNAT says whether the address in a session description is not the one
// that media come from: it is private, and what its owner sends comes from a
// public address. Between private addresses nothing can be told.
func behindNAT(media, peer netip.Addr) bool {
	return public(peer) && !public(media)
}
