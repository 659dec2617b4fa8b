//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"causeway/appliance/com/wire"
	"causeway/appliance/model"
	"causeway/qemu/lab/comd"
	"causeway/qemu/lab/comd/store"
)

// TestCOMOutbox: what happens while COM is away, and control dies, COM is told of
// when it is back, once and in its order.
func TestCOMOutbox(t *testing.T) {
	t.Parallel()
	b := newSubscribedBox(t, "com service alarms\n", nil, comd.Options{})
	ctx := within(t, 2*comLimit)
	b.told("configuration", `"rev":1`)

	b.check(b.LAN1.DropTCP(model.COMPorts[:]...))
	b.check(b.Redial(ctx))
	b.commit("hostname away\n")
	b.commit("hostname still-away\n")
	b.check(b.Restart(ctx))
	b.commit("hostname back\n")
	b.check(b.LAN1.DropTCP())
	b.check(b.Redial(ctx))
	for revision := 2; revision <= 4; revision++ {
		b.told("configuration", fmt.Sprintf(`"rev":%d`, revision))
	}
	entries, err := b.COM.Store.Entries(b.Serial, store.MostEntries)
	b.check(err)
	last := uint64(0)
	for i, e := range entries {
		if e.Sequence <= last || e.Class == wire.ClassGap {
			t.Errorf("entry %d is %+v, behind number %d; want each once, and no gap", i, e, last)
		}
		last = e.Sequence
	}
	b.does("configuration", "alarms", b.Serial)
}

// told waits until COM has an entry of that kind with that in it.
func (b *managedBox) told(kind, text string) {
	b.t.Helper()
	b.eventually(func() error {
		entries, err := b.COM.Store.Entries(b.Serial, store.MostEntries)
		if err == nil && !slices.ContainsFunc(entries, func(e wire.Entry) bool { return e.Kind == kind && strings.Contains(string(e.Body), text) }) {
			err = fmt.Errorf("COM was told %+v; want %s with %s", entries, kind, text)
		}
		return err
	})
}
