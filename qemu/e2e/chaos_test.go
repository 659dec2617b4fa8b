//go:build e2e

package e2e

import (
	"testing"
	"time"

	"causeway/qemu/chaos"
)

// TestNetworkChaos breaks the network of a box on this host again and again:
// the short form of `make chaos-network`. That prints how long repairs take; here
// a busy machine has more time.
func TestNetworkChaos(t *testing.T) {
	t.Parallel()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	report, err := chaos.Run(within(t, 5*time.Minute), path, 10, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", report)
	const limit = 15 * time.Second
	if report.Worst > limit {
		t.Errorf("the repair after the %s took %v; want %v at most", report.WorstAfter, report.Worst, limit)
	}
	if err := report.Leaks(); err != nil {
		t.Error(err)
	}
}
