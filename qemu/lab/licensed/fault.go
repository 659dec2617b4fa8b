package licensed

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"causeway/appliance/license/ela"
)

// FaultKind is what goes wrong on the way to a box.
type FaultKind string

// The faults. What the server does and keeps is always right: the same request
// gets the right answer once the fault is over.
const (
	Silence       FaultKind = "silence"        // nothing is done, nothing comes
	HangUp        FaultKind = "hang-up"        // nothing is done, the connection ends
	Refuse        FaultKind = "problem"        // nothing is done, a problem comes: Status, Problem, RetryAfter
	LostReply     FaultKind = "lost-reply"     // it is done, and the connection ends
	BadSignature  FaultKind = "bad-signature"  // one bit of the signature is wrong
	UnknownSigner FaultKind = "unknown-signer" // signed with a signing certificate that no box was told of
	OldReply      FaultKind = "old-reply"      // the answer of the same type before this one, again
	WrongNonce    FaultKind = "wrong-nonce"    // the cnonce of nobody
	ClockSkew     FaultKind = "clock-skew"     // the times in the answer are off by Skew
	InvalidTag    FaultKind = "invalid-tag"    // compliance_status says INVALID_TAG
)

// onNonce is Fault.On for requests of a nonce.
const onNonce = "nonce"

// Fault befalls requests.
type Fault struct {
	Kind       FaultKind `json:"kind"`
	On         string    `json:"on,omitempty"`          // type of the request, as ela.TypeAuthorize, or "nonce"; empty: any
	Times      int       `json:"times,omitempty"`       // how many requests; 0: all until the fault is taken away
	Status     int       `json:"status,omitempty"`      // of HTTP; 0: that of the problem
	Problem    string    `json:"problem,omitempty"`     // empty: ela.ServerFault
	RetryAfter int       `json:"retry_after,omitempty"` // seconds; 0: the box is not told
	Skew       int       `json:"skew,omitempty"`        // seconds
}

// faultKinds are all of them; true: the request is not done. Only these befall
// requests of a nonce.
var faultKinds = map[FaultKind]bool{
	Silence: true, HangUp: true, Refuse: true, LostReply: false, BadSignature: false,
	UnknownSigner: false, OldReply: false, WrongNonce: false, ClockSkew: false, InvalidTag: false,
}

// check checks that the fault can be.
func (f Fault) check() error {
	undone, known := faultKinds[f.Kind]
	if !known || f.On == onNonce && !undone {
		return fmt.Errorf("there is no fault %q on %q", f.Kind, f.On)
	}
	if f.On != "" && f.On != onNonce && !slices.ContainsFunc(kinds, func(k kind) bool { return k.typ == f.On }) {
		return fmt.Errorf("fault on %q: there is no such request", f.On)
	}
	if _, known := problems[f.Problem]; f.Problem != "" && !known {
		return fmt.Errorf("there is no problem %q", f.Problem)
	}
	if f.Times < 0 || f.RetryAfter < 0 || f.Status != 0 && (f.Status < 400 || f.Status > 599) {
		return errors.New("want times and retry_after of 0 or more, and a status of 400 to 599")
	}
	return nil
}

// SetFaults replaces all faults. Of those that fit a request the first befalls it.
func (s *Server) SetFaults(faults ...Fault) error {
	return s.faults.Set(faults, Fault.check)
}

// Faults are those that are left.
func (s *Server) Faults() []Fault { return s.faults.All() }

// takeFault is the fault that befalls a request of that type; nil: none.
func (s *Server) takeFault(typ string) *Fault {
	return s.faults.Strike(func(f Fault) bool {
		return f.On == typ || f.On == "" && (typ != onNonce || faultKinds[f.Kind])
	}, func(f *Fault) *int { return &f.Times })
}

// kind is that of the fault; of none it is empty.
func (f *Fault) kind() FaultKind {
	if f == nil {
		return ""
	}
	return f.Kind
}

// alter gives what the box gets in the place of an answer.
func (f *Fault) alter(t *turn, jws []byte) ([]byte, error) {
	switch f.kind() {
	case BadSignature:
		return flipSignature(jws)
	case OldReply:
		for _, r := range slices.Backward(t.instance.Replies) {
			if r.Type == t.replyType && r.Request != t.sha256 {
				return r.JWS, nil
			}
		}
		return nil, refuse(ela.ServerFault, "there is no older reply of this type")
	case UnknownSigner, WrongNonce, ClockSkew, InvalidTag:
		return f.signAnother(t, jws)
	}
	return jws, nil
}

// signAnother signs an answer that says something else, or signs by another.
func (f *Fault) signAnother(t *turn, jws []byte) ([]byte, error) {
	answer, err := payloadOf(jws)
	if err != nil {
		return nil, err
	}
	signer := t.signer
	switch f.Kind {
	case UnknownSigner:
		if signer, err = t.server.state.Authority.newSigning(t.now); err != nil {
			return nil, err
		}
	case WrongNonce:
		answer["cnonce"] = strings.Repeat("0", 32)
	case ClockSkew:
		for _, name := range []string{"ts", "start_date"} {
			if at, err := time.Parse(time.RFC3339, fmt.Sprint(answer[name])); err == nil {
				answer[name] = at.Add(time.Duration(f.Skew) * time.Second)
			}
		}
	case InvalidTag:
		answer["compliance_status"] = ela.InvalidTag
		entitlements, _ := answer["entitlements"].([]any)
		for _, e := range entitlements {
			e.(map[string]any)["status"] = ela.InvalidTag
		}
	}
	return signer.sign(answer)
}

// payloadOf is the payload of an answer of this server.
func payloadOf(jws []byte) (map[string]any, error) {
	signed, err := jose.ParseSignedJSON(string(jws), []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return nil, err
	}
	payload := json.NewDecoder(bytes.NewReader(signed.UnsafePayloadWithoutVerification()))
	payload.UseNumber()
	var answer map[string]any
	err = payload.Decode(&answer)
	return answer, err
}

// flipSignature makes one bit of the signature wrong.
func flipSignature(jws []byte) ([]byte, error) {
	var flat map[string]string
	if err := json.Unmarshal(jws, &flat); err != nil {
		return nil, err
	}
	signature, err := base64.RawURLEncoding.DecodeString(flat["signature"])
	if err != nil {
		return nil, err
	}
	signature[len(signature)-1] ^= 1
	flat["signature"] = base64.RawURLEncoding.EncodeToString(signature)
	return json.Marshal(flat)
}
