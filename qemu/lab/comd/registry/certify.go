package registry

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"

	"causeway/appliance/com/wire"
	"causeway/qemu/lab/comd/bus"
	"causeway/qemu/lab/comd/store"
)

// How long certificates of boxes are valid.
const (
	boxValidity = 360 * 24 * time.Hour
	boxBackdate = time.Hour
)

// goodAtOnce is how many certificates of a box are good at a time: the answer
// to a request may be lost on the way, the box then goes on with the one before.
const goodAtOnce = 3

// checkRequest reads a certificate request (PKCS #10, DER) of a box.
func checkRequest(der []byte, serial string) (*x509.CertificateRequest, error) {
	request, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, fmt.Errorf("read the certificate request: %w", err)
	}
	if err := request.CheckSignature(); err != nil {
		return nil, fmt.Errorf("verify the certificate request: %w", err)
	}
	if request.Subject.CommonName != serial {
		return nil, fmt.Errorf("the certificate request is for %q: want %s", request.Subject.CommonName, serial)
	}
	switch key := request.PublicKey.(type) {
	case ed25519.PublicKey:
		return request, nil
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() {
			return request, nil
		}
	}
	return nil, errors.New("want a key of P-256 or Ed25519")
}

// Certify issues a certificate of an approved box (PKCS #10 in DER, the answer
// in PEM). It is good until three others have been issued.
func (r *Registry) Certify(serial string, der []byte) (string, error) {
	request, err := checkRequest(der, serial)
	if err != nil {
		return "", err
	}
	now := r.options.Now()
	certificate, err := r.options.Authority.Certify(&x509.Certificate{
		Subject:   pkix.Name{Organization: []string{"Example"}, CommonName: serial},
		NotBefore: now.Add(-boxBackdate), NotAfter: now.Add(boxValidity),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}, request.PublicKey)
	if err != nil {
		return "", fmt.Errorf("certify %s: %w", serial, err)
	}
	err = r.options.Store.UpdateBox(serial, func(b *store.Box) error {
		if !b.Approved {
			return errPending
		}
		b.Certificates = append(slices.Clone(b.Certificates), certificate.SerialNumber.Text(16))
		b.Certificates = b.Certificates[max(0, len(b.Certificates)-goodAtOnce):]
		return nil
	})
	if err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})), nil
}

func (r *Registry) enroll(_ context.Context, enroll bus.Enroll) (answer wire.Enrolled, err error) {
	answer.Certificates, err = r.Certify(enroll.Serial, enroll.Request)
	return answer, err
}
