package admission

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
	"causeway/appliance/sip/message"
)

// gateAt is a gate whose clock the test moves, with this configuration and all
// calls granted up to limit.
func gateAt(t testing.TB, now *time.Duration, limit int, c *model.Config) *Gate {
	t.Helper()
	g := New(Options{Now: func() time.Duration { return *now }})
	if err := g.Check(c); err != nil {
		t.Fatal(err)
	}
	g.Apply(c)
	if err := g.SetGrant(model.Grant{Now: model.Allowance{Calls: true, LimitCPS: limit}}); err != nil {
		t.Fatal(err)
	}
	return g
}

// invite is an INVITE of a caller to a Request-URI.
func invite(t testing.TB, uri string, caller *model.Adjacency) *hop.Incoming {
	t.Helper()
	text := "INVITE " + uri + " SIP/2.0\r\n" +
		"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa\r\nMax-Forwards: 70\r\n" +
		"From: \"Alice\" <sip:alice:secret@example.com;user=phone?x=y>;tag=1\r\nTo: <sip:bob@example.com>\r\n" +
		"Call-ID: a84b4c76e66710\r\nCSeq: 1 INVITE\r\nContact: <sip:alice@192.0.2.1>\r\nContent-Length: 0\r\n\r\n"
	m := &message.Message{}
	if err := m.Parse([]byte(text)); err != nil {
		t.Fatalf("Parse(%q) = %v", text, err)
	}
	parsed, err := message.ParseURI(m.Raw, m.URI)
	if err != nil {
		t.Fatalf("ParseURI(%s) = %v", uri, err)
	}
	return &hop.Incoming{Message: m, URI: parsed, Network: "lan1", Adjacency: caller, Remote: netip.MustParseAddrPort("192.0.2.1:5060")}
}

var anyAdjacency = &model.Adjacency{Name: "lan1", Network: "lan1"}

func TestGrant(t *testing.T) {
	allowed := model.Allowance{Calls: true}
	for _, test := range []struct {
		name  string
		grant *model.Grant
		now   time.Duration
		rule  string
	}{
		{"none", nil, 0, model.RuleLicence},
		{"denied", &model.Grant{}, 0, model.RuleLicence},
		{"allowed", &model.Grant{Now: allowed}, time.Hour, ""},
		{"before it ends", &model.Grant{Now: allowed, ChangesAt: time.Minute}, time.Minute - 1, ""},
		{"when it ends", &model.Grant{Now: allowed, ChangesAt: time.Minute}, time.Minute, model.RuleLicence},
		{"when it begins", &model.Grant{ChangesAt: time.Minute, Then: allowed}, time.Minute, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			gate := New(Options{Now: func() time.Duration { return test.now }})
			if test.grant != nil {
				if err := gate.SetGrant(*test.grant); err != nil {
					t.Fatal(err)
				}
			}
			refusal := gate.Offer(invite(t, "sip:bob@example.com", anyAdjacency))
			if refusal.Rule != test.rule || (refusal.Status == 503) != (test.rule != "") {
				t.Errorf("Offer() = %+v; want rule %q", refusal, test.rule)
			}
			if ready := gate.Ready(); ready != (test.rule == "") {
				t.Errorf("Ready() = %v; want %v", ready, test.rule == "")
			}
		})
	}
}

func TestOlderGrantNeverReplacesNewer(t *testing.T) {
	gate := New(Options{})
	if err := gate.SetGrant(model.Grant{Generation: 2, Now: model.Allowance{Calls: true}}); err != nil {
		t.Fatal(err)
	}
	if err := gate.SetGrant(model.Grant{Generation: 1}); !errors.Is(err, ErrOldGrant) {
		t.Errorf("SetGrant(older) = %v; want %v", err, ErrOldGrant)
	}
	if grant, _ := gate.Grant(); grant.Generation != 2 {
		t.Errorf("Grant().Generation = %d; want 2", grant.Generation)
	}
}

