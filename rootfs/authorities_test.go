package rootfs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// testCertificate writes the certificate of an authority, or of a box, with a
// remark above it.
func testCertificate(t *testing.T, authority bool) (file string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), BasicConstraintsValid: true, IsCA: authority}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "root.pem")
	text := append([]byte("made by hand\n"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestReadAuthorities(t *testing.T) {
	read := func(authority bool) []byte {
		text, err := os.ReadFile(testCertificate(t, authority))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	good := read(true)
	got, err := readAuthorities(append(good, good...))
	if err != nil || strings.Count(got, "BEGIN CERTIFICATE") != 2 || strings.Contains(got, "by hand") {
		t.Errorf("readAuthorities of two = %q, %v; want both and nothing else", got, err)
	}
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}})
	for name, text := range map[string][]byte{
		"a box's certificate": read(false), "nothing": nil, "a key": append(good, key...),
		"a broken one": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{1}}),
	} {
		if got, err := readAuthorities(text); err == nil {
			t.Errorf("readAuthorities of %s = %q; want an error", name, got)
		}
	}
}
