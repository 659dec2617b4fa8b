package message

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// invite is a good request: what the tests below start from. Its SDP has 142
// octets, its header 13 fields.
const invite = "INVITE sip:+15550100@192.0.2.10:5060;user=phone SIP/2.0\r\n" +
	"Via: SIP/2.0/UDP 192.0.2.1:5066;branch=z9hG4bK-524287-1---a1b2c3d4;rport\r\n" +
	"Max-Forwards: 70\r\n" +
	"Route: <sip:192.0.2.10:5060;lr>\r\n" +
	"Contact: <sip:alice@192.0.2.1:5066>\r\n" +
	"To: <sip:+15550100@192.0.2.10>\r\n" +
	"From: \"Alice\" <sip:+15550101@192.0.2.1>;tag=8f1c2d3e\r\n" +
	"Call-ID: 84617OTlmY2M0ZDQ1ZjQ4@192.0.2.1\r\n" +
	"CSeq: 314159 INVITE\r\n" +
	"Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, MESSAGE, UPDATE\r\n" +
	"Content-Type: application/sdp\r\n" +
	"Supported: replaces, timer, 100rel\r\n" +
	"User-Agent: Example Phone 1.2.3\r\n" +
	"Content-Length: 142\r\n" +
	"\r\n" +
	"v=0\r\n" +
	"o=- 1337 1 IN IP4 192.0.2.1\r\n" +
	"s=-\r\n" +
	"c=IN IP4 192.0.2.1\r\n" +
	"t=0 0\r\n" +
	"m=audio 49170 RTP/AVP 0 101\r\n" +
	"a=rtpmap:101 telephone-event/8000\r\n" +
	"a=sendrecv\r\n"

// ok is the answer to it on its way back through two proxies.
const ok = "SIP/2.0 200 OK\r\n" +
	"Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK1d2e;received=192.0.2.10\r\n" +
	"Via: SIP/2.0/UDP 192.0.2.1:5066;branch=z9hG4bK-524287-1---a1b2c3d4;rport=5066\r\n" +
	"Record-Route: <sip:192.0.2.10:5060;lr>\r\n" +
	"From: \"Alice\" <sip:+15550101@192.0.2.1>;tag=8f1c2d3e\r\n" +
	"To: <sip:+15550100@192.0.2.10>;tag=314\r\n" +
	"Call-ID: 84617OTlmY2M0ZDQ1ZjQ4@192.0.2.1\r\n" +
	"CSeq: 314159 INVITE\r\n" +
	"Contact: <sip:bob@198.51.100.7:5060>\r\n" +
	"Content-Length: 0\r\n" +
	"\r\n"

// altered gives text with old replaced by new, once; old must be there.
func altered(t testing.TB, text, old, new string) []byte {
	t.Helper()
	if !strings.Contains(text, old) {
		t.Fatalf("the message has no %q", old)
	}
	return []byte(strings.Replace(text, old, new, 1))
}

// parsed gives the view of text, which must parse.
func parsed(t testing.TB, text []byte) *Message {
	t.Helper()
	m := new(Message)
	if err := m.Parse(text); err != nil {
		t.Fatalf("Parse(%q) = %v", text, err)
	}
	return m
}

