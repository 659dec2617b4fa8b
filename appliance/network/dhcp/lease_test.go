package dhcp

import (
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/appliance/model"
)

func TestKeepAndRecall(t *testing.T) {
	dir, port := t.TempDir(), model.Port{LAN: model.LAN2, VLAN: 100}
	l, _, err := judge(Received{good(), serverMAC}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	l.Port, l.Owner = port, ownMAC
	want := kept{Lease: &l}
	if err := keep(dir, port, want); err != nil {
		t.Fatal(err)
	}
	got, err := recall(dir, port, 2*time.Minute)
	if diff := cmp.Diff(want, got, equalAddresses, equalPrefixes); diff != "" || err != nil {
		t.Errorf("recall: %v (-want +got):\n%s", err, diff)
	}
	if got, err := recall(dir, port, 2*time.Hour); err != nil || got.Lease != nil {
		t.Errorf("recall of an expired lease = %+v, %v; want none", got.Lease, err)
	}
	if got, err := recall(dir, port, time.Second); err == nil {
		t.Errorf("recall of a lease from the future, so from another boot = %+v; want an error", got.Lease)
	}
	if got, err := recall(dir, model.Port{}, time.Minute); err != nil || got != (kept{}) {
		t.Errorf("recall of another port = %+v, %v; want nothing", got, err)
	}
	// A cut at any octet leaves nothing that is taken for a lease.
	whole, err := os.ReadFile(keptFile(dir, port))
	if err != nil {
		t.Fatal(err)
	}
	for length := range whole {
		if err := os.WriteFile(keptFile(dir, port), whole[:length], 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := recall(dir, port, 2*time.Minute); err == nil {
			t.Errorf("recall of the first %d octets = %+v; want an error", length, got)
		}
	}
	for range 2 { // the second time there is nothing to remove
		if err := keep(dir, port, kept{}); err != nil {
			t.Errorf("keep nothing: %v", err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("files left: %v, %v; want none", entries, err)
	}
	if err := keep(dir+"/missing", port, want); err == nil {
		t.Error("keep in a directory that is not there = nil; want an error")
	}
}
