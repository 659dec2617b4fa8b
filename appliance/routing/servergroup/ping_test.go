package servergroup

import (
	"context"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

// lab is a network without delay. Its methods may be called by many goroutines.
type lab struct {
	mu     sync.Mutex
	status map[string]int       // what the host of an address answers; 0: nothing
	header string               // line that answers have, too
	deaf   map[string]int       // requests that a host does not hear first
	heard  map[string][]float64 // when requests came, in seconds
	lines  map[string]int       // dialled
	refuse error                // of every dial
	hang   string               // the host to which no line comes about
	start  time.Time

	places []hop.Place // of every name
	asked  bool
}

func newLab() *lab {
	return &lab{status: map[string]int{}, deaf: map[string]int{}, heard: map[string][]float64{}, lines: map[string]int{}, start: time.Now()}
}

// set changes the lab while it works.
func (l *lab) set(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
}

// times are those at which a host heard a request.
func (l *lab) times(host string) []float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.heard[host])
}

// pipe is one end of a line with an address.
type pipe struct{ net.Conn }

func (pipe) LocalAddr() net.Addr {
	return net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:5999"))
}

// dial is a Dial of the lab.
func (l *lab) dial(ctx context.Context, _ netip.AddrPort, to hop.Place, _, _ string) (net.Conn, error) {
	host := to.Address.Addr().String()
	l.mu.Lock()
	refuse, hang := l.refuse, l.hang == host
	l.lines[host]++
	l.mu.Unlock()
	if hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if refuse != nil {
		return nil, os.NewSyscallError("bind", refuse)
	}
	ours, theirs := net.Pipe()
	go l.serve(host, theirs)
	return pipe{ours}, nil
}

// serve answers one line.
func (l *lab) serve(host string, conn net.Conn) {
	defer conn.Close()
	buffer := make([]byte, 2048)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return
		}
		m, err := sip.ParseMessage(buffer[:n])
		if err != nil {
			panic(err)
		}
		l.mu.Lock()
		l.heard[host] = append(l.heard[host], time.Since(l.start).Seconds())
		status, header := l.status[host], l.header
		if l.deaf[host] > 0 {
			l.deaf[host]--
			status = 0
		}
		l.mu.Unlock()
		if status == 0 {
			continue
		}
		response := sip.NewResponseFromRequest(m.(*sip.Request), status, "", nil).String()
		if header != "" {
			response = strings.Replace(response, "\r\n", "\r\n"+header+"\r\n", 1)
		}
		conn.Write([]byte(response))
	}
}

// Locate knows what Await was asked for once.
func (l *lab) Locate(q hop.Query, to []hop.Place) (places []hop.Place, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append(to, l.places...), l.asked
}

// Await answers after half a second.
func (l *lab) Await(q hop.Query, done func()) {
	time.AfterFunc(500*time.Millisecond, func() {
		l.set(func() { l.asked = true })
		done()
	})
}

// bubble is a lab, and a registry in it that pings until the test returns.
type bubble struct {
	*testing.T
	*lab
	*Registry
}

// pinging puts a configuration in force in a lab and pings while do runs.
func pinging(t *testing.T, c *model.Config, do func(b bubble, s *Set)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := bubble{T: t, lab: newLab()}
		b.Registry = New(Options{Dial: b.dial, Locator: b.lab})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- b.Registry.Run(ctx) }()
		do(b, compiled(t, b.Registry, c))
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v; want nil", err)
		}
	})
}

// pinged is a configuration of one group with these elements, pinged.
func pinged(o model.PingOptions, elements ...model.ServerElement) *model.Config {
	c := configuration(model.ServerGroup{Name: "g", Balance: model.BalanceHighestQ, Elements: elements})
	o.Network = "net"
	c.SIP.Routing.GlobalPing, c.SIP.Routing.PingOptions = true, []model.PingOptions{o}
	return c
}

// between says whether all gaps between the times are within these bounds.
func between(times []float64, shortest, longest float64) bool {
	for i := 1; i < len(times); i++ {
		if gap := times[i] - times[i-1]; gap < shortest-1e-6 || gap > longest+1e-6 {
			return false
		}
	}
	return true
}