func TestParseRequest(t *testing.T) {
	m := parsed(t, []byte(invite))
	for name, pair := range map[string][2]string{
		"method":      {string(m.Get(m.MethodName)), "INVITE"},
		"URI":         {string(m.Get(m.URI)), "sip:+15550100@192.0.2.10:5060;user=phone"},
		"version":     {string(m.Get(m.Version)), "SIP/2.0"},
		"via":         {string(m.Get(m.Via.Value)), "SIP/2.0/UDP 192.0.2.1:5066;branch=z9hG4bK-524287-1---a1b2c3d4;rport"},
		"via cut":     {string(m.Get(m.Via.Cut)), "Via: SIP/2.0/UDP 192.0.2.1:5066;branch=z9hG4bK-524287-1---a1b2c3d4;rport\r\n"},
		"branch":      {string(m.Get(m.Via.Branch)), "z9hG4bK-524287-1---a1b2c3d4"},
		"call":        {string(m.Get(m.CallID)), "84617OTlmY2M0ZDQ1ZjQ4@192.0.2.1"},
		"from":        {string(m.Get(m.From)), `"Alice" <sip:+15550101@192.0.2.1>;tag=8f1c2d3e`},
		"to":          {string(m.Get(m.To)), "<sip:+15550100@192.0.2.10>"},
		"from tag":    {string(m.Get(m.FromTag)), "8f1c2d3e"},
		"to tag":      {string(m.Get(m.ToTag)), ""},
		"CSeq method": {string(m.Get(m.CSeqMethodName)), "INVITE"},
		"forwards":    {string(m.Get(m.MaxForwardsValue)), "70"},
		"body":        {string(m.Get(m.Body)), invite[len(invite)-142:]},
		"header":      {string(m.Raw[m.FirstHeader : m.FirstHeader+4]), "Via:"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s = %q; want %q", name, pair[0], pair[1])
		}
	}
	if place := (Span{m.Via.Value.End, m.Via.Value.End}); m.Via.RPort != place {
		t.Errorf("RPort = %v; want an empty span behind the parameter, %v", m.Via.RPort, place)
	}
	if m.IsResponse || m.Method != Invite || m.CSeqMethod != Invite || m.CSeq != 314159 || m.MaxForwards != 70 ||
		m.ContentLength != 142 || m.Via.Port != 5066 || !m.Via.HasRPort || m.Via.More || len(m.Fields) != 13 {
		t.Errorf("Parse of %q gave Via %+v, CSeq %d, %d fields", m.Raw, m.Via, m.CSeq, len(m.Fields))
	}
	if fault := m.Validate(); fault != nil {
		t.Errorf("Validate = %v; want none", fault)
	}
}

func TestParseResponse(t *testing.T) {
	m := parsed(t, []byte(ok))
	if !m.IsResponse || m.Status != 200 || string(m.Get(m.Reason)) != "OK" || m.Method != MethodOther ||
		m.CSeqMethod != Invite || string(m.Get(m.ToTag)) != "314" || m.MaxForwards != -1 || m.Body.Len() != 0 {
		t.Errorf("Parse of %q gave status %d, Via %+v, Body %v", m.Raw, m.Status, m.Via, m.Body)
	}
	second, found := m.SecondVia()
	if !found || string(m.Get(second.Host)) != "192.0.2.1" || string(m.Get(second.RPort)) != "5066" {
		t.Errorf("SecondVia = %+v, %t", second, found)
	}
	if fault := m.Validate(); fault != nil {
		t.Errorf("Validate = %v; want none for a response", fault)
	}
}

