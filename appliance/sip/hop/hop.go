// Package hop is what crosses between the SIP core, routing and admission
// about one message: where it came in, where it may go next, who says no and
// how that went. It decides nothing.
package hop

import (
	"net/netip"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/sip/message"
)

// Incoming is the message in hand and where it came in. It belongs to the
// worker that received it and is used again for the next one: whoever wants to
// keep anything of it copies that.
type Incoming struct {
	Message   *message.Message
	URI       message.URI      // the Request-URI; zero in a response
	Network   string           // SIP network
	Adjacency *model.Adjacency // the caller's; never nil for a request outside dialogs
	Transport model.Transport
	Local     netip.AddrPort // the listen point
	Remote    netip.AddrPort // who sent the packet
	MidDialog bool           // a request within a dialog, or the response to one
}

// Target is one next hop for a request. Strings and slices belong to the
// routing plan and never change.
type Target struct {
	Network   string // SIP network it leaves by
	Adjacency *model.Adjacency
	Query     // where it is, when Address is invalid
	Address   netip.AddrPort
	// URI is the new Request-URI; nil leaves the old one.
	URI []byte
	// Parallel says that this one is tried at the same time as the one before.
	Parallel bool
	// Failover are the final responses that lead to the next target; nil: 503.
	Failover []model.CodeRange
	// Element is told how it went; nil where nobody wants to know.
	Element Element
}

// Query asks where a host is (RFC 3263 §4).
type Query struct {
	Host      string // name, or address as text
	Port      uint16 // 0: none was named
	Transport model.Transport
	Fixed     bool // the transport was named; else DNS may choose
	Secure    bool // sips: only TLS will do
}

// Place is one answer: an address and the transport it speaks.
type Place struct {
	Transport model.Transport
	Address   netip.AddrPort
}

// Decision is where a request outside dialogs goes: to the Targets in their
// order, or nowhere. Its owner uses it again; Targets keeps its capacity.
type Decision struct {
	Targets []Target
	Refusal Refusal
}

// Refusal is why a request goes nowhere. The zero value is no refusal.
type Refusal struct {
	Status     int    // 300–699; 0: not refused
	Reason     string // phrase; empty: the standard one
	Rule       string // what refused it: model.RuleCPS, "route table t", "cac entry 1/t1/3 max-num-calls"
	RetryAfter int    // seconds; 0: none
	Contact    string // of a 3xx: the URI
}

// Element is a server of a group, or whoever else wants to know how requests
// to a target went. All methods are called by many threads.
type Element interface {
	// Up says whether a request may be sent there.
	Up() bool
	// InService says whether a new call may go there at all: an operator has not
	// shut it down.
	InService() bool
	// Report tells how a request went. retryAfter is that of a 503, or 0.
	Report(o Outcome, retryAfter time.Duration)
}

// Outcome is how a request to an element went.
type Outcome uint8

// The outcomes.
const (
	Answered    Outcome = iota // a response came that is no reason to fail over
	Failed                     // a response that is
	TimedOut                   // none came
	Unreachable                // ICMP error, or no connection
)

// Seat is a call's place among those that call admission control counts.
type Seat interface {
	// Leave gives it back, once.
	Leave()
	// Billing is by which methods the call is to be billed.
	Billing() model.CallBilling
}

// Failure is a call that did not come about, for the failed-calls log.
type Failure struct {
	In      *Incoming // the INVITE; its header is whole, its body may be gone
	Out     *Target   // the last target tried; nil: none was
	Refusal           // what the caller was told, and by which rule; Rule is empty where the callee refused
	Began   time.Time
}
