package resolver

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

// TestCache moves through the life of answers.
func TestCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newServers(t)
		servers.set(first, zone(t, wwwText, "once.example.com. 0 IN A 192.0.2.2", "alias.example.com. 100 IN CNAME www.example.com."))
		r := servers.newResolver(first)
		for i, step := range []struct {
			after time.Duration
			name  string
			want  string
			asks  bool
		}{
			{0, "www.example.com.", "NOERROR; www.example.com. 300 IN A 192.0.2.80", true},
			{299 * time.Second, "WWW.example.com.", "NOERROR; www.example.com. 1 IN A 192.0.2.80", false},
			{time.Second, "www.example.com.", "NOERROR; www.example.com. 300 IN A 192.0.2.80", true},
			{0, "alias.example.com.", "NOERROR; alias.example.com. 100 IN CNAME www.example.com.; www.example.com. 300 IN A 192.0.2.80", true},
			{99 * time.Second, "alias.example.com.", "NOERROR; alias.example.com. 1 IN CNAME www.example.com.; www.example.com. 201 IN A 192.0.2.80", false},
			{0, "once.example.com.", "NOERROR; once.example.com. 0 IN A 192.0.2.2", true},
			{0, "once.example.com.", "NOERROR; once.example.com. 0 IN A 192.0.2.2", true}, // TTL 0 is not kept
			{0, "absent.example.com.", "NXDOMAIN; example.com. 60 IN SOA ns.example.com. admin.example.com. 1 7200 900 86400 60", true},
			{50 * time.Second, "absent.example.com.", "NXDOMAIN; example.com. 10 IN SOA ns.example.com. admin.example.com. 1 7200 900 86400 60", false},
			{10 * time.Second, "absent.example.com.", "NXDOMAIN; example.com. 60 IN SOA ns.example.com. admin.example.com. 1 7200 900 86400 60", true},
		} {
			time.Sleep(step.after)
			servers.takeAsked()
			if got := ask(t, r, step.name, dns.TypeA); got != step.want {
				t.Errorf("step %d: %s is %s; want %s", i, step.name, got, step.want)
			}
			if asked := servers.takeAsked(); len(asked) > 0 != step.asks {
				t.Errorf("step %d: for %s the server was asked %q; want asked: %v", i, step.name, asked, step.asks)
			}
		}
	})
}

// TestStale: what was known serves for a day while nobody answers (RFC 8767).
func TestStale(t *testing.T) {
	const fresh, stale = "NOERROR; www.example.com. 300 IN A 192.0.2.80", "NOERROR; www.example.com. 30 IN A 192.0.2.80"
	good := zone(t, wwwText)
	for _, test := range []struct {
		name  string
		then  server // what becomes of the only server
		steps []staleStep
	}{
		{"silence", silent, []staleStep{
			{5 * time.Minute, stale, stalePatience},  // it is not known to be silent
			{time.Minute, stale, 0},                  // now it is
			{24*time.Hour - 7*time.Minute, stale, 0}, // nearly a day after it expired
			{7 * time.Minute, "SERVFAIL", 2800 * time.Millisecond},
		}},
		{"SERVFAIL", refusing(dns.RcodeServerFailure), []staleStep{
			{5 * time.Minute, stale, 0}, {staleRetry - 1, stale, 0}, {1, stale, 0}, {25 * time.Hour, "SERVFAIL", 0},
		}},
		{"a slow server", slow(good, 1900*time.Millisecond), []staleStep{
			{5 * time.Minute, stale, stalePatience},
			{time.Second, fresh, 0}, // it came in the meantime
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				servers := newServers(t)
				servers.set(first, good)
				r := servers.newResolver(first)
				if got := ask(t, r, "www.example.com.", dns.TypeA); got != fresh {
					t.Fatalf("at first the answer is %s; want %s", got, fresh)
				}
				servers.set(first, test.then)
				for i, step := range test.steps {
					time.Sleep(step.after)
					start := time.Now()
					got := ask(t, r, "www.example.com.", dns.TypeA)
					if step.want == fresh { // it has aged a little
						got = strings.Replace(got, " 299 ", " 300 ", 1)
					}
					if took := time.Since(start); got != step.want || took != step.took {
						t.Errorf("step %d: the answer is %s after %s; want %s after %s", i, got, took, step.want, step.took)
					}
				}
				r.running.Wait()
			})
		})
	}
}

type staleStep struct {
	after time.Duration
	want  string
	took  time.Duration
}

