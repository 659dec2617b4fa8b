// Package operator is the operator's side of COM: his key and what he signs with
// it, and a client of the API. Boxes heed an operator and not COM, so this is
// written from the protocol alone, without code of the box but the messages and
// the lines of streams.
package operator

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/crypto/ssh"

	"causeway/appliance/com/wire"
)

// Key is that of an operator.
type Key struct {
	Name    string // what boxes know it by: com trust operator NAME
	private *ecdsa.PrivateKey
}

// The file of a key: PKCS #8 in PEM, with the name in its header.
const (
	blockType  = "PRIVATE KEY"
	nameHeader = "Operator"
)

// NewKey makes a key.
func NewKey(name string) (*Key, error) {
	if name == "" || len(name) > 32 || strings.ContainsAny(name, " \t\r\n:") {
		return nil, fmt.Errorf("operator %q: want a name of 1 to 32 characters", name)
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return &Key{name, private}, nil
}

// Save writes the key to a file that must not be there.
func (k *Key) Save(file string) error {
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = pem.Encode(f, &pem.Block{Type: blockType, Headers: map[string]string{nameHeader: k.Name}, Bytes: der})
	if err := errors.Join(err, f.Close()); err != nil {
		return errors.Join(fmt.Errorf("write the key: %w", err), os.Remove(file))
	}
	return nil
}

// ReadKey reads what Save wrote.
func ReadKey(file string) (*Key, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: make a key with keygen", err)
	}
	if err != nil {
		return nil, err
	}
	k, err := parseKey(text)
	if err != nil {
		return nil, fmt.Errorf("read the key %s: %w", file, err)
	}
	return k, nil
}

func parseKey(text []byte) (*Key, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != blockType || block.Headers[nameHeader] == "" {
		return nil, errors.New("it is not the key of an operator")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	private, ok := key.(*ecdsa.PrivateKey)
	if !ok || private.Curve != elliptic.P256() {
		return nil, errors.New("want a key of P-256")
	}
	return &Key{block.Headers[nameHeader], private}, nil
}

// Trust is the line of the configuration that has a box heed the key.
func (k *Key) Trust() (string, error) {
	public, err := ssh.NewPublicKey(k.private.Public())
	if err != nil {
		return "", err
	}
	return "com trust operator " + k.Name + " " + strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public))), nil
}

// Order is what an operator wants of a box in one of its sessions.
type Order struct {
	Box     string // serial number
	Session string // wire.Signed.Session
	Method  string // of a stream: "stream." and its service
	Params  any    // becomes an object
	Actor   string // who acts in the operator's name; empty: he himself
	Idem    string // UUID; empty: a new one
	Expires time.Time
}

// Sign gives the parameters of an order as JSON, and the Meta that signs them.
func (k *Key) Sign(o Order) (params json.RawMessage, meta *wire.Meta, err error) {
	if params, err = json.Marshal(o.Params); err != nil {
		return nil, nil, fmt.Errorf("sign %s: %w", o.Method, err)
	}
	if string(params) == "null" {
		params = json.RawMessage("{}")
	}
	canonical, err := Canonical(params)
	if err != nil {
		return nil, nil, fmt.Errorf("sign %s: %w", o.Method, err)
	}
	meta = &wire.Meta{Idem: o.Idem, Expires: o.Expires.UTC().Truncate(time.Second), Actor: o.Actor}
	if meta.Idem == "" {
		meta.Idem = newUUID()
	}
	if meta.Actor == "" {
		meta.Actor = k.Name
	}
	sum := sha256.Sum256(canonical)
	meta.Signature, err = k.sign(wire.Signed{
		Audience: o.Box, Session: o.Session, Method: o.Method, Params: hex.EncodeToString(sum[:]),
		Idem: meta.Idem, Expires: meta.Expires.Unix(), Actor: meta.Actor,
	})
	return params, meta, err
}

// sign makes a JWS in compact form with detached payload (RFC 7515 appendix F).
func (k *Key) sign(signed wire.Signed) (string, error) {
	text, err := json.Marshal(signed)
	if err == nil {
		text, err = Canonical(text)
	}
	if err != nil {
		return "", err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: k.private, KeyID: k.Name}}, nil)
	if err != nil {
		return "", err
	}
	jws, err := signer.Sign(text)
	if err != nil {
		return "", err
	}
	return jws.DetachedCompactSerialize()
}

// newUUID is one of version 4 (RFC 9562 §5.4).
func newUUID() string {
	b := make([]byte, 16)
	rand.Read(b)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// withMeta puts a Meta into parameters.
func withMeta(params json.RawMessage, meta *wire.Meta) (json.RawMessage, error) {
	members := map[string]json.RawMessage{}
	if err := json.Unmarshal(params, &members); err != nil {
		return nil, err
	}
	text, err := json.Marshal(meta)
	if err != nil {
		return nil, err
	}
	members["_m"] = text
	return json.Marshal(members)
}
