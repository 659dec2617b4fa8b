package journal

import (
	"encoding/binary"
	"hash/crc32"
	"time"

	"causeway/appliance/model"
)

// A segment's header, 32 octets, integers little-endian:
//
//	0 "EVJ", 3 version u8 = 1, 4 box [8], 12 segment number u32,
//	16 first record number u64, 24 created u32 (Unix s), 28 CRC32C of octets 0–27
const (
	headerSize    = 32
	formatVersion = 1
	magic         = "EVJ"
)

// header is the decoded form of it.
type header struct {
	box      Box
	number   uint32
	firstSeq uint64
	created  time.Time // to the second
}

func (h *header) appendTo(b []byte) []byte {
	start := len(b)
	b = append(b, magic...)
	b = append(b, formatVersion)
	b = append(b, h.box[:]...)
	b = binary.LittleEndian.AppendUint32(b, h.number)
	b = binary.LittleEndian.AppendUint64(b, h.firstSeq)
	b = binary.LittleEndian.AppendUint32(b, uint32(h.created.Unix()))
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

// decodeHeader reads a header. Its checksum is also where the chain of the
// segment's records starts.
func decodeHeader(b []byte) (h header, chain uint32, err error) {
	if len(b) < headerSize {
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
	h = header{
		box:      Box(b[4:12]),
		number:   binary.LittleEndian.Uint32(b[12:]),
		firstSeq: binary.LittleEndian.Uint64(b[16:]),
		created:  time.Unix(int64(binary.LittleEndian.Uint32(b[24:])), 0).UTC(),
	}
	if h.firstSeq == 0 {
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
// before: what is left of another file in a reused sector cannot pass.
const (
	frameHeader = 28
	frameAlign  = 8
	maxPayload  = 64 << 10
	maxFrame    = (frameHeader + maxPayload + frameAlign - 1) &^ (frameAlign - 1)
)

// What one event takes in the journal at most, in octets: the units of Reserve.
const (
	MaxRecord      = int64(frameHeader+model.MaxOneSDPCallEvent+frameAlign-1) &^ (frameAlign - 1) // without Offer
	MaxMediaRecord = int64(frameHeader+model.MaxMediaCallEvent+frameAlign-1) &^ (frameAlign - 1)  // of CallMediaChanged
	MaxPlainRecord = int64(frameHeader+model.MaxPlainCallEvent+frameAlign-1) &^ (frameAlign - 1)  // without SDP
	MaxBareRecord  = int64(frameHeader+model.MaxBareCallEvent+frameAlign-1) &^ (frameAlign - 1)   // without any text
)

// Types of record.
const (
	recordEvent = 1 // a model.CallEvent; has a number of its own
	recordCalls = 2 // a part of the list of open calls; has the number of the event before it
)

// frameSize is what a payload takes in the journal.
func frameSize(payload int) int {
	return (frameHeader + payload + frameAlign - 1) &^ (frameAlign - 1)
}

// frame is one whole frame, as it stands in the file.
type frame []byte

func (f frame) kind() byte      { return f[8] }
func (f frame) seq() uint64     { return binary.LittleEndian.Uint64(f[12:]) }
func (f frame) time() time.Time { return time.Unix(0, int64(binary.LittleEndian.Uint64(f[20:]))).UTC() }
func (f frame) crc() uint32     { return binary.LittleEndian.Uint32(f[4:]) }
func (f frame) payload() []byte { return f[frameHeader : frameHeader+binary.LittleEndian.Uint32(f)] }

// checksum is what crc must be when chain is that of the frame before.
func (f frame) checksum(chain uint32) uint32 {
	return crc32.Update(crc32.Update(chain, castagnoli, f[:4]), castagnoli, f[8:])
}

func (f frame) setSeq(seq uint64) { binary.LittleEndian.PutUint64(f[12:], seq) }

// link makes f follow the frame whose checksum is chain and gives its own.
func (f frame) link(chain uint32) uint32 {
	crc := f.checksum(chain)
	binary.LittleEndian.PutUint32(f[4:], crc)
	return crc
}

// firstFrame cuts the first frame off frames that we made ourselves.
func firstFrame(b []byte) (f frame, rest []byte) {
	size := frameSize(int(binary.LittleEndian.Uint32(b)))
	return b[:size], b[size:]
}

var zeros [frameHeader]byte

// beginFrame appends room for a frame's header; endFrame completes the frame
// that begins at start, but for its number and checksum.
func beginFrame(b []byte) []byte { return append(b, zeros[:]...) }

func endFrame(b []byte, start int, kind byte, at time.Time) []byte {
	length := len(b) - start - frameHeader
	b = append(b, zeros[:frameSize(length)-frameHeader-length]...)
	f := b[start:]
	binary.LittleEndian.PutUint32(f, uint32(length))
	f[8] = kind
	binary.LittleEndian.PutUint64(f[20:], uint64(at.UnixNano()))
	return b
}

// Batch collects events until they are committed. The zero value is empty and
// ready; it belongs to one goroutine, or to who holds the lock of its shard.
type Batch struct{ frames []byte }

// Append adds an event and gives the octets that it takes in the journal, at
// most MaxRecord: that much of the call's reservation is now used up. It
// allocates only while the batch grows to its usual size.
func (b *Batch) Append(event *model.CallEvent) (octets int64) {
	start := len(b.frames)
	b.frames = event.AppendTo(beginFrame(b.frames))
	b.frames = endFrame(b.frames, start, recordEvent, event.Time)
	return int64(len(b.frames) - start)
}

// Empty reports whether there is nothing to commit.
func (b *Batch) Empty() bool { return len(b.frames) == 0 }

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() { b.frames = b.frames[:0] }
