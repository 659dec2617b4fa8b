package ela

import (
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

// signed is an answer, taken apart and not verified.
type signed struct {
	Header
	payload []byte
	jws     *jose.JSONWebSignature
}

// parse takes an answer apart. It takes less than go-jose does: one signature in
// flattened form, no unprotected header, no extension, and one way to write
// each octet in base64url, so that no bit of an answer can be another. Its JSON
// is go-jose's, which tells upper from lower case and refuses duplicates.
func parse(answer []byte) (signed, error) {
	if len(answer) > MaxMessage {
		return signed{}, ErrTooLong
	}
	var outer struct {
		Protected  string          `json:"protected"`
		Payload    string          `json:"payload"`
		Signature  string          `json:"signature"`
		Header     json.RawMessage `json:"header"`
		Signatures json.RawMessage `json:"signatures"`
	}
	if err := json.Unmarshal(answer, &outer); err != nil {
		return signed{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if outer.Header != nil || outer.Signatures != nil {
		return signed{}, fmt.Errorf("%w: it has members header or signatures", ErrMalformed)
	}
	protected, err1 := decode(outer.Protected)
	payload, err2 := decode(outer.Payload)
	_, err3 := decode(outer.Signature)
	if err := errors.Join(err1, err2, err3); err != nil {
		return signed{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	header, err := parseHeader(protected)
	if err != nil {
		return signed{}, err
	}
	jws, err := jose.ParseSignedJSON(string(answer), []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return signed{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return signed{Header: header, payload: payload, jws: jws}, nil
}

// parseHeader reads the protected header of an answer.
func parseHeader(text []byte) (Header, error) {
	var header struct {
		Header
		Algorithm string          `json:"alg"`
		Type      string          `json:"typ"`
		Critical  json.RawMessage `json:"crit"`
		Encoding  json.RawMessage `json:"b64"`
	}
	switch err := json.Unmarshal(text, &header); {
	case err != nil:
		return Header{}, fmt.Errorf("%w: its header: %w", ErrMalformed, err)
	case header.Algorithm != string(jose.ES256):
		return Header{}, fmt.Errorf("%w: alg is %q", ErrAlgorithm, header.Algorithm)
	case header.Type != JWSType:
		return Header{}, fmt.Errorf("%w: typ is %q", ErrMalformed, header.Type)
	case header.Critical != nil || header.Encoding != nil:
		return Header{}, fmt.Errorf("%w: it has an extension (crit, b64)", ErrMalformed)
	}
	return header.Header, nil
}

// decode reads base64url as RFC 7515 §2 writes it: no padding, no line ends, no
// bits left over.
func decode(text string) ([]byte, error) {
	octets, err := base64.RawURLEncoding.DecodeString(text)
	switch {
	case err != nil:
		return nil, err
	case len(octets) == 0:
		return nil, errors.New("a part of it is empty")
	case base64.RawURLEncoding.EncodeToString(octets) != text:
		return nil, errors.New("its base64url is not canonical")
	}
	return octets, nil
}
