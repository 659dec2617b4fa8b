package halfcall

import (
	"causeway/appliance/billing/cache"
	"causeway/appliance/billing/packetcable"
	"causeway/appliance/billing/xmlcdr"
	"causeway/appliance/model"
)

// releasedBy says who ended a call. Causes that are not here leave it open.
var releasedBy = map[model.EndCause]xmlcdr.ReleaseSide{
	model.EndCallerHungUp: xmlcdr.ReleasedByOrig,
	model.EndCancelled:    xmlcdr.ReleasedByOrig,
	model.EndCalleeHungUp: xmlcdr.ReleasedByTerm,
	model.EndFailed:       xmlcdr.ReleasedByTerm,
	model.EndTimer:        xmlcdr.ReleasedByNeither,
	model.EndRule:         xmlcdr.ReleasedByNeither,
}

// mediaNames and directionNames are the words of XML records.
var (
	mediaNames = [...]string{packetcable.Audio: "audio", packetcable.Video: "video", packetcable.Fax: "fax", packetcable.Other: "other"}

	directionNames = [...]string{packetcable.Inactive: "inactive", packetcable.SendOnly: "sendonly",
		packetcable.ReceiveOnly: "recvonly", packetcable.SendReceive: "sendrecv"}
)

// record adds the XML record of a call that has ended.
func (b *batch) record() {
	c := b.call
	r := c.describe()
	r.End, r.FirstEndRequest = b.at, b.at
	if !c.answered.IsZero() {
		r.FirstEndRequest, r.Disconnect = c.disconnected, c.disconnected
	}
	r.Reason, r.ReleasedBy, r.Media.Released = uint32(c.cause), releasedBy[c.hungUp], b.at
	b.appendRecord(&r)
}

// deactivated adds the XML record of a call that goes on without billing.
func (b *batch) deactivated() {
	c := b.call
	if c.bills()&XML != 0 {
		r := c.describe()
		r.FirstEndRequest, r.Disconnect, r.Reason = c.disconnected, c.disconnected, uint32(c.cause)
		r.Deactivation = b.at
		b.appendRecord(&r)
	}
	c.billed &^= XML
}

func (b *batch) appendRecord(r *xmlcdr.Call) {
	b.payload = r.AppendTo(b.payload)
	b.add(cache.CDR, XML)
}

// describe is what an XML record says of the call but for its end.
func (c *call) describe() xmlcdr.Call {
	r := xmlcdr.Call{Start: c.offered, Connect: c.answered, BCID: c.id.AppendTo(nil), CallID: c.callID}
	r.Parties[xmlcdr.Orig] = xmlcdr.Party{Phone: c.calling, URI: c.caller, Domain: hostOf(c.caller)}
	r.Parties[xmlcdr.Term] = xmlcdr.Party{Phone: c.called, URI: c.dialled, Domain: hostOf(c.dialled)}
	for side, end := range c.ends {
		r.Neighbours[side] = xmlcdr.Neighbour{Name: end.adjacency, Account: end.account, Transport: end.transport, Address: end.peer}
	}
	r.Media.Reserved, r.Media.Committed = c.reserved, c.committed
	for i := range c.streams {
		s := &c.streams[i]
		if !s.used() {
			continue
		}
		described := xmlcdr.Stream{ID: i + 1, Kind: mediaNames[s.kind], Codec: s.codec, Rate: s.rate}
		for side := range sides {
			media := s.describe(side, i)
			described.Flows[side] = xmlcdr.Flow{Direction: directionNames[media.Direction], Local: media.Local, Remote: media.Remote}
		}
		r.Media.Streams = append(r.Media.Streams, described)
	}
	return r
}
