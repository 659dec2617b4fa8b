package cache

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// TestEntryOnce: of many who ask at once one builds, and all see the whole.
func TestEntryOnce(t *testing.T) {
	c := &Cache{Dir: filepath.Join(t.TempDir(), "not", "there", "yet")}
	var built atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			dir, err := c.Entry("kernel/a", func(dir string) error {
				built.Add(1)
				return os.WriteFile(filepath.Join(dir, "file"), []byte("whole"), 0o644)
			})
			if err != nil {
				t.Error(err)
				return
			}
			if got, err := os.ReadFile(filepath.Join(dir, "file")); string(got) != "whole" {
				t.Errorf("entry's file = %q, %v; want whole", got, err)
			}
		})
	}
	all.Wait()
	if built.Load() != 1 {
		t.Errorf("built %d times; want once", built.Load())
	}
}

// TestEntryFails: a build that fails leaves nothing, and the next one may succeed.
func TestEntryFails(t *testing.T) {
	c := &Cache{Dir: t.TempDir()}
	broken := errors.New("broken")
	_, err := c.Entry("a", func(dir string) error {
		os.WriteFile(filepath.Join(dir, "half"), nil, 0o644)
		return broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("Entry = %v; want %v", err, broken)
	}
	left, err := filepath.Glob(filepath.Join(c.Dir, "*"))
	if err != nil || len(left) != 1 || filepath.Base(left[0]) != "a.lock" {
		t.Errorf("left behind: %q, %v; want the lock alone", left, err)
	}
	dir, err := c.Entry("a", func(string) error { return nil })
	if err != nil || dir != filepath.Join(c.Dir, "a") {
		t.Errorf("second Entry = %q, %v; want the directory a", dir, err)
	}
}

func TestKey(t *testing.T) {
	if Key("ab", "c") == Key("a", "bc") || Key("a") == Key("a", "") {
		t.Error("Key runs its arguments together")
	}
	// The same in every process, on every machine.
	if got := Key("a", "b"); got != "92f323504354180b" {
		t.Errorf("Key(a, b) = %s; want 92f323504354180b", got)
	}
}