// TestParseDrops: nothing of this can be answered.
func TestParseDrops(t *testing.T) {
	rows := []struct {
		name string
		text []byte
		want error
	}{
		{"nothing", nil, ErrKeepAlive},
		{"CRLF keep-alive", []byte("\r\n\r\n"), ErrKeepAlive},
		{"zero keep-alive", []byte("\x00\x00\x00\x00"), ErrKeepAlive},
		{"too long", bytes.Repeat([]byte("a"), 65536), ErrTooLong},
		{"noise", []byte("\x80\x00\x12\x34 hello\r\n"), ErrNotSIP},
		{"HTTP", altered(t, invite, "SIP/2.0", "HTTP/1.1"), ErrNotSIP},
		{"no URI", altered(t, invite, " sip:+15550100@192.0.2.10:5060;user=phone", ""), ErrNotSIP},
		{"method is no token", altered(t, invite, "INVITE", "INV(TE"), ErrNotSIP},
		{"start line without end", []byte("INVITE sip:a@192.0.2.1 SIP/2.0"), ErrNotSIP},
		{"status of two digits", altered(t, ok, "200", "20"), ErrNotSIP},
		{"status below 100", altered(t, ok, "200", "099"), ErrNotSIP},
		{"status above 699", altered(t, ok, "200", "700"), ErrNotSIP},
		{"status of four digits", altered(t, ok, "200", "2000"), ErrNotSIP},
		{"response of another version", altered(t, ok, "SIP/2.0", "SIP/3.0"), ErrNotSIP},
		{"only a start line", []byte("INVITE sip:a@192.0.2.1 SIP/2.0\r\n"), ErrNoVia},
		{"no Via", altered(t, invite, "Via:", "Vla:"), ErrNoVia},
		{"Via without host", altered(t, invite, "SIP/2.0/UDP 192.0.2.1:5066", "SIP/2.0/UDP"), ErrNoVia},
		{"response cut short", altered(t, ok, "Content-Length: 0", "Content-Length: 1"), ErrMalformed},
		{"response with two Call-IDs", altered(t, ok, "CSeq:", "i: other\r\nCSeq:"), ErrMalformed},
		{"response without CSeq", altered(t, ok, "CSeq:", "C-Seq:"), ErrMalformed},
		{"response with too many fields", altered(t, ok, "CSeq:", strings.Repeat("X: y\r\n", MaxFields)+"CSeq:"), ErrMalformed},
		{"response with two CSeqs", altered(t, ok, "CSeq:", "CSeq: 1 BYE\r\nCSeq:"), ErrMalformed},
		{"response with two Content-Lengths", altered(t, ok, "Content-Length:", "l: 0\r\nContent-Length:"), ErrMalformed},
		{"response with bare LF", altered(t, ok, "OK\r\n", "OK\n"), ErrMalformed},
		{"response with bare CR", altered(t, ok, "Record-Route", "X: a\rRecord-Route"), ErrMalformed},
		{"response without empty line", []byte(strings.TrimSuffix(ok, "\r\n")), ErrMalformed},
		{"response with a bad topmost Via", altered(t, ok, ";received", ";;received"), ErrMalformed},
	}
	for _, row := range rows {
		var m Message
		if err := m.Parse(row.text); !errors.Is(err, row.want) {
			t.Errorf("%s: Parse = %v; want %v", row.name, err, row.want)
		}
	}
}

// TestParseLiberal: odd, but with one reading only.
func TestParseLiberal(t *testing.T) {
	rows := []struct {
		name string
		text []byte
		good func(m *Message) bool
	}{
		{"line ends before the start line", []byte("\r\n\r\n" + invite),
			func(m *Message) bool { return string(m.Raw) == invite }},
		{"octets after the body", []byte(invite + "\r\nmore"),
			func(m *Message) bool { return string(m.Raw) == invite }},
		{"no Content-Length", altered(t, invite, "Content-Length: 142\r\n", ""),
			func(m *Message) bool { return m.ContentLength == -1 && m.Body.Len() == 142 }},
		{"no Max-Forwards", altered(t, invite, "Max-Forwards: 70\r\n", ""),
			func(m *Message) bool { return m.MaxForwards == -1 && m.MaxForwardsValue.Empty() }},
		{"compact forms", []byte(strings.NewReplacer("Via:", "v:", "From:", "f:", "\r\nTo:", "\r\nt:", "Call-ID:", "I:",
			"Content-Length:", "l :").Replace(invite)),
			func(m *Message) bool { return m.ContentLength == 142 && len(m.FromTag.In(m.Raw)) == 8 }},
		{"names in any case", []byte(strings.NewReplacer("Via:", "VIA:", "Call-ID:", "cALL-id:").Replace(invite)),
			func(m *Message) bool { return m.CallID.Len() == 31 }},
		{"CSeq with two blanks and a fold", altered(t, invite, "314159 INVITE", "314159 \r\n\t INVITE"),
			func(m *Message) bool { return m.CSeq == 314159 && m.CSeqMethod == Invite }},
		{"method in lower case is another method", []byte(strings.ReplaceAll(invite, "INVITE", "invite")),
			func(m *Message) bool { return m.Method == MethodOther && m.CSeqMethod == MethodOther }},
		{"version in lower case", altered(t, invite, "phone SIP/2.0", "phone sip/2.0"),
			func(m *Message) bool { return m.Method == Invite }},
		{"two Vias in one field", altered(t, invite, ";rport\r\n", ";rport , SIP/2.0/TCP [2001:db8::1]:5061\r\n"),
			func(m *Message) bool {
				second, found := m.SecondVia()
				return m.Via.More && found && string(m.Get(second.Host)) == "[2001:db8::1]" && second.Port == 5061 &&
					strings.HasSuffix(string(m.Get(m.Via.Cut)), ";rport , ")
			}},
		{"status line without second blank", altered(t, ok, "200 OK", "200"),
			func(m *Message) bool { return m.Status == 200 && m.Reason.Empty() }},
		{"response with two Dates", altered(t, ok, "CSeq:", "Date: x\r\nDate: x\r\nCSeq:"),
			func(m *Message) bool { return m.Status == 200 }},
	}
	for _, row := range rows {
		var m Message
		if err := m.Parse(row.text); err != nil {
			t.Errorf("%s: Parse = %v", row.name, err)
		} else if fault := m.Validate(); fault != nil {
			t.Errorf("%s: Validate = %v", row.name, fault)
		} else if !row.good(&m) {
			t.Errorf("%s: Parse of %q gave Via %+v, Body %v, %d fields", row.name, m.Raw, m.Via, m.Body, len(m.Fields))
		}
	}
}

