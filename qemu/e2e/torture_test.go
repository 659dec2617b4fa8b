//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"causeway/qemu/lab"
)

// fate is what becomes of a message of RFC 4475 that is for someone else.
type fate struct {
	section   string
	file      string
	forwarded bool
	answers   []string // any of them; none: it is dropped in silence
	// change makes of the message one that is for our next hop, and no other.
	change [2]string
	// datagram says that in a stream it is something else: not yet complete, or
	// (3.4.1) without a length.
	datagram bool
}

// fates is the oracle, by section. Messages of a section that is the endpoint's
// business are forwarded; responses belong to no request of ours and are dropped
// (RFC 3261 §18.1.2).
var fates = []fate{
	{section: "3.1.1.1", file: "wsinv", forwarded: true, change: [2]string{"Route:", "X-Route:"}},
	{section: "3.1.1.2", file: "intmeth", forwarded: true},
	{section: "3.1.1.3", file: "esc01", forwarded: true},
	{section: "3.1.1.4", file: "escnull", forwarded: true},
	{section: "3.1.1.5", file: "esc02", forwarded: true},
	{section: "3.1.1.6", file: "lwsdisp", forwarded: true},
	{section: "3.1.1.7", file: "longreq", forwarded: true},
	{section: "3.1.1.8", file: "dblreq", forwarded: true},
	{section: "3.1.1.9", file: "semiuri", forwarded: true},
	{section: "3.1.1.10", file: "transports", forwarded: true},
	{section: "3.1.1.11", file: "mpart01", forwarded: true, change: [2]string{"Route:", "X-Route:"}},
	{section: "3.1.1.12", file: "unreason"},
	{section: "3.1.1.13", file: "noreason"},
	{section: "3.1.2.1", file: "badinv01", answers: []string{"400"}},
	{section: "3.1.2.2", file: "clerr", answers: []string{"400"}, datagram: true},
	{section: "3.1.2.3", file: "ncl", answers: []string{"400"}},
	{section: "3.1.2.4", file: "scalar02", answers: []string{"400"}},
	{section: "3.1.2.5", file: "scalarlg"},
	{section: "3.1.2.6", file: "quotbal", answers: []string{"400"}},
	{section: "3.1.2.7", file: "ltgtruri", answers: []string{"400"}},
	{section: "3.1.2.8", file: "lwsruri", answers: []string{"400"}},
	{section: "3.1.2.9", file: "lwsstart", answers: []string{"400"}},
	{section: "3.1.2.10", file: "trws", answers: []string{"400"}},
	{section: "3.1.2.11", file: "escruri", answers: []string{"400"}},
	{section: "3.1.2.12", file: "baddate", answers: []string{"400"}},
	{section: "3.1.2.13", file: "regbadct", answers: []string{"400"}},
	{section: "3.1.2.14", file: "badaspec", answers: []string{"400"}},
	{section: "3.1.2.15", file: "baddn", answers: []string{"400"}, datagram: true},
	{section: "3.1.2.16", file: "badvers", answers: []string{"505"}},
	{section: "3.1.2.17", file: "mismatch01", answers: []string{"400"}},
	{section: "3.1.2.18", file: "mismatch02", answers: []string{"400", "501"}},
	{section: "3.1.2.19", file: "bigcode"},
	{section: "3.2.1", file: "badbranch", forwarded: true},
	{section: "3.3.1", file: "insuf", answers: []string{"400"}},
	{section: "3.3.2", file: "unkscm", answers: []string{"416"}},
	{section: "3.3.3", file: "novelsc", answers: []string{"416"}},
	{section: "3.3.4", file: "unksm2", forwarded: true},
	{section: "3.3.5", file: "bext01", answers: []string{"420"}},
	{section: "3.3.6", file: "invut", forwarded: true},
	{section: "3.3.7", file: "regaut01", forwarded: true},
	{section: "3.3.8", file: "multi01", answers: []string{"400"}},
	{section: "3.3.9", file: "mcl01", answers: []string{"400"}},
	{section: "3.3.10", file: "bcast"},
	{section: "3.3.11", file: "zeromf", answers: []string{"483"}},
	{section: "3.3.12", file: "cparam01", forwarded: true},
	{section: "3.3.13", file: "cparam02", forwarded: true},
	{section: "3.3.14", file: "regescrt", forwarded: true},
	{section: "3.3.15", file: "sdp01", forwarded: true},
	{section: "3.4.1", file: "inv2543", forwarded: true, datagram: true},
	{section: "no section", file: "test"}, // a Request-Line without a version
}

// tortureMessages reads RFC 4475's own archive, which sipgo's module carries.
func tortureMessages(t *testing.T) map[string]string {
	t.Helper()
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/emiago/sipgo").Output()
	if err != nil {
		t.Fatalf("find the sipgo module: %v", err)
	}
	paths, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(module)), "sip", "testdata", "torture", "*", "*.dat"))
	if err != nil {
		t.Fatal(err)
	}
	messages := map[string]string{}
	for _, path := range paths {
		octets, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		messages[strings.TrimSuffix(filepath.Base(path), ".dat")] = string(octets)
	}
	if len(messages) != len(fates) {
		t.Fatalf("%d messages of RFC 4475, %d rows of the oracle", len(messages), len(fates))
	}
	return messages
}

