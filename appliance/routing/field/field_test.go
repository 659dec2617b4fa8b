package field

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
	"causeway/appliance/sip/message"
)

const invite = "INVITE sip:+49-30(1);x=1:secret@[2001:db8::1]:5070;user=phone;lr SIP/2.0\r\n" +
	"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1\r\n" +
	"f: \"A, <B>\" <sip:alice@example.com>;tag=1\r\n" +
	"To: <tel:+4930123;phone-context=example.net>\r\n" +
	"Call-ID: 1@192.0.2.1\r\n" +
	"CSeq: 1 INVITE\r\n" +
	"Max-Forwards: 70\r\n" +
	"diversion: <sip:bob@192.0.2.7>;reason=\"no ; answer\";privacy , <sip:eve@example.org>\r\n" +
	"Reason: Q.850 ;cause = 16\r\n" +
	"x: 1800;refresher=uac\r\n" +
	"X-Note: one\r\nX-Note: two\r\n" +
	"Content-Length: 0\r\n\r\n"

// incoming parses a message that came in somewhere.
func incoming(t testing.TB, raw string) *hop.Incoming {
	t.Helper()
	in := &hop.Incoming{
		Message: new(message.Message), Network: "lan", Transport: model.TLS,
		Local: netip.MustParseAddrPort("192.168.42.10:5060"), Remote: netip.MustParseAddrPort("[2001:db8::7]:5061"),
	}
	if err := in.Message.Parse([]byte(raw)); err != nil {
		t.Fatalf("Parse(%q): %v", raw, err)
	}
	if !in.Message.IsResponse {
		in.URI, _ = message.ParseURI(in.Message.Raw, in.Message.URI)
	}
	return in
}

func requestURI(component string) model.Field {
	return model.Field{Kind: model.FieldRequestURI, Component: component}
}

func header(name, component string) model.Field {
	return model.Field{Kind: model.FieldHeader, Header: name, Component: component}
}

func headerParam(name, param string) model.Field {
	return model.Field{Kind: model.FieldHeaderParam, Header: name, Param: param}
}

func uriParam(name, param string) model.Field {
	return model.Field{Kind: model.FieldURIParam, Header: name, Param: param}
}

// none is what a message lacks.
const none = "(none)"

func TestRead(t *testing.T) {
	out := &hop.Target{Network: "wan"}
	for _, tt := range []struct {
		field model.Field
		want  string
	}{
		{requestURI(""), "sip:+49-30(1);x=1:secret@[2001:db8::1]:5070;user=phone;lr"},
		{requestURI("uri"), "sip:+49-30(1);x=1:secret@[2001:db8::1]:5070;user=phone;lr"},
		{requestURI("user"), "+49-30(1);x=1"},
		{requestURI("phone"), "+49-30(1)"},
		{requestURI("host"), "[2001:db8::1]"},
		{requestURI("domain"), none},
		{requestURI("host-port"), "[2001:db8::1]:5070"},
		{requestURI("scheme"), "sip"},
		{uriParam("", "user"), "phone"},
		{uriParam("", "LR"), ""},
		{uriParam("", "x"), none},
		{header("From", ""), "\"A, <B>\" <sip:alice@example.com>;tag=1"},
		{header("from", "uri"), "sip:alice@example.com"},
		{header("From", "user"), "alice"},
		{header("From", "phone"), none},
		{header("From", "domain"), "example.com"},
		{header("From", "host-port"), "example.com"},
		{headerParam("From", "tag"), "1"},
		{header("To", "phone"), "+4930123"},
		{header("To", "host"), none},
		{header("To", "scheme"), "tel"},
		{uriParam("To", "phone-context"), "example.net"},
		{header("Diversion", "user"), "bob"},
		{header("Diversion", "domain"), none},
		{headerParam("Diversion", "reason"), "\"no ; answer\""},
		{headerParam("Diversion", "privacy"), ""},
		{headerParam("Reason", "cause"), "16"},
		{header("Reason", "user"), none},
		{header("Session-Expires", ""), "1800;refresher=uac"},
		{headerParam("Session-Expires", "refresher"), "uac"},
		{header("X-Note", ""), "one"},
		{header("P-Asserted-Identity", ""), none},
		{model.Field{Kind: model.FieldMethod}, "INVITE"},
		{model.Field{Kind: model.FieldMessage}, "request"},
		{model.Field{Kind: model.FieldMidDialog}, "false"},
		{model.Field{Kind: model.FieldResponseCode}, none},
		{model.Field{Kind: model.FieldInNetwork}, "lan"},
		{model.Field{Kind: model.FieldOutNetwork}, "wan"},
		{model.Field{Kind: model.FieldProtocol}, "tls"},
		{model.Field{Kind: model.FieldLocalIP}, "192.168.42.10"},
		{model.Field{Kind: model.FieldLocalPort}, "5060"},
		{model.Field{Kind: model.FieldRemoteIP}, "2001:db8::7"},
		{model.Field{Kind: model.FieldRemotePort}, "5061"},
	} {
		if got := read(t, tt.field, incoming(t, invite), out); got != tt.want {
			t.Errorf("Read(%+v) = %q; want %q", tt.field, got, tt.want)
		}
	}
}

