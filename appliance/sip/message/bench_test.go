package message

import "testing"

// BenchmarkParseINVITE parses and validates an INVITE of 13 fields with SDP.
func BenchmarkParseINVITE(b *testing.B) {
	datagram := []byte(invite)
	var m Message
	b.SetBytes(int64(len(datagram)))
	b.Run("parse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := m.Parse(datagram); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("validate", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if fault := m.Validate(); fault != nil {
				b.Fatal(fault)
			}
		}
	})
}

// BenchmarkParse200 parses a 200 with two Vias and finds the second.
func BenchmarkParse200(b *testing.B) {
	datagram := []byte(ok)
	var m Message
	b.ReportAllocs()
	for b.Loop() {
		if err := m.Parse(datagram); err != nil {
			b.Fatal(err)
		}
		if _, found := m.SecondVia(); !found {
			b.Fatal("no second Via")
		}
	}
}

// sippCall are the messages that a proxy gets in one call of SIPp's built-in
// scenarios (uac, uas), ours on top of those that come back.
func sippCall() (messages [][]byte) {
	const (
		via   = "Via: SIP/2.0/UDP 192.0.2.1:5061;branch=z9hG4bK-17-1-0\r\n"
		ours  = "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK0123456789abcdef\r\n"
		from  = "From: sipp <sip:sipp@192.0.2.1:5061>;tag=17SIPpTag001\r\n"
		to    = "To: service <sip:service@192.0.2.10:5060>"
		tag   = ";tag=18SIPpTag011"
		call  = "\r\nCall-ID: 1-17@192.0.2.1\r\n"
		route = "Route: <sip:192.0.2.10;lr;cw=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA>\r\n"
		path  = "Record-" + route
		end   = "Content-Length: 0\r\n\r\n"
		sdp   = "Content-Type: application/sdp\r\nContent-Length:   129\r\n\r\n" +
			"v=0\r\no=user1 53655765 2353687637 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n" +
			"m=audio 6000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
		uac = "Contact: sip:sipp@192.0.2.1:5061\r\nMax-Forwards: 70\r\nSubject: Performance Test\r\n"
		uas = "Contact: <sip:198.51.100.7:5060;transport=UDP>\r\n"
	)
	for _, text := range []string{
		"INVITE sip:service@192.0.2.10:5060 SIP/2.0\r\n" + via + from + to + call + "CSeq: 1 INVITE\r\n" + uac + sdp,
		"SIP/2.0 180 Ringing\r\n" + ours + via + path + from + to + tag + call + "CSeq: 1 INVITE\r\n" + uas + end,
		"SIP/2.0 200 OK\r\n" + ours + via + path + from + to + tag + call + "CSeq: 1 INVITE\r\n" + uas + sdp,
		"ACK sip:198.51.100.7:5060;transport=UDP SIP/2.0\r\n" + via + route + from + to + tag + call + "CSeq: 1 ACK\r\n" + uac + end,
		"BYE sip:198.51.100.7:5060;transport=UDP SIP/2.0\r\n" + via + route + from + to + tag + call + "CSeq: 2 BYE\r\n" + uac + end,
		"SIP/2.0 200 OK\r\n" + ours + via + from + to + tag + call + "CSeq: 2 BYE\r\n" + uas + end,
	} {
		messages = append(messages, []byte(text))
	}
	return messages
}

// BenchmarkSIPpCall parses and validates all messages of a call.
func BenchmarkSIPpCall(b *testing.B) {
	messages := sippCall()
	var m Message
	b.ReportAllocs()
	for b.Loop() {
		for _, datagram := range messages {
			if err := m.Parse(datagram); err != nil {
				b.Fatal(err)
			}
			if fault := m.Validate(); fault != nil {
				b.Fatal(fault)
			}
		}
	}
}

// BenchmarkSpliceForward makes the edits of a forwarded INVITE: our Via and
// Record-Route on top, Max-Forwards replaced, our Route taken off.
func BenchmarkSpliceForward(b *testing.B) {
	var m Message
	if err := m.Parse([]byte(invite)); err != nil {
		b.Fatal(err)
	}
	top := []byte("Via: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bK0123456789abcdef\r\n" +
		"Record-Route: <sip:198.51.100.1:5060;lr>\r\n")
	forwards := []byte("69")
	out := make([]byte, 0, 4096)
	edits := make([]Edit, 0, 8)
	b.ReportAllocs()
	for b.Loop() {
		edits = append(edits[:0],
			Edit{At: Span{m.FirstHeader, m.FirstHeader}, With: top},
			Edit{At: m.MaxForwardsValue, With: forwards})
		edits = m.CutRoutes(edits, 1)
		out = Splice(out[:0], m.Raw, edits)
	}
	if len(out) <= len(m.Raw) {
		b.Fatal("nothing was put on top")
	}
}
