package locate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/exec/exectest"
	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

// names is a resolver in memory: every host has what is set here.
type names struct {
	mu     sync.Mutex
	delay  time.Duration // of every answer
	ttl    time.Duration
	err    error
	host   netip.Addr
	srv    []model.SRV
	silent bool // it does not answer for SRV and NAPTR
	asked  int  // for hosts
}

func (n *names) set(change func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change()
}

// asks gives how often hosts were looked up.
func (n *names) asks() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asked
}

func (n *names) wait(ctx context.Context, silent bool) error {
	n.mu.Lock()
	delay := n.delay
	if silent && n.silent {
		delay = time.Hour
	}
	n.mu.Unlock()
	if delay == 0 {
		// No timer: those of a bubble that are due as they are looked at run on many
		// threads in one context of the race detector, which crashes (Go 1.26).
		return nil
	}
	select {
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", model.ErrNoAnswer, ctx.Err())
	case <-time.After(delay):
		return nil
	}
}

func (n *names) LookupHost(ctx context.Context, _ string) ([]netip.Addr, time.Duration, error) {
	n.set(func() { n.asked++ })
	if err := n.wait(ctx, false); err != nil {
		return nil, 0, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.err != nil {
		return nil, n.ttl, n.err
	}
	return []netip.Addr{n.host}, n.ttl, nil
}

func (n *names) LookupSRV(ctx context.Context, name string) ([]model.SRV, time.Duration, error) {
	if err := n.wait(ctx, true); err != nil {
		return nil, 0, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.err != nil || len(n.srv) == 0 || !strings.HasPrefix(name, "_sip._udp.") {
		return nil, n.ttl, cmp.Or(n.err, model.ErrNoSuchName)
	}
	return slices.Clone(n.srv), n.ttl, nil
}

func (n *names) LookupNAPTR(ctx context.Context, _ string) ([]model.NAPTR, time.Duration, error) {
	if err := n.wait(ctx, true); err != nil {
		return nil, 0, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return nil, n.ttl, cmp.Or(n.err, model.ErrNoSuchName)
}

var (
	address1 = netip.MustParseAddr("192.0.2.1")
	address2 = netip.MustParseAddr("192.0.2.2")
	query    = hop.Query{Host: "example.com"}
)

const (
	place1 = "[{udp 192.0.2.1:5060}]"
	place2 = "[{udp 192.0.2.2:5060}]"
)

func newLocator(n *names) *Locator {
	return New(Options{Resolver: n, DNS: func() model.SIPDNS { return model.SIPDNS{} }, Speaks: speaksUDPandTCP})
}

// expect asks once, without waiting.
func expect(t *testing.T, when string, l *Locator, q hop.Query, want string, wantKnown bool) {
	t.Helper()
	places, known := l.Locate(q, nil)
	if got := fmt.Sprint(places); got != want || known != wantKnown {
		t.Errorf("%s: Locate(%+v) = %s, %v; want %s, %v", when, q, got, known, want, wantKnown)
	}
}

// calls makes a call every 100 ms for a time, and says how many had to wait or
// found nothing.
func calls(l *Locator, d time.Duration) (waited int) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if places, known := l.Locate(query, nil); !known || len(places) == 0 {
			waited++
		}
	}
	return waited
}

// TestOneLookupForAll: all who wait for a query are called, by one look-up.
func TestOneLookupForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &names{host: address1, ttl: time.Minute, delay: 100 * time.Millisecond}
		l := newLocator(n)
		run(t, l)
		expect(t, "at first", l, query, "[]", false)
		var called atomic.Int32
		for range 10 {
			l.Await(query, func() { called.Add(1) })
		}
		synctest.Wait()
		if n := called.Load(); n != 0 {
			t.Errorf("called = %d before there was an answer; want 0", n)
		}
		time.Sleep(time.Second)
		if called.Load() != 10 || n.asks() != 1 {
			t.Errorf("called %d, asked %d times; want 10, 1", called.Load(), n.asks())
		}
		expect(t, "then", l, query, place1, true)
		l.Await(query, func() { called.Add(1) })
		l.Await(hop.Query{Host: "192.0.2.1"}, func() { called.Add(1) })
		synctest.Wait()
		if called.Load() != 12 {
			t.Errorf("called = %d of those who had nothing to wait for; want 2", called.Load()-10)
		}
	})
}

