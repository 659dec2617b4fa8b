package sip

import (
	"strings"
	"testing"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
	"causeway/appliance/sip/message"
)

func TestRefusals(t *testing.T) {
	for _, test := range []struct {
		name, text, want string
		prepare          func(*bench)
		header, value    string // that the answer must have
	}{
		{name: "max forwards", text: request("INVITE", bob, "r1", 1, "Max-Forwards: 0"), want: "SIP/2.0 483 Too Many Hops"},
		{name: "proxy require", text: request("INVITE", bob, "r1", 1, "Proxy-Require: foo, bar", "Proxy-Require: baz"), want: "SIP/2.0 420 Bad Extension", header: "Unsupported", value: "foo, bar"},
		{name: "scheme", text: request("INVITE", "mailto:bob@example.com", "r1", 1), want: "SIP/2.0 416 Unsupported URI Scheme"},
		{name: "version", text: strings.Replace(request("INVITE", bob, "r1", 1), bob+" SIP/2.0", bob+" SIP/7.0", 1), want: "SIP/2.0 505 "},
		{name: "content length", text: strings.Replace(request("INVITE", bob, "r1", 1), "Content-Length: ", "Content-Length: 9", 1), want: "SIP/2.0 400 "},
		{name: "licence", text: request("INVITE", bob, "r1", 1), prepare: refuses(model.RuleLicence, "Calls Are Not Licensed"), want: "SIP/2.0 503 Calls Are Not Licensed"},
		{name: "rate", text: request("INVITE", bob, "r1", 1), prepare: refuses(model.RuleCPS, "Licensed Call Rate Exceeded"), want: "SIP/2.0 503 Licensed Call Rate Exceeded"},
		{name: "credits", text: request("INVITE", bob, "r1", 1), prepare: func(b *bench) { b.ledger.room = 6 * eventSize }, want: "SIP/2.0 503 Billing Journal Full"},
		{name: "no next hop", text: request("INVITE", bob, "r1", 1), prepare: func(b *bench) {
			b.configure(&model.SIP{Networks: []model.SIPNetwork{{Name: "lan1", Listens: network1.Listens}}})
		}, want: "SIP/2.0 404 No Route"},
		{name: "options without grant", text: request("OPTIONS", "sip:192.168.42.1", "r1", 1), prepare: refuses(model.RuleLicence, "Calls Are Not Licensed"), want: "SIP/2.0 503 Calls Are Not Allowed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t)
			if test.prepare != nil {
				test.prepare(b)
			}
			out := b.receive(lan1, caller, test.text)
			if len(out) != 1 || !strings.HasPrefix(out[0].startLine(), test.want) {
				t.Fatalf("sent %v; want %q", out, test.want)
			}
			answer := out[0]
			if answer.to != caller || !strings.Contains(answer.value("To"), ";tag=") || len(answer.values("Via")) != 1 {
				t.Errorf("answer to %v:\n%s", answer.to, answer.text)
			}
			if test.header != "" && answer.value(test.header) != test.value {
				t.Errorf("%s = %q; want %q", test.header, answer.value(test.header), test.value)
			}
			if len(b.ledger.kinds) > 0 {
				t.Errorf("events = %v; want none", b.ledger.kinds)
			}
			if rule := b.gate.refusal.Rule; strings.HasPrefix(test.text, "INVITE") && (len(b.gate.failed) != 1 || rule != "" && b.gate.failed[0].Rule != rule) {
				t.Errorf("failed calls = %v; want one, by rule %q", b.gate.failed, rule)
			}
			if strings.HasPrefix(test.text, "INVITE") { // its ACK ends here
				to := "To: " + answer.value("To")
				b.only(b.receive(lan1, caller, request("ACK", bob, "r1", 1, to)))
			}
			b.empty()
		})
	}
}

// refuses has admission refuse calls.
func refuses(rule, reason string) func(*bench) {
	return func(b *bench) { b.gate.refusal = hop.Refusal{Status: 503, Reason: reason, Rule: rule} }
}

func TestOptionsToTheBox(t *testing.T) {
	b := newBench(t)
	for _, uri := range []string{"sip:192.168.42.1", "sip:192.168.42.1:5060", "sip:192.168.43.1;transport=udp"} {
		out := b.only(b.receive(lan1, caller, request("OPTIONS", uri, "o"+uri, 1)), "SIP/2.0 200 OK")
		if out[0].value("Allow") == "" {
			t.Errorf("OPTIONS %s: no Allow", uri)
		}
	}
	b.empty()
}

// An address that names no transport means the box when the request came to
// it, be that over TLS.
func TestAddressOfAnotherTransport(t *testing.T) {
	b := newBench(t)
	at := *b.p.config.Load().own[hop.Place{Address: lan1}]
	at.Transport, at.Address = model.TLS, addressOf("192.168.42.1:5061")
	b.w.config, b.w.at = b.p.config.Load(), &at
	for uri, want := range map[string]bool{
		"sip:192.168.42.1:5061": true, "sip:192.168.42.1": true, "sips:192.168.42.1": true,
		"sip:192.168.42.1:5061;transport=tcp": false, "sip:192.168.42.1:5062": false, "sip:192.168.42.9:5061": false,
	} {
		parsed, err := message.ParseURI([]byte(uri), message.Span{End: uint16(len(uri))})
		if err != nil {
			t.Fatal(err)
		}
		if got := b.w.meansUs([]byte(uri), &parsed); got != want {
			t.Errorf("meansUs(%s) = %v; want %v", uri, got, want)
		}
	}
}

