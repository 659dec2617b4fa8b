package model

import "time"

// RADIUSClientStatus is how a RADIUS accounting client stands.
type RADIUSClientStatus struct {
	Name     string               `json:"name"`
	Up       bool                 `json:"up"`        // the transport: a server answers, or may
	UnderWay int                  `json:"under_way"` // requests that wait for an answer
	Servers  []RADIUSServerStatus `json:"servers"`   // in the order in which they take over
}

// RADIUSServerStatus is how one server of a client stands. The counters are
// those of RADIUS-ACC-CLIENT-MIB (RFC 4670), since the client was activated;
// Status-Server requests and their answers are not among them.
type RADIUSServerStatus struct {
	Name     string `json:"name"`
	Address  string `json:"address"` // "192.0.2.1:1813"
	Priority int    `json:"priority"`
	TLS      bool   `json:"tls"`
	Up       bool   `json:"up"`
	Current  bool   `json:"current"` // asked first
	Problem  string `json:"problem"` // the last fault since it acknowledged a record; empty: none

	RoundTripTime     time.Duration `json:"round_trip_time"` // of the last answer, from the last try
	Requests          int64         `json:"requests"`        // without retransmissions
	Retransmissions   int64         `json:"retransmissions"`
	Responses         int64         `json:"responses"` // all packets that came from the server
	MalformedAnswers  int64         `json:"malformed_answers"`
	BadAuthenticators int64         `json:"bad_authenticators"`
	Pending           int64         `json:"pending"`
	Timeouts          int64         `json:"timeouts"`
	UnknownTypes      int64         `json:"unknown_types"`
	Dropped           int64         `json:"dropped"` // late answers and second ones
}
