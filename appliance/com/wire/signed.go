package wire

import (
	"encoding/json"
	"time"
)

// Meta is the member "_m" of the parameters of a method, or the grant of a
// stream.
type Meta struct {
	Idem    string    `json:"idem"`  // UUID; a repeated call has the result of the first
	Expires time.Time `json:"exp"`   // at most LongestLife ahead
	Actor   string    `json:"actor"` // "anna@partner.example"
	// Signature is a JWS in compact form with detached payload (RFC 7515
	// appendix F); its kid is the name of a COMOperator, its payload Signed.
	Signature string `json:"sig,omitempty"`
}

// Signed is what an operator signs, as JSON in canonical form (RFC 8785).
type Signed struct {
	Audience string `json:"aud"` // the serial number of the box
	Session  string `json:"sid"`
	Method   string `json:"method"`
	Params   string `json:"sha256"` // of the parameters without Meta in canonical form, hexadecimal
	Idem     string `json:"idem"`
	Expires  int64  `json:"exp"` // Unix time
	Actor    string `json:"actor"`
}

// Split takes the Meta out of parameters. nil parameters are an empty object.
func Split(params json.RawMessage) (meta Meta, rest json.RawMessage, err error) {
	members := map[string]json.RawMessage{}
	if len(params) > 0 {
		if err := json.Unmarshal(params, &members); err != nil {
			return Meta{}, nil, err
		}
	}
	if members == nil { // they were null
		members = map[string]json.RawMessage{}
	}
	if raw, ok := members["_m"]; ok {
		if err := json.Unmarshal(raw, &meta); err != nil {
			return Meta{}, nil, err
		}
		delete(members, "_m")
	}
	rest, err = json.Marshal(members)
	return meta, rest, err
}
