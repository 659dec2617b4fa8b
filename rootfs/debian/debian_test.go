package debian

import (
	"archive/tar"
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"causeway/rootfs/cache"
)

// buildDeb makes a package of our own with dpkg-deb.
func buildDeb(t *testing.T, file, name, version, depends string) {
	t.Helper()
	tree := t.TempDir()
	for path, content := range map[string]string{
		"DEBIAN/control": "Package: " + name + "\nVersion: " + version + "\nArchitecture: arm64\nDepends: " + depends +
			"\nMaintainer: nobody <nobody@example.com>\nDescription: none\n",
		"boot/vmlinuz-6.1":       "kernel",
		"usr/share/doc/x/readme": "words",
	} {
		path = filepath.Join(tree, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(tree, "DEBIAN"), 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("dpkg-deb", "--build", tree, file).CombinedOutput(); err != nil {
		t.Fatalf("dpkg-deb: %v: %s", err, out)
	}
}

// TestFetchCached: what is in the cache is used without apt.
func TestFetchCached(t *testing.T) {
	c := &cache.Cache{Dir: t.TempDir()}
	dir := filepath.Join(c.Dir, "debian", "arm64")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "linux-image-arm64_6.1-2_arm64.deb")
	buildDeb(t, file, "linux-image-arm64", "6.1-2", "kmod, linux-image-6.1-arm64 (= 6.1-2) | other")

	a := &Archive{Architecture: "arm64", Cache: c, Log: t.Output()}
	p, err := a.Fetch(context.Background(), "linux-image-arm64")
	if err != nil {
		t.Fatal(err)
	}
	if p.Name != "linux-image-arm64" || p.Version != "6.1-2" || p.File != file {
		t.Errorf("Fetch = %+v; want linux-image-arm64 6.1-2 in %s", p, file)
	}
	if got := p.DependsOn("linux-image-"); got != "linux-image-6.1-arm64" {
		t.Errorf("DependsOn(linux-image-) = %q; want linux-image-6.1-arm64", got)
	}
	if got := p.DependsOn("linux-headers-"); got != "" {
		t.Errorf("DependsOn(linux-headers-) = %q; want none", got)
	}

	tree := t.TempDir()
	boot := func(path string) bool { return strings.HasPrefix(path, "boot/") }
	if err := p.Unpack(context.Background(), tree, boot); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(tree, "boot/vmlinuz-6.1")); string(got) != "kernel" {
		t.Errorf("unpacked kernel = %q, %v", got, err)
	}
	if _, err := os.Stat(filepath.Join(tree, "usr")); err == nil {
		t.Error("Unpack wrote what it should not keep")
	}
}

func TestUnpackBroken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "broken.deb")
	if err := os.WriteFile(file, []byte("!<arch>\nno package"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := (&Package{File: file}).Unpack(context.Background(), t.TempDir(), nil); err == nil {
		t.Error("Unpack of a broken package = nil; want an error")
	}
	if _, err := inspect(context.Background(), file); err == nil {
		t.Error("inspect of a broken package = nil; want an error")
	}
}

// TestUntarStaysInside: no path leads out of the directory.
func TestUntarStaysInside(t *testing.T) {
	outer := t.TempDir()
	dir := filepath.Join(outer, "in")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"../out", "a/../../out", "/out"} {
		var stream bytes.Buffer
		w := tar.NewWriter(&stream)
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: 1}); err != nil {
			t.Fatal(err)
		}
		w.Write([]byte("x"))
		w.Close()
		if err := untar(&stream, dir, nil); err == nil {
			t.Errorf("untar(%s) = nil; want an error", name)
		}
	}
	if _, err := os.Stat(filepath.Join(outer, "out")); err == nil {
		t.Error("untar wrote outside its directory")
	}
}
