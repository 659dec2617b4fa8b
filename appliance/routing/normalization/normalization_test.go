package normalization

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
	"causeway/appliance/sip/message"
)

const invite = "INVITE sip:+4930123@192.0.2.10:5070;user=phone;x=1 SIP/2.0\r\n" +
	"v: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1\r\n" +
	"Max-Forwards: 70\r\n" +
	"f: \"A, <B>\" <sip:alice@example.com>;tag=1\r\n" +
	"To: <tel:+4930123;phone-context=example.net>\r\n" +
	"Call-ID: 1@192.0.2.1\r\n" +
	"CSeq: 1 INVITE\r\n" +
	"m: sip:alice@192.0.2.1;q=0.5, <sip:7042@example.com:5070;transport=tcp?a=b>;x=\"y;\"\r\n" +
	"Diversion: <sip:bob@192.0.2.7>;reason=\"no answer\";privacy\r\n" +
	"diversion: <sip:eve@example.org>, <sip:joe@example.org>;reason=busy\r\n" +
	"X-Note: one\r\n two\r\n" +
	"X-Empty:\r\n" +
	"Content-Length: 4\r\n" +
	"\r\nbody"

const response = "SIP/2.0 200 OK\r\n" +
	"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1\r\n" +
	"From: <sip:alice@example.com>;tag=1\r\nTo: <sip:bob@example.com>;tag=2\r\n" +
	"Call-ID: 1@192.0.2.1\r\nCSeq: 1 INVITE\r\nServer: Example 1\r\nContent-Length: 0\r\n\r\n"

// incoming parses a message that came in.
func incoming(t testing.TB, raw string) *hop.Incoming {
	t.Helper()
	in := &hop.Incoming{Message: new(message.Message)}
	if err := in.Message.Parse([]byte(raw)); err != nil {
		t.Fatalf("Parse(%q): %v", raw, err)
	}
	return in
}