// TestRenew: an answer in use is renewed before its time is over, one that is
// not is forgotten.
func TestRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &names{host: address1, ttl: time.Minute, delay: 50 * time.Millisecond}
		l := newLocator(n)
		run(t, l)
		located(t, l, query)
		time.Sleep(50 * time.Second)
		n.set(func() { n.host = address2 })
		if waited := calls(l, 9*time.Second); waited > 0 {
			t.Errorf("%d calls waited; want none", waited)
		}
		expect(t, "after 59 s", l, query, place2, true)
		if waited := calls(l, 10*time.Minute); waited > 0 || n.asks() < 10 || n.asks() > 13 {
			t.Errorf("%d calls waited and %d look-ups were made in 10 minutes of a TTL of one; want 0, 11", waited, n.asks())
		}
		time.Sleep(3 * time.Minute)
		expect(t, "unused", l, query, "[]", false)
		if got := l.state(StateRequest{}); got.Kept != 0 {
			t.Errorf("kept = %d; want 0", got.Kept)
		}
	})
}

// TestStale: while the DNS fails an old answer serves for a day. That a name is
// gone counts at once.
func TestStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &names{host: address1, ttl: time.Minute}
		l := newLocator(n)
		run(t, l)
		located(t, l, query)
		expect(t, "used", l, query, place1, true)
		n.set(func() { n.err = model.ErrNoAnswer })
		time.Sleep(longestStale - time.Minute)
		expect(t, "nearly a day later", l, query, place1, true)
		n.set(func() { n.err = nil; n.host = address2 })
		time.Sleep(10 * time.Second)
		expect(t, "the DNS is back", l, query, place2, true)
		n.set(func() { n.err = model.ErrNoAnswer })
		time.Sleep(longestStale + 2*time.Minute)
		expect(t, "more than a day later", l, query, "[]", false)

		n.set(func() { n.err = nil })
		located(t, l, query)
		expect(t, "found again", l, query, place2, true)
		n.set(func() { n.err = model.ErrNoSuchName })
		time.Sleep(time.Minute)
		if places, _ := l.Locate(query, nil); len(places) > 0 {
			t.Errorf("Locate of a name that is gone = %v; want nothing", places)
		}
	})
}

// TestBounds holds the bounds on what the DNS says about time.
func TestBounds(t *testing.T) {
	for _, tt := range []struct {
		ttl        time.Duration
		err        error
		knownAfter time.Duration
		goneAfter  time.Duration
	}{
		{ttl: 0, knownAfter: 4 * time.Second, goneAfter: 7 * time.Second},
		{ttl: time.Minute, knownAfter: 59 * time.Second, goneAfter: 62 * time.Second},
		{ttl: 1000 * time.Hour, knownAfter: 24*time.Hour - time.Second, goneAfter: 24*time.Hour + 2*time.Second},
		{ttl: time.Hour, err: model.ErrNoSuchName, knownAfter: 4 * time.Second, goneAfter: 7 * time.Second},
		{err: model.ErrNoAnswer, knownAfter: 4 * time.Second, goneAfter: 7 * time.Second},
	} {
		t.Run(fmt.Sprint(tt.ttl, tt.err), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLocator(&names{host: address1, ttl: tt.ttl, err: tt.err})
				run(t, l)
				l.Await(query, func() {})
				time.Sleep(tt.knownAfter)
				if l.find(query) == nil {
					t.Errorf("after %v the answer is gone", tt.knownAfter)
				}
				time.Sleep(tt.goneAfter - tt.knownAfter)
				if l.find(query) != nil {
					t.Errorf("after %v the answer is still there", tt.goneAfter)
				}
			})
		})
	}
}

