package powercut

import (
	"math/rand/v2"
	"testing"
	"time"
)

// flushed is a run whose disk had a flush every ten milliseconds, each behind
// two writes, looked at every millisecond.
func flushed(t *testing.T) *recorded {
	t.Helper()
	const flushes, apart = 200, 10
	disk := newRecorder()
	r := &recorded{}
	for n := range flushes {
		disk.write(int64(n)*2*logSector, sectors(2, 'a'))
		disk.write(int64(n)*2*logSector, sectors(1, 'b'))
		disk.flush()
		for ms := range apart {
			r.moments = append(r.moments, moment{at: time.UnixMilli(int64(n*apart + ms)), disk: 3 * (n + 1)})
		}
	}
	r.log = disk.log(t)
	r.diskVolume.Size = 1 << 20
	return r
}

// TestCutsFallBetweenFlushes makes cuts at all moments: what was flushed by then
// is there, and as often as not some of the writes behind it are under way.
func TestCutsFallBetweenFlushes(t *testing.T) {
	r := flushed(t)
	cuts, err := r.newCuts()
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 1))
	met := map[int]int{}
	for n, m := range r.moments {
		made, err := cuts.make(n, random)
		if err != nil {
			t.Fatal(err)
		}
		if cuts.disk.entries < m.disk || cuts.disk.entries > m.disk+2 {
			t.Fatalf("cut at moment %d = %d entries; want %d or 2 more", n, cuts.disk.entries, m.disk)
		}
		met[made.unflushed]++
	}
	for unflushed := range 3 {
		if met[unflushed] < len(r.moments)/20 {
			t.Errorf("%d of %d cuts had %d writes under way; want 5 %%", met[unflushed], len(r.moments), unflushed)
		}
	}
}

// TestUntil says what must be there at a cut: a window before it, longer where the
// disk had fewer flushes than a commit takes, and never by more than a second.
func TestUntil(t *testing.T) {
	even := flushed(t)
	late := flushed(t) // it stands still after a second
	for n := range late.moments {
		if n > 1000 {
			late.moments[n].disk = late.moments[1000].disk
		}
	}
	for _, test := range []struct {
		name string
		run  *recorded
		at   int // moment, in ms
		want time.Duration
	}{
		{"flushes as usual", even, 1000, 80 * time.Millisecond},
		{"a while without", late, 1300, 380 * time.Millisecond},
		{"for good", late, 1999, longestWindow},
	} {
		t.Run(test.name, func(t *testing.T) {
			moment := test.run.moments[test.at]
			got := moment.at.Sub(test.run.until(test.at, moment.disk))
			if got < test.want-10*time.Millisecond || got > test.want+10*time.Millisecond {
				t.Errorf("until = %v before the cut; want %v, give or take 10 ms", got, test.want)
			}
		})
	}
}
