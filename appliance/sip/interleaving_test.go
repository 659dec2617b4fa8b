package sip

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"

	"pgregory.net/rapid"
)

// leg is a branch as its callee sees it.
type leg struct {
	at          netip.AddrPort
	request     sent
	provisional bool
	final       int // first final response that the callee gave
}

// play is one request of the caller, and all that becomes of it in an order
// that nobody foresees.
type play struct {
	*rapid.T
	b         *bench
	o         *oracle
	method    string
	targets   []hop.Target
	legs      []*leg
	cancelled bool
	finals    []int // that the caller got, each status once
	answered  string
	taken     int // seats
}

// once is a seat that may be left once.
type once struct {
	p    *play
	left bool
}

func (o *once) Billing() model.CallBilling { return model.CallBilling{} }

func (o *once) Leave() {
	if o.left {
		o.p.Fatal("a seat is left twice")
	}
	o.left = true
	o.p.taken--
}

// seats is the bench's gate with seats that are told apart.
type seats struct {
	*gate
	p *play
}

func (g *seats) Place(*hop.Incoming, *hop.Target) (hop.Seat, hop.Refusal) {
	if g.place.Status != 0 {
		return nil, g.place
	}
	g.p.taken++
	return &once{p: g.p}, hop.Refusal{}
}

var callees = []netip.AddrPort{callee, second, third, addressOf("192.168.43.5:5060")}

// commit puts one of several configurations in force: what runs must not mind.
func (p *play) commit() {
	flag := rapid.Bool()
	sip := testNets
	sip.Networks = []model.SIPNetwork{network1, network2}
	sip.Recursion = flag.Draw(p.T, "recursion")
	sip.Networks[1].HeaderHide = flag.Draw(p.T, "hide")
	for i := range sip.Networks {
		timers := &sip.Networks[i].Timers
		if flag.Draw(p.T, "slow") {
			timers.ClientTn, timers.ServerTn = 64000, 64000
		}
		if flag.Draw(p.T, "counts") {
			timers.InviteClientCount, timers.NonInviteClientCount, timers.InviteServerCount = 2, 9, 9
		}
	}
	p.b.configure(&sip)
	p.b.plans.last.targets = p.targets
}

// drawTargets makes up a decision of routing.
func (p *play) drawTargets() {
	for i := range rapid.IntRange(1, 4).Draw(p.T, "targets") {
		target := toward(callees[i])
		if rapid.IntRange(0, 3).Draw(p.T, "named") == 0 {
			target = named(fmt.Sprintf("host%d.example.com", i))
		}
		target.Parallel = i > 0 && rapid.Bool().Draw(p.T, "parallel")
		target.Element = &element{down: rapid.IntRange(0, 3).Draw(p.T, "down") == 0}
		if rapid.Bool().Draw(p.T, "failover") {
			target.Failover = []model.CodeRange{{From: 400, To: 599}}
		}
		p.targets = append(p.targets, target)
	}
}

// took looks at what the proxy has sent.
func (p *play) took(out []sent) {
	for _, s := range out {
		method, _, _ := strings.Cut(s.text, " ")
		switch {
		case method == "SIP/2.0":
			p.heard(s)
		case method == p.method:
			p.reached(s)
		case method == "CANCEL":
			if l := p.leg(s); l == nil || p.method != "INVITE" || !l.provisional || l.final != 0 {
				p.Fatalf("CANCEL to %v out of turn", s.to)
			}
		case method == "ACK":
			if l := p.leg(s); l == nil || l.final < 300 {
				p.Fatalf("ACK to %v out of turn", s.to)
			}
		}
	}
	if p.taken < 0 || p.taken > len(p.legs) {
		p.Fatalf("%d seats are taken by %d branches", p.taken, len(p.legs))
	}
	if got := p.count(model.CallEnded); got > p.count(model.CallOffered) {
		p.Fatalf("the call has ended %d times", got)
	}
}

func (p *play) leg(s sent) *leg {
	for _, l := range p.legs {
		if l.request.value("Via") == s.value("Via") {
			return l
		}
	}
	return nil
}