// engine compiles the steps as policy "p".
func engine(t testing.TB, steps ...model.NormalizationStep) *Engine {
	t.Helper()
	e, err := New(&model.SIP{Routing: model.Routing{Normalizers: []model.NormalizationPolicy{{Name: "p", Steps: steps}}}})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// The steps that tests are made of.
func requestURI(component, match, value string) model.NormalizationStep {
	return model.NormalizationStep{Field: model.Field{Component: component}, Match: match, Value: value}
}

func uriParam(action model.NormalizationAction, header, param, match, value string) model.NormalizationStep {
	return model.NormalizationStep{
		Action: action, Field: model.Field{Kind: model.FieldURIParam, Header: header, Param: param}, Match: match, Value: value,
	}
}

func header(action model.NormalizationAction, name, component, match, value string) model.NormalizationStep {
	return model.NormalizationStep{
		Action: action, Field: model.Field{Kind: model.FieldHeader, Header: name, Component: component}, Match: match, Value: value,
	}
}

func headerParam(action model.NormalizationAction, name, param, match, value string) model.NormalizationStep {
	return model.NormalizationStep{
		Action: action, Field: model.Field{Kind: model.FieldHeaderParam, Header: name, Param: param}, Match: match, Value: value,
	}
}

func convert(action model.NormalizationAction, name, value string) model.NormalizationStep {
	kind := model.FieldHeader
	if name == "" {
		kind = model.FieldRequestURI
	}
	return model.NormalizationStep{Action: action, Field: model.Field{Kind: kind, Header: name}, Value: value}
}

func all(s model.NormalizationStep) model.NormalizationStep {
	s.All = true
	return s
}

const (
	update   = model.NormalizeUpdate
	add      = model.NormalizeAdd
	remove   = model.NormalizeRemove
	sipTel   = model.NormalizeSIPToTel
	telSIP   = model.NormalizeTelToSIP
	nothing  = "" // for old: the message stays as it is
	contacts = "m: sip:alice@192.0.2.1;q=0.5, <sip:7042@example.com:5070;transport=tcp?a=b>;x=\"y;\""
)

// TestApply: each row is one step and the one place of the INVITE that it
// changes.
func TestApply(t *testing.T) {
	rows := []struct {
		step     model.NormalizationStep
		old, new string
	}{
		{requestURI("user", "", "7042"), "sip:+4930123@192.0.2.10", "sip:7042@192.0.2.10"},
		{requestURI("user", `^\+49`, "0"), "sip:+4930123@192.0.2.10", "sip:030123@192.0.2.10"},
		{requestURI("user", `^\+(..)(.*)$`, "00$1-$2$$"), "sip:+4930123@192.0.2.10", "sip:0049-30123$@192.0.2.10"},
		{requestURI("user", "3", "x"), "sip:+4930123@192.0.2.10", "sip:+49x012x@192.0.2.10"},
		{requestURI("user", "^7", "x"), nothing, ""},
		{requestURI("phone", "", "112"), "sip:+4930123@192.0.2.10", "sip:112@192.0.2.10"},
		{requestURI("host", "", "[2001:db8::1]"), "@192.0.2.10:5070", "@[2001:db8::1]:5070"},
		{requestURI("host-port", "", "example.com"), "@192.0.2.10:5070", "@example.com"},
		{requestURI("domain", "", "example.com"), nothing, ""}, // an address is none
		{requestURI("", "^sip:", "sips:"), "INVITE sip:", "INVITE sips:"},
		{requestURI("", "", "urn:service:sos"), nothing, ""}, // gets 416
		{requestURI("uri", "^sip:([^@]*)@.*", "tel:$1"), "sip:+4930123@192.0.2.10:5070;user=phone;x=1", "tel:+4930123"},
		{requestURI("user", "", "+4930123"), nothing, ""},
		{requestURI("user", "", "a@b"), nothing, ""},
		{requestURI("user", "", ""), nothing, ""},
		{requestURI("user", "", "a b"), nothing, ""},
		{requestURI("user", "", "a:secret"), nothing, ""},
		{requestURI("host", "", "a;x"), nothing, ""},
		{requestURI("host", "", "a:1"), nothing, ""},

		{uriParam(add, "", "tgrp", "", "lan"), ";user=phone;x=1 ", ";user=phone;x=1;tgrp=lan "},
		{uriParam(add, "", "lr", "", ""), ";user=phone;x=1 ", ";user=phone;x=1;lr "},
		{uriParam(add, "", "USER", "", "ip"), nothing, ""}, // there is one
		{uriParam(add, "", "x2", "", "a;b"), nothing, ""},
		{uriParam(add, "", "x2", "", "a?b"), nothing, ""},
		{uriParam(update, "", "user", "", "ip"), ";user=phone;", ";user=ip;"},
		{uriParam(update, "", "user", "^ph", "h"), ";user=phone;", ";user=hone;"},
		{uriParam(update, "", "user", "", ""), ";user=phone;", ";user;"},
		{uriParam(update, "", "y", "", "2"), nothing, ""},
		{uriParam(remove, "", "User", "", ""), ";user=phone;", ";"},
		{uriParam(remove, "", "x", "1", ""), ";x=1 ", " "},
		{uriParam(remove, "", "x", "2", ""), nothing, ""},
		{uriParam(add, "Contact", "transport", "", "udp"), "m: sip:alice@192.0.2.1;", "m: <sip:alice@192.0.2.1;transport=udp>;"},
		{all(uriParam(add, "Contact", "y", "", "1")), contacts,
			`m: <sip:alice@192.0.2.1;y=1>;q=0.5, <sip:7042@example.com:5070;transport=tcp;y=1?a=b>;x="y;"`},
		{all(uriParam(remove, "contact", "transport", "", "")), ":5070;transport=tcp?", ":5070?"},

		{header(update, "Diversion", "user", "", "zoe"), "<sip:bob@", "<sip:zoe@"},
		{all(header(update, "Diversion", "domain", "", "example.net")), "<sip:eve@example.org>, <sip:joe@example.org>",
			"<sip:eve@example.net>, <sip:joe@example.net>"},
		{header(update, "From", "host", "", "example.net"), "<sip:alice@example.com>;tag", "<sip:alice@example.net>;tag"},
		{header(update, "From", "user", "", `a"b`), nothing, ""},
		{header(update, "From", "user", "", "a>b"), nothing, ""},
		{header(update, "To", "phone", `^\+49`, "0"), "<tel:+4930123;", "<tel:030123;"},
		{header(update, "Contact", "uri", "", "sip:a,b;c@192.0.2.5;lr"), "m: sip:alice@192.0.2.1;q", "m: <sip:a,b;c@192.0.2.5;lr>;q"},
		{header(update, "x-note", "", "one (.*)", "$1 one"), "X-Note: one\r\n two", "X-Note: two one"},
		{header(update, "X-Empty", "", "", "full"), "X-Empty:\r\n", "X-Empty:full\r\n"},
		{header(update, "X-Note", "", "one", `"`), nothing, ""},
		{header(update, "X-Note", "", "one", "<"), nothing, ""},
		{header(update, "X-Gone", "", "", "x"), nothing, ""},
		{header(update, "Contact", "", "", "sip:a@b?c"), nothing, ""}, // Validate refuses it
		{header(add, "Diversion", "", "", "<sip:z@example.org>"), ";reason=busy\r\n", ";reason=busy\r\nDiversion: <sip:z@example.org>\r\n"},
		{header(add, "X-New", "", "", "größer $$1"), "Content-Length: 4\r\n", "Content-Length: 4\r\nX-New: größer $1\r\n"},
		{header(add, "Content-Type", "", "", "text/plain"), "Content-Length: 4\r\n", "Content-Length: 4\r\nContent-Type: text/plain\r\n"},
		{header(remove, "X-Empty", "", "", ""), "X-Empty:\r\n", ""},
		{header(remove, "X-Note", "", "^one two$", ""), "X-Note: one\r\n two\r\n", ""},
		{header(remove, "X-Note", "", "^two", ""), nothing, ""},
		{all(header(remove, "Diversion", "", "joe", "")), "diversion: <sip:eve@example.org>, <sip:joe@example.org>;reason=busy\r\n", ""},
		{header(remove, "Diversion", "", "joe", ""), nothing, ""}, // not in the first

		{headerParam(add, "Diversion", "counter", "", "1"), ";privacy\r\n", ";privacy;counter=1\r\n"},
		{headerParam(add, "Diversion", "counter", "", `1 "2"\`), ";privacy\r\n", `;privacy;counter="1 \"2\"\\"` + "\r\n"},
		{headerParam(add, "Diversion", "privacy", "", "full"), nothing, ""},
		{headerParam(update, "Diversion", "privacy", "", "full"), ";privacy\r\n", ";privacy=full\r\n"},
		{headerParam(update, "Diversion", "reason", `"no (.*)"`, "$1"), `;reason="no answer"`, ";reason=answer"},
		{headerParam(update, "Diversion", "reason", "", `"a\"b"`), `;reason="no answer"`, `;reason="a\"b"`},
		{headerParam(update, "Diversion", "reason", "answer", `"`), `;reason="no answer"`, `;reason="\"no \"\""`},
		{all(headerParam(remove, "Diversion", "reason", "busy", "")), ";reason=busy", ""},
		{headerParam(remove, "Diversion", "reason", "", ""), `;reason="no answer"`, ""},
		{headerParam(add, "From", "x", "", "1"), ";tag=1\r\n", ";tag=1;x=1\r\n"},

		{convert(sipTel, "", ""), "sip:+4930123@192.0.2.10:5070;user=phone;x=1", "tel:+4930123"},
		{convert(sipTel, "From", ""), nothing, ""}, // alice is no number
		{all(convert(sipTel, "Contact", "")), "<sip:7042@example.com:5070;transport=tcp?a=b>", "<tel:7042;phone-context=example.com>"},
		{convert(telSIP, "To", "192.0.2.9:5060"), "<tel:+4930123;phone-context=example.net>",
			"<sip:+4930123;phone-context=example.net@192.0.2.9:5060;user=phone>"},
		{convert(telSIP, "", "192.0.2.9"), nothing, ""}, // it is sip already
	}
	for _, row := range rows {
		if strings.Count(invite, row.old) != 1 && row.old != nothing {
			t.Fatalf("%q stands %d times in the message", row.old, strings.Count(invite, row.old))
		}
		want := ""
		if row.old != nothing {
			want = strings.Replace(invite, row.old, row.new, 1)
		}
		in := incoming(t, invite)
		got := engine(t, row.step).Apply([]byte(">"), "p", in, nil)
		if string(bytes.TrimPrefix(got, []byte(">"))) != want {
			t.Errorf("Apply(%+v)\n got %q\nwant %q", row.step, got, want)
		}
	}
}

// TestApplyInOrder: each step sees what the ones before it made; one that
// cannot be done is left out.
func TestApplyInOrder(t *testing.T) {
	e := engine(t,
		header(add, "X-A", "", "", "1"),
		header(update, "X-A", "", "1", "sip:a@b;c"),
		requestURI("user", "", "not possible@"),
		headerParam(remove, "X-A", "c", "", ""),
		uriParam(add, "X-A", "d", "", "2"),
		convert(sipTel, "", ""),
		convert(telSIP, "", "example.com"),
	)
	got := string(e.Apply(nil, "p", incoming(t, invite), nil))
	want := strings.Replace(invite, "Content-Length: 4\r\n", "Content-Length: 4\r\nX-A: <sip:a@b;d=2>\r\n", 1)
	want = strings.Replace(want, "sip:+4930123@192.0.2.10:5070;user=phone;x=1", "sip:+4930123@example.com;user=phone", 1)
	if got != want {
		t.Errorf("Apply = %q; want %q", got, want)
	}
	if got := e.Apply(nil, "q", incoming(t, invite), nil); got != nil {
		t.Errorf("Apply of no policy = %q", got)
	}
}

func TestApplyToResponse(t *testing.T) {
	e := engine(t, requestURI("user", "", "x"), header(update, "Server", "", "", "Causeway"))
	want := strings.Replace(response, "Example 1", "Causeway", 1)
	if got := string(e.Apply(nil, "p", incoming(t, response), nil)); got != want {
		t.Errorf("Apply = %q; want %q", got, want)
	}
}

func TestNewRefuses(t *testing.T) {
	rows := []struct {
		step model.NormalizationStep
		want string
	}{
		{header(update, "Via", "", "", "x"), "Via belongs to the proxy"},
		{header(remove, "i", "", "", ""), "Call-ID belongs to the proxy"},
		{headerParam(add, "record-route", "x", "", "1"), "Record-Route belongs to the proxy"},
		{uriParam(add, "Route", "x", "", "1"), "Route belongs to the proxy"},
		{header(update, "CSEQ", "", "", "1 BYE"), "CSeq belongs to the proxy"},
		{header(update, "l", "", "", "0"), "Content-Length belongs to the proxy"},
		{header(remove, "Max-Forwards", "", "", ""), "Max-Forwards belongs to the proxy"},
		{header(update, "From", "", "", "<sip:a>"), "the tag of From belongs to the dialog"},
		{header(remove, "t", "", "", ""), "the tag of To belongs to the dialog"},
		{headerParam(update, "To", "TAG", "", "x"), "the tag of To belongs to the dialog"},
		{header(add, "X Y", "", "", "1"), "no name of a header field"},
		{header(add, "X:", "", "", "1"), "no name of a header field"},
		{headerParam(add, "X", "a;b", "", "1"), "no name of a parameter"},
		{header(add, "X", "user", "", "1"), "can only be updated"},
		{header(update, "X", "planet", "", "1"), "no component"},
		{requestURI("scheme", "", "tel"), "the scheme of a URI cannot be changed"},
		{header(update, "", "", "", "1"), "no header field is named"},
		{uriParam(add, "X", "", "", "1"), "no parameter is named"},
		{header(add, "X", "", "", "1\r\nEvil: 2"), "control character"},
		{header(add, "X", "", "", `"1`), "without its other half"},
		{header(add, "X", "", "1", "1"), "no old value"},
		{header(update, "X", "", "(", "1"), "read the expression"},
		{header(update, "X", "", "(a)", "$2"), "$2"},
		{header(update, "X", "", "", "$0"), "$0"},
		{header(update, "X", "", "a", "$"), "stands before no digit"},
		{header(remove, "X", "", "", "1"), "takes no value"},
		{convert(sipTel, "", "x"), "takes no value"},
		{convert(telSIP, "", ""), "is no host"},
		{convert(telSIP, "To", "a;b"), "is no host"},
		{model.NormalizationStep{Action: add}, "cannot be changed that way"},
		{model.NormalizationStep{Field: model.Field{Kind: model.FieldMethod}}, "cannot be changed that way"},
	}
	for _, row := range rows {
		row.step.Sequence = 7
		policy := model.NormalizationPolicy{Name: "p", Steps: []model.NormalizationStep{row.step}}
		_, err := New(&model.SIP{Routing: model.Routing{Normalizers: []model.NormalizationPolicy{policy}}})
		if err == nil || !strings.Contains(err.Error(), row.want) || !strings.HasPrefix(err.Error(), "policy normalization p, sequence 7: ") {
			t.Errorf("New(%+v) = %v; want %q", row.step, err, row.want)
		}
	}
}

// TestApplyConcurrently: an Engine is for all threads.
func TestApplyConcurrently(t *testing.T) {
	e := engine(t, requestURI("user", `^\+(.*)`, "$1"), header(add, "X", "", "", "1"))
	var done sync.WaitGroup
	for i := range 4 {
		done.Go(func() {
			number := fmt.Sprintf("%d00", i)
			in := incoming(t, strings.Replace(invite, "4930123@192", number+"@192", 1))
			for range 100 {
				if got := e.Apply(nil, "p", in, nil); !bytes.HasPrefix(got, []byte("INVITE sip:"+number+"@192")) {
					t.Errorf("Apply = %q; want the number %s", got, number)
					return
				}
			}
		})
	}
	done.Wait()
}
