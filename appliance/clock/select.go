package clock

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// mark says what selection made of a server, as IOS and ntpq print it.
type mark string

// The marks.
const (
	markPeer        mark = "*" // the system peer
	markSurvivor    mark = "+" // its offset counts as well
	markOutlier     mark = "-" // right, but farther from the others than they from each other
	markFalseticker mark = "x" // contradicts the majority
	markNone        mark = ""  // was not part of it
)

// leastSurvivors is how many servers the cluster algorithm leaves (RFC 5905's NMIN).
const leastSurvivors = 3

// reading is what one server says: the true time is this clock and offset,
// within distance.
type reading struct {
	server   *association
	offset   time.Duration
	distance time.Duration // RFC 5905's root distance
	jitter   time.Duration
	stratum  uint8
	prefer   bool
}

func (r reading) low() time.Duration  { return r.offset - r.distance }
func (r reading) high() time.Duration { return r.offset + r.distance }

// truechimers gives the readings that agree with the most others, if these are
// more than half; else nil. (RFC 5905 §11.2.1 without its second condition, on
// the middles of the intervals, by which two good servers near to each other
// and far from here would disagree.)
func truechimers(readings []reading) []reading {
	for agreeing := len(readings); 2*agreeing > len(readings); agreeing-- {
		low, high, ok := covered(readings, agreeing)
		if !ok {
			continue
		}
		return slices.DeleteFunc(slices.Clone(readings), func(r reading) bool { return r.low() > high || r.high() < low })
	}
	return nil
}

// covered gives the lowest and the highest point that lie in at least n of the
// intervals: a point where one begins and one where one ends.
func covered(readings []reading, n int) (lowest, highest time.Duration, ok bool) {
	lowest, highest = math.MaxInt64, math.MinInt64
	deep := func(at time.Duration) bool {
		depth := 0
		for _, r := range readings {
			if r.low() <= at && at <= r.high() {
				depth++
			}
		}
		return depth >= n
	}
	for _, r := range readings {
		if low := r.low(); deep(low) {
			lowest, ok = min(lowest, low), true
		}
		if high := r.high(); deep(high) {
			highest = max(highest, high)
		}
	}
	return lowest, highest, ok
}

// cluster sorts the truechimers, best first, and takes those out that are
// farther from the others than any is from itself, as long as more than
// leastSurvivors are left (RFC 5905 §11.2.2). A preferred one stays.
func cluster(list []reading) (survivors, outliers []reading) {
	survivors = slices.Clone(list)
	slices.SortStableFunc(survivors, func(a, b reading) int {
		return cmp.Compare(rank(a), rank(b))
	})
	for len(survivors) > leastSurvivors {
		worst, worstJitter, leastJitter := -1, 0.0, math.Inf(1)
		for i, r := range survivors {
			leastJitter = min(leastJitter, r.jitter.Seconds())
			if jitter := selectionJitter(survivors, r.offset); !r.prefer && jitter > worstJitter {
				worst, worstJitter = i, jitter
			}
		}
		if worst < 0 || worstJitter <= leastJitter {
			break
		}
		outliers = append(outliers, survivors[worst])
		survivors = slices.Delete(survivors, worst, worst+1)
	}
	return survivors, outliers
}

// rank orders servers by stratum first, then by distance.
func rank(r reading) time.Duration { return time.Duration(r.stratum)*maxDistance + r.distance }

// selectionJitter is how far all are from one offset, in seconds: root mean square.
func selectionJitter(list []reading, from time.Duration) float64 {
	if len(list) < 2 {
		return 0
	}
	squares := 0.0
	for _, r := range list {
		difference := (r.offset - from).Seconds()
		squares += difference * difference
	}
	return math.Sqrt(squares / float64(len(list)-1))
}

// choice is what the servers come to.
type choice struct {
	peer     *reading      // the system peer; nil: none is to be followed
	offset   time.Duration // of all survivors together
	jitter   time.Duration
	marks    map[*association]mark
	witness  string // on whose word, without a majority
	conflict string // why none is followed although there are readings
}

// combine makes the choice of what survived: the preferred server alone, or
// the average weighted by distance (RFC 5905 §11.2.3). The system peer of
// before stays it among equals of its stratum.
func combine(survivors []reading, before *association) choice {
	peer := survivors[0]
	for _, r := range survivors {
		if r.server == before && r.stratum == peer.stratum {
			peer = r
		}
	}
	for _, r := range survivors {
		if r.prefer {
			peer = r
		}
	}
	offset := peer.offset
	if !peer.prefer {
		// Differences from the peer are summed, not offsets: these may be
		// decades, and lose their nanoseconds in a float.
		sum, weights := 0.0, 0.0
		for _, r := range survivors {
			weight := 1 / r.distance.Seconds()
			sum += weight * (r.offset - peer.offset).Seconds()
			weights += weight
		}
		offset += time.Duration(sum / weights * float64(time.Second))
	}
	among := selectionJitter(survivors, peer.offset)
	jitter := math.Hypot(among, peer.jitter.Seconds())
	return choice{peer: &peer, offset: offset, jitter: time.Duration(jitter * float64(time.Second))}
}