// reached is the request at a callee: a new branch, or a repetition of one
// that has no answer yet.
func (p *play) reached(s sent) {
	l := p.leg(s)
	switch {
	case l == nil && (p.cancelled || len(p.finals) > 0):
		p.Fatalf("%v is tried though the caller is told %v (cancelled: %v)", s.to, p.finals, p.cancelled)
	case l == nil:
		p.legs = append(p.legs, &leg{at: s.to, request: s})
	case p.method == "INVITE" && (l.provisional || l.final != 0):
		p.Fatalf("INVITE to %v is repeated after an answer", s.to)
	}
}

// heard is a response at the caller.
func (p *play) heard(s sent) {
	status, _ := strconv.Atoi(strings.Fields(s.text)[1])
	if s.to != caller || strings.HasSuffix(s.value("CSeq"), "CANCEL") || status < 200 || slices.Contains(p.finals, status) {
		return
	}
	switch {
	case len(s.values("Via")) != 1:
		p.Fatalf("the caller's response has Via %q", s.values("Via"))
	case status == 408 && p.method != "INVITE":
		p.Fatal("408 to a request other than INVITE (RFC 4320 §4.2)")
	case len(p.finals) > 0 && (status >= 300 || p.method != "INVITE"): // a late 2xx may come after everything
		p.Fatalf("the caller is told %d after %v", status, p.finals)
	}
	p.finals = append(p.finals, status)
	if status < 300 && p.answered == "" {
		p.answered = strings.Join(s.values("Record-Route"), "\n")
	}
}

func (p *play) count(kind model.CallEventKind) (n int) {
	for _, k := range p.b.ledger.kinds {
		if k == kind {
			n++
		}
	}
	return n
}

var statuses = []int{100, 180, 183, 200, 200, 302, 401, 404, 407, 408, 486, 487, 500, 503, 503, 603}

// answer has one of the callees answer, right or wrong.
func (p *play) answer() {
	if len(p.legs) == 0 {
		return
	}
	l := rapid.SampledFrom(p.legs).Draw(p.T, "leg")
	status := rapid.SampledFrom(statuses).Draw(p.T, "status")
	s := p.b.p.shardOf([]byte(l.request.value("Call-ID")))
	_, branch, _ := strings.Cut(l.request.value("Via"), "branch=")
	t := s.client([]byte(branch))
	relayed := status == 200 && p.method == "INVITE" && t != nil && t.state != clientCompleted && t.server != nil
	if t != nil && l.final == 0 {
		if l.provisional = l.provisional || status < 200; status >= 200 {
			l.final = status
		}
	}
	extra := "Contact: <sip:bob@" + l.at.String() + ">"
	if status == 302 {
		extra = "Contact: <sip:bob@" + rapid.SampledFrom(callees).Draw(p.T, "moved").String() + ">;q=0.5, <sip:bob@192.168.43.9>"
	}
	out := p.b.receive(lan2, l.at, answerTo(l.request, status, "Said", extra))
	if got := to(out, caller); relayed && (len(got) != 1 || !strings.HasPrefix(got[0].text, "SIP/2.0 200 ")) {
		p.Fatalf("a 200 of %v is not relayed: %v", l.at, out)
	}
	p.took(out)
}

