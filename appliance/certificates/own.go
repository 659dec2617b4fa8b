package certificates

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"strings"
	"time"
)

// A certificate that the box signs for itself.
const (
	// ownValidity is how long it lasts: there is nobody who would renew what
	// peers have noted by its fingerprint.
	ownValidity = 20 * 365 * 24 * time.Hour
	// ownRenewal is how long before its end it is made anew, with the same key.
	ownRenewal = 30 * 24 * time.Hour
	// ownBackdate is how far peers' clocks may be behind.
	ownBackdate = 24 * time.Hour
)

// signSelf makes the box's own certificate. One that it takes the place of gives
// it key, subject and names.
func (s *Store) signSelf(p *purpose, before *identity) (*identity, error) {
	if before != nil {
		c := before.chain[0]
		return s.sign(p, before, c.Subject, names{c.DNSNames, c.IPAddresses, c.URIs})
	}
	key, err := s.newKey(p, KeyKind{})
	if err != nil {
		return nil, err
	}
	return s.sign(p, key, pkix.Name{CommonName: strings.TrimSpace("Causeway " + s.serial()), SerialNumber: s.serial()}, names{})
}

// sign has a key sign a certificate for itself.
func (s *Store) sign(p *purpose, key *identity, subject pkix.Name, n names) (*identity, error) {
	now, serial := s.options.Trusted().UTC(), make([]byte, 16)
	rand.Read(serial) // never fails (crypto/rand)
	template := x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial), Subject: subject,
		DNSNames: n.dns, IPAddresses: n.addresses, URIs: n.uris,
		NotBefore: now.Add(-ownBackdate), NotAfter: now.Add(ownValidity),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: p.usage,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.key.Public(), key.key)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read what was signed: %w", err)
	}
	return &identity{key: key.key, kept: key.kept, chain: []*x509.Certificate{certificate}}, nil
}

// makeHostKey makes the host key of SSH (RFC 8709). It has no certificate, and
// so no end.
func (s *Store) makeHostKey(*purpose, *identity) (*identity, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	block, err := encodeKey(key)
	return &identity{key: key, kept: block}, err
}

// serial is the serial number of the box; empty if it has none, as on a plain
// host.
func (s *Store) serial() string {
	text, _ := os.ReadFile(s.options.Serial)
	return strings.TrimSpace(string(text))
}

// KeyKind is what key to make. The zero value is an EC key on P-256.
type KeyKind struct {
	RSA  bool `json:"rsa"`
	Bits int  `json:"bits"` // EC: 256, 384; RSA: 2048, 3072, 4096; 0: the first of these
}

// newKey makes a key, in the TPM where there is one that can and control alone
// needs it. The identity has no certificate yet.
func (s *Store) newKey(p *purpose, kind KeyKind) (*identity, error) {
	var key crypto.Signer
	var err error
	switch {
	case kind.RSA:
		key, err = rsa.GenerateKey(rand.Reader, max(kind.Bits, 2048))
	case kind.Bits == 384:
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case s.options.Keys != nil && !p.shared:
		key, blob, err := s.options.Keys.New()
		if err != nil {
			return nil, fmt.Errorf("make a key in the TPM: %w", err)
		}
		return &identity{key: key, kept: &pem.Block{Type: tpmBlock, Bytes: blob}}, nil
	default:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	block, err := encodeKey(key)
	if err != nil {
		return nil, err
	}
	return &identity{key: key, kept: block}, nil
}

// fingerprint is the SHA-256 of a certificate in hexadecimal digits, of a bare
// key that of its public half.
func (id *identity) fingerprint() string {
	if len(id.chain) > 0 {
		return fingerprint(id.chain[0])
	}
	der, err := x509.MarshalPKIXPublicKey(id.key.Public())
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}
