//go:build e2e

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"causeway/qemu/machine"
	"causeway/qemu/smoke"
	"causeway/qemu/sticks"
)

// stickSize is the size of all sticks, in octets: a FAT of 16 bits.
const stickSize = 32 << 20

// newStick makes a stick with an empty FAT and writes files to it.
func newStick(t *testing.T, files map[string][]byte) string {
	t.Helper()
	stick := filepath.Join(t.TempDir(), "stick.img")
	if err := machine.CreateDisk(stick, stickSize); err != nil {
		t.Fatal(err)
	}
	run(t, "mformat", "-i", stick, "-v", "STICK", "-h", "16", "-s", "32", "-T", "65536", "::")
	for name, content := range files {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, content, 0o644); err != nil {
			t.Fatal(err)
		}
		run(t, "mcopy", "-i", stick, file, "::"+name)
	}
	return stick
}

// noise gives octets that are the same in each run.
func noise(n int) []byte {
	content := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(content)
	return content
}

func plug(t *testing.T, box *smoke.Box, stick string, slow int) {
	t.Helper()
	if err := box.Machine.Plug(within(t, time.Minute), "stick", machine.Stick{Image: stick, Slow: slow}); err != nil {
		t.Fatal(err)
	}
}

func pull(t *testing.T, box *smoke.Box) {
	t.Helper()
	if err := box.Machine.Pull(within(t, time.Minute), "stick"); err != nil {
		t.Fatal(err)
	}
}

