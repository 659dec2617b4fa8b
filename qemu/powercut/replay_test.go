package powercut

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

func testRandom() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

// saved gives a disk as the image that save writes.
func saved(t *testing.T, d *disk) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image")
	if err := d.save(path); err != nil {
		t.Fatal(err)
	}
	image, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// TestReplayKeepsFlushed cuts a log at every entry, often: what a flush covers is
// always there, and what was not written yet never is.
func TestReplayKeepsFlushed(t *testing.T) {
	const start, size = 8 * logSector, 16 * logSector
	r := newRecorder()
	r.write(start, sectors(2, 'a'))              // 0
	r.flush()                                    // 1
	r.write(start, sectors(1, 'b'))              // 2
	r.write(start+4096, sectors(2, 'c'))         // 3
	r.write(0, sectors(9, 'd'))                  // 4: its last sector is in the part
	r.entry(start/logSector+8, 1, Discard)       // 5
	r.flush()                                    // 6
	r.write(start+7*logSector, sectors(16, 'e')) // 7: goes beyond the part
	log := r.log(t)
	// What each sector of the part may be; "." is zero. A cut at n has entries 0 to n-1.
	const seen = 10
	for cut, allowed := range [][seen]string{
		{".", ".", ".", ".", ".", ".", ".", ".", ".", "."},
		{".a", ".a", ".", ".", ".", ".", ".", ".", ".", "."},
		{"a", "a", ".", ".", ".", ".", ".", ".", ".", "."},
		{"ab", "a", ".", ".", ".", ".", ".", ".", ".", "."},
		{"ab", "a", ".", ".", ".", ".", ".", ".", ".c", ".c"},
		{"abd", "a", ".", ".", ".", ".", ".", ".", ".c", ".c"},
		{"abd", "a", ".", ".", ".", ".", ".", ".", ".c", ".c"},
		{"d", "a", ".", ".", ".", ".", ".", ".", ".", "c"},
		{"d", "a", ".", ".", ".", ".", ".", ".e", ".e", "ce"},
	} {
		random := testRandom()
		met := [seen]map[byte]bool{}
		for range 200 {
			made, err := newReplay(log, start, size).cut(cut, random)
			if err != nil {
				t.Fatal(err)
			}
			image := saved(t, made)
			if len(image) != size {
				t.Fatalf("cut %d: image of %d octets; want %d", cut, len(image), size)
			}
			for n := range seen {
				sector := image[n*logSector : (n+1)*logSector]
				octet := sector[0]
				if octet == 0 {
					octet = '.'
				}
				if !bytes.Equal(sector, bytes.Repeat(sector[:1], logSector)) || !bytes.Contains([]byte(allowed[n]), []byte{octet}) {
					t.Fatalf("cut %d: sector %d = %q…; want one of %q", cut, n, sector[:4], allowed[n])
				}
				if met[n] == nil {
					met[n] = map[byte]bool{}
				}
				met[n][octet] = true
			}
		}
		for n := range seen {
			if len(met[n]) != len(allowed[n]) {
				t.Errorf("cut %d: sector %d was %v in 200 cuts; want each of %q", cut, n, met[n], allowed[n])
			}
		}
	}
}

// TestReplayGoesOn makes cuts one after another, as many: they are those that a
// replay from the beginning makes, and none leaves a trace in the next.
func TestReplayGoesOn(t *testing.T) {
	r := newRecorder()
	random := testRandom()
	for n := range 60 {
		r.write(int64(random.IntN(64))*logSector, sectors(1+random.IntN(12), byte('A'+n)))
		if n%7 == 0 {
			r.flush()
		}
	}
	log := r.log(t)
	on := newReplay(log, 4*logSector, 64*logSector)
	for cut := range len(log.Entries) + 1 {
		seed := rand.NewPCG(3, uint64(cut))
		got, err := on.cut(cut, rand.New(seed))
		if err != nil {
			t.Fatal(err)
		}
		seed.Seed(3, uint64(cut))
		want, err := newReplay(log, 4*logSector, 64*logSector).cut(cut, rand.New(seed))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(saved(t, got), saved(t, want)) {
			t.Fatalf("cut %d after others differs from the same cut alone", cut)
		}
	}
}
