package resolver

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"causeway/appliance/model"
)

const wwwText = "www.example.com. 300 IN A 192.0.2.80"

// TestForward says who is asked when, and how long the answer takes.
func TestForward(t *testing.T) {
	good := zone(t, wwwText)
	var many []string
	for i := range 100 { // 100 × 16 octets do not fit into 1232
		many = append(many, fmt.Sprintf("www.example.com. 300 IN A 192.0.2.%d", i))
	}
	noEDNS := server{reply: func(network string, query *dns.Msg) *dns.Msg {
		if query.IsEdns0() != nil {
			m := new(dns.Msg).SetRcode(query, dns.RcodeFormatError)
			m.Question = nil
			return m
		}
		return good.reply(network, query)
	}}
	noTCP := server{reply: func(network string, query *dns.Msg) *dns.Msg {
		if network == "tcp" {
			return nil
		}
		return zone(t, many...).reply(network, query)
	}}
	forging := server{reply: func(network string, query *dns.Msg) *dns.Msg {
		query.Question[0].Name = "bank.example.com."
		return good.reply(network, query)
	}}
	lossy := func() server {
		var queries atomic.Int32
		return server{reply: func(network string, query *dns.Msg) *dns.Msg {
			if queries.Add(1) == 1 {
				return nil
			}
			return good.reply(network, query)
		}}
	}
	stuck := server{reply: func(network string, query *dns.Msg) *dns.Msg {
		if query.Question[0] != probeQuestion {
			return nil
		}
		return good.reply(network, query)
	}}
	for _, test := range []struct {
		name    string
		servers []server // of first, second, third
		want    string
		asked   []string
		silent  []string // servers found out, when all is quiet
	}{
		{name: "the first answers", servers: []server{good, silent}, want: "[192.0.2.80] after 0s",
			asked: []string{"0s 192.0.2.1 udp"}},
		{name: "the first is slow", servers: []server{slow(good, 700*time.Millisecond), good}, want: "[192.0.2.80] after 700ms",
			asked: []string{"0s 192.0.2.1 udp"}},
		{name: "the first is too slow", servers: []server{slow(good, 1900*time.Millisecond), good}, want: "[192.0.2.80] after 800ms",
			asked: []string{"0s 192.0.2.1 udp", "800ms 192.0.2.2 udp"}},
		{name: "the first is silent", servers: []server{silent, good}, want: "[192.0.2.80] after 800ms",
			asked: []string{"0s 192.0.2.1 udp", "800ms 192.0.2.2 udp", "2s 192.0.2.1 probe"}, silent: []string{first}},
		{name: "the first cannot be reached", servers: []server{{}, good}, want: "[192.0.2.80] after 0s",
			asked: []string{"0s 192.0.2.2 udp"}, silent: []string{first}},
		{name: "REFUSED and SERVFAIL", servers: []server{refusing(dns.RcodeRefused), refusing(dns.RcodeServerFailure), good}, want: "[192.0.2.80] after 0s",
			asked: []string{"0s 192.0.2.1 udp", "0s 192.0.2.2 udp", "0s 192.0.2.3 udp"}},
		{name: "REFUSED everywhere", servers: []server{refusing(dns.RcodeRefused)}, want: "no name server has an answer: name server 192.0.2.1: it answers REFUSED after 0s",
			asked: []string{"0s 192.0.2.1 udp"}},
		{name: "one silent server", servers: []server{silent}, want: "no name server has an answer: name server 192.0.2.1: no answer in time after 2.8s",
			asked: []string{"0s 192.0.2.1 udp", "800ms 192.0.2.1 udp", "2s 192.0.2.1 probe"}, silent: []string{first}},
		{name: "a packet is lost", servers: []server{lossy()}, want: "[192.0.2.80] after 800ms",
			asked: []string{"0s 192.0.2.1 udp", "800ms 192.0.2.1 udp", "2s 192.0.2.1 probe"}},
		{name: "a name that takes its servers long", servers: []server{stuck}, want: "no name server has an answer: name server 192.0.2.1: no answer in time after 2.8s",
			asked: []string{"0s 192.0.2.1 udp", "800ms 192.0.2.1 udp", "2s 192.0.2.1 probe", "2.8s 192.0.2.1 probe"}},
		{name: "three silent servers", servers: []server{silent, silent, silent}, want: "no name server has an answer: name server 192.0.2.3: no answer in time after 4.8s",
			asked: []string{"0s 192.0.2.1 udp", "800ms 192.0.2.2 udp", "1.6s 192.0.2.3 udp", "2s 192.0.2.1 probe", "2s 192.0.2.2 udp",
				"2.8s 192.0.2.2 probe", "2.8s 192.0.2.3 udp", "3.6s 192.0.2.3 probe"},
			silent: []string{first, second, third}},
		{name: "too long for UDP", servers: []server{zone(t, many...)}, want: "100 addresses after 0s",
			asked: []string{"0s 192.0.2.1 udp", "0s 192.0.2.1 tcp"}},
		{name: "too long for UDP, no TCP", servers: []server{noTCP, good}, want: "[192.0.2.80] after 800ms",
			asked: []string{"0s 192.0.2.1 udp", "0s 192.0.2.1 tcp", "800ms 192.0.2.2 udp"}},
		{name: "without EDNS0, which it repeats", servers: []server{{reply: func(network string, query *dns.Msg) *dns.Msg {
			if query.IsEdns0() != nil {
				return new(dns.Msg).SetRcode(query, dns.RcodeNotImplemented).SetEdns0(packetSize, false)
			}
			return good.reply(network, query)
		}}}, want: "[192.0.2.80] after 0s",
			asked: []string{"0s 192.0.2.1 udp", "0s 192.0.2.1 udp"}},
		{name: "without EDNS0", servers: []server{noEDNS}, want: "[192.0.2.80] after 0s",
			asked: []string{"0s 192.0.2.1 udp", "0s 192.0.2.1 udp"}},
		{name: "the reply to another question", servers: []server{forging, good}, want: "[192.0.2.80] after 800ms",
			asked: []string{"0s 192.0.2.1 udp", "800ms 192.0.2.2 udp", "2s 192.0.2.1 probe"}, silent: []string{first}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				servers := newServers(t)
				addresses := []string{first, second, third}[:len(test.servers)]
				for i, server := range test.servers {
					servers.set(addresses[i], server)
				}
				r := servers.newResolver(addresses...)
				got, err := r.forward(t.Context(), wwwA)
				text := fmt.Sprint(got.addresses())
				if len(got.records) > 9 {
					text = fmt.Sprintf("%d addresses", len(got.records))
				}
				if err != nil {
					text = err.Error()
				}
				if text += fmt.Sprintf(" after %s", time.Since(servers.started)); text != test.want {
					t.Errorf("forward = %s; want %s", text, test.want)
				}
				r.running.Wait()
				asked := servers.takeAsked()
				for i := range asked {
					asked[i] = strings.TrimSuffix(asked[i], " www.example.com. A")
					asked[i] = strings.ReplaceAll(asked[i], "udp . NS", "probe")
				}
				slices.Sort(asked) // what begins at one time has no order
				slices.Sort(test.asked)
				if !slices.Equal(asked, test.asked) {
					t.Errorf("asked %q; want %q", asked, test.asked)
				}
				var found []string
				for _, u := range r.upstreams {
					if u.silent {
						found = append(found, u.address.String())
					}
				}
				if !slices.Equal(found, test.silent) {
					t.Errorf("silent are %v; want %v", found, test.silent)
				}
			})
		})
	}
}