// TestPatience: nobody waits for more than 5 s, however long the queue is, and
// a queue that is full makes nobody wait.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLocator(&names{delay: time.Hour})
		run(t, l)
		const hosts = workers + queueSize + 50
		var mu sync.Mutex
		took := map[time.Duration]int{}
		started := time.Now()
		ask := func(i int) {
			l.Await(hop.Query{Host: fmt.Sprintf("host%d.example.com", i)}, func() {
				mu.Lock()
				defer mu.Unlock()
				took[time.Since(started)]++
			})
		}
		for i := range workers {
			ask(i)
		}
		synctest.Wait() // the workers have taken them
		for i := range hosts - workers {
			ask(workers + i)
		}
		time.Sleep(10 * time.Second)
		mu.Lock()
		defer mu.Unlock()
		if took[0] != 50 || took[patience] != workers+queueSize {
			t.Errorf("waits = %v; want 50 of 0s, %d of %v", took, workers+queueSize, patience)
		}
	})
}

// TestSilentKinds: a DNS that does not answer for NAPTR and SRV leaves time for
// addresses, and what was known before stays.
func TestSilentKinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &names{host: address1, ttl: time.Minute, silent: true}
		l := newLocator(n)
		run(t, l)
		if got := located(t, l, query); !slices.Equal(got, []string{"udp 192.0.2.1:5060"}) {
			t.Errorf("Locate = %v; want the address", got)
		}
	})
}

// TestGuess: an answer that a failing DNS made incomplete replaces no whole one.
func TestGuess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &names{host: address1, ttl: time.Minute, srv: []model.SRV{{Port: 5070, Target: "server.example.com"}}}
		l := newLocator(n)
		run(t, l)
		located(t, l, query)
		expect(t, "whole", l, query, "[{udp 192.0.2.1:5070}]", true)
		n.set(func() { n.silent = true })
		time.Sleep(10 * time.Minute)
		expect(t, "SRV is silent", l, query, "[{udp 192.0.2.1:5070}]", true)
	})
}

// TestFullCache: names from outside push out no name in use.
func TestFullCache(t *testing.T) {
	l := newLocator(&names{})
	keep := func(q hop.Query, address netip.Addr) {
		places := []hop.Place{{Address: netip.AddrPortFrom(address, 5060)}}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.keep(q, &answer{services: []service{{{places: places}}}, stored: time.Now(), life: time.Hour})
	}
	keep(query, address1)
	for i := range 3 * cacheSize {
		keep(hop.Query{Host: fmt.Sprintf("host%d.example.com", i)}, address2)
		if i%100 == 0 {
			expect(t, fmt.Sprint("after ", i), l, query, place1, true)
		}
	}
	got := l.state(StateRequest{})
	if got.Kept != cacheSize || len(got.Queries) != shownMost || got.More != cacheSize-shownMost {
		t.Errorf("kept = %d, shown %d and %d more; want %d, %d, the rest", got.Kept, len(got.Queries), got.More, cacheSize, shownMost)
	}
	kept := 0
	for range l.entries.Range {
		kept++
	}
	if kept != cacheSize {
		t.Errorf("%d queries can be found; want %d", kept, cacheSize)
	}
}

// TestCommit: Renew has answers in use looked up again without a wait, also
// those whose look-up was under way.
func TestCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var noSRV model.SIPDNS
		var mu sync.Mutex
		dns := func() model.SIPDNS { mu.Lock(); defer mu.Unlock(); return noSRV }
		n := &names{host: address1, ttl: time.Hour, delay: 100 * time.Millisecond, srv: []model.SRV{{Port: 5070, Target: "server.example.com"}}}
		l := New(Options{Resolver: n, DNS: dns, Speaks: speaksUDPandTCP})
		run(t, l)
		other := hop.Query{Host: "other.example.com"}
		located(t, l, query)
		expect(t, "before", l, query, "[{udp 192.0.2.1:5070}]", true)
		l.Await(other, func() {})
		synctest.Wait()
		mu.Lock()
		noSRV.NoSRV = true
		mu.Unlock()
		l.Renew()
		if waited := calls(l, 3*time.Second); waited > 0 {
			t.Errorf("%d calls waited; want none", waited)
		}
		expect(t, "after", l, query, place1, true)
		expect(t, "under way", l, other, "[{udp 192.0.2.1:5070}]", true)
		time.Sleep(3 * time.Second)
		expect(t, "under way, then", l, other, place1, true)
	})
}

