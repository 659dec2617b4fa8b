//go:build e2e

package e2e

import (
	"cmp"
	"os"
	"path/filepath"
	"testing"
	"time"

	"causeway/qemu/edition"
	"causeway/qemu/machine"
	"causeway/qemu/smoke"
)

// watchdogLimit is how long a box may be hung: more than the watchdog's minute.
const watchdogLimit = 3 * time.Minute

// TestImagesWatchdog stops all threads of init, with the kernel and all else at
// work: when the boot has just armed the watchdog, and when the box goes down. The
// watchdog resets the box each time. TestImagesUpdate does it in the middle of a trial.
func TestImagesWatchdog(t *testing.T) {
	onFirstBoard(t, func(t *testing.T, image machine.Image) {
		t.Parallel()
		root := filepath.Join(t.TempDir(), "initramfs")
		if err := openEditions(t, image).Initramfs(t.Context(), root); err != nil {
			t.Fatal(err)
		}
		hang := func(t *testing.T, fault string, last func(box *smoke.Box)) {
			t.Parallel()
			box, err := smoke.Start(t.Context(), smoke.Setup{Image: image, Initramfs: root, Words: edition.Words(fault)})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { endBox(t, box) })
			last(box)
			expect(t, box, `faulty: `+fault+`: done`)
			awaitWatchdog(t, box)
			expect(t, box, `init: causeway \S+ on \S+ starting`)
		}
		t.Run("early", func(t *testing.T) { hang(t, "hang-early", func(*smoke.Box) {}) })
		t.Run("going down", func(t *testing.T) {
			hang(t, "hang-stopping", func(box *smoke.Box) {
				expect(t, box, `init: ready`)
				if err := box.Machine.Console.Leave(within(t, bootLimit), "reload now"); err != nil {
					t.Fatal(err)
				}
			})
		})
	})
}

// awaitWatchdog waits until the watchdog has reset the box.
func awaitWatchdog(t *testing.T, box *smoke.Box) {
	t.Helper()
	if _, err := box.Machine.Event(within(t, watchdogLimit), "WATCHDOG", 1); err != nil {
		t.Fatal(err)
	}
}

// openEditions opens what other editions of an image are made of.
func openEditions(t *testing.T, image machine.Image) *edition.Maker {
	t.Helper()
	editions, err := edition.Open(t.Context(), image, cmp.Or(os.Getenv("CAUSEWAY_KEYS"), filepath.Join(root, "out", "keys")))
	if err != nil {
		t.Fatal(err)
	}
	return editions
}
