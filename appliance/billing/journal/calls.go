package journal

import (
	"encoding/binary"
	"slices"
	"time"

	"causeway/appliance/billing/segment"
	"causeway/appliance/model"
)

// OpenCall is a call that was offered and has not ended.
type OpenCall struct {
	Key      model.CallKey
	Start    time.Time // of its first event, as a rule of being offered
	Answered time.Time // zero if it was not answered
}

// Calls is the table of open calls, brought up to date event by event.
type Calls map[model.CallKey]callTimes

// callTimes are Unix nanoseconds; answered is 0 for a call not answered.
type callTimes struct{ start, answered int64 }

// Apply takes one event in. A call that is not known is taken as open from its
// first event on: what went before may have been on a damaged disk.
func (c Calls) Apply(event *model.CallEvent) {
	if event.Kind.Ends() {
		delete(c, event.Key)
		return
	}
	at := event.Time.UnixNano()
	times, known := c[event.Key]
	if !known {
		times.start = at
	}
	if event.Kind == model.CallAnswered && times.answered == 0 {
		times.answered = at
	}
	c[event.Key] = times
}

// List gives the calls, oldest first.
func (c Calls) List() []OpenCall {
	open := make([]OpenCall, 0, len(c))
	for key, times := range c {
		call := OpenCall{Key: key, Start: time.Unix(0, times.start).UTC()}
		if times.answered != 0 {
			call.Answered = time.Unix(0, times.answered).UTC()
		}
		open = append(open, call)
	}
	slices.SortFunc(open, func(a, b OpenCall) int {
		if c := a.Start.Compare(b.Start); c != 0 {
			return c
		}
		return slices.Compare(a.Key[:], b.Key[:])
	})
	return open
}

// The list of open calls stands at the head of each segment as one or more
// frames: u8 1 if this is its last part, then for each call key [12],
// start i64, answered i64.
const (
	callSize     = len(model.CallKey{}) + 8 + 8
	callsPerPart = (segment.MaxPayload - 1) / callSize
)

// appendTo appends the frames of the list.
func (c Calls) appendTo(b []byte, now time.Time) []byte {
	start, inPart := len(b), 0
	b = append(segment.BeginFrame(b), 0)
	for key, times := range c {
		if inPart == callsPerPart {
			b = segment.EndFrame(b, start, segment.Head, now)
			start, inPart = len(b), 0
			b = append(segment.BeginFrame(b), 0)
		}
		b = append(b, key[:]...)
		b = binary.LittleEndian.AppendUint64(b, uint64(times.start))
		b = binary.LittleEndian.AppendUint64(b, uint64(times.answered))
		inPart++
	}
	b[start+segment.FrameHeader] = 1
	return segment.EndFrame(b, start, segment.Head, now)
}

// takePart adds one record's part of a list.
func (c Calls) takePart(payload []byte) {
	for b := payload[1:]; len(b) >= callSize; b = b[callSize:] {
		c[model.CallKey(b)] = callTimes{
			start:    int64(binary.LittleEndian.Uint64(b[12:])),
			answered: int64(binary.LittleEndian.Uint64(b[20:])),
		}
	}
}

// replay gives the calls that were open before record number before, and the
// number of the last event it saw. Of the segments, given in order, it reads
// the newest with a complete list of open calls and those after it, and says
// where each of these ends.
func replay(dir segment.Dir, segments []segment.Header, before uint64) (calls Calls, last uint64, read []segment.Ending) {
	calls = Calls{}
	from := len(segments) - 1
	for ; from > 0; from-- {
		if segments[from].FirstSeq <= before && hasList(dir, segments[from].Number) {
			break
		}
	}
	for i := max(from, 0); i < len(segments); i++ {
		void := before // the first number that this segment is not the authority for
		if i+1 < len(segments) {
			void = min(void, segments[i+1].FirstSeq)
		}
		last = max(last, min(segments[i].FirstSeq, void)-1)
		end := dir.Scan(segments[i].Number, i+1 < len(segments), func(f segment.Frame) bool {
			switch {
			case f.Type() == segment.Head && i == from:
				calls.takePart(f.Payload())
			case f.Type() == segment.Record && f.Seq() < void:
				var event model.CallEvent
				if event.Decode(f.Payload()) == nil {
					calls.Apply(&event)
				}
				last = f.Seq()
			}
			return true
		})
		read = append(read, end)
	}
	return calls, last, read
}

// hasList reports whether the segment's list of open calls is complete.
func hasList(dir segment.Dir, number uint32) (complete bool) {
	dir.Scan(number, false, func(f segment.Frame) bool {
		complete = f.Type() == segment.Head && f.Payload()[0] == 1
		return f.Type() == segment.Head && !complete
	})
	return complete
}
