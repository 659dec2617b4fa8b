package operator

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestKey makes a key, keeps it and reads it again.
func TestKey(t *testing.T) {
	key, err := NewKey("anna")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "operator.pem")
	if _, err := ReadKey(file); err == nil {
		t.Error("a key that is not there is read")
	}
	if err := key.Save(file); err != nil {
		t.Fatal(err)
	}
	if err := key.Save(file); err == nil {
		t.Error("a key is written over another one")
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("the file of the key = %v, %v; want mode 0600", info.Mode(), err)
	}
	got, err := ReadKey(file)
	if err != nil || got.Name != "anna" || !got.private.Equal(key.private) {
		t.Errorf("ReadKey = %v, %v; want what was kept", got, err)
	}
	want := regexp.MustCompile(`^com trust operator anna ecdsa-sha2-nistp256 [A-Za-z0-9+/]+=*$`)
	if line, err := key.Trust(); err != nil || !want.MatchString(line) {
		t.Errorf("Trust = %q, %v; want %s", line, err, want)
	}
	for _, name := range []string{"", "a b", "a:b", "123456789012345678901234567890123"} {
		if _, err := NewKey(name); err == nil {
			t.Errorf("NewKey(%q) = nil; want an error", name)
		}
	}
}

// FuzzParseKey reads any file as a key.
func FuzzParseKey(f *testing.F) {
	key, err := NewKey("anna")
	if err != nil {
		f.Fatal(err)
	}
	file := filepath.Join(f.TempDir(), "operator.pem")
	if err := key.Save(file); err != nil {
		f.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(text[:len(text)/2])
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nOperator: anna\n\n-----END PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		key, err := parseKey(text)
		if err != nil {
			return
		}
		if _, err := key.Trust(); err != nil || key.Name == "" {
			t.Errorf("parseKey(%q) = a key of %q: %v", text, key.Name, err)
		}
	})
}
