package signing

import (
	"bytes"
	"context"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"causeway/board"
	"causeway/rootfs/cache"
	"causeway/rootfs/debian"
)

// TestMake makes the keys of a directory by many at once, and opens them again.
func TestMake(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			if _, err := Make(dir); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 5 {
		t.Errorf("%s holds %v, %v; want the five files", dir, entries, err)
	}
	for _, name := range []string{releaseKey, secureBootKey} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v; want nobody else to read it", name, info.Mode(), err)
		}
	}
	// The public files follow from the secret ones.
	before, err := os.ReadFile(filepath.Join(dir, CertificateDER))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{ReleaseKeys, Certificate, CertificateDER} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(dir); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(filepath.Join(dir, CertificateDER))
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("another certificate of the same key: %v", err)
	}
}

// TestOpenRefuses: files that do not belong together.
func TestOpenRefuses(t *testing.T) {
	ours, others := newKeys(t), newKeys(t)
	certificate, err := os.ReadFile(others.File(Certificate))
	if err != nil {
		t.Fatal(err)
	}
	der, _ := pem.Decode(certificate)
	for _, tt := range []struct {
		name, from, want string
		content          []byte
	}{
		{ReleaseKeys, ReleaseKeys, "would refuse the next one", nil},
		{Certificate, Certificate, "not the certificate of secureboot.key", nil},
		{CertificateDER, CertificateDER, "not the same certificate", nil},
		{releaseKey, secureBootKey, "not an Ed25519 key", nil},
		{releaseKey, "", "not a private key in PEM", []byte("nothing")},
		{Certificate, "", "not PEM", der.Bytes},
	} {
		if tt.from != "" {
			if tt.content, err = os.ReadFile(filepath.Join(others.dir, tt.from)); err != nil {
				t.Fatal(err)
			}
		}
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(ours.dir)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, tt.name), tt.content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Open with another %s = %v; want %q", tt.name, err, tt.want)
		}
	}
}

// TestOpenMakesNone: a directory that lacks a secret key is refused as it is.
func TestOpenMakesNone(t *testing.T) {
	keys := newKeys(t)
	for _, missing := range []string{secureBootKey, releaseKey} {
		if err := os.Remove(filepath.Join(keys.dir, missing)); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(keys.dir); err == nil || !strings.Contains(err.Error(), missing+" is not there") {
			t.Errorf("Open without %s = %v; want it refused", missing, err)
		}
	}
	dir := filepath.Join(t.TempDir(), "mistyped")
	if _, err := Open(dir); err == nil {
		t.Error("Open of no directory succeeds")
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("Open has made the directory")
	}
}

func newKeys(t *testing.T) *Keys {
	t.Helper()
	k, err := Make(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestProgram signs an EFI program twice: with the same file as the result, which is
// the program and our signature.
func TestProgram(t *testing.T) {
	dir := t.TempDir()
	unsigned := filepath.Join(dir, "unsigned.efi")
	if err := os.WriteFile(unsigned, efiProgram(t), 0o600); err != nil {
		t.Fatal(err)
	}
	k, other := newKeys(t), newKeys(t)
	ctx := context.Background()
	when := time.Date(2026, 3, 1, 12, 0, 0, 0, time.FixedZone("", 3600))
	var signed [2][]byte
	for i := range signed {
		file := filepath.Join(dir, "signed.efi")
		if err := k.Program(ctx, file, unsigned, when); err != nil {
			t.Fatal(err)
		}
		var err error
		if signed[i], err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("sbverify", "--cert", k.File(Certificate), file).CombinedOutput(); err != nil {
			t.Errorf("sbverify with our certificate: %v: %s", err, out)
		}
		if out, err := exec.Command("sbverify", "--cert", other.File(Certificate), file).CombinedOutput(); err == nil {
			t.Errorf("sbverify with another certificate: %s; want it refused", out)
		}
	}
	if !bytes.Equal(signed[0], signed[1]) {
		t.Error("two signatures of one program, with one key and time, are not the same")
	}
	if err := k.Program(ctx, filepath.Join(dir, "none"), filepath.Join(dir, "missing"), when); err == nil {
		t.Error("a missing program was signed")
	}
}

// efiProgram gives Debian's EFI stub, which is one.
func efiProgram(t *testing.T) []byte {
	t.Helper()
	b, err := board.Find("x86_64")
	if err != nil {
		t.Fatal(err)
	}
	c, err := cache.Default()
	if err != nil {
		t.Fatal(err)
	}
	archive := &debian.Archive{Architecture: b.DebianArch, Cache: c, Log: t.Output()}
	pkg, err := archive.Fetch(context.Background(), b.StubPackage)
	if err != nil {
		t.Fatal(err)
	}
	program, err := pkg.ReadFile(context.Background(), b.StubFile)
	if err != nil {
		t.Fatal(err)
	}
	return program
}
