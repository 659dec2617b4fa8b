package halfcall

import (
	"time"

	"causeway/appliance/billing/cache"
	"causeway/appliance/billing/packetcable"
	"causeway/appliance/model"
)

// batch is the records of one event while they are made.
type batch struct {
	m       *Manager
	call    *call
	number  uint64             // of the event; 0: none
	at      time.Time          // of the event, in the element's zone
	header  packetcable.Header // of the last message: those of one time differ in little
	headed  time.Time          // that time
	to      cache.Places       // whom its event messages go to
	records []cache.Record     // without their payloads
	ends    []int              // of each record in payload
	payload []byte
}

// begin empties the batch for an event of a call.
func (m *Manager) begin(c *call, number uint64, at time.Time) *batch {
	b := &m.batch
	*b = batch{m: m, call: c, number: number, at: at.In(m.settings.Zone), to: c.billed & PacketCable,
		records: b.records[:0], ends: b.ends[:0], payload: b.payload[:0]}
	return b
}

// flush emits the records.
func (b *batch) flush(emit Emit) {
	payload, start := append([]byte(nil), b.payload...), 0
	for i, end := range b.ends {
		r := b.records[i]
		r.Source = cache.Source{Event: b.number, Index: uint16(i), Last: i == len(b.ends)-1}
		r.Payload = payload[start:end:end]
		emit(r)
		start = end
	}
}

// add notes what was appended to the payload as a record.
func (b *batch) add(kind cache.Kind, to cache.Places) {
	b.records = append(b.records, cache.Record{Kind: kind, To: to, Call: b.call.key})
	b.ends = append(b.ends, len(b.payload))
}

// append adds an event message.
func (b *batch) append(t packetcable.MessageType, id packetcable.BCID, at time.Time, attributes ...packetcable.Attribute) {
	if !at.Equal(b.headed) {
		b.header, b.headed = packetcable.NewHeader(t, id, b.m.element, 0, at), at
	}
	b.header.Type, b.header.BCID, b.header.Sequence = t, id, b.m.settings.NextSequence()
	message := packetcable.Message{Header: b.header, Attributes: attributes}
	b.payload = message.AppendTo(b.payload)
	b.add(cache.EM, b.to)
}

// message adds an event message of a half-call, if that has begun.
func (b *batch) message(t packetcable.MessageType, side int, attributes ...packetcable.Attribute) {
	if b.call.begun[side] {
		b.append(t, b.call.half(side), b.at, attributes...)
	}
}

// both adds the same event message of both half-calls.
func (b *batch) both(t packetcable.MessageType, attributes ...packetcable.Attribute) {
	for side := range sides {
		b.message(t, side, attributes...)
	}
}

// start adds the Signaling_Starts that are due, with the times at which the
// call was offered and sent on. The destination is not named before the
// answer: it may be another one by then.
func (b *batch) start() {
	c := b.call
	if c.bills()&PacketCable == 0 {
		return
	}
	source := unnamed
	if info := b.m.settings.EndpointInfo; info != model.EndpointNone {
		source = c.ends[upstream].name(info)
	}
	times := [sides]time.Time{c.offered, c.routed}
	names := [sides]string{source, unnamed}
	begins := false
	for side, at := range times {
		if c.begun[side] || at.IsZero() {
			continue
		}
		attributes := append(make([]packetcable.Attribute, 0, 5),
			packetcable.Small(packetcable.TypeDirection, uint16(packetcable.Originating+side)),
			packetcable.Endpoint(names[side]),
			packetcable.Number(packetcable.TypeCallingNumber, c.calling),
			packetcable.Number(packetcable.TypeCalledNumber, c.called))
		switch {
		case side == upstream && c.ends[upstream].account != "":
			attributes = append(attributes, packetcable.Account(c.ends[upstream].account))
		case side == downstream && c.routing != "":
			attributes = append(attributes, packetcable.Number(packetcable.TypeRoutingNumber, c.routing))
		}
		b.append(packetcable.SignalingStart, c.half(side), at.In(b.m.settings.Zone), attributes...)
		c.begun[side], begins = true, true
	}
	for i := range c.streams {
		if begins && c.streams[i].used() { // agreed on with a branch that was not billed
			b.tell(i)
		}
	}
}

// callAnswer adds Call_Answer; the downstream one names the destination.
func (b *batch) callAnswer() {
	for side := range sides {
		attributes := append(make([]packetcable.Attribute, 0, 3),
			packetcable.Number(packetcable.TypeChargeNumber, b.call.calling),
			packetcable.RelatedBCID(b.call.half(1-side)))
		if side == downstream {
			attributes = b.appendEndpoint(attributes, side)
		}
		b.message(packetcable.CallAnswer, side, attributes...)
	}
}

// appendEndpoint names the neighbour on a side, with "cdr endpoint-info".
func (b *batch) appendEndpoint(attributes []packetcable.Attribute, side int) []packetcable.Attribute {
	if info := b.m.settings.EndpointInfo; info != model.EndpointNone {
		return append(attributes, packetcable.Endpoint(b.call.ends[side].name(info)))
	}
	return attributes
}

// stop adds what ends both half-calls, after Call_Disconnect. Of a call that was
// not answered there is none: then Signaling_Stop has the cause.
func (b *batch) stop(cause terminationCause) {
	c := b.call
	for i := range c.streams {
		if c.streams[i].told != streamUnused {
			b.release(i, &c.streams[i])
		}
	}
	for side := range sides {
		attributes := make([]packetcable.Attribute, 0, 3)
		if c.begun[1-side] {
			attributes = append(attributes, packetcable.RelatedBCID(c.half(1-side)))
		}
		if c.answered.IsZero() {
			attributes = append(attributes, packetcable.TerminationCause(uint32(cause)))
		}
		b.message(packetcable.SignalingStop, side, b.appendEndpoint(attributes, side)...)
	}
}

// closeMessages ends the event messages to these instances, of a call that goes
// on without them.
func (b *batch) closeMessages(cause terminationCause, instances cache.Places) {
	c := b.call
	if b.to = c.billed & instances & PacketCable; b.to == 0 {
		b.to = c.billed & PacketCable
		return
	}
	if !c.answered.IsZero() && c.disconnected.IsZero() {
		b.both(packetcable.CallDisconnect, packetcable.TerminationCause(uint32(cause)))
	}
	b.stop(cause)
	c.billed &^= b.to
	if b.to = c.billed & PacketCable; b.to == 0 {
		c.begun = [sides]bool{}
	}
}
