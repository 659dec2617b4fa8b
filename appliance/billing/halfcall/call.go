package halfcall

import (
	"strings"
	"time"

	"causeway/appliance/billing/cache"
	"causeway/appliance/billing/packetcable"
	"causeway/appliance/model"
)

// call is what is known of an open call. Its strings are interned or stand in
// one piece of memory.
type call struct {
	key    model.CallKey
	number uint64           // of its CallOffered in the event journal
	id     packetcable.BCID // of its upstream half-call

	billed cache.Places      // by the instances at work when it was offered, unless the call was taken from them since
	filter model.CallBilling // what call admission control says, of the branch that counts
	begun  [sides]bool       // the half-call's Signaling_Start was made

	offered, routed, answered time.Time // zero: not yet
	disconnected              time.Time // when somebody hung up
	rang                      bool      // the callee was alerted
	cause                     terminationCause
	hungUp                    model.EndCause // of the disconnect

	ends [sides]endpoint // the neighbours: source and destination

	callID    string
	caller    string // URI of From
	dialled   string // Request-URI as it came
	calling   string // telephone numbers: the caller's,
	called    string // the dialled one,
	routing   string // and the one the call was sent on with, if that is another
	offer     []flow // a session description that waits for its answer,
	offerer   uint8  // and the side that it is of
	streams   []stream
	reserved  time.Time // the first QoS_Reserve
	committed time.Time // the first QoS_Commit
}

// newCall takes the caller's side from a CallOffered.
func (m *Manager) newCall(number uint64, e *model.CallEvent) *call {
	c := &call{key: e.Key, number: number, offered: e.Time}
	c.id = packetcable.NewBCID(e.Time.In(m.settings.Zone), m.element, uint32(number<<1))
	c.billed = m.settings.Bills
	c.ends[upstream] = m.endpointOf(e)
	caller := addressOf(e.From)
	pieces := [...][]byte{e.CallID, caller, e.RequestURI, numberOf(caller), numberOf(e.RequestURI)}
	into := [...]*string{&c.callID, &c.caller, &c.dialled, &c.calling, &c.called}
	var all strings.Builder
	size := 0
	for _, piece := range pieces {
		size += len(piece)
	}
	all.Grow(size)
	for _, piece := range pieces {
		all.Write(piece)
	}
	rest := all.String()
	for i, piece := range pieces {
		*into[i], rest = rest[:len(piece)], rest[len(piece):]
	}
	if m.settings.MediaInfo {
		c.offer = m.readSDP(e.SDP)
	}
	return c
}

// takeBranch takes the callee's side from a CallRouted, or from a CallAnswered
// which tells of it: the branch that answered.
func (m *Manager) takeBranch(c *call, e *model.CallEvent) {
	if c.routed.IsZero() {
		c.routed = e.Time
	}
	if len(e.Network) == 0 && len(e.Adjacency) == 0 {
		return // the answer came after a restart of the proxy: the branch is the last one known
	}
	c.ends[downstream] = m.endpointOf(e)
	c.filter = e.Billing
	c.routing = ""
	if number := string(numberOf(e.RequestURI)); number != c.called {
		c.routing = number
	}
}

// half is the BCID of one of the half-calls.
func (c *call) half(side int) packetcable.BCID {
	id := c.id
	id.Counter |= uint32(side)
	return id
}

// bills says by which instances the call is billed as things stand.
func (c *call) bills() cache.Places {
	b := c.billed
	if c.filter.Filtered && !c.filter.XML {
		b &^= XML
	}
	if c.filter.Filtered && !c.filter.PacketCable {
		b &^= PacketCable
	}
	return b
}
