package bundle

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func pemKey(t *testing.T, kind string, key any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func TestReadKeys(t *testing.T) {
	both := public(ours, others)
	file := filepath.Join(t.TempDir(), "release.pem")
	text := "ours\n" + pemKey(t, publicKeyType, both[0]) + "\nthe next one\n" + pemKey(t, publicKeyType, both[1])
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := ReadKeys(file)
	if err != nil || len(got) != 2 || !got[0].Equal(both[0]) || !got[1].Equal(both[1]) {
		t.Errorf("ReadKeys = %x, %v; want %x", got, err, both)
	}
	if _, err := ReadKeys(file + "x"); err == nil {
		t.Error("ReadKeys of no file: no error")
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := pemKey(t, publicKeyType, both[0])
	for name, tt := range map[string]struct{ text, want string }{
		"nothing":          {"", "there is none"},
		"no PEM":           {"key", "there is none"},
		"a secret key":     {good + pemKey(t, "PRIVATE KEY", both[0]), "a PRIVATE KEY is no key to check with"},
		"another kind":     {good + pemKey(t, publicKeyType, &curve.PublicKey), "not Ed25519"},
		"not what it says": {strings.Join(slices.Insert(strings.Split(good, "\n"), 1, "AAAA"), "\n"), "asn1"},
	} {
		if keys, err := ParseKeys([]byte(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: ParseKeys = %x, %v; want %q", name, keys, err, tt.want)
		}
	}
}
