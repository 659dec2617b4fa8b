package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/appliance/billing/journal"
	"causeway/appliance/link"
	"causeway/appliance/model"
	"causeway/appliance/sip"
)

// limit bounds every wait; nothing here takes a fraction of it.
const limit = 30 * time.Second

// peer is a SIP peer on loopback.
type peer struct {
	*testing.T
	conn *net.UDPConn
	seen map[string]bool // messages that have come
}

func newPeer(t *testing.T) peer {
	t.Helper()
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return peer{t, conn, map[string]bool{}}
}

func (p peer) address() netip.AddrPort { return p.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

func (p peer) send(to netip.AddrPort, text string) {
	p.Helper()
	if _, err := p.conn.WriteToUDPAddrPort([]byte(text), to); err != nil {
		p.Fatal(err)
	}
}

// expect gives the next message, which must begin with start. One that comes again
// is passed over: on a busy host it does before it is answered.
func (p peer) expect(start string) string {
	p.Helper()
	p.conn.SetReadDeadline(time.Now().Add(limit))
	buffer := make([]byte, 65535)
	for {
		n, err := p.conn.Read(buffer)
		if err != nil {
			p.Fatalf("waiting for %q: %v", start, err)
		}
		text := string(buffer[:n])
		if p.seen[text] {
			continue
		}
		if !strings.HasPrefix(text, start) {
			p.Fatalf("got\n%s\nwant %q", text, start)
		}
		p.seen[text] = true
		return text
	}
}

// freeAddress gives an address that nobody uses while the test runs: one of the
// loopback network made of a port that is held until then.
func freeAddress(t *testing.T) netip.AddrPort {
	held := newPeer(t).address().Port()
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, byte(held >> 8), byte(held), 2}), 5060)
}

// start runs the process; stop ends it and waits.
func start(t *testing.T, o Options) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Main(ctx, o) }()
	var once bool
	stop = func() {
		if once {
			return
		}
		once = true
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Main = %v; want nil", err)
			}
		case <-time.After(limit):
			t.Error("Main did not end")
		}
	}
	t.Cleanup(stop)
	return stop
}

// testOptions are those of a box in a directory: its one network sends what
// comes to listen on to nextHop.
func testOptions(t *testing.T, listen, nextHop netip.AddrPort) Options {
	dir := t.TempDir()
	return Options{
		Run: dir, Journal: filepath.Join(dir, "journal"), Key: filepath.Join(dir, "call.key"), Serial: filepath.Join(dir, "serial"),
		Log: slog.New(slog.DiscardHandler),
		Parse: func(text string) (*model.Config, error) {
			if text != "good" {
				return nil, fmt.Errorf("line 1: %q is not good", text)
			}
			billing := model.Billing{Configured: true, Active: true, XML: []model.XMLMethod{{Attached: true}}}
			return &model.Config{SBC: model.SBC{Billing: billing}, SIP: model.SIP{Networks: []model.SIPNetwork{{
				Name: "local", Listens: []model.SIPListen{{Address: listen}},
				NextHop: model.SIPNextHop{Address: nextHop, Network: "local"},
			}}}}, nil
		},
	}
}

func (p peer) request(method string, cseq int, to netip.AddrPort, extra ...string) string {
	lines := append([]string{
		fmt.Sprintf("%s sip:bob@%s SIP/2.0", method, to),
		fmt.Sprintf("Via: SIP/2.0/UDP %s;branch=z9hG4bK%s%d", p.address(), method, cseq),
		"From: <sip:alice@example.com>;tag=a",
		"Call-ID: one@192.0.2.1",
		fmt.Sprintf("CSeq: %d %s", cseq, method),
		"Max-Forwards: 70",
		"Content-Length: 0",
	}, extra...)
	return strings.Join(lines, "\r\n") + "\r\n\r\n"
}

