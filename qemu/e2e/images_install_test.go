//go:build e2e

package e2e

import (
	"path/filepath"
	"testing"
	"time"

	"causeway/qemu/machine"
	"causeway/qemu/smoke"
)

// TestImagesInstall has the installer's stick put itself on an empty disk, as a
// person would, and takes calls through what was installed; all with Secure Boot.
func TestImagesInstall(t *testing.T) {
	onFirstBoard(t, func(t *testing.T, image machine.Image) {
		t.Parallel()
		disk := newDisk(t, 2<<30)
		variables := filepath.Join(t.TempDir(), "variables.fd")
		stick := filepath.Join(t.TempDir(), "stick.img")
		if err := machine.CopyDisk(stick, image.Installer()); err != nil {
			t.Fatal(err)
		}
		setup := smoke.Setup{Image: image, FromDisk: true, Disk: disk, Variables: variables}

		installing := setup
		installing.Stick = stick
		box, err := smoke.Start(t.Context(), installing)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { endBox(t, box) })
		expect(t, box, `This is the installer of Causeway v.* for `+image.Board.Name)
		for _, step := range []struct{ asked, answer string }{
			{`1  /dev/vda  2\.1 GB .*\(blank\)\s+Number of the disk to install on, or q to leave: `, "7"},
			{`% "7" is not the number of a disk`, ""},
			{`Number of the disk to install on, or q to leave: `, "1"},
			{`All that is on /dev/vda will be lost\.\s+Type yes to go on: `, "no"},
			{`% nothing was changed`, ""},
			{`\(blank\)\s+Number of the disk to install on, or q to leave: `, "1"},
			{`Type yes to go on: `, "yes"},
			{`  100 %`, ""},
			{`Causeway v.* is on /dev/vda\. Take the stick out`, ""},
		} {
			expect(t, box, step.asked)
			if step.answer == "" {
				continue
			}
			if err := box.Machine.Console.Send(step.answer); err != nil {
				t.Fatal(err)
			}
		}
		if end, err := box.Machine.Wait(within(t, time.Minute)); err != nil || !end.Guest {
			t.Fatalf("the installer's end: %+v, %v; want a power-off by the guest", end, err)
		}

		smokeTest(t, setup, 20)
	})
}

// TestImagesNetboot starts the image from a network: the firmware fetches it by
// TFTP, and checks its signature.
func TestImagesNetboot(t *testing.T) {
	onFirstBoard(t, func(t *testing.T, image machine.Image) {
		t.Parallel()
		slot, err := filepath.Abs(image.Slot())
		if err != nil {
			t.Fatal(err)
		}
		running, err := machine.Start(t.Context(), machine.Config{
			Board: image.Board, Certificate: image.Certificate(),
			NICs: []machine.NIC{{User: machine.UserNetwork{Network: "192.168.42.0/24", Host: "192.168.42.2", Boot: slot}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer running.Close()
		for _, want := range []string{`init: causeway v.* starting`, `init: ready`, `^(?:Host name|Username)`} {
			if _, err := running.Console.Expect(within(t, bootLimit), want); err != nil {
				t.Fatalf("%v\n%s", err, running.Console.Tail(60))
			}
		}
	})
}