// TestSilentServerIsAskedLast: once found out, a silent server costs nothing,
// is probed, and is asked first again when it answers.
func TestSilentServerIsAskedLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newServers(t)
		servers.set(first, silent)
		servers.set(second, zone(t, "avaya-sub.com. 60 IN A 192.0.2.5", "storage.googleapis.com. 60 IN A 192.0.2.6"))
		r := servers.newResolver(first, second)
		ended := make(chan error, 1)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { ended <- r.Run(ctx) }()
		time.Sleep(21 * time.Second) // the check of the names finds it out
		servers.takeAsked()

		start := time.Now()
		if got := ask(t, r, "www.example.com.", dns.TypeA); !strings.HasPrefix(got, "NXDOMAIN") || time.Since(start) != 0 {
			t.Errorf("the answer is %s after %s; want NXDOMAIN at once", got, time.Since(start))
		}
		if got, want := r.Status(), "192.0.2.2 answers"; got != want {
			t.Errorf("Status() = %s; want %s", got, want)
		}
		time.Sleep(12 * time.Second)
		probes := 0
		for _, asked := range servers.takeAsked() {
			if strings.HasSuffix(asked, "192.0.2.1 udp . NS") {
				probes++
			}
		}
		if probes != 2 {
			t.Errorf("%d probes in 12 s; want 2", probes)
		}
		servers.set(first, refusing(dns.RcodeRefused)) // for the root; it is there
		time.Sleep(probePause)
		if order := fmt.Sprint(r.order()); order != "[192.0.2.1 192.0.2.2]" {
			t.Errorf("after it answered the order is %s; want the configured one", order)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v; want nil", err)
		}
		if _, err := r.LookupHost(t.Context(), "late.example.com"); !errors.Is(err, errEnded) {
			t.Errorf("LookupHost after the end = %v; want %v", err, errEnded)
		}
	})
}

