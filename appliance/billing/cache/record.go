package cache

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"causeway/appliance/billing/segment"
	"causeway/appliance/model"
)

var format = segment.Format{Prefix: "em-", Magic: "EMJ"}

// The payload of a record's frame, integers little-endian:
//
//	0 kind u8, 1 flags u8 (1: last of its event), 2 index u16, 4 call key [12],
//	16 event number u64, 24 places u16, 26 the record
const (
	recordHeader = 26
	flagLast     = 1
)

// MaxPayload is what a record's payload may have, in octets.
const MaxPayload = segment.MaxPayload - recordHeader

// encode makes frames of records. Those that are too long are refused.
func (c *Cache) encode(records []Record) []segment.Frame {
	size := 0
	for i := range records {
		size += segment.FrameSize(recordHeader + len(records[i].Payload))
	}
	b, now := make([]byte, 0, size), c.options.now()
	frames := make([]segment.Frame, 0, len(records))
	for i := range records {
		r := &records[i]
		if len(r.Payload) > MaxPayload {
			c.note(fmt.Errorf("a record of %d octets is refused; %d are the most", len(r.Payload), MaxPayload))
			c.mu.Lock()
			c.refused++
			c.mu.Unlock()
			continue
		}
		start, flags := len(b), byte(0)
		if r.Source.Last {
			flags = flagLast
		}
		b = append(segment.BeginFrame(b), byte(r.Kind), flags)
		b = binary.LittleEndian.AppendUint16(b, r.Source.Index)
		b = append(b, r.Call[:]...)
		b = binary.LittleEndian.AppendUint64(b, r.Source.Event)
		b = binary.LittleEndian.AppendUint16(b, uint16(r.To))
		b = segment.EndFrame(append(b, r.Payload...), start, segment.Record, now)
		frames = append(frames, b[start:])
	}
	return frames
}

func octetsOf(frames []segment.Frame) (octets int64) {
	for _, f := range frames {
		octets += int64(len(f))
	}
	return octets
}

// isRecord reports whether a frame holds a record of ours.
func isRecord(f segment.Frame) bool {
	return f.Type() == segment.Record && len(f.Payload()) >= recordHeader
}

func placesOf(f segment.Frame) Places { return Places(binary.LittleEndian.Uint16(f.Payload()[24:])) }

func sourceOf(f segment.Frame) Source {
	b := f.Payload()
	return Source{
		Event: binary.LittleEndian.Uint64(b[16:]),
		Index: binary.LittleEndian.Uint16(b[2:]),
		Last:  b[1]&flagLast != 0,
	}
}

// recordOf gives the record in a frame under a number; its payload points into f.
func recordOf(f segment.Frame, seq uint64) Record {
	b := f.Payload()
	return Record{Seq: seq, Kind: Kind(b[0]), To: placesOf(f), Call: model.CallKey(b[4:16]), Source: sourceOf(f), Payload: b[recordHeader:]}
}

// tally counts records and their octets on disk, by the places that they are
// for. It only grows, over all segments there ever were.
type tally struct{ records, octets [PlacesMax]int64 }

func (t *tally) add(f segment.Frame)  { t.count(f, 1) }
func (t *tally) take(f segment.Frame) { t.count(f, -1) }

func (t *tally) count(f segment.Frame, sign int64) {
	for place, to := 0, placesOf(f); place < PlacesMax; place++ {
		if to&(1<<place) != 0 {
			t.records[place] += sign
			t.octets[place] += sign * int64(len(f))
		}
	}
}

func (t tally) plus(u *tally) tally {
	for place := range t.records {
		t.records[place] += u.records[place]
		t.octets[place] += u.octets[place]
	}
	return t
}

func (t tally) minus(u *tally) tally {
	for place := range t.records {
		t.records[place] -= u.records[place]
		t.octets[place] -= u.octets[place]
	}
	return t
}

// since gives the records for a place, and their octets, that t counts and
// earlier does not.
func (t *tally) since(earlier *tally, place uint8) (records, octets int64) {
	return max(t.records[place]-earlier.records[place], 0), max(t.octets[place]-earlier.octets[place], 0)
}

// head is what a segment begins with, a frame of its own, integers
// little-endian:
//
//	0 version u8 = 3, 1 flags u8 (1: the newest source is the last of its event),
//	2 its index u16, 4 its event u64, 12 its era u64, 20 number of the record
//	written last u64, 28 records before this segment for each place i64, 100 their
//	octets likewise
type head struct {
	at      time.Time // of the frame
	newest  Source
	era     uint64 // of newest and of the records of this segment
	written uint64 // the last record on the disk before this segment
	before  tally
}

const (
	headSize    = 28 + 2*8*PlacesMax
	headVersion = 3
)

func (h *head) appendTo(b []byte, now time.Time) []byte {
	start, flags := len(b), byte(0)
	if h.newest.Last {
		flags = flagLast
	}
	b = append(segment.BeginFrame(b), headVersion, flags)
	b = binary.LittleEndian.AppendUint16(b, h.newest.Index)
	b = binary.LittleEndian.AppendUint64(b, h.newest.Event)
	b = binary.LittleEndian.AppendUint64(b, h.era)
	b = binary.LittleEndian.AppendUint64(b, h.written)
	for _, numbers := range [][PlacesMax]int64{h.before.records, h.before.octets} {
		for _, n := range numbers {
			b = binary.LittleEndian.AppendUint64(b, uint64(n))
		}
	}
	return segment.EndFrame(b, start, segment.Head, now)
}

var errHead = errors.New("the segment does not begin as one of the cache")

func decodeHead(b []byte) (h head, err error) {
	if len(b) < headSize || b[0] != headVersion {
		return h, errHead
	}
	h.newest = Source{Event: binary.LittleEndian.Uint64(b[4:]), Index: binary.LittleEndian.Uint16(b[2:]), Last: b[1]&flagLast != 0}
	h.era = binary.LittleEndian.Uint64(b[12:])
	h.written = binary.LittleEndian.Uint64(b[20:])
	for i := range h.before.records {
		h.before.records[i] = int64(binary.LittleEndian.Uint64(b[28+8*i:]))
		h.before.octets[i] = int64(binary.LittleEndian.Uint64(b[28+8*(PlacesMax+i):]))
	}
	return h, nil
}
