package ela

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/cryptosigner"
)

// Signer is whom a request is from.
type Signer struct {
	Key         crypto.Signer     // EC on P-256, in a file or in a TPM
	Certificate *x509.Certificate // the ID certificate; nil: the key of the CSR stands for itself (registration)
}

// Sign makes the JWS of a request, in flattened JSON form (RFC 7515 §7.2.2).
// url is where it is sent; nonce is the server's, empty in a file.
func (r Request) Sign(s Signer, url, nonce string) ([]byte, error) {
	options, err := r.header(s)
	if err != nil {
		return nil, err
	}
	options.WithType(JWSType).WithHeader("url", url)
	if nonce != "" {
		options.WithHeader("nonce", nonce)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: cryptosigner.Opaque(s.Key)}, options)
	if err != nil {
		return nil, fmt.Errorf("sign the request: %w", err)
	}
	signed, err := signer.Sign(r.Payload)
	if err != nil {
		return nil, fmt.Errorf("sign the request: %w", err)
	}
	return []byte(signed.FullSerialize()), nil
}

// header names the key that signs.
func (r Request) header(s Signer) (*jose.SignerOptions, error) {
	if !signsES256(s.Key.Public()) {
		return nil, ErrKey
	}
	public, err := x509.MarshalPKIXPublicKey(s.Key.Public())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	if s.Certificate == nil {
		if hexSHA256(public) != r.KeySHA256 {
			return nil, ErrOtherKey
		}
		return &jose.SignerOptions{EmbedJWK: true}, nil
	}
	if hexSHA256(public) != hexSHA256(s.Certificate.RawSubjectPublicKeyInfo) {
		return nil, ErrOtherKey
	}
	options := &jose.SignerOptions{}
	options.WithHeader("kid", Serial(s.Certificate)).WithHeader("x5t#S256", Thumbprint(s.Certificate))
	return options, nil
}

// Serial is how the serial number of a certificate is written: hex in lower
// case, without zeros in front.
func Serial(c *x509.Certificate) string { return c.SerialNumber.Text(16) }

// Thumbprint is the x5t#S256 of a certificate (RFC 7515 §4.1.8).
func Thumbprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
