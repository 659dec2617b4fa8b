package gate

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/crypto/ssh"

	"causeway/appliance/com/wire"
)

// operator is somebody of the configuration whose signature counts.
type operator struct {
	key  crypto.PublicKey
	text string // the key as the configuration has it
}

// algorithms are those of signatures, each for the keys of one type (RFC 7518
// §3.4, RFC 8037 §3.1). What the header of a signature says must be that of the
// operator's key.
var algorithms = []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA}

// algorithm is the one that fits a key of Key.
func algorithm(key crypto.PublicKey) jose.SignatureAlgorithm {
	if _, is := key.(ed25519.PublicKey); is {
		return jose.EdDSA
	}
	return jose.ES256
}

// Key reads the public key of an operator as authorized_keys has it (sshd(8)):
// of type ecdsa-sha2-nistp256 or ssh-ed25519.
func Key(text string) (crypto.PublicKey, error) {
	key, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(text))
	if err != nil || len(options)+len(rest) > 0 {
		return nil, errors.New("this is not a public key, as ssh-keygen prints it")
	}
	if typ := key.Type(); typ != ssh.KeyAlgoECDSA256 && typ != ssh.KeyAlgoED25519 {
		return nil, fmt.Errorf("a key to sign with is of type %s or %s, this one of %s", ssh.KeyAlgoECDSA256, ssh.KeyAlgoED25519, typ)
	}
	switch public := key.(ssh.CryptoPublicKey).CryptoPublicKey().(type) {
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return public, nil
	default:
		return nil, fmt.Errorf("this is not a public key of type %s", key.Type())
	}
}

// canonical gives parameters in canonical form (RFC 8785); none are an empty
// object. Names that stand twice in an object and invalid UTF-8 are errors.
func canonical(params json.RawMessage) (json.RawMessage, error) {
	if len(params) == 0 {
		return json.RawMessage("{}"), nil
	}
	value := jsontext.Value(params).Clone()
	err := value.Canonicalize()
	return json.RawMessage(value), err
}

// digest is the hash that stands in wire.Signed for canonical parameters.
func digest(params []byte) string {
	sum := sha256.Sum256(params)
	return hex.EncodeToString(sum[:])
}

// payload is what an operator signs.
func payload(s wire.Signed) ([]byte, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	return canonical(text)
}

// longestSignature is that of a JWS whose header names an operator, in octets.
const longestSignature = 1 << 10

// verify gives the name of the operator who has signed a payload. The payload is
// what the box knows of itself, of the session and of the call, so a signature
// for anything else does not fit.
func verify(operators map[string]operator, signature string, payload []byte) (name string, err error) {
	if len(signature) > longestSignature {
		return "", errors.New("the signature is too long")
	}
	object, err := jose.ParseDetached(signature, payload, algorithms)
	if err != nil {
		return "", fmt.Errorf("read the signature: %w", err)
	}
	header := object.Signatures[0].Protected
	signer, known := operators[header.KeyID]
	switch {
	case !known:
		return "", fmt.Errorf("no operator %s is trusted here", header.KeyID)
	case header.Algorithm != string(algorithm(signer.key)):
		return "", fmt.Errorf("the key of %s does not sign with %s", header.KeyID, header.Algorithm)
	}
	if _, err := object.Verify(signer.key); err != nil {
		return "", fmt.Errorf("the signature is not one of %s for this, on this box in this session", header.KeyID)
	}
	return header.KeyID, nil
}
