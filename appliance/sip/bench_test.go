package sip

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

// wire is a proxy between two neighbours without sockets: what it sends is
// kept, and what SIPp would send next is made of it.
type wire struct {
	p        *Proxy
	w        *worker
	lan1     *listenPoint
	lan2     *listenPoint
	out      []sentTo
	messages int
}

type sentTo struct {
	to      netip.AddrPort
	payload []byte
}

// unlimited admits everybody at no cost.
type unlimited struct{ gate }

func (*unlimited) LogsFailures() bool { return false }
func (*unlimited) Place(*hop.Incoming, *hop.Target) (hop.Seat, hop.Refusal) {
	return nil, hop.Refusal{}
}

func newWire(b *testing.B) *wire {
	p, err := New(Options{Admission: &unlimited{}, Routing: &planner{}, Key: signing, Readers: 1})
	if err != nil {
		b.Fatal(err)
	}
	harness := &bench{p: p}
	harness.configure(&testNets)
	v := &wire{p: p, w: p.newWorker(0)}
	v.lan1, v.lan2 = v.w.config.own[hop.Place{Address: lan1}], v.w.config.own[hop.Place{Address: lan2}]
	v.w.now = testStart
	v.w.out.capture = func(_ *socket, to netip.AddrPort, payload []byte) {
		v.out = append(v.out, sentTo{to, payload})
	}
	return v
}

func (v *wire) receive(at *listenPoint, from netip.AddrPort, payload []byte) {
	v.out = v.out[:0]
	v.messages++
	v.w.receive(at, from, nil, payload)
}

// call is one call of the workload: INVITE, 180, 200, ACK, BYE, 200.
func (v *wire) call(id []byte, s *callScript) {
	v.receive(v.lan1, caller, s.with(s.invite, id))
	forwarded := string(v.out[len(v.out)-1].payload)
	v.receive(v.lan2, callee, s.answer(forwarded, "SIP/2.0 180 Ringing\r\n", s.ringing))
	v.receive(v.lan2, callee, s.answer(forwarded, "SIP/2.0 200 OK\r\n", s.okay))
	v.receive(v.lan1, caller, s.within("ACK", 1, id, forwarded))
	v.receive(v.lan1, caller, s.within("BYE", 2, id, forwarded))
	bye := string(v.out[len(v.out)-1].payload)
	v.receive(v.lan2, callee, s.answer(bye, "SIP/2.0 200 OK\r\n", nil))
}

// callScript writes the neighbours' messages into buffers of its own.
type callScript struct {
	invite, ringing, okay []byte
	buffer                []byte
}

func newCallScript() *callScript {
	return &callScript{
		invite:  []byte(strings.NewReplacer("call-1@", "call---call--@", "z9hG4bKi1", "z9hG4bK--call--").Replace(request("INVITE", bob, "i1", 1))),
		ringing: []byte("Contact: <sip:bob@192.168.43.2:5060>\r\n"),
		okay:    []byte("Contact: <sip:bob@192.168.43.2:5060>\r\nContent-Type: application/sdp\r\n"),
	}
}

func (s *callScript) with(text, id []byte) []byte {
	s.buffer = append(s.buffer[:0], text...)
	for at := 0; ; {
		i := bytes.Index(s.buffer[at:], []byte("--call--"))
		if i < 0 {
			return s.buffer
		}
		copy(s.buffer[at+i:], id)
		at += i + len(id)
	}
}

func (s *callScript) answer(request, status string, extra []byte) []byte {
	b := append(s.buffer[:0], status...)
	for line := range strings.SplitAfterSeq(request, "\r\n") {
		switch {
		case strings.HasPrefix(line, "To:") && !strings.Contains(line, ";tag="):
			b = append(append(b, strings.TrimSuffix(line, "\r\n")...), ";tag=b1\r\n"...)
		case strings.HasPrefix(line, "Via:"), strings.HasPrefix(line, "From:"), strings.HasPrefix(line, "To:"), strings.HasPrefix(line, "Call-ID:"),
			strings.HasPrefix(line, "CSeq:"), strings.HasPrefix(line, "Record-Route:"):
			b = append(b, line...)
		}
	}
	b = append(b, extra...)
	s.buffer = append(b, "Content-Length: 0\r\n\r\n"...)
	return s.buffer
}

func (s *callScript) within(method string, cseq int, id []byte, invite string) []byte {
	b := fmt.Appendf(s.buffer[:0], "%s sip:bob@192.168.43.2:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 192.168.42.2:5060;branch=z9hG4bK%s%s\r\n", method, method, id)
	var routes []string
	for line := range strings.SplitAfterSeq(invite, "\r\n") {
		if value, found := strings.CutPrefix(line, "Record-Route: "); found {
			routes = append([]string{"Route: " + value}, routes...)
		}
	}
	for _, r := range routes {
		b = append(b, r...)
	}
	b = fmt.Appendf(b, "From: <sip:alice@example.com>;tag=a1\r\nTo: <sip:bob@example.com>;tag=b1\r\nCall-ID: call-%s@192.0.2.1\r\nCSeq: %d %s\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n", id, cseq, method)
	s.buffer = b
	return b
}

// BenchmarkCall is the cost of the six messages of a call in the proxy, and of
// its timers, without sockets. The calls before it are still remembered: 32 s
// of 500 calls a second.
func BenchmarkCall(b *testing.B) {
	for _, open := range []int{0, 100, 50_000} {
		b.Run(fmt.Sprintf("open=%d", open), func(b *testing.B) {
			v, script := newWire(b), newCallScript()
			for i := range open {
				v.receive(v.lan1, caller, script.with(script.invite, fmt.Appendf(nil, "o%07d", i)))
			}
			n := 0
			one := func() {
				v.call(fmt.Appendf(nil, "%08d", n), script)
				if n++; n%50 == 0 { // 500 calls a second
					v.w.now += 100 * time.Millisecond
					v.p.fireTimers(v.w)
				}
			}
			for range 20_000 { // until as many transactions end as begin
				one()
			}
			b.ReportAllocs()
			for b.Loop() {
				one()
			}
			var status model.ProxyStatus
			if v.p.Status(&status); status.OpenCalls > open {
				b.Errorf("%d calls are open; want at most %d", status.OpenCalls, open)
			}
		})
	}
}
