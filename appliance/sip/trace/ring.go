package trace

import (
	"net/netip"
	"time"

	"causeway/appliance/model"
)

// record is one message in the ring.
type record struct {
	number        int // 1 for the first of a tracing
	time          time.Time
	sent          bool
	transport     model.Transport
	local, remote netip.AddrPort
	at            uint64 // of its octets: they begin at this one of all that were ever written
	length        int
}

// meanLength is what a message is expected to have at least, in octets: it
// bounds the number of records.
const meanLength = 512

// ring keeps the newest messages in a fixed number of octets. The zero value
// has no room.
type ring struct {
	octets  []byte
	records []record // oldest at first
	first   int
	count   int
	end     uint64 // of all octets ever written, those that were skipped included
}

// reset empties the ring and gives it that many octets.
func (r *ring) reset(size int) {
	if len(r.octets) != size {
		r.octets = make([]byte, size)
		r.records = make([]record, max(size/meanLength, 1))
	}
	r.first, r.count, r.end = 0, 0, 0
}

// add keeps a copy of a message, in the place of the oldest ones, and gives it.
// One that is longer than the ring is cut.
func (r *ring) add(added record, message []byte) []byte {
	size := uint64(len(r.octets))
	message = message[:min(len(message), len(r.octets))]
	length := uint64(len(message))
	if left := size - r.end%size; left < length { // a message lies in one piece
		r.end += left
	}
	for r.count > 0 && (r.count == len(r.records) || r.records[r.first].at+size < r.end+length) {
		r.first = (r.first + 1) % len(r.records)
		r.count--
	}
	added.at, added.length = r.end, len(message)
	r.records[(r.first+r.count)%len(r.records)] = added
	r.count++
	r.end += length
	kept := r.octetsOf(&added)
	copy(kept, message)
	return kept
}

// octetsOf gives the message of a record, which belongs to the ring.
func (r *ring) octetsOf(k *record) []byte {
	start := int(k.at % uint64(len(r.octets)))
	return r.octets[start : start+k.length : start+k.length]
}

// record gives the i-th of those that are kept, the oldest at 0.
func (r *ring) record(i int) *record { return &r.records[(r.first+i)%len(r.records)] }

// after gives the index of the first record whose number is greater.
func (r *ring) after(number int) int {
	if r.count == 0 {
		return 0
	}
	return min(max(number+1-r.record(0).number, 0), r.count)
}
