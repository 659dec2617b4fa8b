package message

import (
	"bytes"
	"math"
	"strings"
	"testing"
)

// addSeeds gives a fuzz target the torture messages and our own.
func addSeeds(f *testing.F) {
	for _, octets := range tortureFiles(f) {
		f.Add(octets)
	}
	f.Add([]byte(invite))
	f.Add([]byte(ok))
	f.Add([]byte(strings.NewReplacer("INVITE", "ACK", "Content-Length: 142", "l:0").Replace(invite)))
	f.Add([]byte(strings.Replace(invite, ";rport\r\n", ";rport , SIP/2.0/TCP [2001:db8::1]:5061;branch=x\r\n", 1)))
	f.Add([]byte(strings.Replace(invite, "lr>", "lr> , \"x\" <sip:a@b;lr>;p\r\nRoute: <sip:c>", 1)))
}

// FuzzParse: whatever comes in, nothing panics, every span is within bounds,
// and what may be forwarded still reads the same after our edits.
func FuzzParse(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, datagram []byte) {
		var m Message
		if m.Parse(datagram) != nil {
			return
		}
		checkSpans(t, &m)
		checkAllAddresses(t, &m)
		if !bytes.Equal(Splice(nil, m.Raw, nil), m.Raw) {
			t.Error("Splice without edits changes the message")
		}
		if m.Validate() != nil {
			return
		}
		checkPush(t, &m)
		checkPop(t, &m)
		checkCutRoutes(t, &m)
	})
}

// checkSpans looks at every span that Parse gives.
func checkSpans(t *testing.T, m *Message) {
	spans := []Span{
		m.MethodName, m.URI, m.Reason, m.Version, m.CallID, m.From, m.To, m.FromTag, m.ToTag, m.CSeqMethodName,
		m.MaxForwardsValue, m.Body, {m.FirstHeader, m.FirstHeader},
	}
	second, _ := m.SecondVia()
	for _, via := range []Via{m.Via, second} {
		spans = append(spans, via.Value, via.Transport, via.Host, via.Branch, via.Received, via.RPort, via.MAddr, via.Cut)
	}
	for _, field := range m.Fields {
		spans = append(spans, field.Name, field.Value, field.Line)
		if field.Name.Start != field.Line.Start || field.Value.Start <= field.Name.End || field.Value.End > field.Line.End {
			t.Errorf("field %+v is not in its line", field)
		}
	}
	for _, s := range spans {
		if s.Start > s.End || int(s.End) > len(m.Raw) {
			t.Errorf("span %v in a message of %d octets", s, len(m.Raw))
		}
	}
	if len(m.Fields) == 0 || m.Fields[0].Line.Start < m.FirstHeader || int(m.Body.End) != len(m.Raw) {
		t.Errorf("header at %d, body %v, %d octets", m.FirstHeader, m.Body, len(m.Raw))
	}
}

// checkAllAddresses reads all addresses, wherever they stand.
func checkAllAddresses(t *testing.T, m *Message) {
	for _, field := range m.Fields {
		address, err := ParseNameAddr(m.Raw, field.Value)
		if err != nil {
			continue
		}
		for _, s := range []Span{address.URI, address.Params, address.Element} {
			if s.Start > s.End || s.Start < field.Value.Start && !s.Empty() || s.End > field.Value.End {
				t.Errorf("span %v of an address in field %v", s, field.Value)
			}
		}
		if address.Next != 0 && (address.Next <= address.Element.End || address.Next >= field.Value.End) {
			t.Errorf("next element at %d in field %v", address.Next, field.Value)
		}
		address.Param(m.Raw, "tag")
		uri, err := ParseURI(m.Raw, address.URI)
		if err != nil {
			continue
		}
		for _, s := range []Span{uri.Scheme, uri.User, uri.Host, uri.Params, uri.Headers} {
			if s.Start > s.End || s.Start < address.URI.Start && !s.Empty() || s.End > address.URI.End {
				t.Errorf("span %v in URI %v", s, address.URI)
			}
		}
		uri.Param(m.Raw, "lr")
		uri.Addr(m.Raw)
		checkPlain(t, m.Raw, address.URI, &uri)
	}
}

// checkPlain: the plain text of a URI leads to the same user and host, and has
// nothing else.
func checkPlain(t *testing.T, raw []byte, at Span, uri *URI) {
	plain := []byte(PlainURI(raw, at, math.MaxUint16))
	if uri.Host.Empty() {
		return // not of sip or sips
	}
	same, err := ParseURI(plain, Span{0, uint16(len(plain))})
	if err != nil || !bytes.Equal(same.User.In(plain), uri.User.In(raw)) || !bytes.Equal(same.Host.In(plain), uri.Host.In(raw)) ||
		same.HostPort != same.Host || int(same.Host.End) != len(plain) {
		t.Errorf("the URI %q is plainly %q, %v", at.In(raw), plain, err)
	}
}

// view is all that must not change when we put a Via on or take one off.
type view struct {
	method, uri, callID, from, to, fromTag, toTag, body, maxForwards string
	cseq                                                             uint32
	cseqMethod                                                       Method
	status, contentLength, routes                                    int
}

