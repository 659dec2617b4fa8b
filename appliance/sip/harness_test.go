package sip

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

// The test network: callers on LAN1, callees on LAN2, the proxy between.
var (
	caller    = netip.MustParseAddrPort("192.168.42.2:5060")
	lan1      = netip.MustParseAddrPort("192.168.42.1:5060")
	lan2      = netip.MustParseAddrPort("192.168.43.1:5060")
	callee    = netip.MustParseAddrPort("192.168.43.2:5060")
	signing   = []byte("0123456789abcdef0123456789abcdef")
	testNets  = model.SIP{Networks: []model.SIPNetwork{network1, network2}}
	network1  = model.SIPNetwork{Name: "lan1", Listens: []model.SIPListen{{Address: lan1}}, NextHop: model.SIPNextHop{Address: callee, Network: "lan2"}}
	network2  = model.SIPNetwork{Name: "lan2", Listens: []model.SIPListen{{Address: lan2}}}
	testStart = time.Hour // of the proxy's clock, so that nothing hangs on zero
)

// sent is one datagram that the proxy sent.
type sent struct {
	from, to netip.AddrPort
	text     string
}

// startLine is the first line.
func (s sent) startLine() string { return strings.SplitN(s.text, "\r\n", 2)[0] }

// values are those of all lines with that header field name.
func (s sent) values(name string) (values []string) {
	for _, line := range strings.Split(s.text, "\r\n") {
		if n, value, found := strings.Cut(line, ":"); found && n == name {
			values = append(values, strings.TrimSpace(value))
		}
	}
	return values
}

func (s sent) value(name string) string {
	if values := s.values(name); len(values) > 0 {
		return values[0]
	}
	return ""
}

// gate admits by rule, and takes and counts seats.
type gate struct {
	refusal hop.Refusal // of Offer
	place   hop.Refusal // of Place
	shed    hop.Refusal
	denied  netip.Addr
	flood   bool
	seats   int
	billing model.CallBilling
	network string // of the last that failed
	failed  []hop.Failure
}

var _ Admission = (*gate)(nil)

func (g *gate) Ready() bool { return g.refusal.Status == 0 }
func (g *gate) Emergency(in *hop.Incoming) bool {
	return string(in.Message.Get(in.URI.User)) == "112"
}
func (g *gate) Denied(from netip.Addr) bool     { return from == g.denied }
func (g *gate) Flooding(netip.Addr) bool        { return g.flood }
func (g *gate) Queue(float64)                   {}
func (g *gate) Shed() (hop.Refusal, bool)       { return g.shed, g.shed.Status != 0 }
func (g *gate) Feedback() (int, uint64, bool)   { return 20, 7, g.shed.Status != 0 }
func (g *gate) Offer(*hop.Incoming) hop.Refusal { return g.refusal }
func (g *gate) LogsFailures() bool              { return true }
func (g *gate) Failed(f *hop.Failure) {
	g.failed, g.network = append(g.failed[:min(len(g.failed), 9)], *f), f.In.Network
}
func (g *gate) Leave()                     { g.seats-- }
func (g *gate) Billing() model.CallBilling { return g.billing }
func (g *gate) Place(*hop.Incoming, *hop.Target) (hop.Seat, hop.Refusal) {
	if g.place.Status != 0 {
		return nil, g.place
	}
	g.seats++
	return g, hop.Refusal{}
}

// nextHops is a routing that knows next hops only, and what a test adds.
type nextHops struct {
	Plan
	networks []model.SIPNetwork
	targets  []hop.Target // of all requests, if there are any
}

// planner makes such routings.
type planner struct{ last *nextHops }

func (p *planner) Plan(c *model.Config) (Plan, error) {
	p.last = &nextHops{networks: c.SIP.Networks}
	return p.last, nil
}

func (r *nextHops) Use()                            {}
func (r *nextHops) Rewrites(model.TriggerKind) bool { return false }
func (r *nextHops) Adjacency(network string, _ model.Transport, _ netip.Addr) *model.Adjacency {
	return &model.Adjacency{Name: network}
}
func (r *nextHops) Route(in *hop.Incoming, d *hop.Decision) {
	if r.targets != nil {
		d.Targets = append(d.Targets, r.targets...)
		return
	}
	for _, n := range r.networks {
		if n.Name == in.Network && n.NextHop.Address.IsValid() {
			d.Targets = append(d.Targets, hop.Target{Network: n.NextHop.Network, Address: n.NextHop.Address})
		}
	}
}

