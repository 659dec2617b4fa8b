package com

import (
	"time"

	"causeway/appliance/com/line"
	"causeway/appliance/model"
)

// State is how the link stands.
type State string

// The states. Between two tries the link is Waiting.
const (
	Unset     State = "not set up"     // no customer ID, or no server
	Off       State = "shut down"      // by com shutdown
	Secondary State = "secondary"      // the primary of the solution has the link (COM-4)
	Clockless State = "waits for time" // the clock is not synchronised (COM-20)
	Untrusted State = "trusts nobody"  // there is no authority to know COM by
	Waiting   State = "waits to dial"  // until Status.Next
	Dialling  State = "dials"          // a try is under way
	Pending   State = "pending"        // connected; nobody has approved the box yet
	Connected State = "connected"      // as it should be
)

// Up says whether there is a session.
func (s State) Up() bool { return s == Pending || s == Connected }

// Status is the answer of control.com.status: how the link stands. Times are
// those of the box's clock; zero: never, or not known.
type Status struct {
	State    State     `json:"state"`
	Since    time.Time `json:"since"` // of State; of the session, if there is one
	Serial   string    `json:"serial"`
	Customer string    `json:"customer"`
	Server   string    `json:"server"`   // name of the subscription server
	Proxy    string    `json:"proxy"`    // "host:port"; empty: none
	Address  string    `json:"address"`  // "192.0.2.1:8443": of the session, or of the last try
	Identity string    `json:"identity"` // what certificate the box shows: "license", "com", "com, self-signed"
	Trusts   string    `json:"trusts"`   // what COM is known by: "authorities of com", "authority of the image"; empty: nothing

	// Of the session, while there is one.
	Session   uint64        `json:"session"`  // its number since boot
	ID        string        `json:"id"`       // wire.Signed.Session
	TLS       string        `json:"tls"`      // "TLS 1.2, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
	Protocol  string        `json:"protocol"` // wire.Mux or wire.RPC
	Peer      string        `json:"peer"`     // subject of COM's certificate
	Heartbeat time.Duration `json:"heartbeat"`
	Beats     uint64        `json:"beats"` // sent

	// While there is none.
	Tries   int       `json:"tries"`   // since the last session
	Next    time.Time `json:"next"`    // try; zero: none is planned
	Suspect string    `json:"suspect"` // why COM is not who it should be; empty: it is, or was not reached yet
	Failure string    `json:"failure"` // why the last session or try ended; empty: there was none, or it is over
	Refused string    `json:"refused"` // why COM does not want this box; empty: it does, or was not reached yet

	Line     line.Status      `json:"line"`
	Counters map[string]int64 `json:"counters"` // since the start of control: "sessions", "refused" …
}

// RedialRequest asks control.com.redial to end the session, if there is one, and
// to dial at once.
type RedialRequest struct {
	Operator model.Operator `json:"operator"`
}
