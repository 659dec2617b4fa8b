package resolver

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"causeway/appliance/model"
)

// TestConditions lives through faults of the names and of the servers. What is
// asked in each step says how often the names are checked.
func TestConditions(t *testing.T) {
	both := zone(t, "avaya-sub.com. 86400 IN NS ns.example.com.", "storage.googleapis.com. 86400 IN A 192.0.2.6")
	one := zone(t, "storage.googleapis.com. 86400 IN A 192.0.2.6")
	synctest.Test(t, func(t *testing.T) {
		servers := newServers(t)
		servers.set(first, both)
		r := servers.newResolver(first)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		step := func(what string, wait time.Duration, checks int, want ...string) {
			t.Helper()
			time.Sleep(wait)
			var got []string
			for _, c := range r.Conditions() {
				got = append(got, strings.TrimSpace(c.Name+" "+c.Object)+": "+c.Text)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: the conditions are %q; want %q", what, got, want)
			}
			var asked int
			for _, q := range servers.takeAsked() {
				if strings.HasSuffix(q, " avaya-sub.com. A") || strings.HasSuffix(q, " avaya-sub.de. A") {
					asked++
				}
			}
			if asked != checks && checks >= 0 {
				t.Errorf("%s: the domain was checked %d times; want %d", what, asked, checks)
			}
		}
		unknown := "name-unresolved avaya-sub.com: the COM domain avaya-sub.com does not resolve: name server 192.0.2.1 says that it does not exist"
		step("both names exist", time.Second, 1)
		step("for an hour", time.Hour, 12)
		servers.set(first, one)
		step("the domain is gone", 5*time.Minute, 1, unknown)
		step("and is checked more often", 5*time.Minute, 10, unknown)
		servers.set(first, refusing(dns.RcodeRefused))
		step("the server refuses", 30*time.Second, 1,
			"name-unresolved avaya-sub.com: the COM domain avaya-sub.com does not resolve: no name server has an answer: name server 192.0.2.1: it answers REFUSED",
			"name-unresolved storage.googleapis.com: the file store storage.googleapis.com does not resolve: no name server has an answer: name server 192.0.2.1: it answers REFUSED")
		servers.set(first, silent)
		step("the server is silent", time.Minute, 2, "dns-down: no name server answers; name server 192.0.2.1: no answer in time")
		step("for an hour", time.Hour, 0, "dns-down: no name server answers; name server 192.0.2.1: no answer in time")
		servers.set(first, both)
		step("it answers again", probePause, 1)

		servers.set(first, server{reply: func(network string, query *dns.Msg) *dns.Msg {
			if query.Question[0] != probeQuestion {
				return nil
			}
			return both.reply(network, query)
		}})
		slow := "does not resolve: no name server has an answer: name server 192.0.2.1: no answer in time"
		unresolved := []string{"name-unresolved avaya-sub.com: the COM domain avaya-sub.com " + slow,
			"name-unresolved storage.googleapis.com: the file store storage.googleapis.com " + slow}
		step("it reaches nobody", 6*time.Minute, 4, unresolved...)
		for range 10 { // without a gap: the alarm is raised when it has held for a while
			step("still", 7*time.Second, -1, unresolved...)
		}
		servers.set(first, both)
		step("it is well again", time.Minute, -1)

		r.Apply(&model.Config{NameServers: r.Upstreams(), COM: model.COM{Domain: "avaya-sub.de"}})
		step("another domain", time.Second, 1,
			"name-unresolved avaya-sub.de: the COM domain avaya-sub.de does not resolve: name server 192.0.2.1 says that it does not exist")
		r.Apply(&model.Config{NameServers: r.Upstreams(), COM: model.COM{Domain: "avaya-sub.de"},
			Hosts: []model.Host{{Name: "avaya-sub.de", Addresses: r.Upstreams()}}})
		step("which is a static host", time.Minute, 0)
		hosts := []model.Host{{Name: "avaya-sub.de", Addresses: r.Upstreams()}}
		com := model.COM{Domain: "avaya-sub.de", CustomerID: "AB-12", Server: "com.example.com"}
		r.Apply(&model.Config{NameServers: r.Upstreams(), COM: com, Hosts: hosts})
		step("there is to be a link", time.Minute, 0,
			"name-unresolved com.example.com: the subscription server com.example.com does not resolve: name server 192.0.2.1 says that it does not exist")
		com.Server = "192.0.2.7"
		r.Apply(&model.Config{NameServers: r.Upstreams(), COM: com, Hosts: hosts})
		step("by its address", time.Minute, 0)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v; want nil", err)
		}
	})
}

