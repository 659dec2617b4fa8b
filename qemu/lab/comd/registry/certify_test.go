package registry

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"testing"
)

// request makes a certificate request.
func request(t testing.TB, name string, key crypto.Signer, err error) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: name}}, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestCheckRequest takes requests for the box by keys that may be.
func TestCheckRequest(t *testing.T) {
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	good := request(t, "FHK1234ABcd", p256, err)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	edwards := request(t, "FHK1234ABcd", ed, err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	large := request(t, "FHK1234ABcd", p384, err)
	old, err := rsa.GenerateKey(rand.Reader, 2048)
	rsaKey := request(t, "FHK1234ABcd", old, err)
	forged := append([]byte{}, good...)
	forged[len(forged)-1] ^= 1
	for _, row := range []struct {
		name string
		der  []byte
		want bool
	}{
		{"P-256", good, true}, {"Ed25519", edwards, true}, {"P-384", large, false}, {"RSA", rsaKey, false},
		{"forged", forged, false}, {"another box's", request(t, "FHK9999ABcd", p256, nil), false}, {"nothing", nil, false},
	} {
		if _, err := checkRequest(row.der, "FHK1234ABcd"); (err == nil) != row.want {
			t.Errorf("checkRequest(%s) = %v; want it good: %v", row.name, err, row.want)
		}
	}
}

// FuzzCheckRequest takes any octets for a request.
func FuzzCheckRequest(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	good := request(f, "FHK1234ABcd", key, err)
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Fuzz(func(t *testing.T, der []byte) {
		r, err := checkRequest(der, "FHK1234ABcd")
		if err == nil && (r.Subject.CommonName != "FHK1234ABcd" || r.PublicKey == nil) {
			t.Errorf("checkRequest(%x) = %+v", der, r)
		}
	})
}
