package trace

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"causeway/appliance/exec/exectest"
	"causeway/appliance/model"
)

// The ends of most tests: two neighbours and the box.
var (
	alice = netip.MustParseAddrPort("192.0.2.1:5060")
	bob   = netip.MustParseAddrPort("198.51.100.2:5070")
	carol = netip.MustParseAddrPort("[2001:db8::3]:5061")
	lan1  = netip.MustParseAddrPort("192.168.42.1:5060")
	lan6  = netip.MustParseAddrPort("[2001:db8::1]:5061")
)

// request is a message of a call.
func request(method, callID, user string) []byte {
	return []byte(strings.ReplaceAll(fmt.Sprintf(`%s sip:%s@example.com SIP/2.0
Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-%s
From: "Alice" <sip:alice@example.com>;tag=1
To: <sip:%s@example.com>
Call-ID: %s
CSeq: 1 %s
Proxy-Authorization: Digest username="alice", response="7587245234b3434c"
Content-Length: 0

`, method, user, callID, user, callID, method), "\n", "\r\n"))
}

// response is one to request.
func response(status, method, callID, user string) []byte {
	text := string(request(method, callID, user))
	return []byte("SIP/2.0 " + status + text[strings.Index(text, "\r\n"):])
}

func begin(t testing.TB, b *Buffer, r Request) Status {
	t.Helper()
	status, err := b.Start(r)
	if err != nil {
		t.Fatal(err)
	}
	return status
}

// run runs a buffer until the test ends.
func run(t testing.TB, b *Buffer) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v; want nil", err)
		}
	})
}

// texts gives the first words of what is kept.
func texts(b *Buffer) []string {
	var list []string
	for p := (Page{More: true}); p.More; {
		p = b.page(Query{After: p.Next})
		for _, traced := range p.Traced {
			list = append(list, traced.Summary)
		}
	}
	return list
}

func TestOnOff(t *testing.T) {
	b := New(Options{})
	b.Trace(false, model.UDP, lan1, alice, request("INVITE", "a", "bob"))
	if b.On() || len(texts(b)) > 0 {
		t.Error("a new buffer is on, or traces")
	}
	begin(t, b, Request{})
	b.Trace(false, model.UDP, lan1, alice, request("INVITE", "a", "bob"))
	b.Trace(false, model.UDP, lan1, alice, []byte("\x00\x01"))
	if got := b.Stop(); got.On || got.Messages != 2 || got.Kept != 2 {
		t.Errorf("Stop = %+v; want off with 2 messages", got)
	}
	b.Trace(false, model.UDP, lan1, alice, request("BYE", "a", "bob"))
	if got := texts(b); !slices.Equal(got, []string{"INVITE", "not SIP"}) {
		t.Errorf("kept = %q; want what was traced while it was on", got)
	}
	if text := b.page(Query{}).Traced[0].Text; !strings.Contains(text, `response="****`) || strings.Contains(text, "7587") {
		t.Errorf("the kept message has its credentials: %s", text)
	}
	begin(t, b, Request{Messages: 3})
	if got := texts(b); len(got) > 0 {
		t.Errorf("kept after a new start = %q; want nothing", got)
	}
	for range 5 {
		b.Trace(true, model.TCP, lan1, bob, request("BYE", "a", "bob"))
	}
	if status := b.Stop(); status.Messages != 3 {
		t.Errorf("messages = %d; want the 3 that were asked for", status.Messages)
	}
}

func TestEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Options{})
		run(t, b)
		begin(t, b, Request{Minutes: 2})
		time.Sleep(2*time.Minute - time.Second)
		if !b.On() {
			t.Error("off before its time")
		}
		time.Sleep(2 * time.Second)
		if b.On() {
			t.Error("on after its time")
		}
		begin(t, b, Request{})
		time.Sleep(minutesDefault*time.Minute - time.Second)
		if !b.On() {
			t.Error("off before the default time")
		}
	})
}

