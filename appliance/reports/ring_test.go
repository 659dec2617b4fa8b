package reports

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// at is a minute with figures that follow from it.
func at(minute uint32) Minute {
	return Minute{Minute: minute, Seconds: 60, Calls: minute%1000 + 1, Refused: minute % 7, PeakCPS: minute % 900, PeakOpen: minute % 50, Failed: minute % 11}
}

func openAt(t *testing.T, path string) *ring {
	t.Helper()
	r, err := openRing(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func (r *ring) mustAdd(t *testing.T, minutes ...Minute) {
	t.Helper()
	for _, m := range minutes {
		if err := r.add(m); err != nil {
			t.Fatal(err)
		}
	}
}

func (r *ring) expect(t *testing.T, when string, from, to uint32, want ...Minute) {
	t.Helper()
	got, err := r.read(from, to)
	if err != nil {
		t.Errorf("%s: read = %v", when, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: read(%d, %d) (-want +got):\n%s", when, from, to, diff)
	}
}

const base = 29_000_000 // a minute in 2025

// TestOldRecord: a record of a release that did not count calls that failed.
func TestOldRecord(t *testing.T) {
	record, err := hex.DecodeString("01ba8140003c00000000007800000007000000fa0000001f000000008d727a18")
	if err != nil {
		t.Fatal(err)
	}
	var got Minute
	want := Minute{Minute: base, Seconds: 60, Calls: 120, Refused: 7, PeakCPS: 250, PeakOpen: 31}
	if !got.decode(record) || got != want {
		t.Errorf("decode = %+v; want %+v", got, want)
	}
}

func TestRing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "reports", "calls.ring")
	onDisk := openAt(t, path)
	for name, r := range map[string]*ring{"on disk": onDisk, "in memory": newMemory()} {
		r.expect(t, name+", new", 0, 1<<32-1)
		r.mustAdd(t, at(base), at(base+1), at(base+3))
		r.expect(t, name, base, base+4, at(base), at(base+1), at(base+3))
		r.expect(t, name+", a part", base+1, base+3, at(base+1))
		r.expect(t, name+", backwards", base+3, base)
		r.expect(t, name+", all", 0, base+4, at(base), at(base+1), at(base+3))

		// The clock goes back: the minute comes twice.
		r.mustAdd(t, Minute{Minute: base, Seconds: 10, Calls: 5, Refused: 1, PeakCPS: 899, PeakOpen: 1, Failed: 2})
		twice := at(base)
		twice.Seconds, twice.Calls, twice.Refused, twice.PeakCPS, twice.PeakOpen, twice.Failed = 70, twice.Calls+5, twice.Refused+1, 899, 1, twice.Failed+2
		r.expect(t, name+", a minute that came twice", base, base+1, twice)

		// It runs far ahead for a while.
		r.mustAdd(t, at(base+20*minutesKept+2))
		r.mustAdd(t, at(base+4))
		r.expect(t, name+", after a trip to the future", base, base+10, twice, at(base+1), at(base+3), at(base+4))

		// The next round replaces this one.
		r.mustAdd(t, at(base+minutesKept), at(base+minutesKept+3))
		r.expect(t, name+", a round later", base, base+minutesKept+5, at(base+minutesKept), at(base+minutesKept+3))
		r.expect(t, name+", over the end of the file", base+1, base+minutesKept+1, at(base+1), at(base+4), at(base+minutesKept))
	}
	if err := onDisk.Close(); err != nil {
		t.Fatal(err)
	}
	openAt(t, path).expect(t, "opened again", base+1, base+10, at(base+1), at(base+4))
}

func TestWholeRing(t *testing.T) {
	r := newMemory()
	for minute := uint32(base); minute < base+minutesKept+100; minute++ {
		r.mustAdd(t, at(minute))
	}
	got, err := r.read(base, base+minutesKept+100)
	if err != nil || len(got) != minutesKept || got[0] != at(base+100) || got[minutesKept-1] != at(base+minutesKept+99) {
		t.Errorf("read of all = %d minutes, %v; want the last %d", len(got), err, minutesKept)
	}
}

// TestCutRecord cuts the writing of a record at every octet, in a new place and
// over the record of an earlier round.
func TestCutRecord(t *testing.T) {
	dir := t.TempDir()
	for _, earlier := range []bool{false, true} {
		r := openAt(t, filepath.Join(dir, fmt.Sprint("calls.", earlier)))
		r.mustAdd(t, at(base-1), at(base+1))
		old := make([]byte, recordSize)
		if earlier {
			m := at(base - minutesKept)
			old = m.encode()
		}
		m := at(base)
		whole := m.encode()
		for cut := 0; cut <= recordSize; cut++ {
			torn := append(bytes.Clone(whole[:cut]), old[cut:]...)
			if _, err := r.WriteAt(torn, offset(base)); err != nil {
				t.Fatal(err)
			}
			when := fmt.Sprintf("cut at %d, earlier round %t", cut, earlier)
			if bytes.Equal(torn, whole) {
				r.expect(t, when, base-1, base+2, at(base-1), m, at(base+1))
				continue
			}
			r.expect(t, when, base-1, base+2, at(base-1), at(base+1))
			r.mustAdd(t, m) // the place serves
			r.expect(t, when+", written again", base, base+1, m)
		}
	}
}

// TestCutFile cuts the file at every octet of its header and of a record.
func TestCutFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "calls.ring")
	first := uint32(base - base%minutesKept) // it stands behind the header
	r := openAt(t, path)
	r.mustAdd(t, at(first), at(first+1))
	whole, err := os.ReadFile(path)
	if err != nil || len(whole) != 3*recordSize {
		t.Fatalf("the file has %d octets, %v; want %d", len(whole), err, 3*recordSize)
	}
	for cut := range whole {
		path := filepath.Join(dir, fmt.Sprint("cut.", cut))
		if err := os.WriteFile(path, whole[:cut], 0o640); err != nil {
			t.Fatal(err)
		}
		r := openAt(t, path)
		var want []Minute
		if cut >= 2*recordSize {
			want = []Minute{at(first)}
		}
		r.expect(t, fmt.Sprint("cut at ", cut), first, first+2, want...)
		r.mustAdd(t, at(first+1))
		r.expect(t, fmt.Sprint("cut at ", cut, " and written"), first, first+2, append(want, at(first+1))...)
		_, err := os.Stat(path + ".bad")
		if aside := err == nil; aside != (cut > 0 && cut < recordSize) {
			t.Errorf("cut at %d: set aside %t", cut, aside)
		}
	}
}