// TestPingTimes: when elements are pinged, by what CUSP says of the types.
func TestPingTimes(t *testing.T) {
	one := servers(model.ServerElement{})
	const host = "192.0.2.1"
	for _, test := range []struct {
		name              string
		kind              model.PingType
		status            int
		callsFail         bool
		after             time.Duration // the pings from here on count …
		during            time.Duration // … for so long
		least, most       int
		shortest, longest float64 // gaps, s
		up                bool    // at the end
	}{
		{"adaptive, up", model.PingAdaptive, 200, false, 0, 100 * time.Second, 19, 23, 4.5, 5, true},
		{"adaptive, down", model.PingAdaptive, 0, false, 20 * time.Second, 100 * time.Second, 9, 11, 9.5, 10.5, false},
		{"adaptive, back by a ping", model.PingAdaptive, 200, true, 0, 11 * time.Second, 1, 3, 4.5, 10, true},
		{"proactive, up", model.PingProactive, 200, false, 0, 100 * time.Second, 19, 23, 4.5, 5, true},
		{"proactive, down", model.PingProactive, 0, false, 0, 100 * time.Second, 2, 2, 5, 5.5, false},
		{"proactive, down by calls", model.PingProactive, 200, true, 0, 100 * time.Second, 0, 0, 0, 0, false},
		{"reactive, up", model.PingReactive, 200, false, 0, 100 * time.Second, 0, 0, 0, 0, true},
		{"reactive, down", model.PingReactive, 0, true, 0, 100 * time.Second, 9, 11, 9.5, 10.5, false},
		{"reactive, back by a ping", model.PingReactive, 200, true, 0, 100 * time.Second, 1, 1, 0, 0, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			pinging(t, pinged(model.PingOptions{Type: test.kind}, one...), func(b bubble, s *Set) {
				b.set(func() { b.status[host] = test.status })
				if test.callsFail {
					put(s, map[int]string{1: "down"})
				}
				time.Sleep(test.after)
				first := len(b.times(host))
				time.Sleep(test.during)
				times := b.times(host)[first:]
				if len(times) < test.least || len(times) > test.most {
					b.Errorf("%d pings in %v; want %d to %d", len(times), test.during, test.least, test.most)
				}
				if !between(times, test.shortest, test.longest) {
					b.Errorf("pings at %.1f s; want gaps of %v to %v s", times, test.shortest, test.longest)
				}
				if got := s.groups[0].members[0].element.Up(); got != test.up {
					b.Errorf("Up() = %v at the end; want %v", got, test.up)
				}
			})
		})
	}
}

