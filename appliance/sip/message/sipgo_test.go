package message

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
)

// reading is what two parsers must agree on.
type reading struct {
	method, cseqMethod           string
	scheme, user, host, port     string // of the Request-URI
	callID, cseq, fromTag, toTag string
	viaHost, viaPort, viaBranch  string
	maxForwards, statusCode      string
	routes                       string // number of Route elements; in a response they mean nothing
}

// facts names the members of a reading.
func (r *reading) facts() map[string]string {
	return map[string]string{
		"method": r.method, "CSeq method": r.cseqMethod, "URI scheme": r.scheme, "URI user": r.user, "URI host": r.host,
		"URI port": r.port, "Call-ID": r.callID, "CSeq": r.cseq, "From tag": r.fromTag, "To tag": r.toTag,
		"Via host": r.viaHost, "Via port": r.viaPort, "Via branch": r.viaBranch, "Max-Forwards": r.maxForwards,
		"Routes": r.routes, "status": r.statusCode,
	}
}

// ourReading is the span view's.
func ourReading(m *Message) reading {
	text := func(s Span) string { return string(m.Get(s)) }
	r := reading{
		method: text(m.MethodName), cseqMethod: text(m.CSeqMethodName), callID: text(m.CallID),
		cseq: fmt.Sprint(m.CSeq), fromTag: text(m.FromTag), toTag: text(m.ToTag),
		viaHost: strings.Trim(text(m.Via.Host), "[]"), viaPort: fmt.Sprint(m.Via.Port), viaBranch: text(m.Via.Branch),
		maxForwards: fmt.Sprint(m.MaxForwards), statusCode: fmt.Sprint(m.Status),
	}
	if m.IsResponse {
		return r
	}
	routes := 0
	for range m.Routes() {
		routes++
	}
	r.routes = fmt.Sprint(routes)
	if uri, err := ParseURI(m.Raw, m.URI); err == nil && !uri.Host.Empty() {
		r.scheme, r.user, r.host = strings.ToLower(text(uri.Scheme)), text(uri.User), text(uri.Host)
		r.port = fmt.Sprint(uri.Port)
	}
	return r
}

// sipgoReading is sipgo's; false when it refuses the message.
func sipgoReading(parser *sip.Parser, raw []byte) (r reading, accepted bool) {
	defer func() {
		if recover() != nil {
			accepted = false
		}
	}()
	parsed, err := parser.ParseSIP(raw)
	if err != nil {
		return r, false
	}
	via, from, to, callID, cseq := parsed.Via(), parsed.From(), parsed.To(), parsed.CallID(), parsed.CSeq()
	if via == nil || from == nil || to == nil || callID == nil || cseq == nil {
		return r, false
	}
	r = reading{
		cseqMethod: string(cseq.MethodName), callID: string(*callID), cseq: fmt.Sprint(cseq.SeqNo),
		fromTag: from.Params.GetOr("tag", ""), toTag: to.Params.GetOr("tag", ""),
		viaHost: via.Host, viaPort: fmt.Sprint(via.Port), viaBranch: via.Params.GetOr("branch", ""),
		maxForwards: "-1", statusCode: "0",
	}
	switch message := parsed.(type) {
	case *sip.Request:
		r.method = string(message.Method)
		r.routes = fmt.Sprint(len(message.GetHeaders("Route")))
		if forwards := message.MaxForwards(); forwards != nil {
			r.maxForwards = strconv.FormatUint(uint64(*forwards), 10)
		}
		if uri := message.Recipient; uri.Raw() == "" {
			r.scheme, r.user, r.host, r.port = uri.Scheme, uri.User, uri.Host, fmt.Sprint(uri.Port)
		}
	case *sip.Response:
		r.statusCode = fmt.Sprint(message.StatusCode)
	}
	return r, true
}

