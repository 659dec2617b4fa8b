package sip

import (
	"math"
	"unsafe"
)

// memoryDefault is what calls and transactions may take where nobody says. As
// much as an eighth of it may wait for peers that do not read.
const (
	memoryDefault = 512 << 20
	streamsPart   = 8
)

// What one of each takes beside its messages, in octets: itself, its slot in a
// map, the target or the names that it usually has.
const (
	serverOctets = int(unsafe.Sizeof(serverTransaction{})+unsafe.Sizeof(attempt{})) + mapSlot
	clientOctets = int(unsafe.Sizeof(clientTransaction{})) + mapSlot
	callOctets   = int(unsafe.Sizeof(call{})) + mapSlot + 128
	mapSlot      = 40
)

// fullness is how many fifths of its memory a shard has taken.
type fullness int

const (
	// tight: whoever keeps silent is not waited for as long as usual.
	tight fullness = 3
	// full: no room for new requests outside dialogs.
	full fullness = 4
	// brimful: nor for those in dialogs.
	brimful fullness = 5
)

// is says whether a shard is at least that full. Each has an equal share of the
// memory: calls are spread over them by a secret hash, so none fills before the
// others, and no thread must know of another shard.
func (s *shard) is(f fullness) bool { return s.taken() >= s.memory/5*int(f) }

// taken is about how many octets the calls and transactions of the shard take.
func (s *shard) taken() int {
	return s.buffers.held + s.targets*int(unsafe.Sizeof(attempt{})) +
		len(s.servers)*serverOctets + (len(s.clients)-len(s.slots))*clientOctets + len(s.calls)*callOctets
}

// tightRepeats is how often a message is repeated when memory is tight. So who
// has not answered three of them counts as silent 3.5 s after the first (T1 of
// 500 ms), and not after 32 s: a proxy has to say 100 within 200 ms (RFC 3261
// §16.2).
const tightRepeats = 2

// patience is how often the shard lets a message be repeated. In dialogs there
// is no hurry: their calls are in progress.
func (s *shard) patience(inDialog bool) int {
	if !inDialog && s.is(tight) {
		return tightRepeats
	}
	return math.MaxInt
}

// The parts of its memory that a shard may keep unused besides, for its next
// transactions of each kind and buffers of each size: an eighth in all.
const sparesPart, buffersPart = 32, 64
