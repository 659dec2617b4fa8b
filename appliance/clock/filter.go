package clock

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// What RFC 5905 assumes of clocks.
const (
	filterSize     = 8                    // samples kept of a server (NSTAGE)
	maxDispersion  = 16 * time.Second     // of a sample that is missing (MAXDISP)
	wander         = 15e-6                // by which dispersion grows: s/s (PHI)
	precision      = time.Microsecond     // of this clock
	leastJitter    = precision            // none is measured smaller
	leastDelay     = 5 * time.Millisecond // of the way to the root, counted at least (MINDISP)
	oscillatorMost = 500e-6               // by which a clock left alone may go wrong: s/s
)

// sample is one measurement of a server: add offset to this clock, and it is
// right within delay/2 + dispersion.
type sample struct {
	at         time.Time
	offset     time.Duration
	delay      time.Duration // of the round trip
	dispersion time.Duration // when it was measured
}

// age is the dispersion of the sample now.
func (s sample) age(now time.Time) time.Duration {
	return s.dispersion + scale(now.Sub(s.at), wander)
}

func scale(d time.Duration, by float64) time.Duration { return time.Duration(float64(d) * by) }

// filter keeps the last samples of a server, newest first (RFC 5905 §10).
type filter []sample

// add takes a sample in. If it contradicts the best one so far by more than
// both could be wrong, the server or this clock has jumped, and only the new
// one is kept.
func (f *filter) add(s sample) (jumped bool) {
	if len(*f) > 0 {
		best := f.measure(s.at).sample
		wrong := (s.delay+best.delay)/2 + s.dispersion + best.dispersion + scale(s.at.Sub(best.at), oscillatorMost)
		jumped = (s.offset - best.offset).Abs() > wrong+stepThreshold
	}
	if jumped {
		*f = nil
	}
	*f = append(filter{s}, (*f)[:min(len(*f), filterSize-1)]...)
	return jumped
}

// shift follows a change of this clock by that much: the offsets from the
// server are less by it.
func (f filter) shift(by time.Duration) {
	for i := range f {
		f[i].offset -= by
	}
}

// measurement is what the samples come to.
type measurement struct {
	sample               // the best one
	spread time.Duration // dispersion of all: how far they can be trusted
	jitter time.Duration // how far the others are from the best
}

// measure weighs the samples of a filter that is not empty. The best one is
// that of the smallest distance, delay/2 + dispersion: an old one gives way to
// a newer one that took a little longer. Samples that are missing count as
// maxDispersion, so that a server is followed after four and trusted after
// eight.
func (f filter) measure(now time.Time) measurement {
	sorted := slices.Clone(f)
	slices.SortStableFunc(sorted, func(a, b sample) int {
		return cmp.Compare(a.delay/2+a.age(now), b.delay/2+b.age(now))
	})
	m := measurement{sample: sorted[0]}
	squares, weight := 0.0, 0.5
	for i := range filterSize {
		dispersion := maxDispersion
		if i < len(sorted) {
			dispersion = min(sorted[i].age(now), maxDispersion)
			difference := (sorted[i].offset - m.offset).Seconds()
			squares += difference * difference
		}
		m.spread += scale(dispersion, weight)
		weight /= 2
	}
	m.jitter = leastJitter
	if n := len(sorted) - 1; n > 0 {
		m.jitter = max(leastJitter, time.Duration(math.Sqrt(squares/float64(n))*float64(time.Second)))
	}
	return m
}
