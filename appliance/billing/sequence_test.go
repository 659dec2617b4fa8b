package billing

import (
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

func TestSequence(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sequence")
	given := map[uint32]bool{}
	for life := range 5 {
		s, err := openSequence(file)
		if err != nil {
			t.Fatal(err)
		}
		for range 40 {
			for range 50 {
				n := s.take()
				if given[n] {
					t.Fatalf("life %d: number %d came twice", life, n)
				}
				given[n] = true
			}
			if err := s.secure(); err != nil {
				t.Fatal(err)
			}
		}
		if life == 3 { // the others crash
			if err := s.close(); err != nil {
				t.Fatal(err)
			}
			if again, err := openSequence(file); err != nil || again.next != s.next {
				t.Errorf("after a clean end the next number is %d, %v; want %d", again.next, err, s.next)
			}
		}
	}
}

func TestSequenceWrapsAround(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sequence")
	if err := os.WriteFile(file, []byte(strconv.Itoa(math.MaxUint32)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := openSequence(file)
	if err != nil {
		t.Fatal(err)
	}
	if a, b, c := s.take(), s.take(), s.take(); a != math.MaxUint32 || b != 0 || c != 1 {
		t.Errorf("numbers %d, %d, %d; want %d, 0, 1", a, b, c, uint32(math.MaxUint32))
	}
	if err := s.secure(); err != nil {
		t.Fatal(err)
	}
	if again, err := openSequence(file); err != nil || again.next < 2 || again.next > 2+sequenceBlock {
		t.Errorf("after a crash the next number is %d, %v; want one from 2 on", again.next, err)
	}
}

func TestSequenceIsDamaged(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sequence")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := openSequence(file); err == nil || s.next < 1_000_000 {
		t.Errorf("openSequence of nonsense = %+v, %v; want an error, and to start far off", s, err)
	}
}
