package admission

import (
	"testing"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

func TestDrain(t *testing.T) {
	now := time.Hour
	g := gateAt(t, &now, 0, &model.Config{})
	call := func(uri string) hop.Refusal { return g.Offer(invite(t, uri, anyAdjacency)) }
	const bob, help = "sip:bob@example.com", "urn:service:sos"
	g.Drain()
	now += drainLease - 1
	if r := call(bob); r.Status != 503 || r.RetryAfter != drainRetry || r.Rule != model.RuleDrain || g.Ready() {
		t.Errorf("a call while the box drains is refused with %+v, ready %v; want 503 and Retry-After, and no 200 to OPTIONS", r, g.Ready())
	}
	if r := call(help); r.Status != 0 {
		t.Errorf("an emergency call while the box drains is refused with %+v; want it let in", r)
	}
	g.Drain() // control says so again
	now += 2
	if r := call(bob); r.Status != 503 {
		t.Errorf("a call after another word of control is refused with %+v; want 503", r)
	}
	now += drainLease
	if r := call(bob); r.Status != 0 || !g.Ready() {
		t.Errorf("a call when control says nothing any more is refused with %+v, ready %v; want it let in", r, g.Ready())
	}
	if got := g.cpsStatus().RefusedDrain; got != 2 {
		t.Errorf("%d calls were refused before a restart; want 2", got)
	}
}