// toTag is what makes wsinv one of a dialog, which is none of ours.
var toTag = regexp.MustCompile(`(?m)(^TO :\r\n[^\r]*?);\s*tag\s*=\s*1918181833n`)

// TestSIPTorture sends the messages of RFC 4475 to the running proxy.
func TestSIPTorture(t *testing.T) {
	messages := tortureMessages(t)
	for _, transport := range []string{"UDP", "TCP"} {
		t.Run(transport, func(t *testing.T) {
			w := newTortureWorld(t, transport)
			for _, f := range fates {
				if f.datagram && transport != "UDP" {
					continue
				}
				t.Run(f.section+" "+f.file, func(t *testing.T) {
					text := toTag.ReplaceAllString(messages[f.file], "$1")
					if f.change[0] != "" {
						text = strings.Replace(text, f.change[0], f.change[1], 1)
					}
					w.try(t, f, text)
				})
			}
		})
	}
}

// tortureWorld is the proxy between one who sends what others do not, and a
// callee who answers everything with 404.
type tortureWorld struct {
	transport string
	l         *lab.Lab
	udp       []*lab.Prober // where answers may come to
	answers   chan lab.Message
	arrived   chan lab.Message // at the callee
}

func newTortureWorld(t *testing.T, transport string) *tortureWorld {
	config := twoLANs + "sip next-hop lan1 udp 192.168.43.2 5060 lan2\n"
	if transport == "TCP" {
		config += "sip listen lan1 tcp 192.168.42.1 5060\nsip listen lan2 tcp 192.168.43.1 5060\n"
	}
	l, _ := hostBox(t, config)
	w := &tortureWorld{transport: transport, l: l, answers: make(chan lab.Message, 100), arrived: make(chan lab.Message, 100)}
	// Answers go where Via says, 3.1.2.6 has a port of its own; and some of the
	// Vias say TCP whatever the message comes by.
	for _, port := range []uint16{5060, 5050} {
		prober := probe(t, l.LAN1, netip.AddrPortFrom(lab.PeerLAN1, port))
		w.udp = append(w.udp, prober)
		go w.receive(t.Context(), prober, func(m lab.Message, _ netip.AddrPort) { w.answers <- m })
	}
	w.listen(t, l.LAN1, netip.AddrPortFrom(lab.PeerLAN1, 5060), func(_ *lab.Stream, m lab.Message) { w.answers <- m })
	callee := netip.AddrPortFrom(lab.PeerLAN2, lab.CalleePort)
	answering := probe(t, l.LAN2, callee)
	go w.receive(t.Context(), answering, func(m lab.Message, from netip.AddrPort) {
		w.arrive(m, func(reply lab.Message) { answering.Send(reply, from) })
	})
	w.listen(t, l.LAN2, callee, func(s *lab.Stream, m lab.Message) { // what is too long for UDP
		w.arrive(m, func(reply lab.Message) { s.Send(reply) })
	})
	return w
}

func (w *tortureWorld) receive(ctx context.Context, p *lab.Prober, take func(lab.Message, netip.AddrPort)) {
	for {
		m, from, err := p.Receive(ctx)
		if err != nil {
			return
		}
		take(m, from)
	}
}

func (w *tortureWorld) listen(t *testing.T, where *lab.Namespace, at netip.AddrPort, take func(*lab.Stream, lab.Message)) {
	listener, err := where.ListenTCP(at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			stream, err := listener.Accept(t.Context())
			if err != nil {
				return
			}
			go func() {
				defer stream.Close()
				for {
					m, err := stream.Receive(t.Context())
					if err != nil {
						return
					}
					take(stream, m)
				}
			}()
		}
	}()
}

// arrive takes what came to the callee.
func (w *tortureWorld) arrive(m lab.Message, reply func(lab.Message)) {
	if strings.HasPrefix(string(m), "ACK ") {
		return
	}
	reply(m.Reply("404 Not Found", "sip:nobody@example.com"))
	w.arrived <- m
}

// try sends one message, and after it a good one: what the first one causes is
// there before the good one's answer.
func (w *tortureWorld) try(t *testing.T, f fate, text string) {
	ctx := within(t, time.Minute)
	marker := w.send(t, ctx, text)
	mark := markOf(text)
	if f.forwarded {
		got := w.awaitArrival(t, ctx, mark)
		if err := intact(text, string(got)); err != nil {
			t.Errorf("%v\nsent:\n%q\ncame:\n%q", err, text, got)
		}
		return
	}
	var codes []string
	for done := false; !done; {
		select {
		case m := <-w.arrived:
			if strings.Contains(string(m), mark) {
				t.Errorf("it was forwarded: %q", m)
			}
		case m := <-w.answers:
			done = strings.Contains(string(m), marker)
			if strings.Contains(string(m), mark) {
				codes = append(codes, strings.Fields(m.StartLine() + " ? ?")[1])
			}
		case <-ctx.Done():
			t.Fatal("no answer to the message after it")
		}
	}
	slices.Sort(codes)
	codes = slices.Compact(codes)
	if len(f.answers) == 0 && len(codes) > 0 || len(f.answers) > 0 && (len(codes) != 1 || !slices.Contains(f.answers, codes[0])) {
		t.Errorf("it was answered %q; want %q", codes, f.answers)
	}
}