// TestParseReuse: nothing of the message before remains, nothing is allocated.
func TestParseReuse(t *testing.T) {
	var used Message
	long := []byte(strings.Replace(invite, "Max-Forwards", strings.Repeat("X: y\r\n", 100)+"Max-Forwards", 1))
	for _, text := range [][]byte{long, []byte(invite), []byte("noise"), []byte(ok)} {
		used.Parse(text)
	}
	fresh := parsed(t, []byte(ok))
	if used.Validate() != nil || used.Status != fresh.Status || used.Method != fresh.Method || used.URI != fresh.URI ||
		len(used.Fields) != len(fresh.Fields) || used.first != fresh.first || used.MaxForwards != fresh.MaxForwards {
		t.Errorf("a used Message sees %+v; want %+v", used, fresh)
	}
	request, response := []byte(invite), []byte(ok)
	allocations := testing.AllocsPerRun(100, func() {
		if used.Parse(request) != nil || used.Validate() != nil || used.Parse(response) != nil {
			t.Error("a good message does not parse")
		}
		if _, found := used.SecondVia(); !found {
			t.Error("no second Via")
		}
	})
	if allocations != 0 {
		t.Errorf("Parse and Validate allocate %v times; want 0", allocations)
	}
}

func TestFirst(t *testing.T) {
	m := parsed(t, altered(t, invite, "Contact:", "Contact: <sip:first@192.0.2.1>\r\nContact:"))
	field, found := m.First(HeaderContact)
	if !found || string(m.Get(field.Value)) != "<sip:first@192.0.2.1>" || string(m.Get(field.Name)) != "Contact" {
		t.Errorf("First(Contact) = %q, %t; want the topmost", m.Get(field.Value), found)
	}
	if _, found := m.First(HeaderReason); found {
		t.Error("First(Reason) found one")
	}
}

func TestHeaderNames(t *testing.T) {
	for id := HeaderVia; id < headerCount; id++ {
		for _, name := range []string{id.String(), strings.ToUpper(id.String()), headerNames[id].compact} {
			if name == "" {
				continue
			}
			if got := headerOf([]byte(name)); got != id {
				t.Errorf("headerOf(%q) = %v; want %v", name, got, id)
			}
		}
		if longestName < len(id.String()) {
			t.Errorf("longestName is shorter than %v", id)
		}
	}
	for _, name := range []string{"", "x-via", "w", "Content-Lengthy", "P-Charging-Vector", "Call_ID"} {
		if got := headerOf([]byte(name)); got != HeaderOther {
			t.Errorf("headerOf(%q) = %v; want HeaderOther", name, got)
		}
	}
}

func TestMethodNames(t *testing.T) {
	for method := Invite; int(method) < len(methodNames); method++ {
		if got := methodOf([]byte(method.String())); got != method {
			t.Errorf("methodOf(%q) = %v; want %v", method.String(), got, method)
		}
	}
	for _, name := range []string{"", "invite", "INVITES"} {
		if got := methodOf([]byte(name)); got != MethodOther {
			t.Errorf("methodOf(%q) = %v; want MethodOther", name, got)
		}
	}
}
