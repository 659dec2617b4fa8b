package halfcall

import (
	"causeway/appliance/billing/packetcable"
	"causeway/appliance/model"
)

// steps are what each kind of event makes of an open call.
var steps = [...]func(*batch, *model.CallEvent){
	model.CallRefused:      (*batch).refused,
	model.CallRouted:       (*batch).routed,
	model.CallProvisional:  (*batch).provisional,
	model.CallAnswered:     (*batch).answered,
	model.CallMediaChanged: (*batch).mediaChanged,
	model.CallDisconnect:   (*batch).disconnected,
	model.CallEnded:        (*batch).ended,
}

// routed begins the half-calls. The upstream one waited for it: not before
// call admission control knows the destination does it say who bills the call.
func (b *batch) routed(e *model.CallEvent) {
	if !b.call.answered.IsZero() {
		return
	}
	b.m.takeBranch(b.call, e)
	b.start()
}

// provisional notes that the callee is alerted, and reserves early media.
func (b *batch) provisional(e *model.CallEvent) {
	c := b.call
	if !c.answered.IsZero() {
		return
	}
	c.rang = c.rang || e.Status >= 180 && e.Status < 190
	b.agreed(e.SDP)
}

// answered settles which branch counts, and with it who bills the call: a
// method that billed another branch and not this one closes what it began.
func (b *batch) answered(e *model.CallEvent) {
	c := b.call
	if !c.answered.IsZero() {
		return // of another branch, which the caller hangs up (RFC 3261 §13.2.2.4)
	}
	b.m.takeBranch(c, e)
	bills := c.bills()
	b.closeMessages(normalClearing, c.billed&^bills)
	if c.billed = bills; bills == 0 {
		return
	}
	b.start()
	late := len(c.offer) == 0 // the caller has made no offer: this is the callee's
	if !late {
		b.agreed(e.SDP)
	}
	c.answered, c.offer = e.Time, nil
	if late {
		b.waits(e.SDP, downstream)
	}
	b.callAnswer()
	b.commit()
}

// mediaChanged takes a re-INVITE or an UPDATE with its answer. A request
// without offer has one in its 2xx, whose answer is in the ACK (RFC 3261
// §13.2.1): then each comes by itself.
func (b *batch) mediaChanged(e *model.CallEvent) {
	c := b.call
	if !b.m.settings.MediaInfo || !c.disconnected.IsZero() {
		return
	}
	offerer := upstream
	if e.CalleeOffered {
		offerer = downstream
	}
	switch {
	case len(e.Offer) > 0:
		if b.agree(negotiate(b.m.readSDP(e.Offer), b.m.readSDP(e.SDP), offerer)); !c.answered.IsZero() {
			c.offer = nil
		}
	case len(c.offer) > 0 && int(c.offerer) == offerer:
		b.agreed(e.SDP)
		c.offer = nil
	default:
		b.waits(e.SDP, 1-offerer)
	}
}

// disconnected notes who hung up, and when.
func (b *batch) disconnected(e *model.CallEvent) {
	c := b.call
	if c.answered.IsZero() || !c.disconnected.IsZero() {
		return
	}
	c.disconnected, c.hungUp = e.Time, e.Cause
	c.cause = causeOf(e, true, c.rang)
	b.both(packetcable.CallDisconnect, packetcable.TerminationCause(uint32(c.cause)))
}

// refused ends a call that we did not let through.
func (b *batch) refused(e *model.CallEvent) {
	c := b.call
	if c.routed.IsZero() {
		if unbilledRules[string(e.Rule)] {
			return
		}
		c.filter = e.Billing
	}
	b.ended(e)
}

// ended closes the call.
func (b *batch) ended(e *model.CallEvent) {
	c := b.call
	if c.answered.IsZero() {
		c.cause, c.hungUp = causeOf(e, false, c.rang), e.Cause
		b.start()
	} else {
		b.disconnected(e) // unless that was seen already
	}
	b.stop(c.cause)
	if c.bills()&XML != 0 {
		b.record()
	}
}
