package registry

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"causeway/appliance/com/wire"
	"causeway/qemu/lab/comd/bus"
	"causeway/qemu/lab/comd/store"
)

// How long certificates are valid. Those of COM itself are from long ago, for
// long: a box whose clock is wrong is to fail at what is tried, not here.
const (
	day         = 24 * time.Hour
	longAgo     = 10 * 365 * day
	longAhead   = 20 * 365 * day
	boxValidity = 360 * day
	boxBackdate = time.Hour
)

// goodAtOnce is how many certificates of a box are good at a time: the answer
// to a request may be lost on the way, the box then goes on with the one before.
const goodAtOnce = 3

// Authority is the CA of COM: it certifies boxes, and COM's own servers.
type Authority struct {
	key         *ecdsa.PrivateKey
	certificate *x509.Certificate
}

// NewAuthority founds a CA.
func NewAuthority(now time.Time) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	a := &Authority{key: key}
	template := &x509.Certificate{
		Subject:   pkix.Name{Organization: []string{"Example"}, CommonName: "Lab COM Root CA"},
		NotBefore: now.Add(-longAgo), NotAfter: now.Add(longAhead),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.certificate = template
	a.certificate, err = a.certify(template, key.Public())
	return a, err
}

// stored is how an authority lies in the store.
type stored struct {
	Key         []byte `json:"key"`         // PKCS #8
	Certificate []byte `json:"certificate"` // DER
}

// MarshalJSON implements json.Marshaler.
func (a *Authority) MarshalJSON() ([]byte, error) {
	key, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		return nil, err
	}
	return json.Marshal(stored{key, a.certificate.Raw})
}

// UnmarshalJSON implements json.Unmarshaler.
func (a *Authority) UnmarshalJSON(text []byte) error {
	var s stored
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	key, err := x509.ParsePKCS8PrivateKey(s.Key)
	if err != nil {
		return err
	}
	own, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return fmt.Errorf("key of type %T: want one of P-256", key)
	}
	a.key = own
	a.certificate, err = x509.ParseCertificate(s.Certificate)
	return err
}

// Root is what boxes have to trust, in PEM.
func (a *Authority) Root() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
}

// Pool is the same, to verify with.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

// certify issues a certificate for a public key, with a serial number by chance.
func (a *Authority) certify(template *x509.Certificate, public any) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, public, a.key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// Server makes a certificate for a server that is reached by these host names
// and addresses, valid between two times.
func (a *Authority) Server(names []string, from, to time.Time) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		Subject:   pkix.Name{Organization: []string{"Example"}, CommonName: "Lab COM"},
		NotBefore: from, NotAfter: to,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	certificate, err := a.certify(template, key.Public())
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{certificate.Raw}, PrivateKey: key}, nil
}

// OwnServer is Server for COM's own servers, from long ago for long.
func (a *Authority) OwnServer(names []string, now time.Time) (tls.Certificate, error) {
	return a.Server(names, now.Add(-longAgo), now.Add(longAhead))
}

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
	certificate, err := r.options.Authority.certify(&x509.Certificate{
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