// TestCheckOfOtherServers: what a check hears from a server that was replaced
// meanwhile is not kept.
func TestCheckOfOtherServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newServers(t)
		servers.set(first, slow(zone(t, "avaya-sub.com. 86400 IN A 192.0.2.5"), time.Second))
		r := servers.newResolver(first)
		checked := make(chan string)
		go func() { checked <- r.checkName(t.Context(), "avaya-sub.com") }()
		synctest.Wait()
		r.Apply(&model.Config{NameServers: []netip.Addr{netip.MustParseAddr(second)}})
		if problem := <-checked; problem != "" {
			t.Fatalf("the old server says %q; want nothing", problem)
		}
		if got := ask(t, r, "avaya-sub.com.", dns.TypeA); got != "SERVFAIL" {
			t.Errorf("beside the new server, which is dead, the answer is %s; want SERVFAIL", got)
		}
		r.running.Wait()
	})
}

// TestLookupHost is what the rest of control asks for.
func TestLookupHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newServers(t)
		servers.set(first, zone(t, wwwText, "www.example.com. 300 IN AAAA 2001:db8::80", "six.example.com. 300 IN AAAA 2001:db8::6",
			"alias.example.com. 300 IN CNAME second.example.com.", "second.example.com. 300 IN CNAME www.example.com.", "text.example.com. 300 IN TXT x"))
		r := servers.newResolver(first)
		for _, test := range []struct{ name, want string }{
			{"WWW.example.com", "[192.0.2.80 2001:db8::80] <nil>"},
			{"six.example.com.", "[2001:db8::6] <nil>"},
			{"alias.example.com", "[192.0.2.80 2001:db8::80] <nil>"},
			{"198.51.100.7", "[198.51.100.7] <nil>"},
			{"::ffff:198.51.100.7", "[198.51.100.7] <nil>"},
			{"localhost", "[127.0.0.1 ::1] <nil>"},
			{`\087ww.example.com`, "[192.0.2.80 2001:db8::80] <nil>"},
			{"user@example.com", "[] look up user@example.com: no such name"},
			{"bücher.example.com", "[] look up bücher.example.com: no such name"},
			{"absent.example.com", "[] look up absent.example.com: no such name"},
			{"text.example.com", "[] look up text.example.com: no such name"},
			{"", `[] look up "": not a host name`},
			{"a..b", `[] look up "a..b": not a host name`},
		} {
			addresses, err := r.LookupHost(t.Context(), test.name)
			if got := fmt.Sprint(addresses, " ", err); got != test.want {
				t.Errorf("LookupHost(%q) = %s; want %s", test.name, got, test.want)
			}
		}
		// Who gives up does not take the answer from others.
		servers.set(first, slow(zone(t, "slow.example.com. 300 IN A 192.0.2.5"), 500*time.Millisecond))
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		start := time.Now()
		if _, err := r.LookupHost(ctx, "slow.example.com"); ctx.Err() == nil || err == nil || time.Since(start) != 100*time.Millisecond {
			t.Errorf("LookupHost until a deadline = %v after %s; want an error at the deadline", err, time.Since(start))
		}
		got, err := r.LookupHost(t.Context(), "slow.example.com")
		if fmt.Sprint(got) != "[192.0.2.5]" || time.Since(start) != 500*time.Millisecond || len(servers.takeAsked()) != 16 {
			t.Errorf("LookupHost of the same = %v, %v after %s; want the answer of the first", got, err, time.Since(start))
		}
	})
}