// sipgoDefects are the readings of sipgo v1.7.2 that the grammar does not
// bear out. In a message to which one applies, that fact is not compared.
var sipgoDefects = []struct {
	fact    string
	why     string
	applies func(m *Message) bool
}{
	{"method", "written in upper case, though methods are case-sensitive",
		func(m *Message) bool {
			return strings.ContainsAny(string(m.Get(m.MethodName)), "abcdefghijklmnopqrstuvwxyz")
		}},
	{"CSeq method", "takes white space beyond one octet as part of the method",
		func(m *Message) bool {
			field, _ := m.First(HeaderCSeq)
			gap := strings.TrimLeft(string(m.Get(Span{field.Value.Start, m.CSeqMethodName.Start})), "0123456789")
			return len(gap) > 1
		}},
	{"From tag", "does not know LWS, quotes, = or upper case in parameters",
		func(m *Message) bool { return oddAddress(m, m.From) }},
	{"To tag", "does not know LWS, quotes, = or upper case in parameters",
		func(m *Message) bool { return oddAddress(m, m.To) }},
	{"Via branch", "does not know LWS, quotes, = or upper case in parameters",
		func(m *Message) bool {
			_, params, _ := strings.Cut(string(m.Get(m.Via.Value)), ";")
			spaced := m.Via.More && m.Raw[m.Via.Value.End] != ',' // LWS before the comma
			return spaced || oddVia(m) || oddParameters(params, "branch")
		}},
	{"Via host", "does not know LWS within an element, nor a list without parameters", oddVia},
	{"Via port", "does not know LWS within an element, nor a list without parameters", oddVia},
	{"Routes", "looks for commas within quoted-pairs of display names",
		func(m *Message) bool {
			for _, route := range m.Routes() {
				if strings.Contains(string(m.Get(route.Element)), `\`) {
					return true
				}
			}
			return false
		}},
}

// oddAddress says whether an address has parameters that sipgo cannot read.
func oddAddress(m *Message, value Span) bool {
	address, err := ParseNameAddr(m.Raw, value)
	return err != nil || oddParameters(string(m.Get(address.Params)), "tag")
}

// oddParameters says whether sipgo cannot find the wanted parameter in a list.
func oddParameters(params, wanted string) bool {
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(param, "=")
		if strings.EqualFold(name, wanted) && name != wanted || strings.Contains(value, "=") {
			return true
		}
	}
	return strings.ContainsAny(params, " \t\r\n\"")
}

// oddVia says whether the topmost Via has a sent-protocol or sent-by that
// sipgo cannot read.
func oddVia(m *Message) bool {
	head, _, hasParams := strings.Cut(string(m.Get(m.Via.Value)), ";")
	return strings.Count(head, " ") != 1 || strings.ContainsAny(head, "\t\r\n") || m.Via.More && !hasParams
}

// disagreements gives a line for each fact that sipgo reads otherwise, but for
// its known defects. There are none when it refuses the message.
func disagreements(parser *sip.Parser, m *Message) (lines []string) {
	theirs, accepted := sipgoReading(parser, m.Raw)
	if !accepted {
		return nil
	}
	ours := ourReading(m)
	want := theirs.facts()
	for fact, got := range ours.facts() {
		if got != want[fact] && !knownDefect(m, fact) {
			lines = append(lines, fmt.Sprintf("%s = %q; sipgo reads %q", fact, got, want[fact]))
		}
	}
	return lines
}

func knownDefect(m *Message, fact string) bool {
	for _, defect := range sipgoDefects {
		if defect.fact == fact && defect.applies(m) {
			return true
		}
	}
	return false
}

// FuzzAgainstSipgo: a message that both parsers accept says the same to both.
func FuzzAgainstSipgo(f *testing.F) {
	addSeeds(f)
	parser := sip.NewParser()
	f.Fuzz(func(t *testing.T, datagram []byte) {
		var m Message
		if m.Parse(datagram) != nil || m.Validate() != nil {
			return
		}
		for _, line := range disagreements(parser, &m) {
			t.Errorf("%s in\n%q", line, m.Raw)
		}
	})
}

// TestAgainstSipgo: the good messages are accepted by both, so the comparison
// above does compare.
func TestAgainstSipgo(t *testing.T) {
	parser := sip.NewParser()
	for _, text := range []string{invite, ok} {
		m := parsed(t, []byte(text))
		theirs, accepted := sipgoReading(parser, m.Raw)
		if !accepted {
			t.Errorf("sipgo refuses %q", text)
		}
		if ours := ourReading(m); ours != theirs {
			t.Errorf("reading %+v; sipgo's %+v", ours, theirs)
		}
	}
}
