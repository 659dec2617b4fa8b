package certificates

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"testing"

	"causeway/appliance/model"
)

// FuzzImport brings texts that nobody means well with: one that is refused
// changes nothing, one that is taken can be read.
func FuzzImport(f *testing.F) {
	seeds := newBox(f)
	for _, purpose := range []model.Purpose{model.ForSIP, model.ForWeb} {
		if _, err := seeds.SignSelf(purpose, Wanted{}); err != nil {
			f.Fatal(err)
		}
		id, err := seeds.purposes[purpose].reader.own()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(id.encode())
		f.Add(encodeCertificates(id.chain))
		f.Add(append(encodeCertificates(append(id.chain, id.chain...)), pem.EncodeToMemory(id.kept)...))
	}
	rsa, err := seeds.newKey(seeds.purposes[model.ForSIP], KeyKind{RSA: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(pem.EncodeToMemory(rsa.kept))
	f.Add([]byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"))
	f.Add([]byte("-----BEGIN RSA PRIVATE KEY-----\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n"))
	f.Add([]byte("-----BEGIN TPM KEY-----\nAAAA\n-----END TPM KEY-----\n"))
	b := newBox(f)
	b.status(model.ForSIP)
	f.Fuzz(func(t *testing.T, text []byte) {
		b.t = t
		before := b.files()
		if _, err := b.Import(model.ForSIP, text); err != nil {
			if !slices.Equal(before, b.files()) {
				t.Fatalf("refused with %v, and yet something changed", err)
			}
			return
		}
		if status := b.status(model.ForSIP); status.Problem != "" || status.Certificate == nil {
			t.Fatalf("taken, and then %+v", status)
		}
	})
}

// FuzzSubject: a subject that is taken can stand in a certificate.
func FuzzSubject(f *testing.F) {
	for _, text := range []string{"CN=sip.example.com,O=Example", `cn=a\,b,OU=c,L=e,ST=f,C=DE`, "CN=", "=x", `CN=\`, "C=Germany"} {
		f.Add(text)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		subject, err := parseSubject(text)
		if err != nil {
			return
		}
		template := x509.CertificateRequest{Subject: subject}
		der, err := x509.CreateCertificateRequest(rand.Reader, &template, key)
		if err != nil {
			t.Fatalf("parseSubject(%q) = %v, which no request can have: %v", text, subject, err)
		}
		if read, err := x509.ParseCertificateRequest(der); err != nil || read.Subject.String() != subject.String() {
			t.Fatalf("parseSubject(%q) = %v, which is read back as %v (%v)", text, subject, read.Subject, err)
		}
	})
}
