package servergroup

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
	"causeway/appliance/sip/message"
)

// incoming is a request as the core has it in hand.
func incoming(t testing.TB, method, uri, callID, to string) *hop.Incoming {
	t.Helper()
	text := strings.Join([]string{
		method + " " + uri + " SIP/2.0", "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1", "Max-Forwards: 70",
		"From: <sip:alice@example.com>;tag=1", "To: " + to, "Call-ID: " + callID, "CSeq: 1 " + method, "Content-Length: 0", "", "",
	}, "\r\n")
	in := &hop.Incoming{Message: new(message.Message)}
	if err := in.Message.Parse([]byte(text)); err != nil {
		t.Fatal(err)
	}
	var err error
	if in.URI, err = message.ParseURI(in.Message.Raw, in.Message.URI); err != nil {
		t.Fatal(err)
	}
	return in
}

func invite(t testing.TB, callID string) *hop.Incoming {
	return incoming(t, "INVITE", "sip:bob@example.com", callID, "<sip:bob@example.com>")
}

// servers are elements 192.0.2.1, 192.0.2.2, … over UDP.
func servers(elements ...model.ServerElement) []model.ServerElement {
	for i := range elements {
		elements[i].Host = fmt.Sprintf("192.0.2.%d", i+1)
	}
	return elements
}

// configuration has these groups on one network.
func configuration(groups ...model.ServerGroup) *model.Config {
	c := &model.Config{}
	c.SIP.Networks = []model.SIPNetwork{{Name: "net", Listens: []model.SIPListen{{Address: netip.MustParseAddrPort("127.0.0.1:5060")}}}}
	for i := range groups {
		groups[i].Network = "net"
	}
	c.SIP.Routing.Groups = groups
	return c
}

func noAdjacency(string, model.Transport, netip.Addr) *model.Adjacency { return nil }

// compiled puts a configuration in force.
func compiled(t testing.TB, r *Registry, c *model.Config) *Set {
	t.Helper()
	s, err := r.Compile(c, noAdjacency)
	if err != nil {
		t.Fatal(err)
	}
	s.Use()
	return s
}

// chosen are the last numbers of the addresses that a call tries.
func chosen(s *Set, in *hop.Incoming) string {
	var names []string
	for _, target := range s.Choose(0, in, nil) {
		octets := target.Address.Addr().As4()
		names = append(names, fmt.Sprint(octets[3]))
	}
	return strings.Join(names, " ")
}

// put makes elements of the first group what the word says: "down" or "busy".
func put(s *Set, states map[int]string) {
	for i, state := range states {
		m := slices.IndexFunc(s.groups[0].members, func(m member) bool { return m.element.key.Host == fmt.Sprintf("192.0.2.%d", i) })
		e := s.groups[0].members[m].element
		switch state {
		case "down":
			for e.Up() {
				e.Report(hop.TimedOut, 0)
			}
		case "busy":
			e.Report(hop.Failed, time.Minute)
		}
	}
}

// TestChooseHighestQ: the order is that of the q-values, then that of the
// configuration; what does not serve is left out.
func TestChooseHighestQ(t *testing.T) {
	four := servers(model.ServerElement{Q: 500}, model.ServerElement{Q: 1000}, model.ServerElement{Q: 500}, model.ServerElement{Q: 900})
	for _, test := range []struct {
		elements []model.ServerElement
		states   map[int]string
		want     string
	}{
		{four, nil, "2 4 1 3"},
		{four, map[int]string{2: "down"}, "4 1 3"},
		{four, map[int]string{4: "busy", 1: "down"}, "2 3"},
		{four, map[int]string{1: "down", 2: "down", 3: "down"}, "4"},
		{four, map[int]string{1: "down", 2: "busy", 3: "down", 4: "down"}, "2"}, // all: the first is tried
		{nil, nil, ""},
	} {
		s := compiled(t, New(Options{}), configuration(model.ServerGroup{Name: "g", Balance: model.BalanceHighestQ, Elements: test.elements}))
		put(s, test.states)
		if got := chosen(s, invite(t, "1@example.com")); got != test.want {
			t.Errorf("Choose with %v = %s; want %s", test.states, got, test.want)
		}
	}
}

