package wire

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
)

// What a session ID is made of, in octets.
const (
	NonceLength    = 16 // Hello.Nonce, and Welcome.Nonce
	ExportedLength = 32 // of what TLS exports
)

// SessionID is the Signed.Session that both sides make of their nonces, and of
// what TLS exports for this connection alone (Exporter, without context).
func SessionID(box, com, exported []byte) string {
	sum := sha256.Sum256(slices.Concat(box, com, exported))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
