package message

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
	"pgregory.net/rapid"
)

// writer writes messages that the grammar of RFC 3261 §25.1 allows, as oddly
// as it allows them, and knows what it wrote.
type writer struct {
	t     *rapid.T
	plain bool // no white space but what is usual
}

func (w writer) oneOf(options ...string) string {
	return rapid.SampledFrom(options).Draw(w.t, "choice")
}

// sws is white space where there may be none.
func (w writer) sws() string {
	if w.plain {
		return ""
	}
	return w.oneOf("", "", "", " ", "\t", " \r\n ", "\r\n\t")
}

// lws is white space where there must be some.
func (w writer) lws() string {
	if w.plain {
		return " "
	}
	return w.oneOf(" ", " ", "\t", "  ", " \r\n ", "\r\n\t")
}

func (w writer) word(label string) string {
	return rapid.StringMatching(`[a-zA-Z0-9.!%*_+'~-]{1,12}`).Draw(w.t, label)
}

func (w writer) host() string {
	return w.oneOf("192.0.2.1", "example.com", "[2001:db8::1]", "a-b.example", "x")
}

func (w writer) uri() string {
	return w.oneOf("sip:", "SIP:", "sips:") + w.oneOf("", "a@", "+1;b=c@", "a?b,c@", "a:secret@") + w.host() +
		w.oneOf("", ":5060", ":1") + w.oneOf("", ";lr", ";x=y;lr", ";transport=udp")
}

// parameters writes a list of parameters with one that is looked for, or none.
func (w writer) parameters(wanted, value string) string {
	var list []string
	for range rapid.IntRange(0, 2).Draw(w.t, "others") {
		list = append(list, w.oneOf("x", "x=y", `x="a;tag=b,c\"<>"`, "x=[::1]"))
	}
	if value != "" {
		place := rapid.IntRange(0, len(list)).Draw(w.t, "place")
		list = slices.Insert(list, place, w.oneOf(wanted, strings.ToUpper(wanted))+w.sws()+"="+w.sws()+value)
	}
	text := ""
	for _, one := range list {
		text += w.sws() + ";" + w.sws() + one
	}
	return text
}

// address writes a name-addr.
func (w writer) address(uri, tag string) string {
	return w.oneOf("", "A", "A B ", `"q"`, `"a\"b;<x>,\\" `, "\"\r\n x\"\t") + "<" + uri + ">" + w.parameters("tag", tag)
}

// field writes one header field, its name in any form.
func (w writer) field(id HeaderID, value string) string {
	names := []string{id.String(), strings.ToLower(id.String()), strings.ToUpper(id.String())}
	if compact := headerNames[id].compact; compact != "" {
		names = append(names, compact, strings.ToUpper(compact))
	}
	return w.oneOf(names...) + w.oneOf("", "", " ", "\t ") + ":" + w.sws() + value + w.oneOf("", "", " ", "\r\n ") + "\r\n"
}

// list writes elements into one field or several.
func (w writer) list(id HeaderID, elements []string) []string {
	var fields []string
	for len(elements) > 0 {
		n := rapid.IntRange(1, len(elements)).Draw(w.t, "elements of a field")
		fields = append(fields, w.field(id, strings.Join(elements[:n], w.sws()+","+w.sws())))
		elements = elements[n:]
	}
	return fields
}

