package sip

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
	"causeway/appliance/sip/message"
)

// What the settings of FuzzReceive switch on.
const (
	fuzzRecursion = 1 << iota
	fuzzHide
	fuzzNAT
	fuzzPolicies
	fuzzNames // the first target is a host name
	fuzzFork
	fuzzCompact
	fuzzNoCredits
)

// names is a locator that knows a host as soon as somebody has waited for it.
type names struct {
	known   map[string]bool
	places  []hop.Place
	waiting []func()
}

func (n *names) Locate(q hop.Query, to []hop.Place) ([]hop.Place, bool) {
	if !n.known[q.Host] {
		return to, false
	}
	return append(to, n.places...), true
}

func (n *names) Await(q hop.Query, done func()) {
	n.waiting = append(n.waiting, func() { n.known[q.Host] = true; done() })
}

// scene is a proxy under fuzzing and what its neighbours have seen of it.
type scene struct {
	*bench
	names names
	// requests are what callees got, tokens what stands for parts of the newest
	// of them in the texts of the fuzzer.
	requests []sent
	tokens   *strings.Replacer
}

func newScene(t *testing.T, settings uint8) *scene {
	s := &scene{bench: newBench(t), tokens: strings.NewReplacer()}
	on := func(what uint8) bool { return settings&what != 0 }
	nets := testNets
	nets.Networks = []model.SIPNetwork{network1, network2}
	nets.Recursion, nets.Compaction, nets.Networks[1].HeaderHide = on(fuzzRecursion), on(fuzzCompact), on(fuzzHide)
	if on(fuzzNAT) {
		nets.Networks[0].Kind = model.NetworkNAT
	}
	s.configure(&nets)
	if on(fuzzNoCredits) {
		s.ledger.room = 40 * eventSize
	}
	s.names = names{known: make(map[string]bool), places: []hop.Place{udp(addressOf("127.0.0.1:53")), udp(second), udp(third)}}
	s.p.options.Locator = &s.names
	if on(fuzzNames) {
		s.plans.last.targets = []hop.Target{named("trunk.example.com"), toward(callee)}
	}
	if on(fuzzFork) {
		s.plans.last.targets = append(s.plans.last.targets, toward(second), parallel(toward(third)), parallel(named("other.example.com")), toward(callee))
	}
	if on(fuzzPolicies) {
		s.rewrites()
	}
	return s
}

// send brings in a datagram and looks at what comes of it.
func (s *scene) send(at, from netip.AddrPort, text string) { s.look(s.receive(at, from, text)) }

// look notes the requests that were sent, and checks that others can read all.
func (s *scene) look(out []sent) {
	for _, one := range out {
		var m message.Message
		if strings.HasPrefix(one.text, "SIP/2.0 4") || strings.HasPrefix(one.text, "SIP/2.0 5") { // what is wrong with a request is wrong with its answer
			continue
		}
		if err := m.Parse([]byte(one.text)); err != nil {
			s.Fatalf("sent to %v what is no message: %v\n%q", one.to, err, one.text)
		}
		if m.IsResponse {
			continue
		}
		if fault := m.Validate(); fault != nil && fault.Status != 513 { // our lines may be one too many
			s.Fatalf("sent to %v what deserves %v\n%q", one.to, fault, one.text)
		}
		s.requests = append(s.requests, one)
		set := strings.Join(routes(reversed(one.values("Record-Route"))), "\r\n")
		s.tokens = strings.NewReplacer("{branch}", string(m.Get(m.Via.Branch)), "{route}", set, "{via}", one.value("Via"),
			"{key}", strings.Trim(strings.Join(one.values("Record-Route"), ","), "<>"))
	}
}

// fuzzAnswers are the responses that callees may give.
var fuzzAnswers = [...]int{100, 180, 200, 302, 401, 407, 408, 486, 503, 600, 202, 300}

// step does one thing; texts are the fuzzer's messages.
func (s *scene) step(what byte, texts []string) {
	text := s.tokens.Replace(texts[int(what>>4)%len(texts)])
	switch what % 8 {
	case 0:
		s.send(lan1, caller, text)
	case 1:
		s.send(lan2, callee, text)
	case 2, 3, 4: // of the last eight requests
		if len(s.requests) == 0 {
			return
		}
		r := s.requests[len(s.requests)-1-int(what>>3)%min(8, len(s.requests))]
		status := fuzzAnswers[int(what>>3+what%8)%len(fuzzAnswers)]
		s.send(lan2, r.to, answerTo(r, status, "Fine", "Contact: <sip:x@192.168.43.3>, <sip:y@z.example.com>;q=0.5", "WWW-Authenticate: Digest realm=\"x\""))
	case 5:
		s.look(s.wait(time.Duration(what>>3) * 100 * time.Millisecond))
	case 6:
		s.w.now += time.Duration(what>>3) * 10 * time.Second
		s.out = nil
		s.runTimers()
		s.look(s.out)
	case 7:
		s.locate()
	}
}

