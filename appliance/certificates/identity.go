package certificates

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// KeyProvider keeps keys where nobody can read them: in a TPM.
type KeyProvider interface {
	// New makes an EC key on P-256 and gives it with what Load takes.
	New() (key crypto.Signer, blob []byte, err error)
	// Load gives a key that New has made, at any time afterwards.
	Load(blob []byte) (crypto.Signer, error)
}

// The kinds of PEM blocks in our files (RFC 7468).
const (
	certificateBlock = "CERTIFICATE"
	requestBlock     = "CERTIFICATE REQUEST"
	keyBlock         = "PRIVATE KEY" // PKCS #8
	tpmBlock         = "TPM KEY"     // what a KeyProvider loads
)

// identity is who the box is for a purpose: the content of an identity file.
type identity struct {
	key   crypto.Signer
	kept  *pem.Block          // the key as the file has it
	chain []*x509.Certificate // the box's own first; empty: a key alone, as SSH has
}

var (
	// errDamaged means that a file of ours is not what we have written.
	errDamaged = errors.New("damaged")
	// errNoTPM means that a file is whole, but not the TPM that its key is in. That
	// may pass.
	errNoTPM = errors.New("the key is in a TPM")
)

// parseIdentity reads an identity file. provider may be nil; then a key that
// is in the TPM is an error, as it is when the TPM does not load it: the file
// is whole then, and none of these is errDamaged.
func parseIdentity(text []byte, provider KeyProvider) (*identity, error) {
	found, err := parsePEM(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	if len(found.keys) != 1 {
		return nil, fmt.Errorf("%w: %d keys", errDamaged, len(found.keys))
	}
	id := &identity{kept: found.keys[0], chain: found.certificates}
	if id.key, err = loadKey(id.kept, provider); err != nil {
		return nil, err
	}
	if len(id.chain) > 0 && !samePublicKey(id.chain[0].PublicKey, id.key.Public()) {
		return nil, fmt.Errorf("%w: the key is not that of the certificate", errDamaged)
	}
	return id, nil
}

// loadKey gives the key of a block of ours.
func loadKey(block *pem.Block, provider KeyProvider) (crypto.Signer, error) {
	if block.Type != tpmBlock {
		key, err := parseKey(block)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errDamaged, err)
		}
		return key, nil
	}
	if provider == nil {
		return nil, fmt.Errorf("%w, and this box has none", errNoTPM)
	}
	key, err := provider.Load(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoTPM, err)
	}
	return key, nil
}

// encode is the content of the file.
func (id *identity) encode() []byte {
	var text bytes.Buffer
	pem.Encode(&text, id.kept) // into memory: no error
	text.Write(encodeCertificates(id.chain))
	return text.Bytes()
}

func encodeCertificates(list []*x509.Certificate) []byte {
	var text bytes.Buffer
	for _, c := range list {
		pem.Encode(&text, &pem.Block{Type: certificateBlock, Bytes: c.Raw})
	}
	return text.Bytes()
}

// inTPM says where the key is.
func (id *identity) inTPM() bool { return id.kept.Type == tpmBlock }

// selfSigned says whether the certificate is one that its own key has signed.
func (id *identity) selfSigned() bool { return len(id.chain) == 1 && signedItself(id.chain[0]) }

// signedItself says whether a certificate leads no further.
func signedItself(c *x509.Certificate) bool {
	return bytes.Equal(c.RawSubject, c.RawIssuer) && c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

// tls is the identity as crypto/tls wants it.
func (id *identity) tls() *tls.Certificate {
	certificate := &tls.Certificate{PrivateKey: id.key}
	for _, c := range id.chain {
		certificate.Certificate = append(certificate.Certificate, c.Raw)
	}
	if len(id.chain) > 0 {
		certificate.Leaf = id.chain[0]
	}
	return certificate
}

// samePublicKey compares two public keys of any of the kinds that x509 reads.
func samePublicKey(a, b crypto.PublicKey) bool {
	comparable, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && comparable.Equal(b)
}