// TestGeneratedMessages: what was written is what is read, and sipgo, where it
// can read such a message, agrees.
func TestGeneratedMessages(t *testing.T) {
	parser := sip.NewParser()
	rapid.Check(t, func(t *rapid.T) {
		w := writer{t, rapid.Bool().Draw(t, "plain")}
		type facts struct {
			Method, URI, CallID, FromTag, ToTag, Body string
			CSeq                                      uint32
			MaxForwards                               int
			Vias, Branches, Routes                    string
			Fields                                    int
		}
		optional := func(label string) string {
			if rapid.Bool().Draw(t, label+"?") {
				return w.word(label)
			}
			return ""
		}
		want := facts{
			Method: w.oneOf("INVITE", "BYE", "invite", "X-%41"), URI: w.uri(), CallID: w.word("call") + w.oneOf("", "@x", `<"?]:`),
			FromTag: optional("from tag"), ToTag: optional("to tag"), Body: w.oneOf("", "v=0\r\n", "\r\n\r\n", "a\x00\n"),
			CSeq: rapid.Uint32().Draw(t, "cseq"), MaxForwards: rapid.IntRange(0, 255).Draw(t, "max-forwards"),
		}
		var vias, routes []string
		for range rapid.IntRange(1, 3).Draw(t, "vias") {
			host, branch := w.host(), optional("branch")
			vias = append(vias, "SIP"+w.sws()+"/"+w.sws()+"2.0"+w.sws()+"/"+w.sws()+w.oneOf("UDP", "TLS", "X")+w.lws()+host+
				w.oneOf("", w.sws()+":"+w.sws()+"5060")+w.parameters("branch", branch))
			if len(vias) <= 2 { // those that Message shows
				want.Vias += host + " "
				want.Branches += branch + " "
			}
		}
		for range rapid.IntRange(0, 4).Draw(t, "routes") {
			uri := w.uri()
			want.Routes += uri + " "
			routes = append(routes, w.address(uri, ""))
		}
		viaFields, routeFields := w.list(HeaderVia, vias), w.list(HeaderRoute, routes)
		fields := slices.Concat(viaFields[:1], []string{
			w.field(HeaderFrom, w.address(w.uri(), want.FromTag)),
			w.field(HeaderTo, w.address("urn:service:sos", want.ToTag)),
			w.field(HeaderCallID, want.CallID),
			w.field(HeaderCSeq, fmt.Sprint(want.CSeq)+w.lws()+want.Method),
			w.field(HeaderMaxForwards, w.oneOf("", "00")+fmt.Sprint(want.MaxForwards)),
			w.field(HeaderContentLength, fmt.Sprint(len(want.Body))),
			w.field(HeaderContact, w.oneOf("*", "sip:a@b;q=1", "<sip:a>,<sip:b>")),
			"X-Other:;;,,\r\n", "!%*:\r\n",
		})
		fields = rapid.Permutation(fields).Draw(t, "order")
		fields = slices.Concat(fields, viaFields[1:], routeFields)
		want.Fields = len(fields)
		text := w.oneOf("", "\r\n") + want.Method + " " + want.URI + " SIP/2.0\r\n" + strings.Join(fields, "") + "\r\n" +
			want.Body + w.oneOf("", "rest\r\n")

		var m Message
		if err := m.Parse([]byte(text)); err != nil {
			t.Fatalf("Parse(%q) = %v", text, err)
		}
		if fault := m.Validate(); fault != nil {
			t.Fatalf("Validate(%q) = %v", text, fault)
		}
		octets := func(s Span) string { return string(m.Get(s)) }
		got := facts{
			Method: octets(m.MethodName), URI: octets(m.URI), CallID: octets(m.CallID), FromTag: octets(m.FromTag),
			ToTag: octets(m.ToTag), Body: octets(m.Body), CSeq: m.CSeq, MaxForwards: m.MaxForwards, Fields: len(m.Fields),
			Vias: octets(m.Via.Host) + " ", Branches: octets(m.Via.Branch) + " ",
		}
		if second, found := m.SecondVia(); found {
			got.Vias += octets(second.Host) + " "
			got.Branches += octets(second.Branch) + " "
		}
		for _, route := range m.Routes() {
			got.Routes += octets(route.URI) + " "
		}
		if got != want {
			t.Fatalf("read %+v\nwrote %+v\nin %q", got, want, text)
		}
		for _, line := range disagreements(parser, &m) {
			t.Errorf("%s in\n%q", line, m.Raw)
		}
	})
}
