package powercut

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// pick chooses the n-th of the cuts: each stretch of the run has one.
func (r *recorded) pick(n int, random *rand.Rand) int {
	begin, end := (len(r.moments)-1)*n/r.Cuts, (len(r.moments)-1)*(n+1)/r.Cuts
	return begin + random.IntN(max(1, end-begin))
}

// cut is a box whose power failed: images of its disk and its stick.
type cut struct {
	at          time.Time // at this time or later
	until       time.Time // what was seen up to here must be there
	disk, stick *disk     // nil: there was no stick
	volume      *disk     // harddisk:
	unflushed   int       // writes to both that no flush covers
}

// cuts makes them, in ascending order.
type cuts struct {
	r                   *recorded
	disk, volume, stick *replay
	atDisk, atStick     int // entries of the last cut
}

func (r *recorded) newCuts() (*cuts, error) {
	c := &cuts{r: r, disk: newReplay(r.log, 0, callsDisk), volume: newReplay(r.log, r.diskVolume.Start, r.diskVolume.Size)}
	if r.Stick {
		c.stick = newReplay(r.stickLog, 0, callsStick)
		return c, c.stick.hold(r.path("stick.before"), 0)
	}
	return c, nil
}

// make cuts the power at a moment: behind the last flush up to then, and before
// the first one that was seen later. Of the writes between them anything may be
// left at that moment.
func (c *cuts) make(n int, random *rand.Rand) (made cut, err error) {
	between := func(last *int, position func(moment) int) int {
		from := position(c.r.moments[n])
		to := from
		for later := n; to == from && later < len(c.r.moments); later++ {
			to = position(c.r.moments[later])
		}
		*last = max(*last, from+random.IntN(max(1, to-from)))
		return *last
	}
	made.at = c.r.moments[n].at
	seed := random.Uint64() // both replays of the disk lose the same writes
	entries := between(&c.atDisk, func(m moment) int { return m.disk })
	made.until = c.r.until(n, entries)
	made.disk, err = c.disk.cut(entries, rand.New(rand.NewPCG(seed, 1)))
	if err == nil {
		made.volume, err = c.volume.cut(entries, rand.New(rand.NewPCG(seed, 1)))
	}
	made.unflushed = len(c.disk.volatile)
	if err == nil && c.stick != nil {
		made.stick, err = c.stick.cut(between(&c.atStick, func(m moment) int { return m.stick }), rand.New(rand.NewPCG(seed, 2)))
		made.unflushed += len(c.stick.volatile)
	}
	if err != nil {
		return made, fmt.Errorf("replay up to %v: %w", made.at, err)
	}
	return made, nil
}

// until gives the time up to which events must be there when the power fails at
// moment n, after that many entries.
func (r *recorded) until(n, entries int) time.Time {
	at := r.moments[n].at
	flushes, entry := 0, entries
	for n > 0 && flushes < WindowFlushes && at.Sub(r.moments[n].at) < longestWindow {
		for n--; entry > r.moments[n].disk; {
			if entry--; r.log.Entries[entry].Flags&Flush != 0 {
				flushes++
			}
		}
	}
	if seen := r.moments[n].at; at.Sub(seen) > Window {
		return seen
	}
	return at.Add(-Window)
}