// TestFailureIsKept: whoever asks again at once does not reach the servers.
func TestFailureIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newServers(t)
		servers.set(first, refusing(dns.RcodeServerFailure))
		r := servers.newResolver(first)
		for _, step := range []struct {
			after time.Duration
			asked int
		}{{0, 1}, {failureTTL - 1, 0}, {1, 1}} {
			time.Sleep(step.after)
			got := ask(t, r, "www.example.com.", dns.TypeA)
			if asked := servers.takeAsked(); got != "SERVFAIL" || len(asked) != step.asked {
				t.Errorf("after %s the answer is %s and %q was asked; want SERVFAIL and %d questions", step.after, got, asked, step.asked)
			}
		}
	})
}

// TestInFlight: who asks the same waits for the same answer, and there are no
// more questions and askers than the bound.
func TestInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newServers(t)
		servers.set(first, slow(zone(t, wwwText), 100*time.Millisecond))
		r := servers.newResolver(first)
		var asking sync.WaitGroup
		for range 50 {
			asking.Go(func() {
				if got, want := ask(t, r, "www.example.com.", dns.TypeA), "NOERROR; www.example.com. 300 IN A 192.0.2.80"; got != want {
					t.Errorf("the answer is %s; want %s", got, want)
				}
			})
		}
		asking.Wait()
		if asked := servers.takeAsked(); len(asked) != 1 {
			t.Errorf("50 askers made %q; want one question", asked)
		}

		outcomes := make(chan string, 2*maxInFlight)
		for i := range cap(outcomes) {
			asking.Go(func() {
				text := ask(t, r, fmt.Sprintf("h%d.example.com.", i), dns.TypeA)
				outcomes <- strings.SplitN(text, ";", 2)[0]
			})
		}
		asking.Wait()
		close(outcomes)
		count := map[string]int{}
		for outcome := range outcomes {
			count[outcome]++
		}
		if count["NXDOMAIN"] != maxInFlight || count["SERVFAIL"] != maxInFlight {
			t.Errorf("of %d questions at a time the outcomes are %v; want half of them refused", 2*maxInFlight, count)
		}
		if len(r.flights) > 0 || r.waiting > 0 {
			t.Errorf("%d flights and %d askers are left; want none", len(r.flights), r.waiting)
		}
	})
}

// TestCacheIsBounded fills it with small answers, then with large ones.
func TestCacheIsBounded(t *testing.T) {
	now := time.Unix(1e9, 0)
	for _, octets := range []int{10, 40_000} {
		var c cache
		for i := range 3 * cacheSize {
			question := dns.Question{Name: fmt.Sprintf("h%d.example.com.", i), Qtype: dns.TypeA, Qclass: dns.ClassINET}
			c.put(question, answer{ttl: time.Duration(1+i%2) * time.Hour, octets: octets}, now)
			if !c.find(question).fresh(now) {
				t.Fatalf("answer %d is not kept", i)
			}
			now = now.Add(time.Millisecond)
		}
		if len(c.entries) > cacheSize || c.octets > cacheOctets || c.octets != len(c.entries)*octets {
			t.Errorf("%d answers of %d octets kept; want at most %d of %d", len(c.entries), c.octets, cacheSize, cacheOctets)
		}
		for question, e := range c.entries {
			if e.answer.ttl == time.Hour && octets == 10 {
				t.Errorf("%s is kept, whose time is over before that of others that are not", question.Name)
				break
			}
		}
	}
}

// BenchmarkCachedAnswer is a query of the wire answered from the cache.
func BenchmarkCachedAnswer(b *testing.B) {
	servers := newServers(b)
	servers.set(first, zone(b, "_sip._udp.example.com. 300 IN SRV 10 60 5060 a.example.com.", "_sip._udp.example.com. 300 IN SRV 10 40 5060 b.example.com."))
	r := servers.newResolver(first)
	query := new(dns.Msg).SetQuestion("_sip._udp.example.com.", dns.TypeSRV)
	query.SetEdns0(packetSize, false)
	packet, err := query.Pack()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		query := new(dns.Msg)
		if err := query.Unpack(packet); err != nil {
			b.Fatal(err)
		}
		reply := r.respond(b.Context(), query)
		reply.Truncate(packetSize)
		if _, err := reply.Pack(); err != nil || len(reply.Answer) != 2 {
			b.Fatal(err, reply)
		}
	}
	if asked := servers.takeAsked(); len(asked) != 1 {
		b.Errorf("the servers were asked %q; want once", asked)
	}
}
