package model

import "errors"

// What a look-up in the DNS may fail with, told apart because they ask for
// different things: another way to the host, or another try later.
var (
	// ErrNoSuchName means that the name does not exist, or has no record of
	// the type asked for.
	ErrNoSuchName = errors.New("no such name")
	// ErrNoAnswer means that nobody can say whether it does.
	ErrNoAnswer = errors.New("no name server has an answer")
)

// The names of COM where the configuration gives none (NET-7, NET-8).
const (
	DefaultCOMDomain = "avaya-sub.com"
	DefaultFileStore = "storage.googleapis.com"
)

// SRV is one server of a service (RFC 2782).
type SRV struct {
	Priority uint16 // the lowest is tried first
	Weight   uint16 // its share among those of its priority
	Port     uint16
	Target   string // a host, without a dot at its end; empty: the domain does not offer the service
}

// NAPTR is one rule that rewrites a domain into the next thing to look up
// (RFC 3403 §4; RFC 3263 §4.1 says what SIP takes from it).
type NAPTR struct {
	Order       uint16 // lowest first; others only if none of this fits
	Preference  uint16 // lowest first among those of one order
	Flags       string // "s": Replacement has SRV records
	Service     string // "SIP+D2U", "SIPS+D2T"
	Regexp      string
	Replacement string // a name, without a dot at its end; empty: Regexp counts
}