func TestShow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &names{host: address1, ttl: time.Minute, srv: []model.SRV{
			{Priority: 20, Port: 5060, Target: "b.example.com"}, {Priority: 10, Weight: 60, Port: 5070, Target: "a.example.com"},
		}}
		l := newLocator(n)
		run(t, l)
		located(t, l, query)
		located(t, l, hop.Query{Host: "example.com", Port: 5090, Transport: model.TCP, Fixed: true})
		n.set(func() { n.err = errors.New("the line is cut") })
		located(t, l, hop.Query{Host: "other.example.com"})
		located(t, l, hop.Query{Host: "secure.example.com", Secure: true})
		time.Sleep(3 * time.Second)
		var transcript strings.Builder
		s := &exectest.Session{Answers: map[string]any{}}
		answer := func() {
			s.Answers["proxy.sip-dns"] = l.state(StateRequest{})
		}
		answer()
		show := func(line string) {
			fmt.Fprintf(&transcript, "# %s\n%s", line, s.Type(t.Context(), t, ExecCommands(), line))
		}
		show("show sip dns")
		if got := l.state(StateRequest{Host: "Other.example.com"}); len(got.Queries) != 1 {
			t.Errorf("state of one host has %d queries; want 1", len(got.Queries))
		}
		expect(t, "used", l, query, "[{udp 192.0.2.1:5070} {udp 192.0.2.1:5060}]", true)
		time.Sleep(5 * time.Minute)
		answer()
		show("show sip dns")
		s.Answers["proxy.sip-dns-clear"] = Cleared{l.Clear()}
		show("clear sip dns")
		answer()
		show("show sip dns")
		exectest.Golden(t, "show", transcript.String())
	})
}

func BenchmarkLocate(b *testing.B) {
	n := &names{host: address1, ttl: time.Hour}
	l := newLocator(n)
	run(b, l)
	located(b, l, query)
	weighted := hop.Query{Host: "weighted.example.com"}
	n.set(func() {
		n.srv = []model.SRV{{Weight: 60, Port: 1, Target: "a"}, {Weight: 30, Port: 2, Target: "b"}, {Weight: 10, Port: 3, Target: "c"}}
	})
	located(b, l, weighted)
	for name, q := range map[string]hop.Query{
		"IPv4": {Host: "192.0.2.1", Port: 5060}, "IPv6": {Host: "[2001:db8::1]"}, "name": query, "three weights": weighted,
		"unknown": {Host: "unknown.example.com"},
	} {
		b.Run(name, func(b *testing.B) {
			places := make([]hop.Place, 0, maxPlaces)
			b.ReportAllocs()
			for b.Loop() {
				places, _ = l.Locate(q, places[:0])
			}
		})
	}
}

// TestLocateAllocatesNothing is the benchmark's promise.
func TestLocateAllocatesNothing(t *testing.T) {
	l := newLocator(&names{host: address1, ttl: time.Hour})
	run(t, l)
	located(t, l, query)
	places := make([]hop.Place, 0, maxPlaces)
	for _, q := range []hop.Query{query, {Host: "192.0.2.1"}, {Host: "[2001:db8::1]"}, {Host: "unknown.example.com"}} {
		if n := testing.AllocsPerRun(100, func() { places, _ = l.Locate(q, places[:0]) }); n > 0 {
			t.Errorf("Locate(%+v) allocates %v times; want 0", q, n)
		}
	}
}