// TestChooseShutdown: what is shut down takes no call, also where nothing else
// is left; the others go on as if it were down.
func TestChooseShutdown(t *testing.T) {
	shut := func(e model.ServerElement) model.ServerElement {
		e.Shutdown = true
		return e
	}
	for _, test := range []struct {
		elements []model.ServerElement
		states   map[int]string
		want     string
	}{
		{servers(shut(model.ServerElement{Q: 1000}), model.ServerElement{Q: 500}, model.ServerElement{Q: 900}), nil, "3 2"},
		{servers(shut(model.ServerElement{Q: 1000}), model.ServerElement{Q: 500}, model.ServerElement{Q: 900}), map[int]string{2: "down", 3: "down"}, "3"},
		{servers(shut(model.ServerElement{Q: 1000}), shut(model.ServerElement{Q: 500})), nil, ""},
	} {
		s := compiled(t, New(Options{}), configuration(model.ServerGroup{Name: "g", Balance: model.BalanceHighestQ, Elements: test.elements}))
		put(s, test.states)
		if got := chosen(s, invite(t, "1@example.com")); got != test.want {
			t.Errorf("Choose of %+v with %v = %q; want %q", test.elements, test.states, got, test.want)
		}
	}
}

// TestChooseByHash: what a balance goes by decides, and nothing else does.
func TestChooseByHash(t *testing.T) {
	equal := servers(make([]model.ServerElement, 8)...)
	requests := func(vary string) (all []*hop.Incoming) {
		for i := range 50 {
			uri, callID, to := "sip:bob@example.com", "same@example.com", "<sip:bob@example.com>"
			switch vary {
			case "uri":
				uri = fmt.Sprintf("sip:%d@example.com", i)
			case "call-id":
				callID = fmt.Sprintf("%d@example.com", i)
			case "to":
				to = fmt.Sprintf("Bob <sip:%d@example.com>", i)
			case "to parameters":
				to = fmt.Sprintf("\"Bob %d\" <sip:bob@example.com>;tag=%d", i, i)
			}
			all = append(all, incoming(t, "INVITE", uri, callID, to))
		}
		return all
	}
	for _, test := range []struct {
		balance, global model.Balance
		by              string
	}{
		{model.BalanceRequestURI, 0, "uri"},
		{model.BalanceCallID, 0, "call-id"},
		{model.BalanceToURI, 0, "to"},
		{model.BalanceGlobal, 0, "call-id"}, // the default
		{model.BalanceGlobal, model.BalanceToURI, "to"},
		{model.BalanceHighestQ, model.BalanceToURI, "nothing"},
	} {
		c := configuration(model.ServerGroup{Name: "g", Balance: test.balance, Elements: equal})
		c.SIP.Routing.Balance = test.global
		s := compiled(t, New(Options{}), c)
		for _, vary := range []string{"uri", "call-id", "to", "to parameters"} {
			orders, firsts := map[string]bool{}, map[string]bool{}
			for _, in := range requests(vary) {
				order := chosen(s, in)
				orders[order], firsts[order[:1]] = true, true
			}
			switch {
			case vary == test.by && (len(firsts) != 8 || len(orders) < 40):
				t.Errorf("%v (%v): 50 requests with another %s go to %d elements first, in %d orders; want all 8, in nearly 50", test.balance, test.global, vary, len(firsts), len(orders))
			case vary != test.by && len(orders) != 1:
				t.Errorf("%v (%v): 50 requests with another %s have %d orders; want 1", test.balance, test.global, vary, len(orders))
			}
		}
	}
}

