package admission

import (
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"
)

// The table of sources: 32,768 of them in 2 MB, whatever comes in.
const (
	sourceSets = 1 << 12
	sourceWays = 8
)

// sources are the addresses that requests came from lately, in a table of
// fixed size. An address may stand in the ways of one set only; where all are
// taken, the one whose bucket is full soonest gives way, so that whoever floods
// stays while forged addresses that come once push out each other.
type sources struct {
	seed    maphash.Seed
	sets    [sourceSets][sourceWays]source
	dropped atomic.Int64
	last    atomic.Int64 // boot time of the last one dropped; 0: none was
}

// source is one address. The call path knows it by its mark; the address is
// there for the operator.
type source struct {
	mark          atomic.Uint64 // hash of the address, never 0; 0: nobody
	bucket        bucket
	upper, lower  atomic.Uint64 // the address, 16 octets
	seen, dropped atomic.Int64
}

func newSources() *sources { return &sources{seed: maphash.MakeSeed()} }

// mark gives the hash of an address in its 16 octets.
func (s *sources) mark(octets *[16]byte) uint64 { return maphash.Bytes(s.seed, octets[:]) | 1 }

// take counts one request of an address and says whether it is within the rate
// of one a token. Two threads that bring in two addresses at the same time may
// lose one of them its count.
func (s *sources) take(now, token time.Duration, from netip.Addr) bool {
	octets := from.As16()
	mark := s.mark(&octets)
	set := &s.sets[mark>>1%sourceSets]
	least := &set[0]
	for i := range set {
		known := &set[i]
		if known.mark.Load() == mark {
			return s.count(known, now, token)
		}
		if known.bucket.full.Load() < least.bucket.full.Load() {
			least = known
		}
	}
	least.mark.Store(mark)
	least.upper.Store(binary.BigEndian.Uint64(octets[:8]))
	least.lower.Store(binary.BigEndian.Uint64(octets[8:]))
	least.bucket.full.Store(0)
	least.seen.Store(0)
	least.dropped.Store(0)
	return s.count(least, now, token)
}

func (s *sources) count(from *source, now, token time.Duration) bool {
	from.seen.Add(1)
	if from.bucket.take(now, token, time.Second) {
		return true
	}
	from.dropped.Add(1)
	s.dropped.Add(1)
	s.last.Store(int64(now))
	return false
}

// Source is an address and what came from it since it was noticed.
type Source struct {
	Address netip.Addr `json:"address"`
	Seen    int64      `json:"seen"` // requests outside dialogs
	Dropped int64      `json:"dropped"`
}

// top gives the sources of which most was dropped, then those that sent most.
func (s *sources) top(most int) []Source {
	var best []Source
	cut := func() {
		slices.SortFunc(best, func(a, b Source) int {
			return cmp.Or(cmp.Compare(b.Dropped, a.Dropped), cmp.Compare(b.Seen, a.Seen), a.Address.Compare(b.Address))
		})
		best = best[:min(most, len(best))]
	}
	for i := range s.sets {
		for j := range s.sets[i] {
			if found, whole := s.read(&s.sets[i][j]); whole {
				best = append(best, found)
			}
		}
		if len(best) > 1000 { // the table may be full: it is not copied whole
			cut()
		}
	}
	cut()
	return best
}

// read gives a source, unless there is none or it is changing right now.
func (s *sources) read(from *source) (found Source, whole bool) {
	var octets [16]byte
	binary.BigEndian.PutUint64(octets[:8], from.upper.Load())
	binary.BigEndian.PutUint64(octets[8:], from.lower.Load())
	found = Source{netip.AddrFrom16(octets).Unmap(), from.seen.Load(), from.dropped.Load()}
	return found, from.mark.Load() == s.mark(&octets)
}

// Denied says whether nothing of a source is answered ("sip deny").
func (g *Gate) Denied(from netip.Addr) bool {
	if !g.plan.Load().denies(from) {
		return false
	}
	g.counted.denied.Add(1)
	return true
}

// Flooding counts one request outside dialogs and says whether its source has
// sent more than "sip flood-limit" allows.
func (g *Gate) Flooding(from netip.Addr) bool {
	return !g.sources.take(g.now(), time.Second/time.Duration(g.plan.Load().sourceRate), from)
}
