// Package authority is the CA of a server of the lab: it certifies the server,
// and boxes where the server does that.
package authority

import (
	"crypto/ecdsa"
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
	"time"
)

// How long certificates of the authority and its server are valid: from long
// ago, for long. A box whose clock is wrong is to fail at what is tried, not here.
const (
	longAgo   = 10 * 365 * 24 * time.Hour
	longAhead = 20 * 365 * 24 * time.Hour
)

// Authority is a CA. In JSON it has its key.
type Authority struct {
	Key         *ecdsa.PrivateKey
	Certificate *x509.Certificate
}

// New founds a CA of that name, as "Lab COM Root CA".
func New(name string, now time.Time) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	a := &Authority{Key: key}
	template := &x509.Certificate{
		Subject:   pkix.Name{Organization: []string{"Example"}, CommonName: name},
		NotBefore: now.Add(-longAgo), NotAfter: now.Add(longAhead),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.Certificate = template
	a.Certificate, err = a.Certify(template, key.Public())
	return a, err
}

// stored is how an authority lies in the store.
type stored struct {
	Key         []byte `json:"key"`         // PKCS #8
	Certificate []byte `json:"certificate"` // DER
}

// MarshalJSON implements json.Marshaler.
func (a *Authority) MarshalJSON() ([]byte, error) {
	key, err := x509.MarshalPKCS8PrivateKey(a.Key)
	if err != nil {
		return nil, err
	}
	return json.Marshal(stored{key, a.Certificate.Raw})
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
	a.Key = own
	a.Certificate, err = x509.ParseCertificate(s.Certificate)
	return err
}

// Root is what boxes have to trust, in PEM.
func (a *Authority) Root() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Certificate.Raw})
}

// Pool is the same, to verify with.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.Certificate)
	return pool
}

// Certify issues a certificate for a public key, with a serial number by chance.
func (a *Authority) Certify(template *x509.Certificate, public any) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, a.Certificate, public, a.Key)
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
		Subject:   pkix.Name{Organization: []string{"Example"}, CommonName: "Lab Server"},
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
	certificate, err := a.Certify(template, key.Public())
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{certificate.Raw}, PrivateKey: key}, nil
}

// LongServer is Server for a certificate that is valid whatever time it is, more
// or less.
func (a *Authority) LongServer(names []string, now time.Time) (tls.Certificate, error) {
	return a.Server(names, now.Add(-longAgo), now.Add(longAhead))
}

// Wrong makes certificates that clients of the server must refuse: by another
// authority, for another name, and one whose time is over.
func (a *Authority) Wrong(names []string, now time.Time) (stranger, name, outdated tls.Certificate, err error) {
	other, err := New("Another Root CA", now)
	if err != nil {
		return stranger, name, outdated, err
	}
	var errs [3]error
	stranger, errs[0] = other.LongServer(names, now)
	name, errs[1] = a.LongServer([]string{"wrong.example"}, now)
	outdated, errs[2] = a.Server(names, now.AddDate(-2, 0, 0), now.AddDate(-1, 0, 0))
	return stranger, name, outdated, errors.Join(errs[:]...)
}
