package clock

import (
	"fmt"
	"slices"
	"time"
)

// handBound is how far a time that a person typed, or a hardware clock kept,
// may be off.
const handBound = time.Hour

// witness is what the box itself knows of the time. It is heard only when the
// servers have no majority.
type witness struct {
	name   string        // "this clock, which was right before"
	offset time.Duration // from this clock
	bound  time.Duration // it may be wrong by
}

func (w witness) supports(r reading) bool {
	return r.low() <= w.offset+w.bound && r.high() >= w.offset-w.bound
}

// elect chooses among the servers: those that a majority agrees with, or by
// the rule of the package documentation when there is no majority. first says
// that the clock was not right since boot; earliest is the offset before which
// the time cannot be.
func elect(readings []reading, first bool, witnesses []witness, earliest time.Duration, before *association) choice {
	if len(readings) == 0 {
		return choice{}
	}
	c := choice{marks: make(map[*association]mark)}
	for _, r := range readings {
		c.marks[r.server] = markFalseticker
	}
	right, name := truechimers(readings), ""
	if right == nil {
		right, name = decide(readings, first, witnesses, earliest)
	}
	if right == nil {
		c.conflict = fmt.Sprintf("%d servers disagree, and nothing tells which is right", len(readings))
		return c
	}
	survivors, outliers := cluster(right)
	marks := c.marks
	c = combine(survivors, before)
	c.marks, c.witness = marks, name
	for _, r := range outliers {
		marks[r.server] = markOutlier
	}
	for _, r := range survivors {
		marks[r.server] = markSurvivor
	}
	marks[c.peer.server] = markPeer
	return c
}

// decide finds whom to believe of servers without a majority, and says on
// whose word; nil if it cannot be told.
func decide(readings []reading, first bool, witnesses []witness, earliest time.Duration) (right []reading, name string) {
	possible := slices.DeleteFunc(slices.Clone(readings), func(r reading) bool { return r.high() < earliest })
	preferred := slices.DeleteFunc(slices.Clone(possible), func(r reading) bool { return !r.prefer })
	if first && len(preferred) > 0 {
		return preferred, "the preferred server"
	}
	for _, w := range witnesses {
		supported := slices.DeleteFunc(slices.Clone(possible), func(r reading) bool { return !w.supports(r) })
		if agreed := truechimers(supported); agreed != nil {
			return agreed, w.name
		}
		if len(preferred) > 0 && w.supports(preferred[0]) {
			return preferred, "the preferred server"
		}
	}
	if first && len(possible) < len(readings) {
		return truechimers(possible), "the time before which it cannot be"
	}
	return nil, ""
}
