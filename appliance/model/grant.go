package model

import "time"

// Grant is what the licence allows the proxy, now and from one moment on
// (control → proxy). It stands until its end without control: the proxy
// applies Then by itself when ChangesAt comes.
type Grant struct {
	Generation uint64    `json:"generation"` // grows with every grant; an older one never replaces a newer
	Now        Allowance `json:"now"`
	// ChangesAt is the time on CLOCK_BOOTTIME (time since power-on) at which
	// Then replaces Now; zero means never.
	ChangesAt time.Duration `json:"changes_at"`
	Then      Allowance     `json:"then"`
}

// Allowance says whether calls may be set up and how many a second.
type Allowance struct {
	Calls    bool `json:"calls"`
	LimitCPS int  `json:"limit_cps"` // calls per second; 0 means no limit
}

// At gives the allowance in force at the given CLOCK_BOOTTIME.
func (g *Grant) At(boottime time.Duration) Allowance {
	if g.ChangesAt != 0 && boottime >= g.ChangesAt {
		return g.Then
	}
	return g.Now
}

// Rules that refuse a call, as they stand in events and counters.
const (
	RuleLicence  = "licence"         // the grant allows no calls, or there is none
	RuleCPS      = "cps"             // more calls a second than the grant allows
	RuleCallRate = "call-rate-limit" // more calls a second than the operator allows
	RuleOverload = "overload"        // the box sheds calls
	RuleDrain    = "drain"           // the box is about to restart
	// RuleTransactions: more requests at the same time than there is memory for.
	RuleTransactions = "transactions"
	RuleCredits      = "billing-credits" // no room for the call's events on the way to the record keeper
)