func viewOf(m *Message) view {
	text := func(s Span) string { return string(m.Get(s)) }
	v := view{
		method: text(m.MethodName), uri: text(m.URI), callID: text(m.CallID), from: text(m.From), to: text(m.To),
		fromTag: text(m.FromTag), toTag: text(m.ToTag), body: text(m.Body), maxForwards: text(m.MaxForwardsValue),
		cseq: m.CSeq, cseqMethod: m.CSeqMethod, status: m.Status, contentLength: m.ContentLength,
	}
	for range m.Routes() {
		v.routes++
	}
	return v
}

// checkPush puts a Via of ours on top, as forwarding does.
func checkPush(t *testing.T, m *Message) {
	const line = "Via: SIP/2.0/UDP 192.0.2.9:5062;branch=z9hG4bKours\r\n"
	if len(m.Fields) == MaxFields || len(m.Raw)+len(line) > math.MaxUint16 {
		return
	}
	pushed := Splice(nil, m.Raw, []Edit{{At: Span{m.FirstHeader, m.FirstHeader}, With: []byte(line)}})
	again := parsed(t, pushed)
	if fault := again.Validate(); fault != nil {
		t.Errorf("with our Via: Validate = %v", fault)
	}
	if got, want := viewOf(again), viewOf(m); got != want {
		t.Errorf("with our Via: %+v; want %+v", got, want)
	}
	second, found := again.SecondVia()
	if string(again.Get(again.Via.Host)) != "192.0.2.9" || !found ||
		!bytes.Equal(again.Get(second.Value), m.Get(m.Via.Value)) {
		t.Errorf("with our Via: %q then %q", again.Get(again.Via.Value), again.Get(second.Value))
	}
	if popped := Splice(nil, pushed, []Edit{{At: again.Via.Cut}}); !bytes.Equal(popped, m.Raw) {
		t.Errorf("our Via on and off again: %q; want %q", popped, m.Raw)
	}
}

// checkPop takes the topmost Via off, as a response's way back does.
func checkPop(t *testing.T, m *Message) {
	popped := Splice(nil, m.Raw, []Edit{{At: m.Via.Cut}})
	second, found := m.SecondVia()
	var again Message
	err := again.Parse(popped)
	if !found {
		if err == nil && again.Validate() == nil {
			t.Errorf("without its Via: %q parses", popped)
		}
		return
	}
	if err != nil {
		t.Fatalf("without the topmost Via: Parse(%q) = %v", popped, err)
	}
	if !bytes.Equal(again.Get(again.Via.Value), m.Get(second.Value)) {
		t.Errorf("topmost Via %q; want %q", again.Get(again.Via.Value), m.Get(second.Value))
	}
	if got, want := viewOf(&again), viewOf(m); got != want {
		t.Errorf("without the topmost Via: %+v; want %+v", got, want)
	}
}

// checkCutRoutes takes Routes off, one, two, and all of them.
func checkCutRoutes(t *testing.T, m *Message) {
	want := viewOf(m)
	total := want.routes
	for _, n := range []int{1, 2, total} {
		if n > total {
			continue
		}
		cut := Splice(nil, m.Raw, m.CutRoutes(nil, n))
		again := parsed(t, cut)
		want.routes = total - n
		if got := viewOf(again); got != want {
			t.Errorf("without %d of %d Routes %q: %+v; want %+v", n, total, cut, got, want)
		}
	}
	for i, route := range m.Routes() {
		again := parsed(t, Splice(nil, m.Raw, []Edit{{At: route.Cut}}))
		want.routes = total - 1
		if got := viewOf(again); got != want {
			t.Errorf("without Route %d: %+v; want %+v", i, got, want)
		}
	}
}

// FuzzSplice: a message whose field values are replaced by others re-parses to
// just these and all else as it was.
func FuzzSplice(f *testing.F) {
	for _, octets := range tortureFiles(f) {
		f.Add(octets, uint8(3), "a")
	}
	f.Add([]byte(invite), uint8(200), "\"x\" <sip:a@example.com>, b")
	f.Add([]byte(ok), uint8(7), "")
	f.Fuzz(func(t *testing.T, datagram []byte, which uint8, text string) {
		var before, after Message
		if before.Parse(datagram) != nil || before.Validate() != nil || !plainText(text) || len(datagram)+MaxFields*len(text) > math.MaxUint16 {
			return
		}
		var edits []Edit
		want := make([]string, len(before.Fields))
		for i, field := range before.Fields {
			want[i] = string(before.Get(field.Value))
			if fieldChecks[field.ID] == nil && !headerNames[field.ID].single && (i^int(which))&1 == 0 {
				want[i] = strings.Trim(text, " ")
				edits = append(edits, Edit{At: field.Value, With: []byte(text)})
			}
		}
		spliced := Splice(nil, before.Raw, edits)
		if err := after.Parse(spliced); err != nil {
			t.Fatalf("Parse(%q) = %v", spliced, err)
		}
		if fault := after.Validate(); fault != nil {
			t.Errorf("Validate(%q) = %v", spliced, fault)
		}
		if len(after.Fields) != len(want) || viewOf(&after) != viewOf(&before) {
			t.Fatalf("%d fields, %+v of %q; want %d, %+v", len(after.Fields), viewOf(&after), spliced, len(want), viewOf(&before))
		}
		for i, field := range after.Fields {
			if got := string(after.Get(field.Value)); got != want[i] || field.ID != before.Fields[i].ID {
				t.Errorf("field %d = %q; want %q", i, got, want[i])
			}
		}
	})
}

// plainText says whether text can stand in a header line.
func plainText(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f })
}
