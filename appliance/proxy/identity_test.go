package proxy

import (
	"bytes"
	"crypto/x509"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func newIdentity(t *testing.T) (i *identity, path func(name string) string) {
	dir := filepath.Join(t.TempDir(), "tls")
	return &identity{dir: dir, log: slog.New(slog.DiscardHandler)}, func(name string) string { return filepath.Join(dir, name) }
}

// leaf is the certificate that peers see.
func leaf(t *testing.T, i *identity) []byte {
	t.Helper()
	found, err := i.load()
	if err != nil {
		t.Fatal(err)
	}
	return found.Certificate.Certificate[0]
}

// touch gives a file another time than it had.
func touch(t *testing.T, path string, after time.Duration) {
	t.Helper()
	if err := os.Chtimes(path, time.Time{}, time.Now().Add(after)); err != nil {
		t.Fatal(err)
	}
}

func TestOwnCertificate(t *testing.T) {
	i, path := newIdentity(t)
	made, err := x509.ParseCertificate(leaf(t, i))
	if err != nil || made.NotAfter.Before(time.Now().AddDate(19, 0, 0)) || made.NotBefore.After(time.Now()) {
		t.Errorf("made %v until %v, %v; want one for 20 years", made.NotBefore, made.NotAfter, err)
	}
	if again := leaf(t, &identity{dir: i.dir}); !bytes.Equal(again, made.Raw) {
		t.Error("another process made another certificate")
	}
	if info, err := os.Stat(path("key.pem")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key.pem: mode %v, %v; want 0600", info.Mode(), err)
	}
}

// A key without a certificate is one whose certificate is still to come, or
// was not written when the power went: it stays.
func TestKeyWithoutCertificate(t *testing.T) {
	i, path := newIdentity(t)
	leaf(t, i)
	before, err := os.ReadFile(path("key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path("certificate.pem")); err != nil {
		t.Fatal(err)
	}
	leaf(t, i)
	if after, err := os.ReadFile(path("key.pem")); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the key was replaced (%v)", err)
	}
	for _, text := range []string{"", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		i, path := newIdentity(t)
		if err := os.MkdirAll(i.dir, 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path("key.pem"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := i.load(); err == nil {
			t.Errorf("load with the key %q = nil; want an error", text)
		}
		if kept, err := os.ReadFile(path("key.pem")); err != nil || string(kept) != text {
			t.Errorf("the key %q was replaced (%v)", text, err)
		}
	}
}

// Between the two steps of an import the pair before holds.
func TestHalfAnImport(t *testing.T) {
	i, path := newIdentity(t)
	before := leaf(t, i)
	other, otherPath := newIdentity(t)
	after := leaf(t, other)
	for n, step := range []struct {
		file string
		want []byte
	}{{"certificate.pem", before}, {"key.pem", after}} {
		text, err := os.ReadFile(otherPath(step.file))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path(step.file), text, 0o600); err != nil {
			t.Fatal(err)
		}
		touch(t, path(step.file), time.Duration(n+1)*time.Minute)
		if got := leaf(t, i); !bytes.Equal(got, step.want) {
			t.Errorf("after %s: another certificate than wanted", step.file)
		}
	}
}
