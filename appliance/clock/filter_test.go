package clock

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestFilter(t *testing.T) {
	const ms = time.Millisecond
	now := epoch.Add(time.Hour)
	ago := func(d, offset, delay time.Duration) sample {
		return sample{at: now.Add(-d), offset: offset, delay: delay}
	}
	tests := []struct {
		name    string
		samples []sample // oldest first
		offset  time.Duration
		least   time.Duration // of the dispersion
		most    time.Duration
	}{
		{"one leaves the server unusable", []sample{ago(0, 5*ms, 10*ms)}, 5 * ms, 7 * time.Second, 8 * time.Second},
		{"three do", []sample{ago(4*time.Second, 0, ms), ago(2*time.Second, 0, ms), ago(0, 0, ms)}, 0, maxDistance, 2 * time.Second},
		{"four do not", []sample{ago(6*time.Second, 0, ms), ago(4*time.Second, 0, ms), ago(2*time.Second, 0, ms), ago(0, 0, ms)}, 0, 900 * ms, 950 * ms},
		{"the quickest counts", []sample{ago(6*time.Second, 90*ms, 200*ms), ago(4*time.Second, 3*ms, 9*ms), ago(2*time.Second, 40*ms, 100*ms), ago(0, 50*ms, 120*ms)}, 3 * ms, 900 * ms, 950 * ms},
		{"until it is old", []sample{ago(1000*time.Second, 3*ms, 9*ms), ago(0, 8*ms, 20*ms)}, 8 * ms, 3 * time.Second, 4 * time.Second},
		{"a jump leaves the newest", []sample{ago(6*time.Second, 0, ms), ago(4*time.Second, 0, ms), ago(2*time.Second, 0, ms), ago(0, time.Second, ms)}, time.Second, 7 * time.Second, 8 * time.Second},
		{"a slow one is no jump", []sample{ago(6*time.Second, 0, ms), ago(4*time.Second, 0, ms), ago(2*time.Second, 0, ms), ago(0, time.Second, 1900*ms)}, 0, 900 * ms, 950 * ms},
	}
	for _, test := range tests {
		var f filter
		for _, s := range test.samples {
			f.add(s)
		}
		if m := f.measure(now); m.offset != test.offset || m.spread < test.least || m.spread > test.most {
			t.Errorf("%s: offset %s, dispersion %s; want %s, %s to %s", test.name, m.offset, m.spread, test.offset, test.least, test.most)
		}
	}
}

// A filter keeps the last eight, and its jitter is that of their offsets.
func TestFilterJitter(t *testing.T) {
	var f filter
	for i := range 20 {
		offset := time.Duration(i%2) * 10 * time.Millisecond
		f.add(sample{at: epoch.Add(time.Duration(i) * time.Second), offset: offset, delay: 5 * time.Millisecond})
	}
	m := f.measure(epoch.Add(20 * time.Second))
	if len(f) != filterSize || m.jitter < 7*time.Millisecond || m.jitter > 8*time.Millisecond {
		t.Errorf("%d samples, jitter %s; want %d, 10 ms × √(4/7)", len(f), m.jitter, filterSize)
	}
	f.shift(time.Second)
	if got := f.measure(epoch.Add(20 * time.Second)); got.offset != m.offset-time.Second {
		t.Errorf("after the clock went ahead by 1s the offset is %s; want %s", got.offset, m.offset-time.Second)
	}
}

// TestTruechimers: whatever the servers of a minority say, all servers that
// are right are found, and nobody who contradicts all of them.
func TestTruechimers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		truth := time.Duration(rapid.Int64Range(int64(-day), int64(day)).Draw(t, "truth"))
		n := rapid.IntRange(1, 8).Draw(t, "servers")
		liars := rapid.IntRange(0, (n-1)/2).Draw(t, "liars")
		var readings []reading
		for i := range n {
			distance := time.Duration(rapid.Int64Range(int64(time.Millisecond), int64(maxDistance)).Draw(t, "distance"))
			wrong := time.Duration(rapid.Int64Range(-int64(distance), int64(distance)).Draw(t, "error"))
			if i < liars {
				wrong = time.Duration(rapid.Int64Range(int64(-3*day), int64(3*day)).Draw(t, "lie"))
			}
			readings = append(readings, at(truth+wrong, distance))
		}
		got := truechimers(readings)
		found := func(r reading) bool {
			return slices.ContainsFunc(got, func(g reading) bool { return g.server == r.server })
		}
		for i, r := range readings {
			alone := !slices.ContainsFunc(readings, func(o reading) bool {
				return o.server != r.server && o.low() <= r.high() && o.high() >= r.low()
			})
			if i >= liars && !found(r) && 2*len(got) <= n {
				t.Fatalf("%v is right and not found; no majority is", r)
			}
			if i < liars && alone && found(r) {
				t.Fatalf("%v contradicts all others and is found", r)
			}
		}
		if 2*len(got) <= n {
			t.Fatalf("%d of %d found; want a majority", len(got), n)
		}
	})
}

func TestClusterAndCombine(t *testing.T) {
	const ms = time.Millisecond
	near := []reading{at(0, 20*ms), at(2*ms, 10*ms), at(-3*ms, 30*ms), at(60*ms, 15*ms)}
	survivors, outliers := cluster(near)
	if len(survivors) != 3 || len(outliers) != 1 || outliers[0].offset != 60*ms || survivors[0].offset != 2*ms {
		t.Errorf("cluster = %v, without %v; want 60 ms out and 2 ms first", survivors, outliers)
	}
	if c := combine(survivors, nil); c.peer.offset != 2*ms || c.offset < 0 || c.offset > ms {
		t.Errorf("combine = %s, peer %s; want the average by 1/distance, 600 µs, of the nearest", c.offset, c.peer.offset)
	}
	if c := combine(survivors, survivors[2].server); c.peer.server != survivors[2].server {
		t.Error("the system peer changes among equals")
	}
	near[3].prefer = true
	survivors, _ = cluster(near)
	if c := combine(survivors, nil); c.offset != 60*ms || c.peer.offset != 60*ms {
		t.Errorf("combine = %s; want that of the preferred server alone", c.offset)
	}
	decades := []reading{at(30*365*day+1, 10*ms), at(30*365*day+3, 10*ms)}
	if c := combine(decades, nil); c.offset != 30*365*day+2 {
		t.Errorf("combine = %d ns; want %d: no nanosecond is lost", c.offset, 30*365*day+2)
	}
	closer := at(0, ms)
	closer.stratum = 5
	if survivors, _ := cluster([]reading{closer, at(0, 900*ms)}); survivors[0].stratum != 2 {
		t.Error("a server of stratum 5 goes before one of stratum 2")
	}
}