func TestStartRefuses(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "there.pcap"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b := New(Options{Dir: dir})
	for _, tt := range []struct {
		request Request
		want    string
	}{
		{Request{Minutes: -1}, "trace for -1 minutes"},
		{Request{Minutes: minutesMax + 1}, "1 to 1440 are allowed"},
		{Request{Messages: -1}, "that is no number"},
		{Request{Filter: Filter{Transport: "sctp"}}, "no such transport"},
		{Request{Filter: Filter{Address: netip.MustParsePrefix("192.0.2.1/24")}}, "192.0.2.0/24 is the network"},
		{Request{File: "there.pcap"}, "file exists"},
		{Request{File: "../out.pcap"}, "escapes"},
	} {
		if _, err := b.Start(tt.request); err == nil || !strings.Contains(err.Error(), tt.want) || b.On() {
			t.Errorf("Start(%+v) = %v, on %v; want %q", tt.request, err, b.On(), tt.want)
		}
	}
}

// TestFilter traces one call of each kind and sees which come through.
func TestFilter(t *testing.T) {
	type message struct {
		transport model.Transport
		remote    netip.AddrPort
		payload   []byte
	}
	tel := []byte(strings.Replace(string(request("INVITE", "tel", "x")), "To: <sip:x@example.com>", "To: <tel:+4711>", 1))
	messages := []message{
		{model.UDP, alice, request("INVITE", "one", "bob")},
		{model.TLS, carol, request("INVITE", "one", "+4930")}, // the user was rewritten
		{model.TLS, carol, response("180 Ringing", "INVITE", "one", "+4930")},
		{model.TCP, bob, request("OPTIONS", "two", "bob")},
		{model.TCP, bob, response("200 OK", "OPTIONS", "two", "bob")},
		{model.UDP, alice, tel},
		{model.UDP, alice, []byte("garbage")},
	}
	for _, tt := range []struct {
		filter Filter
		want   string // indices into messages
	}{
		{Filter{}, "0123456"},
		{Filter{Address: netip.MustParsePrefix("192.0.2.0/24")}, "01256"},
		{Filter{Address: netip.MustParsePrefix("2001:db8::/32")}, "12"},
		{Filter{CallID: "two"}, "34"},
		{Filter{CallID: "tw"}, ""},
		{Filter{Method: "OPTIONS"}, "34"},
		{Filter{Method: "options"}, ""},
		{Filter{User: "bob"}, "01234"},
		{Filter{User: "alice", Transport: "tcp"}, "34"},
		{Filter{User: "+4711"}, "5"},
		{Filter{User: "+4930"}, "12"},
		{Filter{Transport: "tls"}, "12"},
		{Filter{Transport: "udp"}, "01256"},
		{Filter{Transport: "udp", Method: "INVITE", User: "bob", CallID: "one", Address: netip.MustParsePrefix("192.0.2.1/32")}, "012"},
	} {
		b := New(Options{})
		begin(t, b, Request{Filter: tt.filter})
		var got strings.Builder
		for i, m := range messages {
			b.mu.Lock()
			traced := b.last.Messages
			b.mu.Unlock()
			b.Trace(false, m.transport, lan1, netip.AddrPortFrom(netip.AddrFrom16(m.remote.Addr().As16()), m.remote.Port()), m.payload)
			b.mu.Lock()
			if b.last.Messages > traced {
				fmt.Fprint(&got, i)
			}
			b.mu.Unlock()
		}
		if got.String() != tt.want {
			t.Errorf("filter %q traces %s; want %s", tt.filter, got.String(), tt.want)
		}
	}
}

