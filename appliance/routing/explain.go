package routing

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
	"causeway/appliance/sip/message"
)

// TestQuery is the request that proxy.test-route is asked about. All but URI
// may be left out.
type TestQuery struct {
	URI     string     `json:"uri"`
	From    string     `json:"from"`    // URI
	Network string     `json:"network"` // it comes in on; the only one there is
	Source  netip.Addr `json:"source"`
	Method  string     `json:"method"` // INVITE
	Time    string     `json:"time"`   // 20260101T000000 in the zone of the box; now
}

// Explanation says what would become of the request.
type Explanation struct {
	Steps   []string `json:"steps"`   // what was decided in which order, indented by two blanks
	Targets []string `json:"targets"` // in the order to try them
	Refusal string   `json:"refusal"` // "404 (no route)"; empty: there are targets
}

// TestRoute sends a request through the plan in force as a call would go,
// counts nothing, and says why it goes where it goes.
func (r *Router) TestRoute(_ context.Context, q TestQuery) (Explanation, error) {
	p := r.current.Load()
	if p == nil {
		return Explanation{}, errors.New("no configuration is in force yet")
	}
	in, err := p.testRequest(&q)
	if err != nil {
		return Explanation{}, err
	}
	minute := r.options.Now().Unix() / 60
	if q.Time != "" {
		at, err := parseDateTime(q.Time, p.zone)
		if err != nil {
			return Explanation{}, err
		}
		minute = at.Unix() / 60
	}
	return p.explain(in, minute), nil
}

// explain is the way of a message through all stages.
func (p *Plan) explain(in *hop.Incoming, minute int64) Explanation {
	e := Explanation{Steps: []string{fmt.Sprintf("network %s, adjacency %s", in.Network, in.Adjacency.Name)}}
	var d hop.Decision
	stage := func(in *hop.Incoming, out *hop.Target, do func(w *walk)) {
		w := p.begin(in, out)
		defer w.end()
		w.notes, w.now, w.d = &e.Steps, minute, &d
		do(w)
	}
	stage(in, nil, func(w *walk) {
		raw := w.rewrite(nil, model.TriggerPreNormalization)
		if raw == nil {
			return
		}
		w.noteChange(raw)
		if w.again(raw) {
			in, w.second = w.second, nil
		} else {
			w.note("the changed request cannot be read; it goes on as it was")
		}
	})
	stage(in, nil, (*walk).route)
	for i := range d.Targets {
		e.Targets = append(e.Targets, targetText(&d.Targets[i], i))
		if !p.Rewrites(model.TriggerPostNormalization) {
			continue
		}
		stage(in, &d.Targets[i], func(w *walk) {
			w.note("target %d", i+1)
			w.indent++
			if raw := w.rewrite(nil, model.TriggerPostNormalization); raw != nil {
				w.noteChange(raw)
			}
		})
	}
	if len(d.Targets) == 0 {
		e.Refusal = fmt.Sprintf("%d (%s)", d.Refusal.Status, d.Refusal.Rule)
	}
	return e
}

// testRequest makes the request that q describes.
func (p *Plan) testRequest(q *TestQuery) (*hop.Incoming, error) {
	if q.Network == "" && len(p.networks) == 1 {
		q.Network = p.networks[0].Name
	}
	i := slices.IndexFunc(p.networks, func(n model.SIPNetwork) bool { return n.Name == q.Network })
	switch {
	case q.Network == "":
		return nil, errors.New("say which network the request comes in on")
	case i < 0:
		return nil, fmt.Errorf("there is no SIP network %s", q.Network)
	}
	in := &hop.Incoming{Message: new(message.Message), Network: q.Network}
	if listens := p.networks[i].Listens; len(listens) > 0 {
		in.Transport, in.Local = listens[0].Transport, listens[0].Address
	}
	if !q.Source.IsValid() {
		q.Source = netip.IPv4Unspecified()
	}
	in.Remote = netip.AddrPortFrom(q.Source.Unmap(), in.Transport.DefaultPort())
	in.Adjacency = p.Adjacency(in.Network, in.Transport, in.Remote.Addr())
	if q.Method == "" {
		q.Method = message.Invite.String()
	}
	if q.From == "" {
		q.From = "sip:test@" + in.Remote.String()
	}
	for _, uri := range []string{q.URI, q.From} {
		if len(uri) > maxTestURI || strings.ContainsAny(uri, " \t\r\n<>") {
			return nil, fmt.Errorf("%.40q is no URI", uri)
		}
		if _, err := message.ParseURI([]byte(uri), message.Span{End: uint16(len(uri))}); err != nil {
			return nil, fmt.Errorf("%s is no URI: %w", uri, err)
		}
	}
	err := in.Message.Parse(fmt.Appendf(nil, "%s %s SIP/2.0\r\nVia: SIP/2.0/%s %s;branch=z9hG4bKtest\r\nMax-Forwards: 70\r\n"+
		"From: <%s>;tag=test\r\nTo: <%s>\r\nCall-ID: test\r\nCSeq: 1 %[1]s\r\nContent-Length: 0\r\n\r\n",
		q.Method, q.URI, in.Transport.Via(), in.Remote, q.From, q.URI))
	if err != nil || string(in.Message.Get(in.Message.MethodName)) != q.Method || string(in.Message.Get(in.Message.URI)) != q.URI {
		return nil, fmt.Errorf("%.40q %s is no request", q.Method, q.URI)
	}
	in.URI, err = message.ParseURI(in.Message.Raw, in.Message.URI)
	return in, err
}

// maxTestURI is the longest URI that test route takes.
const maxTestURI = 1024

