package halfcall

import (
	"bytes"
	"net/netip"
	"strconv"

	"causeway/appliance/billing/packetcable"
	"causeway/appliance/model"
)

// flow is one m= line of a session description: what the side that wrote it
// says of a media stream.
type flow struct {
	format                 // direction: as the side that wrote it sees it
	address netip.AddrPort // where it receives; port 0: the stream is not used
}

// format is what flows in a stream.
type format struct {
	kind      packetcable.MediaKind
	direction packetcable.MediaDirection
	rate      uint32 // bit/s: b=TIAS, b=AS or what the codec usually takes; 0: not known
	payload   uint16 // type of the first format, or packetcable.NoPayloadType
	clock     int    // Hz; 0: not known
	codec     string // of the first format: "PCMU/8000"; empty: not known
}

// mostStreams is how many streams of a call are looked at.
const mostStreams = 8

// readSDP reads what billing needs of a session description (RFC 8866). It
// knows no errors: a line that cannot be read is passed over, so that half a
// description is better than none and no call goes without a record. The
// general parsers refuse all of a description for one line or word that they do
// not know, such as the m=image of a fax (RFC 3362).
func (m *Manager) readSDP(text []byte) []flow {
	if len(text) >= model.MaxCallSDP { // it was cut
		text = text[:bytes.LastIndexByte(text, '\n')+1]
	}
	var session flow // what holds for all streams that do not say otherwise
	session.direction = packetcable.SendReceive
	var flows []flow
	for line := range bytes.Lines(text) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) < 2 || line[1] != '=' {
			continue
		}
		kind, value := line[0], line[2:]
		if kind == 'm' {
			if len(flows) == mostStreams {
				break
			}
			flows = append(flows, m.readMedia(session, value))
			continue
		}
		into := &session
		if len(flows) > 0 {
			into = &flows[len(flows)-1]
		}
		switch kind {
		case 'c':
			into.readConnection(value)
		case 'b':
			if into != &session { // a session's is that of all its streams together
				into.readBandwidth(value)
			}
		case 'a':
			m.readAttribute(into, value)
		}
	}
	for i := range flows {
		flows[i].complete()
	}
	return flows
}

// mediaKinds are the media of m=. T.38 fax is an image (RFC 3362).
var mediaKinds = map[string]packetcable.MediaKind{
	"audio": packetcable.Audio, "video": packetcable.Video, "image": packetcable.Fax,
}

// readMedia reads "audio 49170/2 RTP/AVP 0 8" after what the session says.
func (m *Manager) readMedia(f flow, value []byte) flow {
	var fields [4][]byte // media, port, protocol, first format
	for i := range fields {
		fields[i], value, _ = bytes.Cut(value, []byte(" "))
	}
	var known bool
	if f.kind, known = mediaKinds[string(fields[0])]; !known {
		f.kind = packetcable.Other
	}
	port, _, _ := bytes.Cut(fields[1], []byte("/"))
	number, _ := strconv.ParseUint(string(port), 10, 16)
	f.address = netip.AddrPortFrom(f.address.Addr(), uint16(number))
	f.payload = packetcable.NoPayloadType
	if payload, err := strconv.ParseUint(string(fields[3]), 10, 7); err == nil && bytes.HasPrefix(fields[2], []byte("RTP/")) {
		f.payload = uint16(payload)
	} else {
		f.codec = m.internCodec(fields[3]) // "t38"
	}
	return f
}

// readConnection reads "IN IP4 192.0.2.1". A name instead of an address leaves
// the address unknown.
func (f *flow) readConnection(value []byte) {
	text := value[bytes.LastIndexByte(value, ' ')+1:]
	text, _, _ = bytes.Cut(text, []byte("/")) // TTL of a multicast group
	address, _ := netip.ParseAddr(string(text))
	f.address = netip.AddrPortFrom(address.Unmap().WithZone(""), f.address.Port())
}

// readBandwidth reads "AS:64" (kbit/s, RFC 8866 §5.8) or "TIAS:64000" (bit/s
// without the headers of packets, RFC 3890), of which the latter counts where
// both stand in the usual order.
func (f *flow) readBandwidth(value []byte) {
	modifier, value, _ := bytes.Cut(value, []byte(":"))
	rate, err := strconv.ParseUint(string(value), 10, 32)
	switch {
	case err != nil:
	case string(modifier) == "TIAS":
		f.rate = uint32(rate)
	case string(modifier) == "AS":
		f.rate = uint32(min(rate*1000, 1<<32-1))
	}
}

// directions are the attributes that say which way a stream flows.
var directions = map[string]packetcable.MediaDirection{
	"inactive": packetcable.Inactive, "sendonly": packetcable.SendOnly,
	"recvonly": packetcable.ReceiveOnly, "sendrecv": packetcable.SendReceive,
}

// readAttribute reads a direction, or the rtpmap of the first format.
func (m *Manager) readAttribute(f *flow, value []byte) {
	if direction, ok := directions[string(value)]; ok {
		f.direction = direction
		return
	}
	mapping, found := bytes.CutPrefix(value, []byte("rtpmap:"))
	if !found {
		return
	}
	payload, encoding, _ := bytes.Cut(mapping, []byte(" "))
	if number, err := strconv.ParseUint(string(payload), 10, 7); err != nil || uint16(number) != f.payload || f.kind == 0 {
		return
	}
	f.codec = m.internCodec(encoding)
	if parts := bytes.Split(encoding, []byte("/")); len(parts) > 1 {
		clock, _ := strconv.ParseUint(string(parts[1]), 10, 24)
		f.clock = int(clock)
	}
}

// codecKept is as much of a codec's name as is kept: strangers write it.
const codecKept = 32

func (m *Manager) internCodec(name []byte) string { return m.intern(name[:min(len(name), codecKept)]) }

// usualFormats are the formats with a payload type of their own (RFC 3551 §6)
// that are in use, and what they take in bit/s.
var usualFormats = map[uint16]struct {
	codec string
	clock int
	rate  uint32
}{
	0:  {"PCMU/8000", 8000, 64_000},
	3:  {"GSM/8000", 8000, 13_200},
	4:  {"G723/8000", 8000, 6_300},
	8:  {"PCMA/8000", 8000, 64_000},
	9:  {"G722/8000", 8000, 64_000},
	15: {"G728/8000", 8000, 16_000},
	18: {"G729/8000", 8000, 8_000},
	26: {"JPEG/90000", 90_000, 0},
	31: {"H261/90000", 90_000, 0},
	34: {"H263/90000", 90_000, 0},
}

// complete fills in what need not be said, and takes the hold of RFC 2543, an
// address of zeros, for what it means: nothing is received there (RFC 3264 §8.4).
func (f *flow) complete() {
	if usual, known := usualFormats[f.payload]; known {
		if f.codec == "" {
			f.codec, f.clock = usual.codec, usual.clock
		}
		if f.rate == 0 {
			f.rate = usual.rate
		}
	}
	if f.address.Addr().IsUnspecified() {
		f.direction &= packetcable.SendOnly
	}
}