// TestLimit: the smaller one of what the licence and the operator allow
// binds, and a refusal says which of them it was.
func TestLimit(t *testing.T) {
	for _, test := range []struct {
		licence, own int
		want         rateLimit
	}{
		{0, 0, rateLimit{0, model.RuleCPS, ""}},
		{50, 0, rateLimit{50, model.RuleCPS, ""}},
		{0, 40, rateLimit{40, model.RuleCallRate, ""}},
		{50, 40, rateLimit{40, model.RuleCallRate, ""}},
		{50, 50, rateLimit{50, model.RuleCPS, ""}},
		{50, 60, rateLimit{50, model.RuleCPS, ""}},
	} {
		p := plan{callRate: test.own}
		if got := p.limit(model.Allowance{Calls: true, LimitCPS: test.licence}); got.cps != test.want.cps || got.rule != test.want.rule {
			t.Errorf("limit with licence %d, call-rate-limit %d = %d by %s; want %d by %s",
				test.licence, test.own, got.cps, got.rule, test.want.cps, test.want.rule)
		}
	}
}

// TestImmediate offers calls evenly at a multiple of the limit, for ten seconds.
func TestImmediate(t *testing.T) {
	const limit = 50
	for _, test := range []struct {
		name    string
		offered int // calls per second
		least   int // admitted in ten seconds
		most    int
	}{
		{"half the limit", limit / 2, 10 * limit / 2, 10 * limit / 2},
		{"at the limit", limit, 10 * limit, 10 * limit},
		{"twice the limit", 2 * limit, 10 * limit, 11 * limit},
		{"twenty times the limit", 20 * limit, 10 * limit, 11 * limit},
	} {
		t.Run(test.name, func(t *testing.T) {
			now := time.Hour
			gate := gateAt(t, &now, limit, &model.Config{Admission: model.Admission{CPSImmediate: true, CPSCode500: true}})
			in := invite(t, "sip:bob@example.com", anyAdjacency)
			admitted := 0
			for range 10 * test.offered {
				refusal := gate.Offer(in)
				switch {
				case refusal.Status == 0:
					admitted++
				case refusal.Status != 500 || refusal.RetryAfter != 1 || refusal.Rule != model.RuleCPS:
					t.Fatalf("Offer() = %+v; want 500 with Retry-After 1 by %s", refusal, model.RuleCPS)
				}
				now += time.Second / time.Duration(test.offered)
			}
			if admitted < test.least || admitted > test.most {
				t.Errorf("admitted %d of %d calls; want %d to %d", admitted, 10*test.offered, test.least, test.most)
			}
			if status := gate.cpsStatus(); status.Offered != int64(10*test.offered) || status.Admitted+status.RefusedCPS != status.Offered {
				t.Errorf("counters %+v; want %d offered, each admitted or refused", status, 10*test.offered)
			}
		})
	}
}

func TestEmergencyCallsPass(t *testing.T) {
	for _, test := range []struct {
		uri    string
		own    []string // emergency number …
		passes bool
	}{
		{"urn:service:sos", nil, true},
		{"URN:Service:SOS.fire", nil, true},
		{"urn:service:sosfire", nil, false},
		{"urn:service:counseling", nil, false},
		{"sip:112@example.com", nil, true},
		{"sip:911;phone-context=+1@example.com;user=phone", nil, true},
		{"tel:911", nil, true},
		{"tel:112;phone-context=+49", nil, true},
		{"sip:1123@example.com", nil, false},
		{"sip:+112@example.com", nil, false},
		{"sip:0112@example.com", nil, false},
		{"sip:110@example.com", nil, false},
		{"sip:110@example.com", []string{"110", "112"}, true},
		{"sip:911@example.com", []string{"110", "112"}, false},
		{"sip:example.com", nil, false},
	} {
		for _, counted := range []bool{false, true} {
			now := time.Hour
			c := &model.Config{Admission: model.Admission{EmergencyNumbers: test.own, EmergencyCounted: counted}}
			gate := gateAt(t, &now, 0, c)
			if err := gate.SetGrant(model.Grant{Generation: 1}); err != nil { // no calls are licensed
				t.Fatal(err)
			}
			in := invite(t, test.uri, anyAdjacency)
			passes := test.passes && !counted
			if refusal := gate.Offer(in); (refusal.Status == 0) != passes || gate.Emergency(in) != passes {
				t.Errorf("Offer(%s), emergency number %q, counted %t = %+v; want it to pass: %t", test.uri, test.own, counted, refusal, passes)
			}
			if status := gate.cpsStatus(); status.Offered != 1 || (status.Emergency == 1) != passes {
				t.Errorf("%s: offered %d, emergency %d; want 1 offered, emergency if it passes: %t", test.uri, status.Offered, status.Emergency, passes)
			}
		}
	}
}

