package licensed

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"

	"github.com/go-jose/go-jose/v4"

	"causeway/appliance/license/ela"
)

// maxRequest is how long a request may be, in octets.
const maxRequest = 64 << 10

// kind is a kind of request.
type kind struct {
	path      string // where it is sent
	typ       string // in its payload
	replyType string // in that of the answer
	new       func() message
}

// kinds are those that there are.
var kinds = []kind{
	{ela.PathRegister, ela.TypeRegister, ela.TypeRegistered, func() message { return &register{} }},
	{ela.PathAuthorize, ela.TypeAuthorize, ela.TypeAuthorized, func() message { return &authorize{} }},
	{ela.PathRenewID, ela.TypeRenewID, ela.TypeRenewedID, func() message { return &renewID{} }},
	{ela.PathDeregister, ela.TypeDeregister, ela.TypeGone, func() message { return &deregister{} }},
}

// message is the payload of a request, and what the server does about it.
type message interface {
	common() ela.Common
	instanceID() string // of whoever asks; empty: he registers
	check() error       // that the members have values that they may have
	answer(*turn) (any, error)
}

// request is a JWS that came in. Nothing of it is to be believed before verify.
type request struct {
	kind
	jws     *jose.JSONWebSignature
	header  ela.Header
	jwk     *jose.JSONWebKey // of a registration
	message message
	sha256  string // of the payload, hex
}

// parse takes a request apart. Only the flattened form is taken (RFC 7515
// §7.2.2), and nothing in it but what is protected.
func parse(text []byte) (*request, error) {
	var flat struct {
		Payload   *string `json:"payload"`
		Protected *string `json:"protected"`
		Signature *string `json:"signature"`
	}
	strict := json.NewDecoder(bytes.NewReader(text))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&flat); err != nil {
		return nil, fmt.Errorf("it is no flattened JWS: %w", err)
	}
	if flat.Payload == nil || flat.Protected == nil || flat.Signature == nil {
		return nil, errors.New("it is no flattened JWS: want payload, protected and signature")
	}
	jws, err := jose.ParseSignedJSON(string(text), []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return nil, err
	}
	r := &request{jws: jws}
	if err := r.readHeader(); err != nil {
		return nil, err
	}
	return r, r.readPayload()
}

// readHeader reads the protected header.
func (r *request) readHeader() error {
	protected := r.jws.Signatures[0].Protected
	text := func(name jose.HeaderKey) string {
		value, _ := protected.ExtraHeaders[name].(string)
		return value
	}
	if typ := text("typ"); typ != ela.JWSType {
		return fmt.Errorf("typ %q: want %s", typ, ela.JWSType)
	}
	r.header = ela.Header{KeyID: protected.KeyID, Thumbprint: text("x5t#S256"), URL: text("url"), Nonce: protected.Nonce}
	r.jwk = protected.JSONWebKey
	return nil
}

// readPayload reads what is signed.
func (r *request) readPayload() error {
	payload := r.jws.UnsafePayloadWithoutVerification()
	sum := sha256.Sum256(payload)
	r.sha256 = hex.EncodeToString(sum[:])
	var opening ela.Common
	if err := json.Unmarshal(payload, &opening); err != nil {
		return fmt.Errorf("the payload: %w", err)
	}
	for _, k := range kinds {
		if k.typ == opening.Type {
			r.kind, r.message = k, k.new()
		}
	}
	if r.message == nil {
		return fmt.Errorf("requests of typ %q are unknown", opening.Type)
	}
	if err := json.Unmarshal(payload, r.message); err != nil {
		return fmt.Errorf("the payload: %w", err)
	}
	if err := checkCommon(opening); err != nil {
		return err
	}
	return r.message.check()
}

var (
	cnonceForm = regexp.MustCompile(`^[0-9a-f]{32}$`)
	serialForm = regexp.MustCompile(`^[0-9A-Za-z]{11}$`) // L-38
)

// checkCommon checks what opens every request.
func checkCommon(c ela.Common) error {
	switch {
	case !cnonceForm.MatchString(c.CNonce):
		return errors.New("cnonce: want 32 hexadecimal digits")
	case c.Seq == 0:
		return errors.New("seq: want 1 or more")
	case c.Time.IsZero():
		return errors.New("ts: want the time of the request")
	}
	return nil
}

// checkUDI checks who the box says that it is.
func checkUDI(u ela.UDI) error {
	if u.PID == "" || !serialForm.MatchString(u.SN) {
		return fmt.Errorf("udi %s: want a product and a serial number of 11 letters and digits", u)
	}
	return nil
}

// verify checks the signature.
func (r *request) verify(key any) error {
	_, err := r.jws.Verify(key)
	return err
}
