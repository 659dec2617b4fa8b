package segment

import (
	"encoding/binary"
	"hash/crc32"
	"time"
)

// A segment's header, 32 octets, integers little-endian:
//
//	0 magic [3], 3 version u8 = 1, 4 box [8], 12 segment number u32,
//	16 first record number u64, 24 created u32 (Unix s), 28 CRC32C of octets 0–27
const (
	HeaderSize    = 32
	formatVersion = 1
)

// Header is the decoded form of it.
type Header struct {
	Box      Box
	Number   uint32
	FirstSeq uint64    // number of the first record
	Created  time.Time // to the second
}

func (h *Header) appendTo(b []byte, magic string) []byte {
	start := len(b)
	b = append(b, magic...)
	b = append(b, formatVersion)
	b = append(b, h.Box[:]...)
	b = binary.LittleEndian.AppendUint32(b, h.Number)
	b = binary.LittleEndian.AppendUint64(b, h.FirstSeq)
	b = binary.LittleEndian.AppendUint32(b, uint32(h.Created.Unix()))
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

// decodeHeader reads a header. Its checksum is also where the chain of the
// segment's records starts.
func decodeHeader(b []byte, magic string) (h Header, chain uint32, err error) {
	if len(b) < HeaderSize {
		return h, 0, &DamageError{0, "the header is cut short"}
	}
	chain = binary.LittleEndian.Uint32(b[28:])
	switch {
	case string(b[:3]) != magic:
		return h, 0, &DamageError{0, "no journal header"}
	case crc32.Checksum(b[:28], castagnoli) != chain:
		return h, 0, &DamageError{0, "header checksum"}
	case b[3] != formatVersion:
		return h, 0, &DamageError{3, "unknown version"}
	}
	h = Header{
		Box:      Box(b[4:12]),
		Number:   binary.LittleEndian.Uint32(b[12:]),
		FirstSeq: binary.LittleEndian.Uint64(b[16:]),
		Created:  time.Unix(int64(binary.LittleEndian.Uint32(b[24:])), 0).UTC(),
	}
	if h.FirstSeq == 0 {
		return h, 0, &DamageError{16, "records are numbered from 1"}
	}
	return h, chain, nil
}

// A record stands in a frame, integers little-endian:
//
//	0 payload length u32, 4 CRC32C u32, 8 type u8, 9 zero [3], 12 number u64,
//	20 time i64 (Unix ns), 28 payload, zeros up to a multiple of 8
//
// The checksum covers the frame but itself, and continues that of the frame
// before.
const (
	FrameHeader = 28
	FrameAlign  = 8
	MaxPayload  = 64 << 10
	maxFrame    = (FrameHeader + MaxPayload + FrameAlign - 1) &^ (FrameAlign - 1)
)

// Types of frame.
const (
	Record = 1 // has a number of its own
	Head   = 2 // a part of what the segment begins with; has the number of the record before it
)

// FrameSize is what a payload takes in a segment.
func FrameSize(payload int) int {
	return (FrameHeader + payload + FrameAlign - 1) &^ (FrameAlign - 1)
}

// Frame is one whole frame, as it stands in the file.
type Frame []byte

// Type is Record or Head.
func (f Frame) Type() byte { return f[8] }

// Seq is the record's number.
func (f Frame) Seq() uint64 { return binary.LittleEndian.Uint64(f[12:]) }

// Time is what EndFrame was told.
func (f Frame) Time() time.Time {
	return time.Unix(0, int64(binary.LittleEndian.Uint64(f[20:]))).UTC()
}

// Payload is what the owner put in.
func (f Frame) Payload() []byte { return f[FrameHeader : FrameHeader+binary.LittleEndian.Uint32(f)] }

func (f Frame) crc() uint32 { return binary.LittleEndian.Uint32(f[4:]) }

// checksum is what crc must be when chain is that of the frame before.
func (f Frame) checksum(chain uint32) uint32 {
	return crc32.Update(crc32.Update(chain, castagnoli, f[:4]), castagnoli, f[8:])
}

// link numbers f, makes it follow the frame whose checksum is chain, and gives
// its own.
func (f Frame) link(seq uint64, chain uint32) uint32 {
	binary.LittleEndian.PutUint64(f[12:], seq)
	crc := f.checksum(chain)
	binary.LittleEndian.PutUint32(f[4:], crc)
	return crc
}

// FirstFrame cuts the first frame off frames that EndFrame made.
func FirstFrame(b []byte) (f Frame, rest []byte) {
	size := FrameSize(int(binary.LittleEndian.Uint32(b)))
	return b[:size:size], b[size:]
}

var zeros [FrameHeader]byte

// BeginFrame appends room for a frame's header; EndFrame completes the frame
// that begins at start, but for its number and checksum, which the writer sets.
// Its payload must have 1 to MaxPayload octets.
func BeginFrame(b []byte) []byte { return append(b, zeros[:]...) }

// EndFrame ends what BeginFrame began.
func EndFrame(b []byte, start int, kind byte, at time.Time) []byte {
	length := len(b) - start - FrameHeader
	b = append(b, zeros[:FrameSize(length)-FrameHeader-length]...)
	f := b[start:]
	binary.LittleEndian.PutUint32(f, uint32(length))
	f[8] = kind
	binary.LittleEndian.PutUint64(f[20:], uint64(at.UnixNano()))
	return b
}