// RFC 3581, RFC 3261 §18.2.1: answers go where the request came from.
func TestResponseAddress(t *testing.T) {
	const via = "SIP/2.0/UDP 192.168.42.2:5060;branch=z9hG4bKo1"
	from := "192.168.42.77:4444"
	for _, test := range []struct{ sent, want, to string }{
		{via, via + ";received=192.168.42.77", "192.168.42.77:5060"},
		{via + ";rport", via + ";rport=4444;received=192.168.42.77", from},
		{"SIP/2.0/UDP 192.168.42.77:5080;rport;branch=z9hG4bKo1", "SIP/2.0/UDP 192.168.42.77:5080;rport=4444;branch=z9hG4bKo1;received=192.168.42.77", from},
		{via + ";received=192.0.2.66;rport=1", via + ";received=192.168.42.77;rport=4444", from},
		{"SIP/2.0/UDP 192.168.42.77:5080;branch=z9hG4bKo1", "SIP/2.0/UDP 192.168.42.77:5080;branch=z9hG4bKo1", "192.168.42.77:5080"},
		{"SIP/2.0/UDP pc.example.com;branch=z9hG4bKo1", "SIP/2.0/UDP pc.example.com;branch=z9hG4bKo1;received=192.168.42.77", "192.168.42.77:5060"},
	} {
		b := newBench(t)
		text := strings.Replace(request("OPTIONS", "sip:192.168.42.1", "o1", 1), via, test.sent, 1)
		out := b.receive(lan1, addressOf(from), text)
		if len(out) != 1 || out[0].value("Via") != test.want || out[0].to != addressOf(test.to) {
			t.Errorf("Via %q from %s: answered %v", test.sent, from, out)
		}
		// The same Via goes downstream below ours.
		text = strings.Replace(request("MESSAGE", bob, "o1", 1), via, test.sent, 1)
		if out = b.receive(lan1, addressOf(from), text); len(out) != 1 || out[0].values("Via")[1] != test.want {
			t.Errorf("Via %q from %s: forwarded %v", test.sent, from, out)
		}
	}
}

// RFC 3261 §16.4: a strict router put our Record-Route into the Request-URI.
func TestStrictRouterBeforeUs(t *testing.T) {
	b := newBench(t)
	set := reversed(b.established())
	own := strings.Trim(set[0], "<>")
	text := request("BYE", own, "s1", 2, "Route: "+set[1], "Route: <sip:bob@192.168.43.2:5060>", "To: <sip:bob@example.com>;tag=b1")
	out := b.only(b.receive(lan1, caller, text), "BYE sip:bob@192.168.43.2:5060 SIP/2.0")[0]
	if out.to != callee || len(out.values("Route")) != 0 {
		t.Errorf("BYE went to %v with Route %q", out.to, out.values("Route"))
	}
}

// Route elements of others stay, and the first of them is the next hop.
func TestForeignRouteIsFollowed(t *testing.T) {
	b := newBench(t)
	set := append(routes(reversed(b.established())), "Route: <sip:192.168.43.9:5070;lr>", "To: <sip:bob@example.com>;tag=b1")
	out := b.only(b.receive(lan1, caller, request("INFO", "sip:bob@192.0.2.5", "t1", 2, set...)), "INFO sip:bob@192.0.2.5 SIP/2.0")[0]
	if out.to != addressOf("192.168.43.9:5070") || len(out.values("Route")) != 1 {
		t.Errorf("INFO went to %v with Route %q", out.to, out.values("Route"))
	}
}

func TestGarbageIsCounted(t *testing.T) {
	b := newBench(t)
	for _, text := range []string{"\r\n\r\n", "\x00\x01\x02", "INVITE", "SIP/2.0 200 OK\r\n\r\n", strings.Repeat("A", 60000)} {
		b.only(b.receive(lan1, caller, text))
	}
	status := b.status()
	if got := status.Counters["garbage"]; got != 4 {
		t.Errorf("garbage = %d; want 4", got)
	}
	if got := status.Counters["keep-alives"]; got != 1 {
		t.Errorf("keep-alives = %d; want 1", got)
	}
}

func TestStrayResponsesAreDropped(t *testing.T) {
	b := newBench(t)
	invite := b.invited()
	other := invite
	other.text = strings.Replace(invite.text, "z9hG4bKc", "z9hG4bKcf", 1)
	b.only(b.receive(lan2, callee, answerTo(other, 200, "OK")))
	wrong := strings.Replace(answerTo(invite, 200, "OK"), "1 INVITE", "1 BYE", 1)
	b.only(b.receive(lan2, callee, wrong))
	if got := b.status().Counters["stray"]; got != 2 {
		t.Errorf("stray = %d; want 2", got)
	}
}

// The answer to a request that says something twice says it once.
func TestAnswerToRepeatedHeader(t *testing.T) {
	b := newBench(t)
	out := b.only(b.receive(lan1, caller, request("INVITE", bob, "i1", 1, tagged, "To: <sip:carol@example.com>")), "SIP/2.0 400 Bad To: given more than once")[0]
	if got := out.values("To"); len(got) != 1 {
		t.Errorf("To = %q; want one", got)
	}
}