// damage overwrites a part of a stick.
func damage(t *testing.T, stick string, at int64, with []byte) {
	t.Helper()
	file, err := os.OpenFile(stick, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteAt(with, at); err != nil {
		t.Fatal(err)
	}
}

// TestConsoleStorage plugs sticks that are good, full, damaged and none, and
// pulls one while it is written to. The box goes on through all of it.
func TestConsoleStorage(t *testing.T) {
	onFirstBoard(t, func(t *testing.T, image machine.Image) {
		t.Parallel()
		box, _ := goOn(t, image)
		big := noise(6 << 20)
		stick := newStick(t, map[string][]byte{"hello.txt": []byte("hello from a stick\n"), "big.bin": big})

		t.Run("sealed", func(t *testing.T) { sealed(t, box) }) // sticks come after the kernel took its last module
		t.Run("a good stick", func(t *testing.T) {
			plug(t, box, stick, 0)
			awaitCommand(t, box, "dir usb0:", "hello.txt")
			contains(t, "more", command(t, box, "more usb0:hello.txt"), "hello from a stick")
			command(t, box, "mkdir usb0:new")
			command(t, box, "copy usb0:big.bin harddisk:big.bin")
			command(t, box, "copy harddisk:big.bin usb0:new/back.bin")
			contains(t, "dir", command(t, box, "dir usb0:new"), "back.bin")
			command(t, box, "unmount usb0:")
			pull(t, box)
			back := filepath.Join(t.TempDir(), "back.bin")
			run(t, "mcopy", "-i", stick, "::new/back.bin", back)
			if got, err := os.ReadFile(back); err != nil || !bytes.Equal(got, big) {
				t.Errorf("what was copied to the stick and back has %d octets, %v; want the same %d", len(got), err, len(big))
			}
		})
		t.Run("pulled during a write", func(t *testing.T) {
			plug(t, box, stick, 1<<20) // 1 MiB a second: the copy takes several
			awaitCommand(t, box, "dir usb0:", "hello.txt")
			if err := box.Machine.Console.Leave(within(t, time.Minute), "copy harddisk:big.bin usb0:torn.bin"); err != nil {
				t.Fatal(err)
			}
			awaitGrowth(t, stick)
			pull(t, box)
			expect(t, box, `^% .*`)
			awaitAlarm(t, box, "volume-pulled usb0")
			command(t, box, "show version")
		})
		t.Run("put back", func(t *testing.T) {
			plug(t, box, stick, 0)
			awaitCommand(t, box, "dir usb0:", "hello.txt")
			awaitNoAlarm(t, box, "volume-pulled usb0")
			awaitAlarm(t, box, "volume-read-only usb0") // it was not unmounted
			contains(t, "a write to it", command(t, box, "mkdir usb0:more"), "% ")
			command(t, box, "mount usb0: write")
			command(t, box, "mkdir usb0:more")
			contains(t, "dir", command(t, box, "dir usb0:"), "more")
			command(t, box, "unmount usb0:")
			pull(t, box)
		})
		t.Run("full", func(t *testing.T) {
			full := newStick(t, map[string][]byte{"filler.bin": noise(30 << 20)})
			plug(t, box, full, 0)
			awaitAlarm(t, box, "volume-space usb0")
			contains(t, "a copy to it", command(t, box, "copy harddisk:big.bin usb0:big.bin"), "% ", "no space left")
			command(t, box, "delete usb0:filler.bin force")
			command(t, box, "copy harddisk:big.bin usb0:big.bin")
			contains(t, "dir", command(t, box, "dir usb0:"), "big.bin")
			awaitNoAlarm(t, box, "volume-space usb0")
			awaitNoAlarm(t, box, "volume-read-only usb0") // of the stick before
			command(t, box, "unmount usb0:")
			pull(t, box)
		})
		t.Run("damaged", func(t *testing.T) {
			damaged := newStick(t, map[string][]byte{"hello.txt": []byte("hello\n")})
			damage(t, damaged, 512, bytes.Repeat([]byte{0xa5}, 300<<10)) // both FATs and the root directory
			plug(t, box, damaged, 0)
			awaitCommand(t, box, "show storage", "usb0")
			command(t, box, "dir usb0:")
			command(t, box, "copy harddisk:big.bin usb0:big.bin")
			awaitAlarm(t, box, "volume-read-only usb0")
			pull(t, box)
		})
		t.Run("no file system", func(t *testing.T) {
			blank := newStick(t, nil)
			damage(t, blank, 0, bytes.Repeat([]byte{0xa5}, 64<<10))
			plug(t, box, blank, 0)
			awaitAlarm(t, box, "volume-unusable usb0")
			contains(t, "dir", command(t, box, "dir usb0:"), "% ")
			pull(t, box)
		})
		t.Run("links, devices and very many files", func(t *testing.T) { hostileStick(t, box) })
		t.Run("a keyboard", func(t *testing.T) {
			before := command(t, box, "show inventory")
			err := box.Machine.Execute(within(t, time.Minute), "device_add", map[string]any{"driver": "usb-kbd", "id": "keyboard"})
			if err != nil {
				t.Fatal(err)
			}
			expect(t, box, `init: usb: \S+ is not used: it has an interface of class 03`)
			if after := command(t, box, "show inventory"); after != before {
				t.Errorf("show inventory with a keyboard is\n%s\nwant as before:\n%s", after, before)
			}
		})
		t.Run("damaged in many ways", func(t *testing.T) {
			maker, err := sticks.NewMaker(t.Context(), t.TempDir(), 1)
			if err != nil {
				t.Fatal(err)
			}
			report, err := sticks.Box{Box: box, Progress: t.Output()}.Run(within(t, 15*time.Minute), maker, 8)
			if err = errors.Join(err, report.Fault()); err != nil {
				t.Error(err)
			}
		})
		if transcript := box.Machine.Console.Transcript(); bytes.Contains([]byte(transcript), []byte("panic")) {
			t.Error("something panicked")
		}
		undenied(t, box)
		powerOff(t, box)
	})
}

// hostileStick plugs in an ext4 that leads elsewhere: nothing on it is followed,
// opened as a device or run, and a directory of very many files is listed in part.
func hostileStick(t *testing.T, box *smoke.Box) {
	const many = 3000
	files := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Symlink("/bootflash/keys/box.key", filepath.Join(files, "link")))
	must(os.Symlink("/bootflash/init", filepath.Join(files, "directory")))
	must(unix.Mknod(filepath.Join(files, "disk"), unix.S_IFBLK|0o666, int(unix.Mkdev(254, 0))))
	must(unix.Mkfifo(filepath.Join(files, "pipe"), 0o666))
	must(os.WriteFile(filepath.Join(files, "root"), []byte("#!/bin/appliance\n"), 0o755))
	must(os.Chmod(filepath.Join(files, "root"), 0o4755|os.ModeSetuid))
	must(os.Mkdir(filepath.Join(files, "many"), 0o755))
	for i := range many {
		must(os.WriteFile(filepath.Join(files, "many", fmt.Sprintf("file-%05d", i)), nil, 0o644))
	}
	stick := filepath.Join(t.TempDir(), "stick.img")
	must(machine.CreateDisk(stick, stickSize))
	run(t, "mke2fs", "-q", "-F", "-t", "ext4", "-N", fmt.Sprint(many+100), "-d", files, stick)
	plug(t, box, stick, 0)
	awaitCommand(t, box, "dir usb0:", "pipe")
	for _, line := range []string{"more usb0:link", "dir usb0:directory", "more usb0:disk", "more usb0:pipe", "copy usb0:disk harddisk:disk"} {
		contains(t, line, command(t, box, line), "% ")
	}
	contains(t, "a directory of many", command(t, box, "dir usb0:many | count file-"), fmt.Sprintf("match: %d", many))
	command(t, box, "unmount usb0:")
	pull(t, box)
}

// awaitGrowth waits until something is written to the file.
func awaitGrowth(t *testing.T, path string) {
	t.Helper()
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx := within(t, time.Minute)
	for {
		now, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if now.ModTime() != before.ModTime() {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal("nothing was written to the stick")
		case <-time.After(20 * time.Millisecond):
		}
	}
}