func TestChooseUpstreams(t *testing.T) {
	lease := func(lan model.LANName, servers ...string) model.Lease {
		l := model.Lease{Port: model.Port{LAN: lan}}
		for _, s := range servers {
			l.NameServers = append(l.NameServers, netip.MustParseAddr(s))
		}
		return l
	}
	leases := []model.Lease{lease(model.LAN1, "192.0.2.11", "127.0.0.1", "0.0.0.0"), lease(model.LAN2, "192.0.2.11", "192.0.2.12", "192.0.2.13", "192.0.2.14", "192.0.2.15")}
	for _, test := range []struct {
		configured []netip.Addr
		leases     []model.Lease
		want       string
	}{
		{nil, nil, "8.8.8.8 default"},
		{nil, leases[:1], "192.0.2.11 DHCP LAN1"},
		{nil, leases, "192.0.2.11 DHCP LAN1, 192.0.2.12 DHCP LAN2, 192.0.2.13 DHCP LAN2, 192.0.2.14 DHCP LAN2"},
		{nil, []model.Lease{lease(model.LAN1)}, "8.8.8.8 default"},
		{[]netip.Addr{netip.MustParseAddr("2001:db8::1")}, leases, "2001:db8::1 configured"},
	} {
		var got []string
		for _, u := range chooseUpstreams(test.configured, test.leases) {
			got = append(got, fmt.Sprintf("%v %s", u.address, u.origin))
		}
		if strings.Join(got, ", ") != test.want {
			t.Errorf("chooseUpstreams(%v, %v) = %q; want %q", test.configured, test.leases, got, test.want)
		}
	}
}

// TestOtherServers: after other servers were chosen, what the old ones said
// serves only if the new ones say nothing.
func TestOtherServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := newServers(t)
		servers.set(first, zone(t, wwwText, "old.example.com. 300 IN A 192.0.2.81"))
		servers.set(second, zone(t, "www.example.com. 300 IN A 192.0.2.90"))
		r := servers.newResolver()
		lease := model.Lease{Port: model.Port{LAN: model.LAN1}, NameServers: []netip.Addr{netip.MustParseAddr(first)}}
		r.ApplyLeases([]model.Lease{lease})
		ask(t, r, "old.example.com.", dns.TypeA)
		if got, want := ask(t, r, "www.example.com.", dns.TypeA), "NOERROR; www.example.com. 300 IN A 192.0.2.80"; got != want {
			t.Errorf("the server of the lease says %s; want %s", got, want)
		}
		r.ApplyLeases([]model.Lease{lease}) // as after each renewal
		if got := r.Upstreams(); fmt.Sprint(got) != "[192.0.2.1]" {
			t.Errorf("Upstreams() = %v; want that of the lease", got)
		}
		if servers.takeAsked(); ask(t, r, "www.example.com.", dns.TypeA) == "" || len(servers.takeAsked()) > 0 {
			t.Error("the same lease emptied the cache")
		}
		r.Apply(&model.Config{NameServers: []netip.Addr{netip.MustParseAddr(second)}})
		if got, want := ask(t, r, "www.example.com.", dns.TypeA), "NOERROR; www.example.com. 300 IN A 192.0.2.90"; got != want {
			t.Errorf("the configured server says %s; want %s", got, want)
		}
		servers.set(second, server{})
		if got, want := ask(t, r, "old.example.com.", dns.TypeA), "NOERROR; old.example.com. 30 IN A 192.0.2.81"; got != want {
			t.Errorf("beside a dead server the old answer is %s; want %s", got, want)
		}
	})
}
