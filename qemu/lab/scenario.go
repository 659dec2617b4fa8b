package lab

import (
	"fmt"
	"strings"
)

// Scenario is the ladder as SIPp wants it: XML.
func (l Ladder) Scenario() (string, error) {
	steps, err := l.parse()
	if err != nil {
		return "", fmt.Errorf("ladder %q: %w", l, err)
	}
	w := &scenarioWriter{used: map[string]bool{}}
	for _, s := range steps {
		w.asks = w.asks || s.send && s.status == 0
	}
	fmt.Fprintf(w, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<scenario name=\"ladder\">\n")
	var ends *exchange // of the steps after which the call is over
	for i, s := range steps {
		w.last = i == len(steps)-1 && ends != nil
		if s.ends {
			ends = s.exchange
		}
		switch {
		case s.pause != "":
			fmt.Fprintf(w, "  <pause%s/>\n", strings.TrimRight(s.pause, " "))
		case s.send:
			w.send(s, i)
		default:
			w.recv(s)
		}
	}
	if ends != nil {
		refused := &exchange{method: ends.method, number: ends.number, index: ends.index, final: 300}
		fmt.Fprintf(w, "  <label id=%q/>\n", labelRefused)
		w.last = false
		w.send(&step{send: true, method: "ACK", exchange: refused}, len(steps))
		fmt.Fprintf(w, "  <label id=%q/>\n", labelOver)
	}
	if len(w.names) > 0 {
		fmt.Fprintf(w, "  <Reference variables=\"%s\"/>\n", strings.Join(w.names, ","))
	}
	w.WriteString("</scenario>\n")
	return w.String(), nil
}

// scenarioWriter writes the steps, and remembers the variables that they use.
type scenarioWriter struct {
	strings.Builder
	asks  bool // it sends requests
	last  bool // the step in hand is the last one, before what only refused calls do
	names []string
	used  map[string]bool
}

func (w *scenarioWriter) variable(name string) string {
	if !w.used[name] {
		w.used[name] = true
		w.names = append(w.names, name)
	}
	return name
}

// find is an action that reads a header field into a variable, and with must
// fails the call where the pattern is not in it.
func (w *scenarioWriter) find(pattern, header string, occurrence int, must bool, variable string) string {
	check := ""
	if must {
		check = ` check_it="true"`
	}
	return fmt.Sprintf("      <ereg regexp=%q search_in=\"hdr\" header=\"%s:\" occurrence=\"%d\"%s assign_to=%q/>\n",
		pattern, header, occurrence, check, w.variable(variable))
}

// recv writes what is awaited, what must be in it and what is kept of it.
func (w *scenarioWriter) recv(s *step) {
	e := s.exchange
	var actions strings.Builder
	attributes := fmt.Sprintf("request=%q", s.method)
	dialog := e.beginsDialog() && s.method != "ACK" && (s.status == 0 || s.status > 100 && s.status < 300)
	if s.status > 0 {
		attributes = fmt.Sprintf(`response="%d"`, s.status)
		actions.WriteString(w.find(fmt.Sprintf("%d %s", e.number, s.method), "CSeq", 1, true, "seen"))
		if dialog {
			actions.WriteString(w.find(".*", "To", 1, false, "remote"))
		}
	} else if dialog && w.asks {
		actions.WriteString(w.find(".*", "From", 1, false, "remote"))
	} else if e.inside {
		actions.WriteString(w.find("[0-9] "+s.method, "CSeq", 1, true, "seen"))
	}
	if dialog && (s.status == 0 || s.status >= 200) {
		actions.WriteString(w.find(";lr", "Record-Route", 1, true, "seen"))
	}
	if dialog && w.asks {
		// SIPp's own [next_url] stays with the first callee that was heard of.
		actions.WriteString(w.find("sip:[^&gt;]*", "Contact", 1, false, "target"))
		attributes += ` rrs="true"`
	}
	if s.status == 0 && s.method != "ACK" && e.kept {
		for _, keep := range kept {
			actions.WriteString(w.find(".*", keep.header, keep.occurrence, false, keep.variable))
		}
	}
	if s.optional {
		attributes += ` optional="true"`
	}
	if s.ends {
		attributes += fmt.Sprintf(" next=%q", labelRefused)
	} else if w.last {
		attributes += fmt.Sprintf(" next=%q", labelOver)
	}
	if actions.Len() == 0 {
		fmt.Fprintf(w, "  <recv %s/>\n", attributes)
		return
	}
	fmt.Fprintf(w, "  <recv %s>\n    <action>\n%s    </action>\n  </recv>\n", attributes, &actions)
}

// Places that calls go on from.
const (
	labelRefused = "1"
	labelOver    = "2"
)

