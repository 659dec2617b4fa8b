//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"causeway/qemu/lab"
)

// party is one side of a call that is placed by hand, message by message.
type party struct {
	via     string // "TCP 192.168.42.2:5070"
	contact string
	send    func(lab.Message) error
	receive func(context.Context) (lab.Message, error)
	request func(method, uri string) lab.Message
}

// overUDP is a party whose messages go to the box at that address. What comes again
// is passed over: on a busy host the box repeats what is answered late.
func overUDP(p *lab.Prober, box netip.AddrPort) party {
	seen := map[lab.Message]bool{}
	return party{
		via: "UDP " + p.Local.String(), contact: p.Contact(), request: p.Request,
		send: func(m lab.Message) error { return p.Send(m, box) },
		receive: func(ctx context.Context) (lab.Message, error) {
			m, _, err := p.Receive(ctx)
			for err == nil && seen[m] {
				m, _, err = p.Receive(ctx)
			}
			seen[m] = true
			return m, err
		},
	}
}

// overStream is a party at the end of a connection.
func overStream(s *lab.Stream) party {
	transport, _, _ := strings.Cut(strings.TrimPrefix(s.Request("OPTIONS", "sip:a@b").Header("Via")[0], "SIP/2.0/"), " ")
	return party{via: transport + " " + s.Local.String(), contact: s.Contact(), request: s.Request, send: s.Send, receive: s.Receive}
}

// expect waits for the next message, and fails unless it begins so.
func (p party) expect(t *testing.T, ctx context.Context, start string) lab.Message {
	t.Helper()
	m, err := p.receive(ctx)
	if err != nil {
		t.Fatalf("wait for %q: %v", start, err)
	}
	if !strings.HasPrefix(string(m), start) {
		t.Fatalf("received %q; want %q", m, start)
	}
	return m
}

func (p party) mustSend(t *testing.T, m lab.Message) {
	t.Helper()
	if err := p.send(m); err != nil {
		t.Fatal(err)
	}
}

// dialog is a call as one of its sides sees it (RFC 3261 §12).
type dialog struct {
	target, local, remote, callID string
	routes                        []string
}

func uriOf(nameAddr string) string {
	_, uri, _ := strings.Cut(nameAddr, "<")
	uri, _, _ = strings.Cut(uri, ">")
	return uri
}

// callerSide is the dialog by the answer that the caller got.
func callerSide(answer lab.Message) dialog {
	routes := answer.Header("Record-Route")
	slices.Reverse(routes)
	return dialog{uriOf(answer.Header("Contact")[0]), answer.Header("From")[0], answer.Header("To")[0], answer.Header("Call-ID")[0], routes}
}

// calleeSide is the dialog by the INVITE that the callee got and its answer.
func calleeSide(invite, answer lab.Message) dialog {
	return dialog{uriOf(invite.Header("Contact")[0]), answer.Header("To")[0], invite.Header("From")[0], invite.Header("Call-ID")[0], invite.Header("Record-Route")}
}

// request makes a request within the dialog.
func (d dialog) request(p party, method string, number int) lab.Message {
	lines := []string{
		method + " " + d.target + " SIP/2.0",
		fmt.Sprintf("Via: SIP/2.0/%s;branch=z9hG4bK-%s-%s-%d", p.via, method, d.callID, number),
	}
	for _, route := range d.routes {
		lines = append(lines, "Route: "+route)
	}
	lines = append(lines, "From: "+d.local, "To: "+d.remote, "Call-ID: "+d.callID, fmt.Sprintf("CSeq: %d %s", number, method),
		"Contact: <"+p.contact+">", "Max-Forwards: 70", "Content-Length: 0")
	return lab.Message(strings.Join(lines, "\r\n") + "\r\n\r\n")
}

// call sets a call up and gives both sides of it.
func call(t *testing.T, ctx context.Context, caller, callee party, uri string) (calling, called dialog) {
	t.Helper()
	caller.mustSend(t, caller.request("INVITE", uri))
	caller.expect(t, ctx, "SIP/2.0 100 ")
	invite := callee.expect(t, ctx, "INVITE ")
	answer := invite.Reply("200 OK", callee.contact)
	callee.mustSend(t, answer)
	answered := caller.expect(t, ctx, "SIP/2.0 200 ")
	calling, called = callerSide(answered), calleeSide(invite, answer)
	caller.mustSend(t, calling.request(caller, "ACK", 1))
	callee.expect(t, ctx, "ACK ")
	return calling, called
}

// hangUp ends a call.
func hangUp(t *testing.T, ctx context.Context, from, to party, d dialog) {
	t.Helper()
	from.mustSend(t, d.request(from, "BYE", 2))
	bye := to.expect(t, ctx, "BYE ")
	to.mustSend(t, bye.Reply("200 OK", to.contact))
	from.expect(t, ctx, "SIP/2.0 200 ")
}

// callBothWays places a call that the callee ends, so that requests go both ways,
// and one that the caller ends.
func callBothWays(t *testing.T, ctx context.Context, caller, callee party, uri string) {
	t.Helper()
	_, called := call(t, ctx, caller, callee, uri)
	hangUp(t, ctx, callee, caller, called)
	calling, _ := call(t, ctx, caller, callee, uri)
	hangUp(t, ctx, caller, callee, calling)
}
