package bus

import (
	"encoding/json"
	"time"

	"causeway/appliance/com/wire"
)

// What gateways ask the registry.
const (
	SubjectArrive  = "com.arrive"  // Arrival → Verdict
	SubjectLicense = "com.license" // License → wire.License
	SubjectEnroll  = "com.enroll"  // Enroll → wire.Enrolled
	SubjectPush    = "com.push"    // Push → wire.Acknowledged
	SubjectStates  = "com.states"  // []store.State
)

// What everybody asks gateways.
const (
	VerbCall   = "call"   // Call → json.RawMessage
	VerbTell   = "tell"   // Call, a notification
	VerbLink   = "link"   // a serial number → store.State
	VerbDrop   = "drop"   // Drop: end the link, after a goaway
	VerbStream = "stream" // Stream; in a stream
)

// Subject is that of a verb of one gateway.
func Subject(gateway, verb string) string { return "com.gateway." + gateway + "." + verb }

// How a box has shown who it is.
const (
	ByCOM     = "com"     // with a certificate of COM
	ByLicence = "licence" // with one of the licence server
	ByItself  = "itself"  // with one that it has signed itself
)

// Identity is who a certificate says that a box is.
type Identity struct {
	By          string    `json:"by"`
	Serial      string    `json:"serial"`      // of the box
	Key         string    `json:"key"`         // SHA-256 of the public key, hexadecimal
	Certificate string    `json:"certificate"` // its serial number, hexadecimal
	Ends        time.Time `json:"ends"`        // of its validity
}

// Arrival is a box that says hello.
type Arrival struct {
	Identity Identity   `json:"identity"`
	Hello    wire.Hello `json:"hello"`
}

// Verdict is what becomes of it. One that is not let in gets an Error.
type Verdict struct {
	Pending bool `json:"pending"`
	Enroll  bool `json:"enroll"`
}

// License is a box that asks for subscriptions, or which it has.
type License struct {
	Serial string        `json:"serial"`
	Wanted []wire.Wanted `json:"wanted,omitempty"`
}

// Enroll is a box with its certificate request.
type Enroll struct {
	Serial  string `json:"serial"`
	Request []byte `json:"request"`
}

// Push is a box with entries of its outbox.
type Push struct {
	Serial  string       `json:"serial"`
	Entries []wire.Entry `json:"entries"`
}

// Call is something for a box to do, as it goes over the link.
type Call struct {
	Serial string          `json:"serial"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params,omitempty"`
}

// Drop ends the link of a box.
type Drop struct {
	Serial string      `json:"serial"`
	GoAway wire.GoAway `json:"goaway"`
}

// Stream is one to open to a box. The stream begins with the box's Answer.
type Stream struct {
	Serial string      `json:"serial"`
	Header wire.Header `json:"header"`
}