// memoryLedger is a ledger with a bound, and a batch in one.
type memoryLedger struct {
	room, reserved int64
	kinds          []model.CallEventKind
	causes         []model.EndCause
	events         []model.CallEvent
}

const eventSize = 10

func (l *memoryLedger) Most(model.CallEventKind) int64 { return eventSize }
func (l *memoryLedger) Overdraw(octets int64)          { l.reserved += octets }
func (l *memoryLedger) Release(octets int64)           { l.reserved -= octets }
func (l *memoryLedger) NewBatch() EventBatch           { return l }
func (l *memoryLedger) Empty() bool                    { return true }
func (l *memoryLedger) Reserve(octets int64) bool {
	if l.reserved+octets > l.room {
		return false
	}
	l.reserved += octets
	return true
}
func (l *memoryLedger) Append(e *model.CallEvent) int64 {
	l.kinds = append(l.kinds, e.Kind)
	if e.Kind.Ends() || e.Kind == model.CallDisconnect {
		l.causes = append(l.causes, e.Cause)
	}
	var event model.CallEvent
	if err := event.Decode(e.AppendTo(nil)); err != nil {
		panic(err)
	}
	l.events = append(l.events, event)
	l.reserved -= eventSize - 1
	l.room -= eventSize - 1
	return eventSize - 1
}