// targetText is one target as people read it.
func targetText(t *hop.Target, index int) string {
	text := fmt.Sprintf("%d. %s, network %s", index+1, placeText(t), t.Network)
	if t.Adjacency != nil {
		text += ", adjacency " + t.Adjacency.Name
	}
	if t.Parallel {
		text += ", at the same time"
	}
	if t.Element != nil && !t.Element.Up() {
		text += ", down"
	}
	return text
}

// placeText is "udp 192.0.2.1:5060", or a name and what is known with it.
func placeText(t *hop.Target) string {
	switch {
	case t.Address.IsValid():
		return fmt.Sprintf("%v %v", t.Transport, t.Address)
	case t.Port != 0:
		return fmt.Sprintf("%v %s:%d", t.Transport, t.Host, t.Port)
	case t.Fixed:
		return fmt.Sprintf("%v %s", t.Transport, t.Host)
	}
	return t.Host + " (transport and port by DNS)"
}

// noteTrigger says which trigger is looked at.
func (w *walk) noteTrigger(stage model.TriggerKind, t *trigger) {
	text := fmt.Sprintf("trigger %s %d: ", model.TriggerKindNames[stage], t.sequence)
	if t.policy == "" {
		text += "by-pass"
	} else {
		text += "policy " + t.policy
	}
	if t.condition == nil {
		w.note("%s, always", text)
	} else {
		w.note("%s, if %s", text, t.condition.name)
	}
}

// noteTest says which test of a sequence failed.
func (w *walk) noteTest(s *triggerSequence, t *test) {
	is := "there is none"
	if t.comparison == isNow {
		is = "it is " + time.Unix(w.minute()*60, 0).In(t.time.zone).Format("Mon 2006-01-02 15:04")
	} else if text, ok := t.reader.Read(w.scratch[:0], w.in, w.out); ok {
		is = fmt.Sprintf("it is %q", text)
	}
	not := ""
	if t.not {
		not = "not "
	}
	w.note("sequence %d is false: %s%s %s", s.number, not, describe(t.field), t.value)
	w.note("  %s", is)
}

// noteStep says what a step found.
func (w *walk) noteStep(s *step, key []byte, route int32) {
	w.note("sequence %d: %s %q", s.sequence, describe(s.field), key)
	if route == none {
		w.note("  table %s, rule %s: no key matches", s.table.name, model.MatchRuleNames[s.rule])
		return
	}
	w.note("  table %s, rule %s: key %s", s.table.name, model.MatchRuleNames[s.rule], s.table.keys.at(int(route)))
	w.note("  %s", destinationText(&w.plan.destinations[s.table.destinations[route]].Destination))
}

// noteWay says which element of a route group comes next.
func (w *walk) noteWay(of *way, parallel bool) {
	drawn := ""
	if of.shared && !parallel {
		drawn = ", drawn for each call"
	}
	w.note("element %d: %s", of.number, destinationText(&of.destination.Destination))
	w.note("  q-value %.3f weight %d%s", float64(of.q)/1000, of.weight, drawn)
}

// noteServers says which elements of a server group are tried, and which not.
func (w *walk) noteServers(d *destination, chosen []hop.Target) {
	i := slices.IndexFunc(w.plan.configured, func(g model.ServerGroup) bool { return g.Name == d.Host })
	g := &w.plan.configured[i]
	w.note("server group %s, balance %v", g.Name, g.Balance)
	for _, e := range g.Elements {
		at := slices.IndexFunc(chosen, func(t hop.Target) bool {
			return t.Host == e.Host && t.Transport == e.Transport && int(t.Port) == e.Port
		})
		place := "left out: down, at rest or overloaded"
		switch {
		case at >= 0:
			place = fmt.Sprintf("choice %d", at+1)
		case e.Shutdown:
			place = "left out: shut down"
		}
		w.note("  %v %s %d q-value %.3f weight %d: %s", e.Transport, e.Host, e.Port, float64(e.Q)/1000, e.Weight, place)
	}
}

// noteChange lists the lines of the message that a policy changed.
func (w *walk) noteChange(raw []byte) {
	before, after := strings.Split(string(w.in.Message.Raw), "\r\n"), strings.Split(string(raw), "\r\n")
	for _, line := range before {
		if !slices.Contains(after, line) {
			w.note("  - %s", line)
		}
	}
	for _, line := range after {
		if !slices.Contains(before, line) {
			w.note("  + %s", line)
		}
	}
}

// fieldWords are the words of fields that are not parts of a message's text.
var fieldWords = map[model.FieldKind]string{
	model.FieldInNetwork: "in-network", model.FieldOutNetwork: "out-network",
	model.FieldLocalIP: "local-ip", model.FieldLocalPort: "local-port",
	model.FieldRemoteIP: "remote-ip", model.FieldRemotePort: "remote-port",
	model.FieldProtocol: "protocol", model.FieldMethod: "method", model.FieldMessage: "message",
	model.FieldMidDialog: "mid-dialog", model.FieldResponseCode: "response-code", model.FieldTime: "time",
}

// describe is a field in the words of the commands.
func describe(f model.Field) string {
	if word, found := fieldWords[f.Kind]; found {
		return word
	}
	words := []string{"request-uri"}
	if f.Header != "" {
		words = []string{"header", f.Header}
	}
	switch {
	case f.Kind == model.FieldURIParam:
		words = append(words, "uri-param", f.Param)
	case f.Kind == model.FieldHeaderParam:
		words = append(words, "header-param", f.Param)
	case f.Component != "":
		words = append(words, "uri-component", f.Component)
	}
	return strings.Join(words, " ")
}
