package bundle

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
)

// KeysFile holds the keys that an image knows its successors by.
const KeysFile = "/etc/causeway/release.pem"

// publicKeyType is that of a key in PEM (RFC 7468 §13).
const publicKeyType = "PUBLIC KEY"

// ReadKeys reads the Ed25519 keys of a PEM file; it must have one at least.
func ReadKeys(file string) ([]ed25519.PublicKey, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("release keys: %w", err)
	}
	keys, err := ParseKeys(text)
	if err != nil {
		return nil, fmt.Errorf("release keys in %s: %w", file, err)
	}
	return keys, nil
}

// ParseKeys is ReadKeys for a text.
func ParseKeys(text []byte) (keys []ed25519.PublicKey, err error) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != publicKeyType {
			return nil, fmt.Errorf("a %s is no key to check with", block.Type)
		}
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, err
		}
		public, ok := key.(ed25519.PublicKey)
		if !ok {
			return nil, fmt.Errorf("a key is %T, not Ed25519", key)
		}
		keys = append(keys, public)
	}
	if len(keys) == 0 {
		return nil, errors.New("there is none")
	}
	return keys, nil
}
