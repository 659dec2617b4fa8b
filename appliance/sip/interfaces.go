package sip

import (
	"net/netip"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

// Routing makes the plan of a configuration. An error refuses it.
type Routing interface {
	Plan(c *model.Config) (Plan, error)
}

// Plan says where messages go under one configuration. It never changes and is
// asked by many threads at once.
type Plan interface {
	// Adjacency gives the neighbour with that address; one named like the
	// network where none is configured.
	Adjacency(network string, t model.Transport, peer netip.Addr) *model.Adjacency
	// Route decides about a request outside dialogs. d comes empty.
	Route(in *hop.Incoming, d *hop.Decision)
	// Rewrites says whether Rewrite may change a message at that stage.
	Rewrites(stage model.TriggerKind) bool
	// Rewrite appends the message to b as the policies of the stage change it;
	// nil when they do not. out is nil before routing; after it, of a response
	// only the network that it leaves by.
	Rewrite(b []byte, stage model.TriggerKind, in *hop.Incoming, out *hop.Target) []byte
	// Use says that the plan is in force from now on.
	Use()
}

// Admission says who may call now. It is asked by many threads at once.
type Admission interface {
	// Ready says whether calls may be set up at all: whether an OPTIONS to
	// the box is answered 200.
	Ready() bool
	// Denied says of the sender of any message that it gets no answer.
	Denied(from netip.Addr) bool
	// Flooding counts a request outside dialogs; true has it dropped.
	Flooding(from netip.Addr) bool
	// Queue tells how full a socket's receive queue is, 0 to 1.
	Queue(fill float64)
	// Shed is asked for each new INVITE: true refuses it for overload.
	Shed() (refusal hop.Refusal, shed bool)
	// Emergency says whether a call is one that is let through all the same.
	Emergency(in *hop.Incoming) bool
	// Feedback is what neighbours that understand RFC 7339 are told: the
	// percentage of their requests to keep back, and the number of this advice.
	Feedback() (percent int, sequence uint64, ok bool)
	// Offer is asked once for each valid initial INVITE, retransmissions
	// excluded (CP-10).
	Offer(in *hop.Incoming) hop.Refusal
	// Place asks for room on both sides of a call. The seat is nil where
	// nobody counts.
	Place(in *hop.Incoming, out *hop.Target) (hop.Seat, hop.Refusal)
	// LogsFailures says whether Failed does anything.
	LogsFailures() bool
	// Failed tells of a call that did not come about.
	Failed(f *hop.Failure)
}

// Locator finds hosts (RFC 3263). It is asked by many threads at once and
// never blocks.
type Locator interface {
	// Locate appends the places of a host in the order to try them. known is
	// false when that must be asked for first: then Await.
	Locate(q hop.Query, to []hop.Place) (places []hop.Place, known bool)
	// Await calls done, on a goroutine of its own, when Locate will know.
	Await(q hop.Query, done func())
}

// Tracer sees every message.
type Tracer interface {
	On() bool
	// Trace copies what it keeps.
	Trace(sent bool, t model.Transport, local, remote netip.AddrPort, payload []byte)
}

// Ledger is the way of call events to the record keeper, with the room they
// take there in octets. Nothing that was reserved can fail to be written.
type Ledger interface {
	// Most is what an event of this kind takes at most.
	Most(kind model.CallEventKind) int64
	Reserve(octets int64) bool
	// Overdraw reserves without asking.
	Overdraw(octets int64)
	Release(octets int64)
	NewBatch() EventBatch
}

// EventBatch collects events until they are committed.
type EventBatch interface {
	// Append adds a copy of the event and gives the room it takes.
	Append(e *model.CallEvent) (octets int64)
	Empty() bool
}