// TestRunEnds: what Run starts ends with it.
func TestRunEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		gate := New(Options{Now: func() time.Duration { return time.Since(start) }, FailedCalls: t.TempDir()})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() {
			if err := gate.Run(ctx); err != nil {
				t.Errorf("Run() = %v", err)
			}
		})
		time.Sleep(61*time.Second + time.Millisecond)
		if got := len(gate.cpsStatus().Snapshots); got != 2 {
			t.Errorf("after 61 s there are %d snapshots; want 2", got)
		}
		cancel()
		running.Wait()
	})
}

// TestConditions: every alarm of the gate holds when it should, and not
// before.
func TestConditions(t *testing.T) {
	for _, test := range []struct {
		name string
		text string // in the condition's text
		make func(t *testing.T, g *Gate, now *time.Duration)
	}{
		{"", "", func(*testing.T, *Gate, *time.Duration) {}},
		{"overload", "50 %", func(_ *testing.T, g *Gate, _ *time.Duration) { g.Queue(1) }},
		{"sip-flood", "192.0.2.9", func(_ *testing.T, g *Gate, _ *time.Duration) {
			for range defaultSourceRate + 1 {
				g.Flooding(netip.MustParseAddr("192.0.2.9"))
			}
		}},
		{"cps-exceeded", "calls are refused: 11.00", func(t *testing.T, g *Gate, now *time.Duration) { offerEvenly(t, g, now, 11, 60) }},
		{"cps-exceeded", "at the limit of 10", func(t *testing.T, g *Gate, now *time.Duration) { offerEvenly(t, g, now, 10, 60) }},
		{"cps-exceeded", "beyond 10 a second", func(t *testing.T, g *Gate, now *time.Duration) {
			g.Apply(&model.Config{Admission: model.Admission{CPSImmediate: true}})
			offerEvenly(t, g, now, 12, 10)
		}},
	} {
		now := time.Hour
		g := gateAt(t, &now, 10, &model.Config{})
		test.make(t, g, &now)
		got := g.Conditions()
		if test.name == "" {
			if len(got) > 0 {
				t.Errorf("Conditions() at rest = %v; want none", got)
			}
			continue
		}
		if len(got) != 1 || got[0].Name != test.name || !strings.Contains(got[0].Text, test.text) {
			t.Errorf("Conditions() = %v; want %s with %q", got, test.name, test.text)
		}
	}
}

// offerEvenly offers calls at a rate for a time in seconds, with the ticks of Run.
func offerEvenly(t testing.TB, g *Gate, now *time.Duration, rate, duration int) (admitted int) {
	t.Helper()
	in := invite(t, "sip:bob@example.com", anyAdjacency)
	for range duration {
		for range rate {
			if g.Offer(in).Status == 0 {
				admitted++
			}
		}
		*now += time.Second
		g.rates.tick(*now, g.counted.offered.Load(), g.exceeds)
	}
	return admitted
}
