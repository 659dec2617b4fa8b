package wire

import (
	"encoding/json"
	"time"
)

// Methods that COM answers.
const (
	MethodHello          = "hello"           // Hello → Welcome; the first call
	MethodHeartbeat      = "hb"              // Heartbeat, a notification
	MethodLicenseRequest = "license.request" // LicenseRequest → License
	MethodLicenseCheck   = "license.check"   // → License
	MethodEnroll         = "enroll"          // Enroll → Enrolled
	MethodAlarmPush      = "alarm.push"      // Push → Acknowledged
)

// Notifications and calls of COM that no switch governs.
const (
	MethodLicenseChanged = "license.changed" // a notification: ask again
	MethodGoAway         = "goaway"          // GoAway, a notification
	MethodLineEcho       = "line.echo"       // COM answers with what came, an Echo: the test of the line, on an operator's command
	MethodLineSink       = "line.sink"       // COM answers with nothing: likewise
)

// Hello is who the box is.
type Hello struct {
	Versions []int     `json:"v"`
	Features []string  `json:"features"` // of this version
	Nonce    []byte    `json:"sid_nonce"`
	Serial   string    `json:"sn"`
	Customer string    `json:"ci"`
	HostName string    `json:"host_name"`
	Firmware string    `json:"fw"`
	Model    string    `json:"model"` // of the box, "CAUSEWAY x86_64"
	Boot     string    `json:"boot_id"`
	Revision int       `json:"rev"`        // of its configuration
	Alarms   uint64    `json:"alarms_seq"` // the newest entry of its outbox
	Services []string  `json:"services"`   // that are switched on
	Time     time.Time `json:"time"`
}

// Welcome is COM's answer.
type Welcome struct {
	Version   int       `json:"v"`
	Features  []string  `json:"features"`
	Nonce     []byte    `json:"sid_nonce"`
	Heartbeat int       `json:"hb_interval"` // seconds
	Time      time.Time `json:"time"`
	// Pending says that nobody has approved the box yet; it stays connected.
	Pending bool `json:"pending"`
	// Enroll asks the box for a certificate request.
	Enroll bool `json:"enroll"`
}

// Heartbeat is at most LongestBeat octets long.
type Heartbeat struct {
	Sequence uint64  `json:"seq"` // of the session, from 1
	Uptime   int64   `json:"up"`  // seconds
	CPS      float64 `json:"cps"`
	Limit    int     `json:"limit"` // calls per second; 0: none
	Calls    int64   `json:"calls"` // open ones
	State    uint32  `json:"state"`
}

// Bits of Heartbeat.State.
const (
	StateProxyUp   = 1 << iota // the proxy answers
	StateCalls                 // calls may be set up
	StateBillingUp             // billing answers, or there is none
	StateAlarms                // there is a critical or major alarm
	StateSupport               // support access is open
)

// What a subscription is for.
const (
	FeatureCalls      = "calls"             // Count calls per second
	FeatureManagement = "remote-management" // the services that have a switch
)

// LicenseRequest asks for subscriptions.
type LicenseRequest struct {
	Wanted []Wanted `json:"wanted"`
}

// Wanted is one of them.
type Wanted struct {
	Feature string `json:"feature"`
	Count   int    `json:"count"`
}

// License is the answer to a request, and to a check.
type License struct {
	// Pending: nobody has approved the box yet, there are no subscriptions.
	Pending       bool           `json:"pending"`
	Subscriptions []Subscription `json:"subscriptions"`
	Time          time.Time      `json:"time"`
}

// Subscription is what the customer has for this box.
type Subscription struct {
	Feature string    `json:"feature"`
	Count   int       `json:"count"`
	Expires time.Time `json:"expires"` // zero: when it is cancelled
}

// Enroll brings a certificate request (PKCS #10, DER).
type Enroll struct {
	Request []byte `json:"csr"`
}

// Enrolled is the certificate, with those between it and its authority, as PEM.
type Enrolled struct {
	Certificates string `json:"certificates"`
}

// Push brings entries of the outbox, oldest first.
type Push struct {
	Entries []Entry `json:"entries"`
}

// The classes of entries.
const (
	ClassInformational = "informational"
	ClassAlarm         = "alarm"
	ClassLicence       = "licence"
	ClassGap           = "gap" // Missed entries could not be kept
)

// Entry is one of the outbox.
type Entry struct {
	Sequence uint64          `json:"seq"` // of the box; each is given once
	Time     time.Time       `json:"time"`
	Class    string          `json:"class"`
	Kind     string          `json:"kind"`             // "alarm", "commit", "boot" …
	Key      string          `json:"key,omitempty"`    // what a later one takes the place of
	Missed   uint64          `json:"missed,omitempty"` // of a gap
	Body     json.RawMessage `json:"body,omitempty"`   // of an alarm: model.AlarmEvent
}

// Acknowledged says that COM has all entries up to a number.
type Acknowledged struct {
	Upto uint64 `json:"upto"`
}

// Echo is what the line is tested with.
type Echo struct {
	Data string `json:"data"`
}

// GoAway asks the box to come back later, perhaps to another gateway.
type GoAway struct {
	ReconnectAfter int    `json:"reconnect_after"` // seconds
	Reason         string `json:"reason,omitempty"`
}