var callIDs = regexp.MustCompile(`(?mi)^(?:call-id|i)\s*:\s*(\S+)`)

// markOf is what no other message has in it: the Call-ID, or else the Via.
func markOf(text string) string {
	if callID := callIDs.FindStringSubmatch(text); callID != nil {
		return callID[1]
	}
	_, via, _ := strings.Cut(text, "SIP/2.0/UDP ")
	via, _, _ = strings.Cut(via, "\r\n")
	return via
}

// send sends the message and the marker, and gives the Call-ID of that. A connection that the
// proxy closes for the first takes the second with it; it goes over another.
func (w *tortureWorld) send(t *testing.T, ctx context.Context, text string) string {
	const uri = "sip:marker@example.com"
	if w.transport == "UDP" {
		marker := w.udp[0].Request("OPTIONS", uri)
		if err := errors.Join(w.udp[0].Send(lab.Message(text), lab.BoxLAN1), w.udp[0].Send(marker, lab.BoxLAN1)); err != nil {
			t.Fatal(err)
		}
		return marker.Header("Call-ID")[0]
	}
	stream, err := w.l.LAN1.Dial(ctx, netip.AddrPortFrom(lab.PeerLAN1, 0), lab.BoxLAN1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stream.Close() })
	marker := stream.Request("OPTIONS", uri)
	stream.Send(lab.Message(text + string(marker)))
	go func() {
		for {
			m, err := stream.Receive(ctx)
			if err == nil {
				w.answers <- m
				continue
			}
			if ctx.Err() == nil { // the proxy has closed it: the marker goes another way
				w.udp[0].Send(lab.Message(strings.Replace(string(marker), "SIP/2.0/TCP "+stream.Local.String(), "SIP/2.0/UDP "+w.udp[0].Local.String(), 1)), lab.BoxLAN1)
			}
			return
		}
	}()
	return marker.Header("Call-ID")[0]
}

// awaitArrival gives what came to the callee with that mark.
func (w *tortureWorld) awaitArrival(t *testing.T, ctx context.Context, mark string) lab.Message {
	t.Helper()
	var refused []string
	for {
		select {
		case m := <-w.arrived:
			if strings.Contains(string(m), mark) {
				return m
			}
		case m := <-w.answers:
			if strings.Contains(string(m), mark) && !strings.HasPrefix(string(m), "SIP/2.0 100 ") {
				refused = append(refused, m.StartLine())
			}
		case <-ctx.Done():
			t.Fatalf("it was not forwarded; answers: %q", refused)
		}
	}
}

var (
	ownLine     = regexp.MustCompile(`(?m)^(Via: SIP/2\.0/(UDP|TCP) |Record-Route: <sip:)192\.168\.4[23]\.1:5060[^\r]*\r\n`)
	ownReceived = regexp.MustCompile(`;received=192\.168\.42\.2`)
	ownPort     = regexp.MustCompile(`;rport=\d+`)
	maxForwards = regexp.MustCompile(`(?mi)^max-forwards\s*:\s*(\d+)`)
	ownForwards = "Max-Forwards: 70\r\n"
)

// intact fails unless the two messages differ by nothing but what a proxy does
// to them (RFC 3261 §16.6, §18.2.1, RFC 3581): its Via and Record-Routes, where
// the request came from, Max-Forwards. What follows the message in a datagram
// is not of it.
func intact(sent, came string) error {
	if !ownLine.MatchString(came) {
		return errors.New("no Via of the proxy's")
	}
	came = ownLine.ReplaceAllString(came, "")
	came = ownReceived.ReplaceAllString(came, "")
	came = ownPort.ReplaceAllString(came, ";rport")
	before, after := maxForwards.FindStringSubmatchIndex(sent), maxForwards.FindStringSubmatchIndex(came)
	switch {
	case after == nil:
		return errors.New("no Max-Forwards")
	case before == nil:
		came = strings.Replace(came, ownForwards, "", 1)
	default:
		was, _ := strconv.Atoi(sent[before[2]:before[3]])
		if is, _ := strconv.Atoi(came[after[2]:after[3]]); is != was-1 {
			return fmt.Errorf("Max-Forwards %d became %d", was, is)
		}
		came = came[:after[2]] + sent[before[2]:before[3]] + came[after[3]:]
	}
	if !strings.HasPrefix(sent, came) {
		return fmt.Errorf("without what is the proxy's, it is\n%q", came)
	}
	return nil
}