// read compiles and reads a field.
func read(t testing.TB, f model.Field, in *hop.Incoming, out *hop.Target) string {
	t.Helper()
	r, err := Compile(f)
	if err != nil {
		t.Fatalf("Compile(%+v): %v", f, err)
	}
	text, ok := r.Read(make([]byte, 0, Scratch), in, out)
	if !ok {
		return none
	}
	return string(text)
}

func TestReadResponse(t *testing.T) {
	in := incoming(t, strings.Replace(invite, invite[:strings.Index(invite, "\r\n")], "SIP/2.0 183 Session Progress", 1))
	for _, tt := range []struct {
		field model.Field
		want  string
	}{
		{model.Field{Kind: model.FieldMessage}, "response"},
		{model.Field{Kind: model.FieldResponseCode}, "183"},
		{model.Field{Kind: model.FieldMethod}, "INVITE"},
		{model.Field{Kind: model.FieldOutNetwork}, none},
		{requestURI("user"), none},
		{requestURI(""), none},
		{uriParam("", "user"), none},
		{header("From", "user"), "alice"},
	} {
		if got := read(t, tt.field, in, nil); got != tt.want {
			t.Errorf("Read(%+v) of a response = %q; want %q", tt.field, got, tt.want)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	for _, f := range []model.Field{
		requestURI("planet"),
		header("", ""),
		headerParam("", "tag"),
		headerParam("From", ""),
		uriParam("", ""),
		{Kind: model.FieldTime},
	} {
		if _, err := Compile(f); err == nil {
			t.Errorf("Compile(%+v) succeeds", f)
		}
	}
}

// TestNext finds all header fields of a name, one after the other.
func TestNext(t *testing.T) {
	r, err := Compile(header("x-note", ""))
	if err != nil {
		t.Fatal(err)
	}
	m := incoming(t, invite).Message
	var got []string
	for index, found := r.Next(m, 0); found; index, found = r.Next(m, index+1) {
		at, _ := r.within(m, index)
		got = append(got, string(m.Get(at)))
	}
	if fmt.Sprint(got) != "[one two]" {
		t.Errorf("Next finds %q; want one and two", got)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(invite, "Diversion", "reason")
	f.Add(strings.Replace(invite, "diversion:", "diversion: a;b=\"\\", 1), "Diversion", "b")
	f.Add("SIP/2.0 200 OK\r\n"+invite[strings.Index(invite, "Via"):], "To", "tag")
	f.Fuzz(func(t *testing.T, raw, name, param string) {
		var m message.Message
		if m.Parse([]byte(raw)) != nil {
			return
		}
		in := &hop.Incoming{Message: &m}
		in.URI, _ = message.ParseURI(m.Raw, m.URI)
		for component := range components {
			read(t, requestURI(component), in, nil)
			if name != "" {
				read(t, header(name, component), in, nil)
			}
		}
		if param == "" {
			return
		}
		read(t, uriParam(name, param), in, nil)
		if name != "" {
			read(t, headerParam(name, param), in, nil)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	in := incoming(b, invite)
	for _, f := range []struct {
		name string
		model.Field
	}{
		{"request-uri user", requestURI("user")},
		{"From user", header("From", "user")},
		{"Diversion reason", headerParam("Diversion", "reason")},
		{"remote-ip", model.Field{Kind: model.FieldRemoteIP}},
	} {
		b.Run(f.name, func(b *testing.B) {
			r, err := Compile(f.Field)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				var scratch [Scratch]byte
				if _, ok := r.Read(scratch[:0], in, nil); !ok {
					b.Fatal("nothing read")
				}
			}
		})
	}
}
