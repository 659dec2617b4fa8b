package halfcall

import "causeway/appliance/billing/packetcable"

// waits notes an offer of a side that waits for its answer.
func (b *batch) waits(offer []byte, side int) {
	b.call.offer, b.call.offerer = nil, uint8(side)
	if b.m.settings.MediaInfo {
		b.call.offer = b.m.readSDP(offer)
	}
}

// agreed takes the answer to the offer that waits.
func (b *batch) agreed(answer []byte) {
	if len(b.call.offer) > 0 && len(answer) > 0 && b.m.settings.MediaInfo {
		b.agree(negotiate(b.call.offer, b.m.readSDP(answer), int(b.call.offerer)))
	}
}

// agree takes new streams for the old ones and tells of the difference.
// Before the answer streams are reserved. After it those that are new or
// changed are committed: QoS_Reserve has its place before Call_Answer.
func (b *batch) agree(streams []stream) {
	c := b.call
	old := c.streams
	c.streams = streams
	for i := range max(len(old), len(streams)) {
		var was, is stream
		if i < len(old) {
			was = old[i]
		}
		if i < len(streams) {
			is = streams[i]
		}
		switch {
		case is.used() && is.same(was):
			c.streams[i].told = was.told
		case is.used():
			b.tell(i)
		case was.used():
			b.release(i, &was)
		}
	}
}

// commit tells of all streams that are not committed yet.
func (b *batch) commit() {
	for i := range b.call.streams {
		if s := &b.call.streams[i]; s.used() && s.told != streamCommitted {
			b.tell(i)
		}
	}
}

// tell adds QoS_Reserve of a stream, or QoS_Commit once the call is answered.
// A remote end behind NAT has a zero address in QoS_Commit (seed 003).
func (b *batch) tell(index int) {
	c := b.call
	s := &c.streams[index]
	t, state, since := packetcable.QoSReserve, packetcable.Reserved, &c.reserved
	s.told = streamReserved
	if !c.answered.IsZero() {
		t, state, since = packetcable.QoSCommit, packetcable.ReservedActivated, &c.committed
		s.told = streamCommitted
	}
	if since.IsZero() {
		*since = b.at
	}
	for side := range sides {
		attributes := append(make([]packetcable.Attribute, 0, 4),
			packetcable.QoS(state, s.rate, 0), packetcable.SFID(uint32(index+1)), flowDirection(side))
		if t == packetcable.QoSCommit {
			media := s.describe(side, index)
			if behindNAT(media.Remote.Addr(), c.ends[side].peer.Addr()) {
				media.Remote = unknownAddress
			}
			attributes = append(attributes, media.Attribute(b.m.settings.Vendor))
		}
		b.message(t, side, attributes...)
	}
}

// release adds QoS_Release of a stream, with what was last said of it: no media
// pass through the box, so nothing better was learned, and nothing was counted.
func (b *batch) release(index int, s *stream) {
	for side := range sides {
		media := s.describe(side, index)
		b.message(packetcable.QoSRelease, side,
			packetcable.SFID(uint32(index+1)), flowDirection(side), media.Attribute(b.m.settings.Vendor))
	}
}

// flowDirection is the Flow_Direction of all streams of a half-call: the
// direction of its own.
func flowDirection(side int) packetcable.Attribute {
	return packetcable.Small(packetcable.TypeFlowDirection, uint16(packetcable.Upstream+side))
}
