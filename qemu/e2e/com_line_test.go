//go:build e2e

package e2e

import (
	"testing"
	"time"

	"causeway/qemu/lab"
	"causeway/qemu/load"
)

// TestCOMLine is `make com-line` in short.
func TestCOMLine(t *testing.T) {
	t.Parallel()
	program, err := programWithClock()
	if err != nil {
		t.Fatal(err)
	}
	peers, err := lab.OpenPeers(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	result, err := load.COMLine{
		Program: program, Peers: peers, Octets: 1 << 20, Length: 40 * time.Second, Beat: 10 * time.Second, Progress: t.Output(),
	}.Run(within(t, 5*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%v", result)
	if err := result.Check(); err != nil {
		t.Error(err)
	}
}
