package flash

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"causeway/board/layout"
)

// loop makes a file of size octets a disk, until the end of the test.
func loop(t *testing.T, size int64, flags uint32) (device, backing string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root makes loop devices")
	}
	backing = filepath.Join(t.TempDir(), "backing")
	file, err := os.Create(backing)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := file.Truncate(size); err != nil {
		t.Fatal(err)
	}
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("this machine has no loop devices: %v", err)
	}
	defer control.Close()
	for range 100 { // somebody else may take the one that is free
		number, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			t.Fatal(err)
		}
		device = "/dev/loop" + strconv.Itoa(number)
		node, err := os.OpenFile(device, os.O_RDWR, 0)
		if err != nil {
			t.Skipf("this machine does not show its loop devices: %v", err)
		}
		config := unix.LoopConfig{Fd: uint32(file.Fd()), Info: unix.LoopInfo64{Flags: flags}}
		err = unix.IoctlLoopConfigure(int(node.Fd()), &config)
		if errors.Is(err, unix.EBUSY) {
			node.Close()
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := unix.IoctlSetInt(int(node.Fd()), unix.LOOP_CLR_FD, 0); err != nil {
				t.Error(err)
			}
			node.Close()
		})
		return device, backing
	}
	t.Fatal("no loop device stays free")
	return "", ""
}

// TestDevice flashes a disk of the kernel's, on which something else was.
func TestDevice(t *testing.T) {
	file := image(t, &layout.Installer)
	path, backing := loop(t, 200*mib, 0)
	before := bytes.Repeat([]byte{0xA5}, 200*mib)
	if err := os.WriteFile(backing, before, 0o600); err != nil {
		t.Fatal(err)
	}
	device, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	if device.Size != 200*mib || device.String() != "0.2 GB" {
		t.Errorf("Open = %d octets, %q; want 200 MiB", device.Size, device)
	}
	if again, err := Open(path); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("Open of a disk that is open = %v, %v; want that it is in use", again, err)
	}
	fitted, err := Fit(file, layout.Installer.Size, device.Size)
	if err != nil {
		t.Fatal(err)
	}
	if err := fitted.Write(context.Background(), device, quiet); err != nil {
		t.Fatal(err)
	}
	want, got := make([]byte, 96*mib), make([]byte, 96*mib)
	if _, err := file.ReadAt(want, mib); err != nil {
		t.Fatal(err)
	}
	after, err := os.Open(backing)
	if err != nil {
		t.Fatal(err)
	}
	defer after.Close()
	if _, err := after.ReadAt(got, mib); err != nil || !bytes.Equal(want, got) {
		t.Errorf("what is below the disk is not the image (%v)", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, make([]byte, mib), 0o600); err != nil {
		t.Fatal(err)
	}
	locked, _ := loop(t, mib, unix.LO_FLAGS_READ_ONLY)
	for path, want := range map[string]string{
		plain:               "not a disk",
		"/dev/null":         "not a disk",
		"/dev/no-such-disk": "no such file",
		locked:              "cannot be written",
	} {
		if device, err := Open(path); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("Open(%s) = %v, %v; want %q", path, device, err, want)
		}
	}
}

// TestOpenSysfs puts a free disk where others are in the kernel's tables.
func TestOpenSysfs(t *testing.T) {
	path, _ := loop(t, mib, 0)
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		t.Fatal(err)
	}
	const free = "1 0 0:22 / / rw - tmpfs none rw\n"
	for _, tt := range []struct {
		name   string
		files  map[string]string // of the disk's directory
		link   string            // that directory
		mounts string
		want   string // empty: it is opened
	}{
		{"free", nil, "block/sdb", free, ""},
		{"mounted", nil, "block/sdb", free + "2 1 " + number(stat.Rdev) + " / /media/stick rw - vfat /dev/sdb rw\n", "mounted at /media/stick"},
		{"a partition is mounted", map[string]string{"sdb1/partition": "1", "sdb1/dev": "8:17"}, "block/sdb",
			free + "2 1 8:17 / / rw - ext4 /dev/sdb1 rw\n", "mounted at /"},
		{"another is mounted", map[string]string{"sdb1/partition": "1", "sdb1/dev": "8:17"}, "block/sdb",
			free + "2 1 8:1 / / rw - ext4 /dev/sda1 rw\n", ""},
		{"a partition", map[string]string{"partition": "1"}, "block/sdb/sdb1", free, "the disk is /dev/sdb"},
		{"large blocks", map[string]string{"queue/logical_block_size": "4096"}, "block/sdb", free, "take the installer"},
		{"read-only", map[string]string{"ro": "1"}, "block/sdb", free, "cannot be written"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sys := t.TempDir()
			dir := filepath.Join(sys, tt.link)
			files := map[string]string{"dev": number(stat.Rdev), "ro": "0", "queue/logical_block_size": "512", "device/model": "Flash 1 "}
			for name, content := range tt.files {
				files[name] = content
			}
			for name, content := range files {
				name = filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(name, []byte(content+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.MkdirAll(filepath.Join(sys, "dev/block"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(dir, filepath.Join(sys, "dev/block", number(stat.Rdev))); err != nil {
				t.Fatal(err)
			}
			mounts := filepath.Join(sys, "mountinfo")
			if err := os.WriteFile(mounts, []byte(tt.mounts), 0o644); err != nil {
				t.Fatal(err)
			}
			device, err := open(path, sys, mounts)
			if err == nil {
				device.Close()
			}
			switch {
			case tt.want == "" && (err != nil || device.String() != "Flash 1, 0.0 GB"):
				t.Errorf("open = %v, %v; want the disk", device, err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("open = %v; want %q", err, tt.want)
			}
		})
	}
}
