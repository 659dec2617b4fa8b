package outbox

import (
	"encoding/json"
	"slices"
	"time"

	"causeway/appliance/com/wire"
)

// sacrifices say what goes when there is no room, the first that there is one of,
// the oldest of it. Events of the licence are not among them: where they alone
// fill the outbox, the newest is refused.
var sacrifices = []func(e kept, later map[string]uint64) bool{
	func(e kept, _ map[string]uint64) bool { return e.Class == wire.ClassInformational },
	func(e kept, later map[string]uint64) bool { // a later one tells how that alarm stands
		return e.Class == wire.ClassAlarm && e.Key != "" && later[e.Key] > e.Sequence
	},
	func(e kept, _ map[string]uint64) bool { return e.Class == wire.ClassAlarm },
}

// Gap is the body of a gap: between when the entries came that were dropped.
type Gap struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// shrink keeps the bounds, and counts in a gap at the end what goes. There is
// only one gap at a time. Of what was sent already, and is not acknowledged, COM
// may have some: Missed is the most that it can miss. b.mu is held.
func (b *Outbox) shrink() {
	if !b.isFull() {
		return
	}
	missed, gap := b.takeGap()
	later := map[string]uint64{} // the last number of each key
	for _, e := range b.entries {
		later[e.Key] = e.Sequence
	}
	for b.isFull() {
		e := b.remove(b.victim(later))
		missed++
		gap = gap.with(e.Time)
		if e.Class == wire.ClassLicence {
			b.numbers.Refused++
		} else {
			b.numbers.Dropped++
		}
	}
	b.addGap(missed, gap)
}

// isFull says whether there is more than may be, beside a gap.
func (b *Outbox) isFull() bool {
	entries, octets := len(b.entries), b.octets
	if i := b.gapAt(); i >= 0 {
		entries, octets = entries-1, octets-b.entries[i].octets
	}
	return entries > mostEntries || octets > mostOctets
}

// victim is the entry that goes.
func (b *Outbox) victim(later map[string]uint64) int {
	for _, may := range sacrifices {
		if i := slices.IndexFunc(b.entries, func(e kept) bool { return may(e, later) }); i >= 0 {
			return i
		}
	}
	return len(b.entries) - 1
}

// gap counts what was lost before it came here.
func (b *Outbox) gap(missed uint64) {
	b.numbers.Dropped += missed
	before, gap := b.takeGap()
	b.addGap(before+missed, gap.with(b.options.Now().UTC()))
}

func (b *Outbox) gapAt() int {
	return slices.IndexFunc(b.entries, func(e kept) bool { return e.Class == wire.ClassGap })
}

// takeGap takes out the gap that there is.
func (b *Outbox) takeGap() (missed uint64, gap Gap) {
	i := b.gapAt()
	if i < 0 {
		return 0, Gap{}
	}
	e := b.remove(i)
	_ = json.Unmarshal(e.Body, &gap) // of an earlier firmware: it begins anew
	return e.Missed, gap
}

func (b *Outbox) addGap(missed uint64, gap Gap) {
	body, _ := json.Marshal(gap) // two times
	b.add(wire.Entry{Time: b.options.Now().UTC(), Class: wire.ClassGap, Kind: "gap", Missed: missed, Body: body})
}

// with is the gap with an entry of a time in it.
func (g Gap) with(t time.Time) Gap {
	if g.From.IsZero() || t.Before(g.From) {
		g.From = t
	}
	if t.After(g.To) {
		g.To = t
	}
	return g
}
