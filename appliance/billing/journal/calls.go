package journal

import (
	"encoding/binary"
	"io"
	"slices"
	"time"

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
// records: u8 1 if this is its last part, then for each call key [12],
// start i64, answered i64.
const (
	callSize     = len(model.CallKey{}) + 8 + 8
	callsPerPart = (maxPayload - 1) / callSize
)

// appendTo appends the frames of the list as it stands after event seq, linked
// to chain, and gives the new end of the chain.
func (c Calls) appendTo(b []byte, seq uint64, chain uint32, now time.Time) ([]byte, uint32) {
	start, inPart := len(b), 0
	b = append(beginFrame(b), 0)
	finish := func() {
		b = endFrame(b, start, recordCalls, now)
		frame(b[start:]).setSeq(seq)
		chain = frame(b[start:]).link(chain)
	}
	for key, times := range c {
		if inPart == callsPerPart {
			finish()
			start, inPart = len(b), 0
			b = append(beginFrame(b), 0)
		}
		b = append(b, key[:]...)
		b = binary.LittleEndian.AppendUint64(b, uint64(times.start))
		b = binary.LittleEndian.AppendUint64(b, uint64(times.answered))
		inPart++
	}
	b[start+frameHeader] = 1
	finish()
	return b, chain
}

// size is what appendTo appends, in octets.
func (c Calls) size() int64 {
	whole, rest := len(c)/callsPerPart, len(c)%callsPerPart
	size := int64(whole) * int64(frameSize(1+callsPerPart*callSize))
	if rest > 0 || whole == 0 {
		size += int64(frameSize(1 + rest*callSize))
	}
	return size
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

// ending is where one segment's valid data ends.
type ending struct {
	number uint32
	good   int64 // octets
	fault  error // why it ends there; nil at a clean end
}

// replay gives the calls that were open before record number before, and the
// number of the last event it saw. Of the segments, given in order, it reads
// the newest with a complete list of open calls and those after it, and says
// where each of these ends.
func replay(dir string, segments []header, before uint64) (calls Calls, last uint64, read []ending) {
	calls = Calls{}
	from := len(segments) - 1
	for ; from > 0; from-- {
		if segments[from].firstSeq <= before && hasList(dir, segments[from]) {
			break
		}
	}
	for i := max(from, 0); i < len(segments); i++ {
		void := before // the first number that this segment is not the authority for
		if i+1 < len(segments) {
			void = min(void, segments[i+1].firstSeq)
		}
		last = max(last, min(segments[i].firstSeq, void)-1)
		end := scan(dir, segments[i], func(f frame) bool {
			switch {
			case f.kind() == recordCalls && i == from:
				calls.takePart(f.payload())
			case f.kind() == recordEvent && f.seq() < void:
				var event model.CallEvent
				if event.Decode(f.payload()) == nil {
					calls.Apply(&event)
				}
				last = f.seq()
			}
			return true
		})
		read = append(read, end)
	}
	return calls, last, read
}

// hasList reports whether the segment's list of open calls is complete.
func hasList(dir string, segment header) (complete bool) {
	scan(dir, segment, func(f frame) bool {
		complete = f.kind() == recordCalls && f.payload()[0] == 1
		return f.kind() == recordCalls && !complete
	})
	return complete
}

// scan calls visit for each valid frame of the segment, in order, until it
// returns false.
func scan(dir string, segment header, visit func(frame) bool) ending {
	file, s, err := openSegment(dir, segment.number, segment.box)
	if err != nil {
		return ending{segment.number, 0, err}
	}
	defer file.Close()
	for {
		f, err := s.next()
		if err == io.EOF || err == nil && !visit(f) {
			return ending{segment.number, s.off, nil}
		}
		if err != nil {
			return ending{segment.number, s.off, err}
		}
	}
}
