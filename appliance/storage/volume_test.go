package storage

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOpenVolume(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenVolume(dir, USB); !errors.Is(err, ErrNotMounted) || err.Error() != "usb0: is not mounted" {
		t.Errorf("OpenVolume without a mount point = %v; want %v", err, ErrNotMounted)
	}
	if _, err := OpenVolume(dir, ""); err == nil {
		t.Error("OpenVolume of no volume = nil; want an error")
	}
	point := filepath.Join(dir, USB)
	for _, step := range []error{
		os.WriteFile(filepath.Join(dir, "secret"), []byte("x"), 0o644),
		os.Mkdir(point, 0o755),
		os.Symlink("../secret", filepath.Join(point, "out")),
		os.Symlink("/etc", filepath.Join(point, "etc")),
		os.WriteFile(filepath.Join(point, "in"), []byte("x"), 0o644),
		os.Symlink("in", filepath.Join(point, "alias")),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	volume, err := OpenVolume(dir, USB)
	if err != nil {
		t.Fatal(err)
	}
	defer volume.Close()
	for name, inside := range map[string]bool{"in": true, "alias": true, "out": false, "etc/passwd": false, "../secret": false} {
		if _, err := volume.ReadFile(name); (err == nil) != inside {
			t.Errorf("ReadFile(%s) = %v; want it read: %v", name, err, inside)
		}
	}
}

func TestMounted(t *testing.T) {
	dir := t.TempDir()
	for _, point := range []string{dir, filepath.Join(dir, "none")} {
		if err := Mounted(point); !errors.Is(err, ErrNotMounted) {
			t.Errorf("Mounted(%s) = %v; want ErrNotMounted", point, err)
		}
	}
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(dir, 0) })
	if err := Mounted(dir); err != nil {
		t.Errorf("Mounted(a mount point) = %v; want nil", err)
	}
}
