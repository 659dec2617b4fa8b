package main

import (
	"strings"
	"testing"
)

// TestSnapshots: a load too short for the window to reject anything shows nothing.
func TestSnapshots(t *testing.T) {
	if err := runCPS(t.Context(), []string{"-snapshots", "1"}); err == nil || !strings.Contains(err.Error(), "-snapshots 1: want at least 2") {
		t.Errorf("cps -snapshots 1 = %v; want that it is refused, and why", err)
	}
}