// TestRing holds the ring against a list: it has the newest messages, whole,
// and as many of them as there is room for.
func TestRing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 3000).Draw(t, "size")
		var r ring
		r.reset(size)
		var all [][]byte
		for range rapid.IntRange(1, 60).Draw(t, "messages") {
			message := rapid.SliceOfN(rapid.Byte(), 0, 800).Draw(t, "message")
			r.add(record{number: len(all) + 1}, message)
			all = append(all, message[:min(len(message), size)])
		}
		total := 0
		for i := range r.count {
			k := r.record(i)
			want := all[len(all)-r.count+i]
			if got := r.octetsOf(k); !slices.Equal(got, want) || k.number != len(all)-r.count+i+1 {
				t.Fatalf("message %d is %x; want %x", k.number, got, want)
			}
			if got := r.after(k.number - 1); got != i {
				t.Fatalf("after(%d) = %d; want %d", k.number-1, got, i)
			}
			total += len(want)
		}
		if r.count < len(all) && r.count < len(r.records) && 2*total+len(all[len(all)-r.count-1])+800 < size {
			t.Fatalf("%d messages of %d octets are kept of %d octets; the one before had room", r.count, total, size)
		}
		if got := r.after(len(all)); got != r.count {
			t.Fatalf("after the newest = %d; want %d", got, r.count)
		}
	})
}

// TestManyAtOnce: threads trace while others read and switch.
func TestManyAtOnce(t *testing.T) {
	b := New(Options{Size: 64 << 10, Dir: t.TempDir()})
	run(t, b)
	var tracing, reading sync.WaitGroup
	for i := range 4 {
		tracing.Go(func() {
			for range 2000 {
				if b.On() {
					b.Trace(i%2 == 0, model.UDP, lan1, alice, request("INVITE", fmt.Sprint("call", i), "bob"))
				}
			}
		})
	}
	done := make(chan struct{})
	reading.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-done:
				return
			default:
			}
			if _, err := b.Start(Request{File: fmt.Sprintf("%d.pcap", n), Filter: Filter{User: "bob"}}); err != nil {
				t.Error(err)
				return
			}
			for _, traced := range b.page(Query{Last: 10}).Traced {
				if !strings.HasPrefix(traced.Text, "INVITE sip:bob@example.com SIP/2.0\r\n") {
					t.Errorf("a message is torn: %q", traced.Text)
				}
			}
			runtime.Gosched()
		}
	})
	tracing.Wait()
	close(done)
	reading.Wait()
}

func TestShow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Options{Dir: t.TempDir()})
		status := begin(t, b, Request{Filter: Filter{User: "bob"}, Messages: 100, File: "call.pcap"})
		s := &exectest.Session{Answers: map[string]any{"proxy.trace-start": status}}
		var transcript strings.Builder
		show := func(line string) {
			fmt.Fprintf(&transcript, "# %s\n%s", line, s.Type(t.Context(), t, ExecCommands(), line))
		}
		show("debug sip trace user bob messages 100 file harddisk:call.pcap")
		sdp := strings.Replace(string(request("INVITE", "one", "bob")), "Content-Length: 0\r\n\r\n", "Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n", 1)
		for _, m := range []struct {
			sent    bool
			t       model.Transport
			local   netip.AddrPort
			remote  netip.AddrPort
			payload string
		}{
			{false, model.UDP, lan1, alice, sdp},
			{true, model.UDP, lan1, alice, string(response("100 Trying", "INVITE", "one", "bob"))},
			{true, model.TCP, lan1, bob, sdp},
			{true, model.TLS, lan6, carol, sdp},
			{false, model.TCP, lan1, bob, string(response("486 Busy Here", "INVITE", "one", "bob"))},
			{false, model.TLS, lan6, carol, string(response("200 OK", "INVITE", "one", "bob"))},
			{true, model.UDP, lan1, alice, string(response("200 OK", "INVITE", "one", "bob"))},
			{false, model.UDP, lan1, alice, string(request("OPTIONS", "two", "bob"))},
		} {
			b.Trace(m.sent, m.t, m.local, m.remote, []byte(m.payload))
			time.Sleep(123 * time.Millisecond)
		}
		answer := func(q Query) { s.Answers["proxy.trace-show"] = b.page(q) }
		answer(Query{Call: "one", Brief: true})
		show("show sip trace call one ladder")
		answer(Query{Last: 2})
		show("show sip trace last 2")
		answer(Query{Call: "none"})
		show("show sip trace call none")
		s.Answers["proxy.trace-stop"] = b.Stop()
		show("no debug sip trace")
		exectest.Golden(t, "show", transcript.String())
	})
}

