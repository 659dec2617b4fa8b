package control

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"causeway/appliance/certificates"
	"causeway/appliance/model"
)

// TestLicenseIdentity: who the box is to the licence server, as the owner of
// certificates keeps it. Each certificate is for a key of its own.
func TestLicenseIdentity(t *testing.T) {
	store := certificates.New(certificates.Options{Dir: t.TempDir(), Trusted: time.Now, Names: func() []string { return nil }, Log: slog.New(slog.DiscardHandler)})
	id := licenseIdentity{store, filepath.Join(t.TempDir(), "license-root.pem")}
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "root"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	issue := func(template *x509.Certificate, public any) []byte {
		der, err := x509.CreateCertificate(rand.Reader, template, root, public, rootKey)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	}
	if roots, err := id.Roots(); err != nil || len(roots) != 0 {
		t.Errorf("Roots() = %v, %v; want none", roots, err)
	}
	ofImage := *root
	ofImage.SerialNumber = big.NewInt(9)
	if err := os.WriteFile(id.root, issue(&ofImage, &rootKey.PublicKey), 0o644); err != nil {
		t.Fatal(err)
	}
	if roots, err := id.Roots(); err != nil || len(roots) != 1 || roots[0].SerialNumber.Int64() != 9 {
		t.Errorf("Roots() = %v, %v; want that of the image", roots, err)
	}
	if _, err := store.Trust(model.ForLicense, issue(root, &rootKey.PublicKey)); err != nil {
		t.Fatal(err)
	}
	if roots, err := id.Roots(); err != nil || len(roots) != 1 || roots[0].SerialNumber.Int64() != 1 {
		t.Errorf("Roots() = %v, %v; want the one that an operator trusts", roots, err)
	}
	seen := map[string]bool{}
	for serial := range int64(2) {
		der, key, err := id.Request("aB3dE6gH9jK")
		if err != nil {
			t.Fatal(err)
		}
		request, err := x509.ParseCertificateRequest(der)
		if err != nil || !key.Public().(*ecdsa.PublicKey).Equal(request.PublicKey) || request.Subject.CommonName != "aB3dE6gH9jK" {
			t.Fatalf("Request() = %+v, %v; want one by its key", request, err)
		}
		seen[string(request.RawSubjectPublicKeyInfo)] = true
		if again, _, err := id.Request("aB3dE6gH9jK"); err != nil || string(publicKey(t, again)) != string(request.RawSubjectPublicKeyInfo) {
			t.Errorf("the second Request() is by another key (%v); want the one that waits", err)
		}
		leaf := &x509.Certificate{
			SerialNumber: big.NewInt(serial + 2), Subject: pkix.Name{CommonName: "box"}, NotBefore: root.NotBefore, NotAfter: root.NotAfter,
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		}
		if err := id.Import(issue(leaf, request.PublicKey)); err != nil {
			t.Fatal(err)
		}
		current, err := id.Certificate()
		if err != nil || current == nil || current.Leaf.SerialNumber.Int64() != serial+2 || id.InTPM() {
			t.Fatalf("Certificate() = %+v, %v; want the one that was imported, its key in a file", current, err)
		}
	}
	if len(seen) != 2 {
		t.Error("the renewal is for the key of before; want a new one")
	}
	if err := id.Forget(); err != nil {
		t.Fatal(err)
	}
	if current, err := id.Certificate(); err != nil || current != nil {
		t.Errorf("Certificate() after Forget = %v, %v; want none", current, err)
	}
}

func publicKey(t *testing.T, der []byte) []byte {
	t.Helper()
	request, err := x509.ParseCertificateRequest(der)
	if err != nil {
		t.Fatal(err)
	}
	return request.RawSubjectPublicKeyInfo
}