// kept is what a response repeats of its request, when that is no longer the
// last message received.
var kept = []struct {
	header     string
	occurrence int
	variable   string
}{
	{"Via", 1, "via1"}, {"Via", 2, "via2"}, {"Record-Route", 1, "route1"}, {"Record-Route", 2, "route2"},
	{"From", 1, "from"}, {"To", 1, "to"}, {"CSeq", 1, "cseq"},
}

// Texts of messages. SIPp fills in what is in brackets.
const (
	ownVia     = "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch="
	ownAddress = "sip:lab@[local_ip]:[local_port]"
	ownTag     = ";tag=[pid]-[call_number]"
	contact    = "sip:lab@[contact]"
	sdp        = `v=0
o=lab 1000000000 1 IN IP[media_ip_type] [media_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio 40000 RTP/AVP 8 101
a=rtpmap:8 PCMA/8000
a=ptime:20
`
)

// send writes one message; index is its place in the scenario.
func (w *scenarioWriter) send(s *step, index int) {
	attributes := ""
	if s.method != "ACK" && (s.status == 0 || s.status >= 200 && s.method == "INVITE") {
		attributes += ` retrans="500"`
	}
	if w.last {
		attributes += fmt.Sprintf(" next=%q", labelOver)
	}
	header := w.request
	if s.status > 0 {
		header = w.response
	}
	var lines []string
	for _, line := range append(header(s, index), s.headers...) {
		name, _, _ := strings.Cut(line, ":")
		replaced := false
		for _, with := range s.headers {
			replaced = replaced || line != with && strings.HasPrefix(with, name+":")
		}
		if !replaced {
			lines = append(lines, line)
		}
	}
	body := ""
	switch {
	case s.body > 0:
		lines = append(lines, "Content-Type: text/plain")
		body = bodyOf(s.body)
	case s.method == "INVITE" && (s.status == 0 || s.status >= 200 && s.status < 300):
		lines = append(lines, "Content-Type: application/sdp")
		body = sdp
		if s.direction != "" {
			body += "a=" + s.direction + "\n"
		}
	}
	if body == "" {
		lines = append(lines, "Content-Length: 0")
	} else {
		lines = append(lines, "Content-Length: [len]")
	}
	fmt.Fprintf(w, "  <send%s><![CDATA[\n\n%s\n\n%s\n]]></send>\n", attributes, strings.Join(lines, "\n"), body)
}

// bodyOf gives lines of text, that many octets in all (3 or more) once SIPp has
// ended each with CRLF.
func bodyOf(octets int) string {
	const line, ending = "It is a long body that must come through as it is.", 2
	var body strings.Builder
	for ; octets > len(line)+2*ending; octets -= len(line) + ending {
		body.WriteString(line + "\n")
	}
	return body.String() + strings.Repeat("x", max(octets-ending, 1)) + "\n"
}

// request gives the header of a request.
func (w *scenarioWriter) request(s *step, index int) []string {
	e := s.exchange
	inside := e.inside || s.method == "ACK" && e.final < 300
	uri, to := "sip:[service]@[remote_ip]:[remote_port]", ""
	branch := "[branch]"
	switch {
	case inside:
		uri, to = "[$"+w.variable("target")+"]", "To:[$"+w.variable("remote")+"]"
	case s.method == "ACK":
		branch, to = fmt.Sprintf("[branch-%d]", index-e.index), "[last_To:]"
	case s.method == "CANCEL":
		branch = fmt.Sprintf("[branch-%d]", index-e.cancels.index)
	}
	if to == "" {
		to = "To: <" + uri + ">"
	}
	lines := []string{s.method + " " + uri + " SIP/2.0", ownVia + branch}
	if inside {
		lines = append(lines, "[routes]")
	}
	return append(lines,
		"From: <"+ownAddress+">"+ownTag,
		to,
		"Call-ID: [call_id]",
		fmt.Sprintf("CSeq: %d %s", e.number, s.method),
		"Contact: <"+contact+">",
		"Max-Forwards: 70")
}

// response gives the header of a response.
func (w *scenarioWriter) response(s *step, _ int) []string {
	e := s.exchange
	field := func(name, macro string) string { return "[last_" + name + ":]" }
	if s.late {
		field = func(name, variable string) string { return name + ":[$" + w.variable(variable) + "]" }
	}
	lines := []string{fmt.Sprintf("SIP/2.0 %d Lab", s.status), field("Via", "via1")}
	if s.late {
		lines = append(lines, field("Via", "via2"))
	}
	if e.beginsDialog() && s.status < 300 {
		lines = append(lines, field("Record-Route", "route1"))
		if s.late {
			lines = append(lines, field("Record-Route", "route2"))
		}
	}
	to := field("To", "to")
	if !e.inside && s.status > 100 {
		to += ownTag
	}
	return append(lines,
		field("From", "from"),
		to,
		"[last_Call-ID:]",
		field("CSeq", "cseq"),
		"Contact: <"+contact+">")
}
