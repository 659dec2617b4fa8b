//go:build e2e

package e2e

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"causeway/qemu/machine"
	"causeway/qemu/powercut"
	"causeway/qemu/smoke"
)

// TestConsolePowerCut cuts the power of a box that commits in a loop: at many
// points in its record, and once really, in the middle of a commit.
func TestConsolePowerCut(t *testing.T) {
	onFirstBoard(t, func(t *testing.T, image machine.Image) {
		t.Parallel()
		disk, log := newDisk(t, diskSize), filepath.Join(t.TempDir(), "log")
		if err := machine.CreateDisk(log, 0); err != nil {
			t.Fatal(err)
		}
		box := boot(t, smoke.Setup{Image: image, Disk: disk, DiskLog: log})
		operator := powercut.Operator{Console: box.Machine.Console, LogPath: log}
		ctx := within(t, 5*time.Minute)
		if err := operator.Prepare(ctx); err != nil {
			t.Fatal(err)
		}
		if err := operator.Work(ctx, 12); err != nil {
			t.Fatal(err)
		}
		report, err := operator.Check(ctx, disk, 50, 1)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("\n%s", report)
		if report.Cuts != 50 || len(report.Bad) > 0 {
			t.Errorf("%d cuts, %d of them bad; want 50 and none", report.Cuts, len(report.Bad))
		}

		commit(t, box, "hostname before-it")
		configure(t, box, "hostname in-the-middle")
		begun, err := powercut.Position(log)
		if err != nil {
			t.Fatal(err)
		}
		if err := box.Machine.Console.Send("commit"); err != nil {
			t.Fatal(err)
		}
		for at := begun; at == begun && ctx.Err() == nil; time.Sleep(time.Millisecond) {
			if at, err = powercut.Position(log); err != nil {
				t.Fatal(err)
			}
		}
		box.Machine.Kill()
		again := boot(t, smoke.Setup{Image: image, Disk: disk})
		text := command(t, again, "show running-config")
		if !strings.Contains(text, "hostname before-it\n") && !strings.Contains(text, "hostname in-the-middle\n") {
			t.Errorf("after a kill in the middle of a commit the configuration is\n%s\nwant the one before or the new one", text)
		}
		commit(t, again, "hostname goes-on")
		powerOff(t, again)
	})
}
