package certificates

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// The bounds of what is read.
const (
	textMax  = 256 << 10 // octets: the authorities of the whole web fit in
	chainMax = 10        // certificates from the box's own to its authority
)

// content is what a PEM text holds.
type content struct {
	keys         []*pem.Block // not looked into
	certificates []*x509.Certificate
}

// Errors of parsePEM that a caller may want to explain.
var (
	errEncrypted = errors.New("the key is encrypted: bring it without encryption, or have the box make a key")
	errNoPEM     = errors.New("there is no PEM block (-----BEGIN …) in it")
)

// parsePEM reads a text of certificates and keys (RFC 7468). Text around the
// blocks, as OpenSSL writes it, is passed over; a block that cannot be read, or
// of another kind, is an error.
func parsePEM(text []byte) (found content, err error) {
	if len(text) > textMax {
		return found, fmt.Errorf("more than %d octets", textMax)
	}
	begun, read := bytes.Count(text, []byte("-----BEGIN ")), 0
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		read++
		switch block.Type {
		case certificateBlock:
			c, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return found, fmt.Errorf("block %d: %w", read, err)
			}
			found.certificates = append(found.certificates, c)
		case keyBlock, "EC PRIVATE KEY", "RSA PRIVATE KEY", tpmBlock:
			if block.Headers["DEK-Info"] != "" {
				return found, errEncrypted
			}
			found.keys = append(found.keys, block)
		case "EC PARAMETERS": // OpenSSL writes the curve beside the key, which names it too
		case "ENCRYPTED PRIVATE KEY":
			return found, errEncrypted
		default:
			return found, fmt.Errorf("block %d is a %s, neither a certificate nor a key", read, block.Type)
		}
	}
	switch {
	case begun == 0:
		return found, errNoPEM
	case read != begun:
		return found, fmt.Errorf("of %d PEM blocks %d are whole", begun, read)
	}
	return found, nil
}

// parseKey reads a private key: PKCS #8, or the older forms of EC (RFC 5915) and
// RSA (PKCS #1) keys.
func parseKey(block *pem.Block) (crypto.Signer, error) {
	var key any
	var err error
	switch block.Type {
	case keyBlock:
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("a %s is no private key", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("read the key: %w", err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("the key cannot sign")
	}
	return signer, nil
}

// encodeKey is the block that a key is kept in (PKCS #8, RFC 5958).
func encodeKey(key crypto.Signer) (*pem.Block, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode the key: %w", err)
	}
	return &pem.Block{Type: keyBlock, Bytes: der}, nil
}
