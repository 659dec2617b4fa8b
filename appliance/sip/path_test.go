package sip

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

// oracle is a locator that knows what it was told.
type oracle struct {
	places  map[string][]hop.Place
	waiting []func()
}

func (o *oracle) Locate(q hop.Query, to []hop.Place) ([]hop.Place, bool) {
	places, known := o.places[q.Host]
	return append(to, places...), known
}

func (o *oracle) Await(_ hop.Query, done func()) { o.waiting = append(o.waiting, done) }

// tell has the oracle know a host, and wakes who waits for it. What is sent
// then goes out by a worker of its own: capture takes it.
func (b *bench) tell(o *oracle, host string, places ...hop.Place) []sent {
	b.out = nil
	b.p.workers.New = func() any {
		w := b.p.newWorker(0)
		w.out.capture = b.w.out.capture
		return w
	}
	b.p.start = time.Now().Add(-b.w.now)
	o.places[host] = places
	waiting := o.waiting
	o.waiting = nil
	for _, done := range waiting {
		done()
	}
	return b.out
}

func named(host string) hop.Target { return hop.Target{Network: "lan2", Query: hop.Query{Host: host}} }

func udp(address netip.AddrPort) hop.Place { return hop.Place{Address: address} }

// A request waits for DNS without blocking anybody, and its repetitions with it.
func TestHostNames(t *testing.T) {
	b, o := newBench(t), &oracle{places: make(map[string][]hop.Place)}
	b.p.options.Locator = o
	b.only(b.forked(named("trunk.example.com"), toward(third)))
	b.only(b.receive(lan1, caller, request("INVITE", "sip:bob@example.com", "i1", 1)), "SIP/2.0 100 Trying")
	if len(o.waiting) != 1 {
		t.Fatalf("asked %d times; want once", len(o.waiting))
	}
	out := b.only(b.tell(o, "trunk.example.com", udp(callee), udp(second)), invited)
	out = b.only(b.receive(lan2, callee, answerTo(out[0], 503, "No")), "ACK sip:bob@example.com SIP/2.0", invited)
	if out[1].to != second { // RFC 3263 §4.3: all addresses, then the next target
		t.Errorf("went to %v; want the second address", out[1].to)
	}
	out = b.receive(lan2, second, answerTo(out[1], 503, "No"))
	if len(to(out, third)) != 1 {
		t.Errorf("sent %v; want the INVITE to the next target", out)
	}
	b.empty()
}

func TestHostNameNotFound(t *testing.T) {
	b, o := newBench(t), &oracle{places: make(map[string][]hop.Place)}
	b.p.options.Locator = o
	b.forked(named("nowhere.example.com"))
	b.only(b.tell(o, "nowhere.example.com"), "SIP/2.0 500 Destination Not Found")
	b.empty()
}

// CANCEL while DNS is asked ends the request at once; the late answer starts nothing.
func TestCancelWhileLocating(t *testing.T) {
	b, o := newBench(t), &oracle{places: make(map[string][]hop.Place)}
	b.p.options.Locator = o
	b.forked(named("trunk.example.com"))
	b.only(b.receive(lan1, caller, cancelFor("sip:bob@example.com")), "SIP/2.0 200 OK", "SIP/2.0 487 Request Terminated")
	b.only(b.tell(o, "trunk.example.com", udp(callee)))
	b.empty()
}

// The ACK of a call to a host name waits, too.
func TestACKToHostName(t *testing.T) {
	b, o := newBench(t), &oracle{places: make(map[string][]hop.Place)}
	b.p.options.Locator = o
	set := append(routes(reversed(b.established())), tagged)
	b.only(b.receive(lan1, caller, request("ACK", "sip:bob@callee.example.com", "k", 1, set...)))
	b.only(b.tell(o, "callee.example.com", udp(callee)), "ACK sip:bob@callee.example.com SIP/2.0")
}

// A network of kind nat, and WebSockets: requests go back the way the
// neighbour's packets come.
func TestPinnedPath(t *testing.T) {
	b := newBench(t)
	networks := testNets
	networks.Networks = []model.SIPNetwork{network1, network2}
	networks.Networks[0].Kind = model.NetworkNAT
	b.configure(&networks)
	behind := addressOf("192.168.42.99:40000")
	invite := b.receive(lan1, behind, request("INVITE", bob, "i1", 1))[1]
	b.receive(lan2, callee, answerTo(invite, 200, "OK", "Contact: <sip:bob@192.168.43.2:5060>"))
	set := routes(invite.values("Record-Route"))
	text := request("INFO", "sip:alice@10.0.0.1:5060", "n1", 2, append(set, "To: <sip:alice@example.com>;tag=a1")...)
	text = strings.Replace(strings.Replace(text, "<sip:alice@example.com>;tag=a1\r\nCall", "<sip:alice@example.com>;tag=a1\r\nCall", 1), "From: <sip:alice@example.com>;tag=a1", "From: <sip:bob@example.com>;tag=b1", 1)
	if out := b.receive(lan2, callee, text); len(out) != 1 || out[0].to != behind {
		t.Errorf("sent %v; want the INFO to %v", out, behind)
	}
	forged := strings.Replace(text, ";at=00", ";at=01", 1)
	if out := b.receive(lan2, callee, strings.Replace(forged, "n1", "n2", 1)); len(out) != 1 || !strings.HasPrefix(out[0].text, "SIP/2.0 481") {
		t.Errorf("sent %v; want 481: the place is signed", out)
	}
}

