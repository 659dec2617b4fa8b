//go:build e2e

package e2e

import (
	"net/http"
	"net/netip"
	"testing"
	"time"

	"causeway/qemu/lab"
)

// otherCallee is where the callee is that calls go to after the change.
const otherCallee = "5062"

// TestPagesChange changes where calls go in a form, looks at it in Candidate Preview
// and commits it: a call then goes there.
func TestPagesChange(t *testing.T) {
	t.Parallel()
	b := newPagesBox(t, "")
	v := b.operator("anna", lab.Screen{})
	b.calls("5060")

	v.visits("SIP networks")
	v.follows("link", "Change sip next-hop lan1 udp 192.168.43.2 5060 lan2")
	hops := v.part("Next hops")
	hops.fills("Address", "192.168.43.300")
	hops.follows("button", "Save to the candidate")
	if v.Status() != http.StatusUnprocessableEntity {
		t.Errorf("a wrong address is answered with the status %d; want 422", v.Status())
	}
	hops = v.part("Next hops")
	hops.sees("192.168.43.300")
	hops.fills("Address", lab.PeerLAN2.String())
	hops.fills("Port", otherCallee)
	hops.follows("button", "Save to the candidate")
	v.sees("sip next-hop lan1 udp 192.168.43.2 5062 lan2", "Your changes are not committed")
	b.inForce("sip next-hop lan1 udp 192.168.43.2 5060 lan2")
	b.calls("5060")

	v.follows("link", "Candidate Preview")
	v.sees("- sip next-hop lan1 udp 192.168.43.2 5060 lan2", "+ sip next-hop lan1 udp 192.168.43.2 5062 lan2")
	v.fills("Comment", "to the other one")
	v.follows("button", "Commit")
	v.sees("Revision 2 is in force", "nothing to commit")
	b.inForce("sip next-hop lan1 udp 192.168.43.2 5062 lan2")
	b.calls(otherCallee)

	v.visits("Manage Configuration")
	v.sees("to the other one")
	v.follows("link", "1")
	v.follows("button", "Roll back to 1")
	b.inForce("sip next-hop lan1 udp 192.168.43.2 5060 lan2")
	b.calls("5060")
}

// calls places a call with SIPp from LAN1, which a callee at that port of LAN2 gets.
func (b *pagesBox) calls(port string) {
	b.t.Helper()
	callee, err := b.LAN2.SIPp(b.ctx, lab.SIPp{Ladder: lab.Callee, Local: netip.MustParseAddrPort(lab.PeerLAN2.String() + ":" + port), Calls: 1, Limit: time.Minute})
	b.check(err)
	caller, err := b.LAN1.SIPp(b.ctx, lab.SIPp{
		Ladder: lab.Caller, Local: netip.AddrPortFrom(lab.PeerLAN1, lab.CallerPort), Remote: lab.BoxLAN1, Calls: 1, Rate: 1, Limit: time.Minute,
	})
	b.check(err)
	if _, err := caller.Wait(); err != nil {
		callee.Stop()
		b.t.Errorf("the call to port %s: %v", port, err)
	}
	if _, err := callee.Wait(); err != nil {
		b.t.Errorf("the callee at port %s: %v", port, err)
	}
}