// step is something that happens.
func (p *play) step() {
	b := p.b
	switch rapid.SampledFrom([]string{"answer", "answer", "answer", "wait", "wait", "repeat", "cancel", "ack", "unreachable", "dns", "commit", "full"}).Draw(p.T, "step") {
	case "answer":
		p.answer()
	case "wait":
		p.pass(time.Duration(rapid.SampledFrom([]int{20, 600, 2000, 5100, 33000, 182000}).Draw(p.T, "ms")) * time.Millisecond)
	case "repeat":
		if b.p.shardOf([]byte("call-1@192.0.2.1")).servers[p.key()] == nil {
			return // all is over: it would be another request
		}
		p.took(b.receive(lan1, caller, p.request()))
	case "cancel":
		if p.method == "INVITE" {
			out := b.receive(lan1, caller, cancelFor("sip:bob@example.com"))
			p.cancelled = p.cancelled || out[0].startLine() == "SIP/2.0 200 OK"
			p.took(out)
		}
	case "ack":
		if p.method == "INVITE" && len(p.finals) > 0 && p.finals[0] >= 300 {
			p.took(b.receive(lan1, caller, request("ACK", "sip:bob@example.com", "i1", 1, tagged)))
		}
	case "unreachable":
		if len(p.legs) > 0 {
			b.out = nil
			l := rapid.SampledFrom(p.legs).Draw(p.T, "lost")
			s := b.p.shardOf([]byte(l.request.value("Call-ID")))
			_, branch, _ := strings.Cut(l.request.value("Via"), "branch=")
			if t := s.client([]byte(branch)); t != nil {
				t.unreachable(b.w, s)
			}
			p.took(b.out)
		}
	case "dns":
		p.found([]hop.Place{udp(callees[3]), udp(callees[0])}[:rapid.IntRange(0, 2).Draw(p.T, "places")]...)
	case "commit":
		p.commit()
	case "full":
		b.gate.place = hop.Refusal{Status: 503, Rule: "cac"}
	}
}

// pass lets time pass, in long ticks.
func (p *play) pass(d time.Duration) {
	p.b.out = nil
	for end := p.b.w.now + d; p.b.w.now < end; p.b.runTimers() {
		p.b.w.now = min(p.b.w.now+10*tick, end)
	}
	p.took(p.b.out)
}

// found is DNS's answer for all names.
func (p *play) found(places ...hop.Place) {
	for i := range callees {
		p.o.places[fmt.Sprintf("host%d.example.com", i)] = places
	}
	p.took(p.b.tell(p.o, "host0.example.com", places...))
}

func (p *play) request() string { return request(p.method, "sip:bob@example.com", "i1", 1) }

// key is that of the request's server transaction.
func (p *play) key() uint64 {
	w := p.b.p.newWorker(0)
	if err := w.msg.Parse([]byte(p.request())); err != nil {
		p.Fatal(err)
	}
	return w.serverKey(w.msg.Method)
}

// end lets everything come to its end, and looks what is left.
func (p *play) end() {
	b := p.b
	p.found()
	p.pass(10 * time.Minute)
	if p.method == "INVITE" && len(p.finals) == 0 {
		p.Fatal("the INVITE got no final response")
	}
	if b.status().OpenCalls > 0 {
		if p.answered == "" {
			p.Fatal("a call is open that nobody answered")
		}
		set := append(routes(reversed(strings.Split(p.answered, "\n"))), tagged)
		for i, l := range p.legs { // one of them is the call's
			bye := request("BYE", "sip:bob@"+l.at.String(), fmt.Sprint("b", i), 2+i, set...)
			for _, s := range b.receive(lan1, caller, bye) {
				b.receive(lan2, s.to, answerTo(s, 200, "OK"))
			}
		}
	}
	p.pass(2 * time.Minute)
	b.gate.seats = p.taken
	if left := b.left(); left != "" {
		p.Fatal(left)
	}
	if offered, ended := p.count(model.CallOffered), p.count(model.CallEnded); offered != ended || p.method != "INVITE" && offered > 0 {
		p.Fatalf("%d calls were offered, %d ended", offered, ended)
	}
}

// Whatever callers, callees, DNS, the clock and the administrator do, and in
// whatever order: the caller hears one final response, every 2xx goes to him,
// no target is tried after that, each call ends once, nothing is left.
func TestInterleavings(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		p := &play{T: r, b: newBench(t), o: &oracle{places: make(map[string][]hop.Place)}}
		p.b.p.options.Locator = p.o
		p.b.p.options.Admission = &seats{p.b.gate, p}
		p.method = rapid.SampledFrom([]string{"INVITE", "INVITE", "MESSAGE"}).Draw(r, "method")
		p.drawTargets()
		p.commit()
		p.took(p.b.receive(lan1, caller, p.request()))
		for range rapid.IntRange(0, 25).Draw(r, "steps") {
			p.step()
		}
		p.end()
	})
}
