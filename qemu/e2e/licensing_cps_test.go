//go:build e2e

package e2e

import (
	"testing"

	"causeway/qemu/load"
)

// TestLicensingCPS is the short form of make test-cps: in both modes, the calls
// of a minute and a half below, at and above ten a second. Above, the window
// rejects from its second snapshot on, the first that may, and serves again from
// the third on; a full window of five minutes is for the long form.
func TestLicensingCPS(t *testing.T) {
	t.Parallel()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	results, err := load.CPS{Program: path, Snapshots: 2, Resumed: 1, Progress: t.Output()}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if err := r.Check(); err != nil {
			t.Errorf("%v\n%s", err, r)
		}
	}
}