// answer is a response that copies what a request says.
func answer(request, status string) string {
	lines := []string{"SIP/2.0 " + status}
	for _, line := range strings.Split(request, "\r\n") {
		switch name, _, _ := strings.Cut(line, ":"); name {
		case "Via", "From", "Call-ID", "CSeq", "Record-Route":
			lines = append(lines, line)
		case "To":
			if !strings.Contains(line, ";tag=") {
				line += ";tag=b"
			}
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\r\n") + "\r\nContent-Length: 0\r\n\r\n"
}

func header(text, name string) (values []string) {
	for _, line := range strings.Split(text, "\r\n") {
		if n, value, found := strings.Cut(line, ": "); found && n == name {
			values = append(values, value)
		}
	}
	return values
}

// command calls a method, again while the process is not there yet.
func command(t *testing.T, o Options, method string, params, result any) error {
	t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(5 * time.Millisecond) {
		err := link.Call(t.Context(), link.Socket(o.Run, "proxy"), method, params, result)
		var refused *link.RemoteError
		if err == nil || errors.As(err, &refused) || time.Now().After(deadline) {
			return err
		}
	}
}

// TestProcess is the life of the process: commanded by control, a call, a
// restart in the middle of it, and its end billed all the same.
func TestProcess(t *testing.T) {
	alice, bob, listen := newPeer(t), newPeer(t), freeAddress(t)
	o := testOptions(t, listen, bob.address())
	stop := start(t, o)

	if err := command(t, o, "proxy.prepare", map[string]string{"revision": "bad"}, nil); err == nil || !strings.Contains(err.Error(), "is not good") {
		t.Errorf("prepare(bad) = %v; want the parser's word", err)
	}
	for _, step := range []struct {
		method string
		params any
	}{
		{"proxy.prepare", map[string]string{"revision": "good"}},
		{"proxy.switch", nil},
	} {
		if err := command(t, o, step.method, step.params, nil); err != nil {
			t.Fatalf("%s: %v", step.method, err)
		}
	}
	to := "To: <sip:bob@example.com>"
	alice.send(listen, alice.request("INVITE", 1, listen, to))
	alice.expect("SIP/2.0 503 Calls Are Not Licensed") // no grant yet
	alice.send(listen, alice.request("ACK", 1, listen, to+";tag=x"))
	if err := command(t, o, "proxy.grant", model.Grant{Generation: 1, Now: model.Allowance{Calls: true}}, nil); err != nil {
		t.Fatal(err)
	}
	invite := strings.ReplaceAll(alice.request("INVITE", 2, listen, to), "one@", "two@")
	alice.send(listen, invite)
	alice.expect("SIP/2.0 100 Trying")
	bob.send(listen, answer(bob.expect("INVITE "), "200 OK"))
	ok := alice.expect("SIP/2.0 200 OK")

	stop()
	start(t, o) // comes back with revision, grant and the open call by itself
	var status model.ProxyStatus
	if err := command(t, o, "proxy.status", nil, &status); err != nil {
		t.Fatal(err)
	}
	if status.Revision != model.RevisionID("good") || !status.Grant.Now.Calls || status.OpenCalls != 1 {
		t.Errorf("after a restart: revision %q, grant %+v, %d open calls; want %q, calls, 1",
			status.Revision, status.Grant, status.OpenCalls, model.RevisionID("good"))
	}
	// What is gone is the truth, and with its events in the journal.
	key := eventsOf(t, o)[0].Key.String()
	gone := func(want ...string) {
		t.Helper()
		var answer sip.Keys
		if err := command(t, o, "proxy.gone", sip.Keys{Keys: []string{key}}, &answer); err != nil || !slices.Equal(answer.Keys, want) {
			t.Errorf("gone = %q, %v; want %q", answer.Keys, err, want)
		}
	}
	gone()
	bye := alice.request("BYE", 3, bob.address(), to+";tag=b", "Route: "+header(ok, "Record-Route")[0])
	alice.send(listen, strings.ReplaceAll(bye, "one@", "two@"))
	bob.send(listen, answer(bob.expect("BYE "), "200 OK"))
	alice.expect("SIP/2.0 200 OK")
	gone(key)
	want := []model.CallEventKind{model.CallOffered, model.CallRouted, model.CallAnswered, model.CallDisconnect, model.CallEnded}
	var got []model.CallEventKind
	for _, event := range eventsOf(t, o) { // the refused call has none
		got = append(got, event.Kind)
	}
	if !slices.Equal(got, want) {
		t.Errorf("events = %v; want %v", got, want)
	}
}

// eventsOf reads what is in the journal now, as billing would.
func eventsOf(t *testing.T, o Options) (events []model.CallEvent) {
	t.Helper()
	box, err := journal.ReadBox(o.Serial)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := journal.OpenReader(o.Journal, box)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	for {
		record, ok, err := reader.Poll()
		if err != nil {
			t.Fatalf("after %d events: %v", len(events), err)
		}
		if !ok {
			return events
		}
		var event model.CallEvent
		if err := event.Decode(record.Payload); err != nil {
			t.Fatal(err)
		}
		events = append(events, event)
	}
}

func TestStandAlone(t *testing.T) {
	alice, listen := newPeer(t), freeAddress(t)
	o := testOptions(t, listen, alice.address())
	o.Config = filepath.Join(t.TempDir(), "none.conf")
	if err := Main(t.Context(), o); err == nil || !strings.Contains(err.Error(), "none.conf") {
		t.Errorf("Main without the file = %v; want its name", err)
	}
}

// A revision that one of the parts refuses leaves the one in force whole, and
// nothing to switch to.
func TestRefusedRevision(t *testing.T) {
	alice, bob, listen := newPeer(t), newPeer(t), freeAddress(t)
	busy := newPeer(t).address() // of somebody else's socket
	o := testOptions(t, listen, bob.address())
	good := o.Parse
	bad := map[string]func(c *model.Config){
		"admission": func(c *model.Config) {
			c.SBC.CACPolicySets = []model.CACPolicySet{{Number: 1, Tables: []model.CACTable{{Name: "t",
				Entries: []model.CACEntry{{Number: 1, Scope: model.ScopeCall, MaxCalls: 2}}}}}}
		},
		"routing": func(c *model.Config) {
			c.SIP.Routing.Groups = []model.ServerGroup{{Name: "g", Network: "nowhere"}}
			c.SIP.Routing.RouteGroups = []model.RouteGroup{{Name: "r", Elements: []model.RouteElement{{Destination: model.Destination{Kind: model.ToGroup, Name: "none"}}}}}
		},
		"sockets": func(c *model.Config) {
			c.SIP.Networks[0].Listens = append(c.SIP.Networks[0].Listens, model.SIPListen{Address: busy})
		},
	}
	o.Parse = func(text string) (*model.Config, error) {
		c, err := good("good")
		if change := bad[text]; change != nil {
			change(c)
		}
		return c, err
	}
	start(t, o)
	revision := func(text string) error {
		return command(t, o, "proxy.prepare", map[string]string{"revision": text}, nil)
	}
	if err := errors.Join(revision("good"), command(t, o, "proxy.switch", nil, nil),
		command(t, o, "proxy.grant", model.Grant{Generation: 1, Now: model.Allowance{Calls: true}}, nil)); err != nil {
		t.Fatal(err)
	}
	cseq := 0
	for name := range bad {
		if err := revision("good"); err != nil { // which the refusal takes back
			t.Fatal(err)
		}
		if err := revision(name); err == nil {
			t.Errorf("prepare(%s) = nil; want an error", name)
		}
		if err := command(t, o, "proxy.switch", nil, nil); err == nil {
			t.Errorf("switch after prepare(%s) = nil; want an error", name)
		}
		cseq++
		alice.send(listen, strings.ReplaceAll(alice.request("MESSAGE", cseq, listen, "To: <sip:bob@example.com>"), "one@", name+"@"))
		bob.send(listen, answer(bob.expect("MESSAGE "), "200 OK"))
		alice.expect("SIP/2.0 200 OK")
	}
	var status model.ProxyStatus
	if err := command(t, o, "proxy.status", nil, &status); err != nil || status.Revision != model.RevisionID("good") {
		t.Errorf("status = revision %q, %v; want %q", status.Revision, err, model.RevisionID("good"))
	}
}