// "header-hide": the next network sees no Via but ours, the answers have all.
func TestHeaderHide(t *testing.T) {
	b := newBench(t)
	networks := testNets
	networks.Networks = []model.SIPNetwork{network1, network2}
	networks.Networks[1].HeaderHide = true
	b.configure(&networks)
	invite := b.receive(lan1, addressOf("192.168.42.7:5060"), request("INVITE", bob, "i1", 1))[1]
	if vias := invite.values("Via"); len(vias) != 1 || strings.Contains(invite.text, "192.168.42.2:5060;branch") {
		t.Errorf("Via = %q; want ours alone", vias)
	}
	for _, status := range []int{180, 200} {
		ok := b.receive(lan2, callee, answerTo(invite, status, "Fine"))
		if want := "SIP/2.0/UDP 192.168.42.2:5060;branch=z9hG4bKi1;received=192.168.42.7"; len(ok) != 1 || ok[0].value("Via") != want || len(ok[0].values("Via")) != 1 {
			t.Errorf("%d: sent %v; want the Via %s", status, ok, want)
		}
	}
}

// What an earlier life of the process sent out may be answered in this one.
func TestAnswerAfterRestart(t *testing.T) {
	before := newBench(t)
	invite := before.invited()
	b := before.reborn(false)
	answered := answerTo(invite, 200, "OK")
	b.only(b.receive(lan2, callee, answered)) // an hour after the start
	b.w.now = time.Minute
	out := b.only(b.receive(lan2, callee, answered), "SIP/2.0 200 OK")
	if out[0].to != caller || len(out[0].values("Via")) != 1 {
		t.Errorf("200 went to %v with Via %q", out[0].to, out[0].values("Via"))
	}
	set := append(routes(reversed(invite.values("Record-Route"))), tagged)
	bye := b.only(b.receive(lan1, caller, request("BYE", "sip:bob@192.168.43.2:5060", "b1", 2, set...)), "BYE sip:bob@192.168.43.2:5060 SIP/2.0")[0]
	b.only(b.receive(lan2, callee, answerTo(bye, 200, "OK")), "SIP/2.0 200 OK")
	if want := []model.CallEventKind{model.CallAnswered, model.CallDisconnect, model.CallEnded}; strings.Join(kinds(b.ledger.kinds), " ") != strings.Join(kinds(want), " ") {
		t.Errorf("events = %v; want %v", b.ledger.kinds, want)
	}
	b.empty()
}

func kinds(all []model.CallEventKind) (names []string) {
	for _, k := range all {
		names = append(names, k.String())
	}
	return names
}

// RFC 7339: neighbours that understand it are told to hold back.
func TestOverloadFeedback(t *testing.T) {
	b := newBench(t)
	b.gate.shed = hop.Refusal{Status: 503, Reason: "Overload", Rule: model.RuleOverload, RetryAfter: 5}
	text := strings.Replace(request("INVITE", bob, "i1", 1), ";branch", `;oc;oc-algo="loss";branch`, 1)
	out := b.only(b.receive(lan1, caller, text), "SIP/2.0 503 Overload")[0]
	if want := `SIP/2.0/UDP 192.168.42.2:5060;oc=20;oc-validity=1000;oc-seq=7.0;oc-algo="loss";branch=z9hG4bKi1`; out.value("Via") != want {
		t.Errorf("Via = %q; want %q", out.value("Via"), want)
	}
	b.empty()
}

// A repetition of a refused INVITE gets the same answer and is no new call.
func TestRefusalIsRepeated(t *testing.T) {
	b := newBench(t)
	refuses(model.RuleCPS, "Licensed Call Rate Exceeded")(b)
	for range 3 {
		b.only(b.receive(lan1, caller, request("INVITE", bob, "i1", 1)), "SIP/2.0 503 Licensed Call Rate Exceeded")
	}
	if counters := b.status().Counters; counters["refused"] != 1 || counters["offered"] != 1 || b.status().Transactions != 0 {
		t.Errorf("refused %d, offered %d, %d transactions; want 1, 1, 0", counters["refused"], counters["offered"], b.status().Transactions)
	}
}