// upAfter is how long an element takes to be up, or down, by pings alone.
func upAfter(s *Set, want bool) time.Duration {
	start := time.Now()
	for s.groups[0].members[0].element.Up() != want && time.Since(start) < time.Hour {
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(start)
}

// TestPingDetects: the times that the documents promise.
func TestPingDetects(t *testing.T) {
	const host = "192.0.2.1"
	pinging(t, pinged(model.PingOptions{Up: 2000, Down: 3000, Timeout: 700}, servers(model.ServerElement{})...), func(b bubble, s *Set) {
		for range 20 {
			b.set(func() { b.status[host] = 200 })
			if got, want := upAfter(s, true), 3*time.Second+700*time.Millisecond+20*time.Millisecond; got > want {
				b.Errorf("up after %v; want %v at most", got, want)
			}
			time.Sleep(5 * time.Second)
			b.set(func() { b.status[host] = 0 })
			if got, want := upAfter(s, false), 2*(2*time.Second+700*time.Millisecond)+20*time.Millisecond; got > want {
				b.Errorf("down after %v; want %v at most", got, want)
			}
		}
	})
}

// TestPingAnswers: which answers are those of an element that is up.
func TestPingAnswers(t *testing.T) {
	const host = "192.0.2.1"
	for _, test := range []struct {
		status int
		header string
		up     bool
		reason reason
	}{
		{200, "", true, pingAnswered}, {302, "", true, pingAnswered}, {404, "", true, pingAnswered}, {405, "", true, pingAnswered},
		{481, "", true, pingAnswered}, {500, "", true, pingAnswered}, {501, "", true, pingAnswered}, {504, "", true, pingAnswered},
		{603, "", true, pingAnswered},
		{408, "", false, pingRefused}, {503, "", false, pingRefused}, {503, "Retry-After: soon", false, pingRefused},
		{503, "Retry-After: 3000 (maintenance);duration=60", false, pingRetryAfter},
		{486, "Retry-After: 3000", true, pingAnswered},
		{0, "", false, pingTimedOut},
		{100, "", false, pingTimedOut},
	} {
		pinging(t, pinged(model.PingOptions{}, servers(model.ServerElement{Transport: model.TCP})...), func(b bubble, s *Set) {
			b.set(func() { b.status[host], b.header = test.status, test.header })
			time.Sleep(6 * time.Second)
			e := s.groups[0].members[0].element
			if got := *e.condition.Load(); e.Up() != test.up || got.reason != test.reason {
				b.Errorf("answer %d %s: up %v, %s; want up %v, %s", test.status, test.header, e.Up(), reasonTexts[got.reason], test.up, reasonTexts[test.reason])
			}
			answered := int64(0)
			if test.status >= 200 {
				answered = 1
			}
			if got := b.Status()[0].Elements[0]; got.Sent < 1 || got.Answered < answered || answered == 0 && got.Answered > 0 {
				b.Errorf("answer %d: %d pings sent, %d answered", test.status, got.Sent, got.Answered)
			}
		})
	}
}

// TestPingRepeats: over UDP a request that is lost is repeated after 0.5, 1.5,
// 3.5 s … (RFC 3261 §17.1.2.2), over TCP never.
func TestPingRepeats(t *testing.T) {
	const host = "192.0.2.1"
	for _, test := range []struct {
		transport model.Transport
		deaf      int
		want      []float64 // after the first
		up        bool
	}{
		{model.UDP, 3, []float64{.5, 1.5, 3.5}, true},
		{model.UDP, 9, []float64{.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5}, true}, // one failure is none
		{model.TCP, 1, nil, false},
	} {
		c := pinged(model.PingOptions{Up: 100_000, Down: 100_000, Timeout: 20_000}, servers(model.ServerElement{Transport: test.transport})...)
		pinging(t, c, func(b bubble, s *Set) {
			b.set(func() { b.status[host], b.deaf[host] = 200, test.deaf })
			for len(b.times(host)) == 0 {
				time.Sleep(time.Second)
			}
			time.Sleep(25 * time.Second)
			var got []float64
			times := b.times(host)
			for _, at := range times[1:] {
				got = append(got, float64(int((at-times[0])*1000+.5))/1000)
			}
			if !slices.Equal(got, test.want) {
				b.Errorf("over %v, deaf to %d: repeated after %v s; want %v", test.transport, test.deaf, got, test.want)
			}
			if up := s.groups[0].members[0].element.Up(); up != test.up {
				b.Errorf("over %v, deaf to %d: up %v; want %v", test.transport, test.deaf, up, test.up)
			}
		})
	}
}

// TestPingAlone: an element to which no line comes about, and one that never
// answers, do not delay the pings of another.
func TestPingAlone(t *testing.T) {
	c := pinged(model.PingOptions{Timeout: 60_000}, servers(make([]model.ServerElement, 3)...)...)
	pinging(t, c, func(b bubble, s *Set) {
		b.set(func() { b.hang, b.status["192.0.2.2"] = "192.0.2.1", 200 })
		time.Sleep(10 * time.Minute)
		if times := b.times("192.0.2.2"); len(times) < 110 || !between(times, 4.5, 5) {
			b.Errorf("%d pings in 10 minutes, at %.1f; want one every 5 s", len(times), times)
		}
	})
}

// TestPingNames: a name is looked up, its places are tried in their order, and a
// name that has none is down.
func TestPingNames(t *testing.T) {
	place := func(s string) hop.Place { return hop.Place{Transport: model.TCP, Address: netip.MustParseAddrPort(s)} }
	named := pinged(model.PingOptions{}, model.ServerElement{Host: "gw.example.com", Transport: model.TCP})
	pinging(t, named, func(b bubble, s *Set) {
		e := s.groups[0].members[0].element
		b.set(func() {
			b.places = []hop.Place{place("192.0.2.8:5060"), place("192.0.2.9:5060")}
			b.status["192.0.2.9"] = 200
		})
		time.Sleep(30 * time.Second)
		first, second := b.times("192.0.2.8"), b.times("192.0.2.9")
		if len(first) < 5 || len(second) < len(first)-1 || !between([]float64{first[0], second[0]}, .5, .5) {
			b.Errorf("the first place is asked at %.1f, the second at %.1f; want each after 0.5 s of silence", first, second)
		}
		if !e.Up() {
			b.Error("the element is down; want it up when one place answers")
		}
		b.set(func() { b.places = nil })
		time.Sleep(6 * time.Second)
		if c := *e.condition.Load(); c.state != down || c.reason != pingUnlocated {
			b.Errorf("without a place: %+v; want it down", c)
		}
		b.set(func() { b.places = []hop.Place{place("192.0.2.9:5060")} })
		time.Sleep(11 * time.Second)
		if !e.Up() {
			b.Error("the element is down; want it up when its name has a place again")
		}
	})
}

// TestPingProblem: what is wrong with the box is no fault of an element.
func TestPingProblem(t *testing.T) {
	one := servers(model.ServerElement{Transport: model.TCP})
	problem := func(b bubble) string { return b.Status()[0].Elements[0].Problem }
	pinging(t, pinged(model.PingOptions{}, one...), func(b bubble, s *Set) {
		b.set(func() { b.refuse, b.status["192.0.2.1"] = syscall.EADDRNOTAVAIL, 200 })
		time.Sleep(time.Minute)
		if got := problem(b); !s.groups[0].members[0].element.Up() || got != "bind: cannot assign requested address" {
			b.Errorf("without an address to ping from: up %v, problem %q; want it up, and the problem", s.groups[0].members[0].element.Up(), got)
		}
		b.set(func() { b.refuse = nil })
		time.Sleep(6 * time.Second)
		if got := problem(b); got != "" {
			b.Errorf("with an address: problem %q; want none", got)
		}
		b.set(func() { b.refuse = syscall.EHOSTUNREACH; b.status["192.0.2.1"] = 0 })
		time.Sleep(30 * time.Second)
		if s.groups[0].members[0].element.Up() {
			b.Error("up without a route to it; want it down")
		}
	})
	one[0].Host = "2001:db8::1"
	pinging(t, pinged(model.PingOptions{}, one...), func(b bubble, s *Set) {
		time.Sleep(time.Minute)
		if got := problem(b); got != errNoLocal.Error() {
			b.Errorf("IPv6 out of a network with IPv4 only: problem %q; want %v", got, errNoLocal)
		}
	})
}

// TestPingCommits: a commit ends and begins pings as it says, and leaves alone
// what it does not change.
func TestPingCommits(t *testing.T) {
	both := pinged(model.PingOptions{}, servers(make([]model.ServerElement, 2)...)...)
	second := pinged(model.PingOptions{}, both.SIP.Routing.Groups[0].Elements[1:]...)
	faster := pinged(model.PingOptions{Up: 1000}, both.SIP.Routing.Groups[0].Elements...)
	silent := pinged(model.PingOptions{}, both.SIP.Routing.Groups[0].Elements...)
	silent.SIP.Routing.GlobalPing = false
	quiet := pinged(model.PingOptions{}, both.SIP.Routing.Groups[0].Elements...)
	quiet.SIP.Routing.Groups[0].NoPing = true
	drained := pinged(model.PingOptions{}, slices.Clone(both.SIP.Routing.Groups[0].Elements)...)
	drained.SIP.Routing.Groups[0].Elements[1].Shutdown = true
	pinging(t, both, func(b bubble, s *Set) {
		b.set(func() { b.status["192.0.2.1"], b.status["192.0.2.2"] = 200, 200 })
		for _, step := range []struct {
			what         string
			c            *model.Config
			first, other [2]int // pings in 20 s, least and most
			lines        int    // of the second element, ever
		}{
			{"both", both, [2]int{3, 5}, [2]int{3, 5}, 1},
			{"the second only", second, [2]int{0, 0}, [2]int{3, 5}, 1},
			{"both again", both, [2]int{3, 5}, [2]int{3, 5}, 1},
			{"faster", faster, [2]int{19, 23}, [2]int{19, 23}, 2},
			{"not at all", silent, [2]int{0, 0}, [2]int{0, 0}, 2},
			{"not this group", quiet, [2]int{0, 0}, [2]int{0, 0}, 2},
			{"both at last", both, [2]int{3, 5}, [2]int{3, 5}, 3},
			{"the second is shut down", drained, [2]int{3, 5}, [2]int{3, 5}, 3},
		} {
			compiled(b.T, b.Registry, step.c)
			synctest.Wait()
			b.set(func() { clear(b.heard) })
			time.Sleep(20 * time.Second)
			one, two := len(b.times("192.0.2.1")), len(b.times("192.0.2.2"))
			if one < step.first[0] || one > step.first[1] || two < step.other[0] || two > step.other[1] {
				b.Errorf("%s: %d and %d pings in 20 s; want %v and %v", step.what, one, two, step.first, step.other)
			}
			b.set(func() {
				if got := b.lines["192.0.2.2"]; got != step.lines {
					b.Errorf("%s: %d lines were opened to the second; want %d", step.what, got, step.lines)
				}
			})
		}
	})
}
