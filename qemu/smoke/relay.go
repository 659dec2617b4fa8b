package smoke

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"causeway/qemu/lab"
)

// NotARelay sees that the box is a stateful proxy: it answers an INVITE with a
// 100 Trying of its own while the far side is silent, puts itself into
// Record-Route and Via, counts Max-Forwards down, absorbs retransmissions, and
// answers CANCEL and acknowledges the 487 itself.
func NotARelay(ctx context.Context, l *lab.Lab) error {
	caller, err := l.LAN1.Probe(netip.AddrPortFrom(lab.PeerLAN1, 0))
	if err != nil {
		return err
	}
	defer caller.Close()
	callee, err := l.LAN2.Probe(netip.AddrPortFrom(lab.PeerLAN2, lab.CalleePort))
	if err != nil {
		return err
	}
	defer callee.Close()

	invite := caller.Request("INVITE", "sip:callee@"+lab.BoxLAN1.String())
	if err := caller.Send(invite, lab.BoxLAN1); err != nil {
		return err
	}
	if _, _, err := caller.Expect(ctx, "SIP/2.0 100 "); err != nil {
		return fmt.Errorf("the proxy's own 100: %w", err)
	}
	forwarded, box, err := callee.Expect(ctx, "INVITE ")
	if err != nil {
		return err
	}
	if box != lab.BoxLAN2 {
		return fmt.Errorf("the INVITE came to LAN2 from %s; want %s", box, lab.BoxLAN2)
	}
	if err := proxied(invite, forwarded); err != nil {
		return fmt.Errorf("the forwarded INVITE: %w\n%s", err, forwarded)
	}

	// From the 180 on the proxy itself repeats nothing, so every further INVITE
	// at the callee would be one of ours.
	if err := callee.Send(forwarded.Reply("180 Ringing", callee.Contact()), box); err != nil {
		return err
	}
	if _, _, err := caller.Expect(ctx, "SIP/2.0 180 "); err != nil {
		return err
	}
	callee.Drain()
	for range 2 {
		if err := caller.Send(invite, lab.BoxLAN1); err != nil {
			return err
		}
		if _, _, err := caller.Expect(ctx, "SIP/2.0 180 "); err != nil {
			return fmt.Errorf("answer to a retransmitted INVITE: %w", err)
		}
	}
	// Datagrams on one cable keep their order: had an INVITE been passed on, it
	// would come before the CANCEL.
	if err := caller.Send(cancelOf(invite), lab.BoxLAN1); err != nil {
		return err
	}
	cancel, _, err := callee.Expect(ctx, "CANCEL ")
	if err != nil {
		return fmt.Errorf("absorb retransmissions and forward the CANCEL: %w", err)
	}
	return errors.Join(
		callee.Send(cancel.Reply("200 OK", callee.Contact()), box),
		callee.Send(forwarded.Reply("487 Request Terminated", callee.Contact()), box),
		cancelled(ctx, caller, callee, invite))
}

// cancelled sees the end of the cancelled call at both sides.
func cancelled(ctx context.Context, caller, callee *lab.Prober, invite lab.Message) error {
	if _, _, err := callee.Expect(ctx, "ACK "); err != nil {
		return fmt.Errorf("the proxy's ACK of a 487: %w", err)
	}
	answers := make(map[string]lab.Message)
	for len(answers) < 2 {
		answer, _, err := caller.Receive(ctx)
		if err != nil {
			return fmt.Errorf("answers to INVITE and CANCEL: %w", err)
		}
		code := strings.Fields(answer.StartLine() + " ? ?")[1]
		answers[code+" "+strings.Join(answer.Header("CSeq"), ",")] = answer
	}
	final, ok := answers["487 1 INVITE"]
	if _, okCancel := answers["200 1 CANCEL"]; !ok || !okCancel {
		return fmt.Errorf("the cancelled call was answered with %q; want 487 to INVITE and 200 to CANCEL", answers)
	}
	return caller.Send(ackOf(invite, final), lab.BoxLAN1)
}

// proxied compares an INVITE with what the proxy made of it (RFC 3261 §16.6).
func proxied(sent, forwarded lab.Message) error {
	via, sentVia := forwarded.Header("Via"), sent.Header("Via")
	routes := forwarded.Header("Record-Route")
	hops := forwarded.Header("Max-Forwards")
	switch {
	case len(via) != 2 || !strings.Contains(via[0], lab.BoxLAN2.Addr().String()) || !strings.HasPrefix(via[1], sentVia[0]):
		return fmt.Errorf("the Via is %q; want one of the box above %q", via, sentVia[0])
	case !strings.Contains(via[0], "branch=z9hG4bK"):
		return fmt.Errorf("the Via %q has no RFC 3261 branch", via[0])
	case len(routes) == 0:
		return errors.New("no Record-Route")
	case len(hops) != 1 || hops[0] != "69":
		return fmt.Errorf("the Max-Forwards is %q; want 69", hops)
	}
	for _, route := range routes {
		if !strings.Contains(route, ";lr") ||
			!strings.Contains(route, lab.BoxLAN1.Addr().String()) && !strings.Contains(route, lab.BoxLAN2.Addr().String()) {
			return fmt.Errorf("the Record-Route %q is not a loose route to the box", route)
		}
	}
	return nil
}

// cancelOf makes the CANCEL of an INVITE (RFC 3261 §9.1): the same branch,
// Call-ID, From, To and number.
func cancelOf(invite lab.Message) lab.Message {
	text := strings.Replace(string(invite), "INVITE ", "CANCEL ", 1)
	return lab.Message(strings.Replace(text, "CSeq: 1 INVITE", "CSeq: 1 CANCEL", 1))
}

// ackOf makes the ACK of a final answer that is not a 2xx (RFC 3261 §17.1.1.3):
// the INVITE's branch, the answer's To.
func ackOf(invite, final lab.Message) lab.Message {
	text := strings.Replace(string(invite), "INVITE ", "ACK ", 1)
	text = strings.Replace(text, "CSeq: 1 INVITE", "CSeq: 1 ACK", 1)
	to := strings.Join(invite.Header("To"), ",")
	return lab.Message(strings.Replace(text, "To: "+to, "To: "+strings.Join(final.Header("To"), ","), 1))
}
