package journal

import (
	"causeway/appliance/billing/segment"
	"causeway/appliance/model"
)

// What one event takes in the journal at most, in octets: the units of Reserve.
const (
	MaxRecord      = int64(segment.FrameHeader+model.MaxOneSDPCallEvent+segment.FrameAlign-1) &^ (segment.FrameAlign - 1) // without Offer
	MaxMediaRecord = int64(segment.FrameHeader+model.MaxMediaCallEvent+segment.FrameAlign-1) &^ (segment.FrameAlign - 1)  // of CallMediaChanged
	MaxPlainRecord = int64(segment.FrameHeader+model.MaxPlainCallEvent+segment.FrameAlign-1) &^ (segment.FrameAlign - 1)  // without SDP
	MaxBareRecord  = int64(segment.FrameHeader+model.MaxBareCallEvent+segment.FrameAlign-1) &^ (segment.FrameAlign - 1)   // without any text
)

// Batch collects events until they are committed. The zero value is empty and
// ready; it belongs to one goroutine, or to who holds the lock of its shard.
type Batch struct{ frames []byte }

// Append adds an event and gives the octets that it takes in the journal, at
// most MaxRecord: that much of the call's reservation is now used up. It
// allocates only while the batch grows to its usual size.
func (b *Batch) Append(event *model.CallEvent) (octets int64) {
	start := len(b.frames)
	b.frames = event.AppendTo(segment.BeginFrame(b.frames))
	b.frames = segment.EndFrame(b.frames, start, segment.Record, event.Time)
	return int64(len(b.frames) - start)
}

// Empty reports whether there is nothing to commit.
func (b *Batch) Empty() bool { return len(b.frames) == 0 }

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() { b.frames = b.frames[:0] }
