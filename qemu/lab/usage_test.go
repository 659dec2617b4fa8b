package lab

import (
	"os"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	const line = "4711 (a (b) c) S 1 4700 4700 0 -1 4194560 1 0 0 0 250 50 7 7 20 0 1 0 100 0 0"
	got, err := parseStat(line)
	if want := (stat{pid: 4711, group: 4700, cpu: 3 * time.Second}); err != nil || got != want {
		t.Errorf("parseStat = %+v, %v; want %+v", got, err, want)
	}
	for _, bad := range []string{"", "1 (x", "1 )x(", "1 (x) S 1 2", "x" + line, "1 (x) S 1 2 3 4 5 6 7 8 9 10 a b c"} {
		if got, err := parseStat(bad); err == nil {
			t.Errorf("parseStat(%q) = %+v; want an error", bad, got)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add("1 (x) S 1 2 3 4 5 6 7 8 9 10 11 12 13")
	f.Add(")(")
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := parseStat(text); err != nil && s != (stat{}) {
			t.Errorf("parseStat(%q) = %+v with error %v", text, s, err)
		}
	})
}

func TestUsageOfThisProcess(t *testing.T) {
	before, err := Usage(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if before.MemoryKB <= 0 {
		t.Errorf("usage: %d kB of memory; want some", before.MemoryKB)
	}
	for after := before; after.CPU <= before.CPU; { // works until it shows
		if after, err = Usage(os.Getpid()); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := Usage(1 << 30); err == nil {
		t.Errorf("usage of no process = %+v; want an error", got)
	}
}