func TestOpenFails(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o640); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "file", "calls.ring"), dir} {
		if r, err := openRing(path); err == nil {
			t.Errorf("openRing(%s) = %v, nil; want an error", path, r)
		}
	}
}

// FuzzRing: whatever stands in the place of a minute, reading it is possible,
// and the minute can be written.
func FuzzRing(f *testing.F) {
	m := at(base)
	f.Add([]byte{}, uint32(base))
	f.Add(m.encode(), uint32(base))
	f.Add(append(m.encode(), m.encode()...), uint32(base-1))
	f.Add(bytes.Repeat([]byte{0xff}, 5*recordSize), uint32(1<<32-2))
	content := newMemory()
	f.Fuzz(func(t *testing.T, octets []byte, minute uint32) {
		minute = min(max(minute, 1), 1<<32-2)
		octets = octets[:min(len(octets), 100*recordSize)]
		if _, err := content.WriteAt(octets, offset(minute)); err != nil {
			t.Fatal(err)
		}
		defer content.WriteAt(make([]byte, len(octets)+recordSize), offset(minute))
		before, err := content.read(minute, minute+1)
		if err != nil {
			t.Fatalf("read = %v", err)
		}
		want := at(minute)
		if len(before) == 1 {
			want.merge(before[0])
		}
		content.mustAdd(t, at(minute))
		content.expect(t, "after add", minute, minute+1, want)
		around, err := content.read(max(minute, 50)-50, minute+1)
		if err != nil || len(around) == 0 {
			t.Errorf("read of what is around it = %v, %v", around, err)
		}
	})
}
