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