// locate answers for DNS.
func (s *scene) locate() {
	waiting := s.names.waiting
	s.names.waiting = nil
	for _, done := range waiting {
		s.look(s.tell(&oracle{places: make(map[string][]hop.Place), waiting: []func(){done}}, ""))
	}
}

// end lets time pass until no transaction is left, which cannot take long, and
// checks that nothing else is left but calls.
func (s *scene) end() {
	for range 60 { // in long steps, or fuzzing would mostly wait
		s.locate()
		s.w.now += 40 * time.Second
		s.out = nil
		s.runTimers()
		s.look(s.out)
		if servers, clients := s.transactions(); servers+clients == 0 {
			break
		}
	}
	if servers, clients := s.transactions(); servers+clients != 0 {
		s.Errorf("left over: %d server transactions, %d client transactions", servers, clients)
	}
	calls := s.status().OpenCalls
	if n := s.gate.seats; n < 0 || n > calls {
		s.Errorf("left over: %d seats for %d calls", n, calls)
	}
	if n := s.ledger.reserved; n < 0 || n > int64(calls)*2*eventSize {
		s.Errorf("left over: %d octets reserved for %d calls", n, calls)
	}
}

// transactions are those that there are.
func (s *scene) transactions() (servers, clients int) {
	for i := range s.p.shards {
		for _, t := range s.p.shards[i].clients {
			if t != nil {
				clients++
			}
		}
	}
	return s.status().Transactions, clients
}

// FuzzReceive: whatever comes, in whatever order, from either side, no panic,
// nothing goes out that is no message, and the timers take everything away.
func FuzzReceive(f *testing.F) {
	invite := request("INVITE", "sip:bob@example.com", "i1", 1)
	bye := request("BYE", "sip:bob@z.example.com", "b", 2, "{route}", tagged)
	ack := request("ACK", "sip:bob@z.example.com", "i1", 1, "{route}", tagged)
	for _, seed := range []struct {
		script        string
		settings      uint8
		first, second string
		third         string
	}{
		{"\x00\x02\x10\x20\x02", 0, invite, bye, ack},
		{"\x00\x10\x75\x06", 0, invite, cancelFor("sip:bob@example.com"), ack},
		{"\x00\x0a\x10\x07\x20\x07\x20\x07", fuzzPolicies | fuzzNAT, invite, bye, ack},
		{"\x00\x1a\x03\x0b\x07\x13\x1b\x04", fuzzRecursion | fuzzHide, invite, bye, ack},
		{"\x00\x07\x12\x07\x02\x0a\x10\x07\x75\x06\x0e\x86\xff", fuzzNames | fuzzFork, invite, cancelFor("sip:bob@example.com"), ack},
		{"\x00\x10\x00\x20", fuzzFork | fuzzCompact, request("INVITE", bob, "i1", 1, "Route: <sip:192.168.42.1;lr>, <sip:192.0.2.1;lr>"), request("BYE", bob, "b", 2), request("REGISTER", bob, "r", 1)},
		{"\x00\x11\x20", fuzzNoCredits, request("MESSAGE", "sip:192.168.42.1:5060;lr;cw=x", "s1", 1, "Route: <sip:192.168.42.1:5060;lr>"), "SIP/2.0 200 OK\r\nVia: {via}\r\nVia: SIP/2.0/UDP 192.0.2.1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n\r\n", request("INFO", "{key}", "s2", 2, "{route}", tagged)},
		{"\x00\x11\x21\x01", fuzzNAT | fuzzHide, invite, request("NOTIFY", "sip:alice@10.0.0.1", "n", 1, "{route}", "To: <sip:alice@example.com>;tag=a1"), request("UPDATE", bob, "u", 2, "{route}", tagged, "Max-Breadth: 1", "Proxy-Require: x")},
	} {
		f.Add([]byte(seed.script), seed.settings, seed.first, seed.second, seed.third)
	}
	f.Fuzz(func(t *testing.T, script []byte, settings uint8, first, second, third string) {
		s := newScene(t, settings)
		for _, what := range script[:min(len(script), 40)] {
			s.step(what, []string{first, second, third})
		}
		s.end()
	})
}
