package gateway

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"causeway/qemu/lab/comd/bus"
)

// verify refuses certificates in the handshake: the box sees an alert.
func (g *Gateway) verify(state tls.ConnectionState) error {
	_, err := g.identify(state.PeerCertificates)
	return err
}

// identify says who the certificates say that the box is, and how. There are
// three ways: COM's own have the serial number of the box as CN, those of the
// licence server have it in serialNumber ("PID:P,SN:S", L-40), and what the box
// has signed itself has it in serialNumber.
func (g *Gateway) identify(chain []*x509.Certificate) (bus.Identity, error) {
	if len(chain) == 0 {
		return bus.Identity{}, errors.New("there is no certificate")
	}
	leaf, now := chain[0], g.options.Now()
	key := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	identity := bus.Identity{Key: hex.EncodeToString(key[:]), Certificate: leaf.SerialNumber.Text(16), Ends: leaf.NotAfter}
	if leaf.CheckSignature(leaf.SignatureAlgorithm, leaf.RawTBSCertificate, leaf.Signature) == nil {
		if now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
			return bus.Identity{}, fmt.Errorf("the certificate is valid from %v to %v", leaf.NotBefore, leaf.NotAfter)
		}
		identity.By, identity.Serial = bus.ByItself, leaf.Subject.SerialNumber
		return named(identity)
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	options := x509.VerifyOptions{Roots: g.options.COM, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	_, err := leaf.Verify(options)
	if err == nil {
		identity.By, identity.Serial = bus.ByCOM, leaf.Subject.CommonName
		return named(identity)
	}
	if options.Roots = g.options.Licence; options.Roots == nil {
		return bus.Identity{}, err
	}
	if _, err := leaf.Verify(options); err != nil {
		return bus.Identity{}, err
	}
	identity.By = bus.ByLicence
	_, identity.Serial, _ = strings.Cut(leaf.Subject.SerialNumber, ",SN:")
	return named(identity)
}

// longestSerial is that of a box, in characters. Ours have 11.
const longestSerial = 32

// named refuses a certificate that names no box.
func named(identity bus.Identity) (bus.Identity, error) {
	strange := func(r rune) bool {
		return r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}
	if n := len(identity.Serial); n == 0 || n > longestSerial || strings.ContainsFunc(identity.Serial, strange) {
		return bus.Identity{}, errors.New("the certificate has no serial number of a box")
	}
	return identity, nil
}
