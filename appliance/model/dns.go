package model

import (
	"cmp"
	"errors"
	"slices"
)

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

// OrderSRV gives servers in the order to try them: by priority, and within one
// drawn by weight (RFC 2782, "Usage rules"). random gives a number from 0 to
// below n, such as rand.IntN.
func OrderSRV(servers []SRV, random func(n int) int) []SRV {
	order := slices.Clone(servers)
	// Those of weight 0 stand first, so that they have a small chance.
	slices.SortStableFunc(order, func(a, b SRV) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(min(a.Weight, 1), min(b.Weight, 1)))
	})
	for i := range order {
		sum := 0
		for _, server := range order[i:] {
			if server.Priority == order[i].Priority {
				sum += int(server.Weight)
			}
		}
		drawn, left := i, random(sum+1)
		for left -= int(order[drawn].Weight); left > 0; left -= int(order[drawn].Weight) {
			drawn++
		}
		server := order[drawn]
		order = slices.Insert(slices.Delete(order, drawn, drawn+1), i, server)
	}
	return order
}
