package ela

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// MaxMessage is the most octets of a request or an answer.
const MaxMessage = 64 << 10

// Outstanding is what an answer must fit to. It is kept with the answer, to
// verify that again at every start.
type Outstanding struct {
	Type   string    `json:"typ"`
	CNonce string    `json:"cnonce"`
	Seq    uint64    `json:"seq"`
	SHA256 string    `json:"sha256"` // of the payload, hex
	Time   time.Time `json:"ts"`
	// Of requests for an ID certificate:
	UDI       UDI    `json:"udi,omitzero"`
	Instance  string `json:"instance,omitempty"`   // that it is renewed for; empty: the server gives one
	KeySHA256 string `json:"key_sha256,omitempty"` // of the public key of the CSR (SubjectPublicKeyInfo), hex
}

// Request is a message to a licence server, not yet signed.
type Request struct {
	Outstanding
	Path    string // where it goes: one of the Paths
	Payload []byte // what is signed: JSON
}

// Message is what requests are made of: Register, Authorize, RenewID or
// Deregister.
type Message interface {
	// begin gives the message with c in it, and what its answer must fit to
	// beside c.
	begin(c Common) (message any, wants Outstanding, err error)
	common() Common
}

// exchanges are the requests and what answers each.
var exchanges = map[string]struct{ path, answer string }{
	TypeRegister:   {PathRegister, TypeRegistered},
	TypeAuthorize:  {PathAuthorize, TypeAuthorized},
	TypeRenewID:    {PathRenewID, TypeRenewedID},
	TypeDeregister: {PathDeregister, TypeGone},
}

// NewRequest makes a request. Of Common, it takes Seq and Time; Type and a new
// CNonce are its own. A CSR is refused with ErrCSR or ErrKey.
func NewRequest(m Message) (Request, error) {
	c := m.common()
	nonce := make([]byte, 16)
	rand.Read(nonce) // never fails
	c.CNonce, c.Time = hex.EncodeToString(nonce), c.Time.UTC()
	message, wants, err := m.begin(c)
	if err != nil {
		return Request{}, err
	}
	payload, err := json.Marshal(message)
	if err != nil {
		return Request{}, fmt.Errorf("encode the request: %w", err)
	}
	wants.CNonce, wants.Seq, wants.Time, wants.SHA256 = c.CNonce, c.Seq, c.Time, hexSHA256(payload)
	return Request{Outstanding: wants, Path: exchanges[wants.Type].path, Payload: payload}, nil
}

func (c Common) common() Common { return c }

func (m Register) begin(c Common) (any, Outstanding, error) {
	m.Common = c
	m.Type = TypeRegister
	key, err := keyOfCSR(m.CSR)
	return m, Outstanding{Type: m.Type, UDI: m.UDI, KeySHA256: key}, err
}

func (m RenewID) begin(c Common) (any, Outstanding, error) {
	m.Common = c
	m.Type = TypeRenewID
	key, err := keyOfCSR(m.CSR)
	return m, Outstanding{Type: m.Type, UDI: m.UDI, Instance: m.Instance, KeySHA256: key}, err
}

func (m Authorize) begin(c Common) (any, Outstanding, error) {
	m.Common = c
	m.Type = TypeAuthorize
	return m, Outstanding{Type: m.Type}, nil
}

func (m Deregister) begin(c Common) (any, Outstanding, error) {
	m.Common = c
	m.Type = TypeDeregister
	return m, Outstanding{Type: m.Type}, nil
}

// keyOfCSR gives the SHA-256 of the public key of a certificate request.
func keyOfCSR(der []byte) (string, error) {
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrCSR, err)
	}
	if err := csr.CheckSignature(); err != nil {
		return "", fmt.Errorf("%w: %w", ErrCSR, err)
	}
	if !signsES256(csr.PublicKey) {
		return "", ErrKey
	}
	return hexSHA256(csr.RawSubjectPublicKeyInfo), nil
}

// signsES256 says whether it is the public key of one that can sign with ES256
// (RFC 7518 §3.4).
func signsES256(key any) bool {
	ec, ok := key.(*ecdsa.PublicKey)
	return ok && ec.Curve == elliptic.P256()
}

func hexSHA256(octets []byte) string {
	sum := sha256.Sum256(octets)
	return hex.EncodeToString(sum[:])
}