// TestHashIsStable: when an element fails only its own calls move, when one
// comes it takes only its share, and the order of the configuration, other
// groups and a restart change nothing.
func TestHashIsStable(t *testing.T) {
	const calls = 2000
	firsts := func(s *Set) (all []string) {
		for i := range calls {
			order := strings.Fields(chosen(s, invite(t, fmt.Sprintf("%d@example.com", i))))
			all = append(all, order[0])
		}
		return all
	}
	five := servers(make([]model.ServerElement, 5)...)
	group := func(elements []model.ServerElement) *model.Config {
		return configuration(model.ServerGroup{Name: "g", Elements: elements})
	}
	s := compiled(t, New(Options{}), group(five))
	before := firsts(s)
	share := map[string]int{}
	for _, first := range before {
		share[first]++
	}
	for element, n := range share {
		if n < calls/5*8/10 || n > calls/5*12/10 {
			t.Errorf("element %s has %d of %d calls; want a fifth", element, n, calls)
		}
	}
	put(s, map[int]string{3: "down"})
	for i, first := range firsts(s) {
		if before[i] != "3" && first != before[i] {
			t.Fatalf("call %d went from %s to %s when 3 failed; want it to stay", i, before[i], first)
		}
		if first == "3" {
			t.Fatalf("call %d goes to 3, which is down", i)
		}
	}
	reversed := slices.Clone(five)
	slices.Reverse(reversed)
	if got := firsts(compiled(t, New(Options{}), group(reversed))); !slices.Equal(got, before) {
		t.Error("another order of the elements moves calls; want none to move")
	}
	six := servers(make([]model.ServerElement, 6)...)
	for i, first := range firsts(compiled(t, New(Options{}), group(six))) {
		if first != "6" && first != before[i] {
			t.Fatalf("call %d went from %s to %s when 6 came; want it to stay or to go to 6", i, before[i], first)
		}
	}
}

// TestChooseByWeight: elements of the highest q-value share calls by weight, the
// others are for failover, again by weight.
func TestChooseByWeight(t *testing.T) {
	const calls = 20000
	for _, test := range []struct {
		name    string
		weights []int
		down    map[int]string
		want    []float64 // shares of the first place, then of the second
		second  []float64
	}{
		{"75 to 25", []int{75, 25}, nil, []float64{.75, .25}, []float64{.25, .75}},
		{"one without weight", []int{1, 0, 1}, nil, []float64{.5, 0, .5}, []float64{.5, 0, .5}},
		{"none has a weight", []int{0, 0}, nil, []float64{.5, .5}, []float64{.5, .5}},
		{"one is down", []int{60, 30, 10}, map[int]string{1: "down"}, []float64{0, .75, .25}, []float64{0, .25, .75}},
		// Of 60, 30, 10 the second place is drawn from what the first has left.
		{"three", []int{60, 30, 10}, nil, []float64{.6, .3, .1},
			[]float64{.3*60/70 + .1*60/90, .6*30/40 + .1*30/90, .6*10/40 + .3*10/70}},
	} {
		elements := servers(make([]model.ServerElement, len(test.weights))...)
		for i := range elements {
			elements[i].Q, elements[i].Weight = 1000, test.weights[i]
		}
		s := compiled(t, New(Options{}), configuration(model.ServerGroup{Name: "g", Balance: model.BalanceWeight, Elements: elements}))
		put(s, test.down)
		in := invite(t, "1@example.com")
		first, second := make([]float64, len(elements)), make([]float64, len(elements))
		for range calls {
			order := s.Choose(0, in, nil)
			first[order[0].Address.Addr().As4()[3]-1] += 1. / calls
			second[order[1].Address.Addr().As4()[3]-1] += 1. / calls
		}
		for i := range elements {
			if math.Abs(first[i]-test.want[i]) > .03 || math.Abs(second[i]-test.second[i]) > .03 {
				t.Errorf("%s: element %d is first in %.2f and second in %.2f of calls; want %.2f and %.2f", test.name, i+1, first[i], second[i], test.want[i], test.second[i])
			}
		}
	}
}

