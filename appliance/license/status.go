package license

import (
	"time"

	"causeway/appliance/model"
)

// Status is the answer of control.license.status: all that show commands show.
// Times are of the trusted clock; the zero time means never or unknown.
type Status struct {
	State     State     `json:"state"`
	Profile   string    `json:"profile"`
	Requested int       `json:"requested"` // licences
	Listening bool      `json:"listening"` // notification listen mode (L-23)
	Now       time.Time `json:"now"`

	Source     string          `json:"source"`     // what governs calls: model.SourceSmart …
	Calls      bool            `json:"calls"`      // may be set up
	LimitCPS   int             `json:"limit_cps"`  // calls per second
	Licensed   model.Allowance `json:"licensed"`   // what this agent allows
	Subscribed model.Allowance `json:"subscribed"` // what COM allows

	PID             string `json:"pid"`
	Serial          string `json:"serial"`
	SoftwareTag     string `json:"software_tag"`
	EntitlementTag  string `json:"entitlement_tag"`
	EntitlementName string `json:"entitlement_name"`
	Version         string `json:"version"` // of the entitlement
	Agent           string `json:"agent"`   // version of the agent

	URL          string `json:"url"`
	Offline      bool   `json:"offline"`
	Proxy        string `json:"proxy"`     // "host:port"; empty: none
	HostName     bool   `json:"host_name"` // is sent
	SendsVersion bool   `json:"sends_version"`
	Roots        int    `json:"roots"` // authorities that the server's signature may lead to

	Evaluation    Evaluation    `json:"evaluation"`
	Registration  Registration  `json:"registration"`
	Authorization Authorization `json:"authorization"`

	Failure        string           `json:"failure"`         // the latest; empty: none since the last success
	Tampered       string           `json:"tampered"`        // what is wrong with the clock or the stored state; empty: nothing
	Exchanges      []Exchange       `json:"exchanges"`       // the last ones, oldest first
	Counters       map[string]int64 `json:"counters"`        // requests, answers and refusals since the start, by kind
	SigningSerials []string         `json:"signing_serials"` // of the signing certificates that are known
}

// Evaluation is the clock of 90 days that the box consumes while it runs
// unlicensed (L-6).
type Evaluation struct {
	Running  bool          `json:"running"`
	Consumed time.Duration `json:"consumed"`
	Left     time.Duration `json:"left"`
}

// Registration is who the box is to the server.
type Registration struct {
	Registered     bool      `json:"registered"`
	Instance       string    `json:"instance"`
	SmartAccount   string    `json:"smart_account"`
	VirtualAccount string    `json:"virtual_account"`
	Initial        time.Time `json:"initial"`
	LastAttempt    time.Time `json:"last_attempt"` // of the registration or its renewal
	LastFailed     bool      `json:"last_failed"`
	NextAttempt    time.Time `json:"next_attempt"`
	Expires        time.Time `json:"expires"`
	IDSerial       string    `json:"id_serial"`
	SigningSerial  string    `json:"signing_serial"` // of the certificate that verified the last answer
	KeyInTPM       bool      `json:"key_in_tpm"`
}

// Authorization is the answer to the last Mother May I.
type Authorization struct {
	Compliance  string    `json:"compliance"` // ela.InCompliance, …; empty: never authorised
	Since       time.Time `json:"since"`      // of the state
	Start       time.Time `json:"start"`      // start_date
	Deadline    time.Time `json:"deadline"`   // start_date + 90 days
	LastAttempt time.Time `json:"last_attempt"`
	LastFailed  bool      `json:"last_failed"`
	NextAttempt time.Time `json:"next_attempt"`
	Count       int       `json:"count"`     // licences that were answered for
	DaysLeft    int       `json:"days_left"` // L-63
	Failures    int       `json:"failures"`  // in a row
}

// Exchange is one request and what became of it, or several that failed alike.
type Exchange struct {
	Time   time.Time `json:"time"`   // of the last
	Kind   string    `json:"kind"`   // "register", "authorize", "renew-id", "deregister"
	Result string    `json:"result"` // "ok", or why not
	Times  int       `json:"times"`  // that this failed so in a row
	Since  time.Time `json:"since"`  // of the first of these
}