func addressOf(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// bench is a proxy without sockets: datagrams go in by hand and come out in out.
type bench struct {
	*testing.T
	p      *Proxy
	w      *worker
	gate   *gate
	plans  *planner
	ledger *memoryLedger
	out    []sent

	billing model.Billing
}

func newBench(t *testing.T) *bench { return newBenchWith(t, &memoryLedger{room: 1 << 20}) }

func newBenchWith(t *testing.T, ledger *memoryLedger) *bench {
	t.Helper()
	b := &bench{T: t, gate: &gate{}, plans: &planner{}, ledger: ledger, billing: model.Billing{
		Configured: true, Active: true, XML: []model.XMLMethod{{Attached: true}}}}
	p, err := New(Options{Admission: b.gate, Routing: b.plans, Ledger: ledger, Key: signing, Readers: 1})
	if err != nil {
		t.Fatal(err)
	}
	b.p = p
	b.configure(&testNets)
	b.w = p.newWorker(0)
	b.w.now = testStart
	b.w.out.capture = func(s *socket, to netip.AddrPort, payload []byte) {
		var from netip.AddrPort
		for place, l := range p.config.Load().own {
			if l.sockets[0] == s {
				from = place.Address
			}
		}
		b.out = append(b.out, sent{from, to, string(payload)})
	}
	return b
}

// reborn is the proxy after a restart: it knows nothing but its key and the keys
// of the open calls.
func (b *bench) reborn(answered bool) *bench {
	b.Helper()
	var open []RestoredCall
	for i := range b.p.shards {
		for key := range b.p.shards[i].calls {
			open = append(open, RestoredCall{key, answered})
		}
	}
	next := newBench(b.T)
	next.p.Restore(open)
	return next
}

// configure puts networks in force without binding anything.
func (b *bench) configure(networks *model.SIP) {
	old := &snapshot{own: make(map[hop.Place]*listenPoint)}
	for _, n := range networks.Networks {
		for _, l := range n.Listens {
			old.own[hop.Place(l)] = &listenPoint{sockets: []*socket{{}}}
		}
	}
	next, err := b.p.newSnapshot(&model.Config{SIP: *networks, SBC: model.SBC{Billing: b.billing}}, old)
	if err != nil {
		b.Fatal(err)
	}
	b.p.config.Store(next)
}

// receive gives the proxy a datagram and takes what it sends at once.
func (b *bench) receive(at, from netip.AddrPort, text string) []sent {
	b.Helper()
	b.out = nil
	b.w.config = b.p.config.Load()
	b.w.receive(b.w.config.own[hop.Place{Address: at}], from, nil, []byte(text))
	return b.out
}

// wait lets time pass and takes what the timers send.
func (b *bench) wait(d time.Duration) []sent {
	b.out = nil
	for end := b.w.now + d; b.w.now < end; {
		b.w.now = min(b.w.now+tick, end)
		b.runTimers()
	}
	return b.out
}

func (b *bench) runTimers() {
	for i := range b.p.shards {
		b.p.shards[i].wheel.run(b.w, &b.p.shards[i], b.w.now)
	}
}

// only checks that exactly these start lines were sent, and gives them.
func (b *bench) only(got []sent, want ...string) []sent {
	b.Helper()
	lines := make([]string, len(got))
	for i, s := range got {
		lines[i] = s.startLine()
	}
	if fmt.Sprint(lines) != fmt.Sprint(want) {
		b.Fatalf("sent %q; want %q", lines, want)
	}
	return got
}

// status sums up what the proxy holds.
func (b *bench) status() (status model.ProxyStatus) {
	b.p.Status(&status)
	return status
}

// empty checks that after every timer nothing is left.
func (b *bench) empty() {
	b.Helper()
	b.wait(10 * time.Minute)
	if left := b.left(); left != "" {
		b.Error(left)
	}
}

// left says what the proxy and those it accounts to still hold, if anything.
func (b *bench) left() string {
	clients, octets := 0, 0
	for i := range b.p.shards {
		for _, t := range b.p.shards[i].clients {
			if t != nil {
				clients++
			}
		}
		octets += b.p.shards[i].taken()
	}
	s := b.status()
	if s.Transactions == 0 && clients == 0 && octets == 0 && s.OpenCalls == 0 && b.gate.seats == 0 && b.ledger.reserved == 0 {
		return ""
	}
	return fmt.Sprintf("left over: %d server transactions, %d client transactions, %d calls, %d octets of memory, %d seats, %d octets reserved",
		s.Transactions, clients, s.OpenCalls, octets, b.gate.seats, b.ledger.reserved)
}

const sdp = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n"

// request writes a request of the caller. extra are whole lines.
func request(method, uri, branch string, cseq int, extra ...string) string {
	body := ""
	if method == "INVITE" {
		body = sdp
		extra = append(extra, "Content-Type: application/sdp")
	}
	to := "To: <sip:bob@example.com>"
	for i, line := range extra {
		if strings.HasPrefix(line, "To:") {
			to, extra = line, append(append([]string(nil), extra[:i]...), extra[i+1:]...)
			break
		}
	}
	forwards := "Max-Forwards: 70"
	for _, line := range extra {
		if strings.HasPrefix(line, "Max-Forwards:") {
			forwards = ""
		}
	}
	lines := []string{
		method + " " + uri + " SIP/2.0",
		"Via: SIP/2.0/UDP 192.168.42.2:5060;branch=z9hG4bK" + branch,
		"From: <sip:alice@example.com>;tag=a1",
		to,
		"Call-ID: call-1@192.0.2.1",
		fmt.Sprintf("CSeq: %d %s", cseq, method),
	}
	if method == "INVITE" {
		lines = append(lines, "Contact: <sip:alice@192.168.42.2:5060>")
	}
	if forwards != "" {
		lines = append(lines, forwards)
	}
	lines = append(lines, extra...)
	lines = append(lines, fmt.Sprintf("Content-Length: %d", len(body)))
	return strings.Join(lines, "\r\n") + "\r\n\r\n" + body
}

// answerTo writes a callee's response to a request it got.
func answerTo(r sent, status int, reason string, extra ...string) string {
	lines := []string{fmt.Sprintf("SIP/2.0 %d %s", status, reason)}
	for _, via := range r.values("Via") {
		lines = append(lines, "Via: "+via)
	}
	if status < 300 {
		for _, rr := range r.values("Record-Route") {
			lines = append(lines, "Record-Route: "+rr)
		}
	}
	to := r.value("To")
	if status > 100 && !strings.Contains(to, ";tag=") {
		to += ";tag=b1"
	}
	lines = append(lines, "From: "+r.value("From"), "To: "+to, "Call-ID: "+r.value("Call-ID"), "CSeq: "+r.value("CSeq"))
	lines = append(lines, extra...)
	return strings.Join(lines, "\r\n") + "\r\nContent-Length: 0\r\n\r\n"
}