// TestRequests: what is typed is what the proxy is asked.
func TestRequests(t *testing.T) {
	s := &exectest.Session{Answers: map[string]any{"proxy.trace-start": Status{}, "proxy.trace-show": Page{}}}
	for line, want := range map[string]string{
		"debug sip trace": `proxy.trace-start {"filter":{},"messages":0,"minutes":10,"file":""}`,
		"debug sip trace minutes 5 transport tls address 192.0.2.0/24 call a@b method INVITE user +49 messages 7 file harddisk:trace/x.pcap": `proxy.trace-start {"filter":{"address":"192.0.2.0/24","call_id":"a@b","method":"INVITE","user":"+49","transport":"tls"},"messages":7,"minutes":5,"file":"x.pcap"}`,
		"show sip trace":                      `proxy.trace-show {"after":0,"last":0,"call":"","brief":false}`,
		"show sip trace last 5 call a ladder": `proxy.trace-show {"after":0,"last":5,"call":"a","brief":true}`,
	} {
		s.Type(t.Context(), t, ExecCommands(), line)
		if got := s.Called(); len(got) != 1 || got[0] != want {
			t.Errorf("%s calls %q; want %q", line, got, want)
		}
	}
	for _, word := range []string{"harddisk:x", "usb0:x.pcap", "harddisk:other/x.pcap", "x.pcap", "harddisk:trace/deep/x.pcap"} {
		if value, err := (fileType{}).Parse(word); err == nil {
			t.Errorf("Parse(%s) = %v; want an error", word, value)
		}
	}
}

// TestPages reads more than one page holds, over link.
func TestPages(t *testing.T) {
	b := New(Options{})
	s := &exectest.Session{}
	s.Serve(t, "proxy", b.Methods())
	begin(t, b, Request{})
	const messages = 3 * chunkSize / 400
	for i := range messages {
		b.Trace(false, model.UDP, lan1, alice, request("INVITE", fmt.Sprint("call-", i%2), "bob"))
	}
	printed := s.Type(t.Context(), t, ExecCommands(), "show sip trace")
	if got := strings.Count(printed, "\nINVITE sip:bob"); got != messages {
		t.Errorf("show sip trace prints %d messages; want %d", got, messages)
	}
	if calls := len(s.Called()); calls < 3 {
		t.Errorf("it took %d calls; want one a page", calls)
	}
	printed = s.Type(t.Context(), t, ExecCommands(), "show sip trace last 3 call call-1")
	if got := strings.Count(printed, "\nCall-ID: call-1\n"); got != 3 || strings.Contains(printed, "call-0") {
		t.Errorf("show sip trace last 3 call call-1 prints %d of its messages; want 3:\n%s", got, printed)
	}
}

// TestTraceAllocatesNothing is the benchmark's promise.
func TestTraceAllocatesNothing(t *testing.T) {
	for _, f := range []Filter{{}, {User: "bob"}, {User: "nobody"}} {
		b := New(Options{})
		begin(t, b, Request{Filter: f})
		message := request("INVITE", "a", "bob")
		trace := func() { b.Trace(false, model.UDP, lan1, alice, message) }
		for range 100 {
			trace()
		}
		if n := testing.AllocsPerRun(1000, trace); n > 0 {
			t.Errorf("Trace with filter %q allocates %v times; want 0", f, n)
		}
	}
}

func BenchmarkTrace(b *testing.B) {
	message := request("INVITE", "a", "bob")
	for _, bench := range []struct {
		name   string
		on     bool
		filter Filter
	}{
		{"off", false, Filter{}},
		{"all", true, Filter{}},
		{"wanted user", true, Filter{User: "bob"}},
		{"other user", true, Filter{User: "nobody"}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			buffer := New(Options{})
			if bench.on {
				begin(b, buffer, Request{Filter: bench.filter})
			}
			b.ReportAllocs()
			for b.Loop() {
				if buffer.On() {
					buffer.Trace(false, model.UDP, lan1, alice, message)
				}
			}
		})
	}
}