// TestTrial: an element that is down and not pinged is tried by one call every
// 30 s, of which it is the first choice; one that is pinged is not, unless pings
// cannot be sent.
func TestTrial(t *testing.T) {
	two := servers(model.ServerElement{Q: 1000}, model.ServerElement{Q: 500})
	problem := "no address"
	for _, test := range []struct {
		name    string
		down    int
		ping    model.PingType
		pinged  bool
		problem *string
		want    []string // after 0 s, 29 s, 30 s, 30 s, 60 s
	}{
		{"the first choice", 1, 0, false, nil, []string{"2", "2", "1 2", "2", "1 2"}},
		{"the second choice", 2, 0, false, nil, []string{"1", "1", "1", "1", "1"}},
		{"pinged", 1, model.PingAdaptive, true, nil, []string{"2", "2", "2", "2", "2"}},
		{"pinged when it is down", 1, model.PingReactive, true, nil, []string{"2", "2", "2", "2", "2"}},
		{"pinged when it is up", 1, model.PingProactive, true, nil, []string{"2", "2", "1 2", "2", "1 2"}},
		{"pings cannot be sent", 1, model.PingAdaptive, true, &problem, []string{"2", "2", "1 2", "2", "1 2"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := configuration(model.ServerGroup{Name: "g", Balance: model.BalanceHighestQ, Elements: two})
			c.SIP.Routing.GlobalPing = test.pinged
			c.SIP.Routing.PingOptions = []model.PingOptions{{Network: "net", Type: test.ping}}
			s := compiled(t, New(Options{}), c)
			for i := range s.groups[0].members {
				s.groups[0].members[i].element.pings.problem.Store(test.problem)
			}
			put(s, map[int]string{test.down: "down"})
			var got []string
			for _, pause := range []time.Duration{0, 29, 1, 0, 30} {
				time.Sleep(pause * time.Second)
				got = append(got, chosen(s, invite(t, "1@example.com")))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("%s: Choose = %q; want %q", test.name, got, test.want)
			}
		})
	}
}

// TestFeedback: an overloaded neighbour gets fewer new calls for a time, and
// nothing else less (RFC 7339 §5.10).
func TestFeedback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := compiled(t, New(Options{}), configuration(model.ServerGroup{Name: "g", Balance: model.BalanceHighestQ, Elements: servers(make([]model.ServerElement, 2)...)}))
		call := invite(t, "1@example.com")
		share := func(in *hop.Incoming) (first float64) {
			for range 10000 {
				if strings.HasPrefix(chosen(s, in), "1") {
					first += 1. / 10000
				}
			}
			return first
		}
		one, two := s.groups[0].members[0].element, s.groups[0].members[1].element
		one.Feedback(30, 10*time.Second)
		if got := share(call); math.Abs(got-.7) > .03 {
			t.Errorf("with 30 %% loss %.2f of the calls go there; want 0.70", got)
		}
		for name, in := range map[string]*hop.Incoming{
			"OPTIONS":        incoming(t, "OPTIONS", "sip:bob@example.com", "1", "<sip:bob@example.com>"),
			"emergency call": incoming(t, "INVITE", "urn:service:sos", "1", "<urn:service:sos>"),
		} {
			if got := share(in); got < .999 {
				t.Errorf("with 30 %% loss %.2f of %s go there; want all", got, name)
			}
		}
		one.Feedback(100, 10*time.Second)
		two.Feedback(100, 5*time.Second)
		if got := chosen(s, call); got != "" {
			t.Errorf("with all lost Choose = %q; want none", got)
		}
		time.Sleep(5 * time.Second)
		if got := chosen(s, call); got != "2" {
			t.Errorf("when 2 takes calls again Choose = %q; want 2", got)
		}
		time.Sleep(5 * time.Second)
		if got := chosen(s, call); got != "1 2" {
			t.Errorf("when the time is over Choose = %q; want 1 2", got)
		}
		one.Feedback(50, 10*time.Second)
		one.Feedback(0, 10*time.Second)
		if got := share(call); got < .999 {
			t.Errorf("after the end of the overload %.2f of the calls go there; want all", got)
		}
	})
}

func BenchmarkChoose(b *testing.B) {
	for _, balance := range []model.Balance{model.BalanceHighestQ, model.BalanceCallID, model.BalanceRequestURI, model.BalanceToURI, model.BalanceWeight} {
		for _, n := range []int{2, 8, MaxElements} {
			elements := servers(make([]model.ServerElement, n)...)
			for i := range elements {
				elements[i].Weight = 1 + i
			}
			s := compiled(b, New(Options{}), configuration(model.ServerGroup{Name: "g", Balance: balance, Elements: elements}))
			in := invite(b, "3c26700857a7-k3vv2kpj4wvb@192-0-2-44")
			targets := make([]hop.Target, 0, MaxElements)
			b.Run(fmt.Sprintf("%v/%d", balance, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if got := s.Choose(0, in, targets[:0]); len(got) != n {
						b.Fatalf("%d targets; want %d", len(got), n)
					}
				}
			})
		}
	}
}

func BenchmarkReport(b *testing.B) {
	e := New(Options{}).element(Key{Network: "net", Host: "192.0.2.1"})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			e.Report(hop.Answered, 0)
		}
	})
}
