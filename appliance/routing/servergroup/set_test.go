package servergroup

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

// TestCompile: what a target has to say, of elements by address and by name.
func TestCompile(t *testing.T) {
	c := configuration(model.ServerGroup{
		Name: "gws", Balance: model.BalanceHighestQ, FailoverCodes: []model.CodeRange{{From: 500, To: 599}},
		Elements: []model.ServerElement{
			{Host: "gw.example.com", Transport: model.TLS, Q: 1000},
			{Host: "192.0.2.1", Transport: model.TCP, Q: 900},
			{Host: "2001:db8::1", Port: 5070, Q: 800},
			{Host: "gw.example.com", Port: 5080, Q: 700},
		},
	}, model.ServerGroup{Name: "empty"})
	neighbour := &model.Adjacency{Name: "neighbour"}
	var asked []string
	r := New(Options{})
	s, err := r.Compile(c, func(network string, tr model.Transport, to netip.Addr) *model.Adjacency {
		asked = append(asked, fmt.Sprint(network, " ", tr, " ", to))
		return neighbour
	})
	if err != nil {
		t.Fatal(err)
	}
	target := func(q hop.Query, address string) hop.Target {
		q.Fixed = true
		target := hop.Target{Network: "net", Query: q, Failover: c.SIP.Routing.Groups[0].FailoverCodes}
		if address != "" {
			target.Address, target.Adjacency = netip.MustParseAddrPort(address), neighbour
		}
		return target
	}
	want := []hop.Target{
		target(hop.Query{Host: "gw.example.com", Transport: model.TLS}, ""),
		target(hop.Query{Host: "192.0.2.1", Transport: model.TCP}, "192.0.2.1:5060"),
		target(hop.Query{Host: "2001:db8::1", Port: 5070}, "[2001:db8::1]:5070"),
		target(hop.Query{Host: "gw.example.com", Port: 5080}, ""),
	}
	i, found := s.Index("gws")
	if !found {
		t.Fatal("Index(gws) finds nothing")
	}
	got := s.Choose(i, invite(t, "1"), nil)
	for i := range got {
		if got[i].Element == nil {
			t.Errorf("target %d has no element", i)
		}
		got[i].Element = nil
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
		t.Errorf("Choose (-want +got):\n%s", diff)
	}
	if want := []string{"net tcp 192.0.2.1", "net udp 2001:db8::1"}; !slices.Equal(asked, want) {
		t.Errorf("adjacencies asked for: %q; want %q", asked, want)
	}
	s.Use()
	for i, e := range r.Status()[0].Elements {
		if named := want[i].Adjacency == nil; (e.Adjacency == "") != named || !named && e.Adjacency != neighbour.Name {
			t.Errorf("element %s has the adjacency %q", e.Element, e.Adjacency)
		}
	}
	if _, found := s.Index("none"); found {
		t.Error("Index(none) finds a group")
	}
	if i, _ := s.Index("empty"); len(s.Choose(i, invite(t, "1"), nil)) != 0 {
		t.Error("an empty group has a target")
	}
}

func TestCompileRefuses(t *testing.T) {
	lost := configuration(model.ServerGroup{Name: "g"})
	lost.SIP.Networks = nil
	for _, test := range []struct {
		c    *model.Config
		want string
	}{
		{lost, "server group g: there is no SIP network net"},
		{configuration(model.ServerGroup{Name: "g"}, model.ServerGroup{Name: "g"}), "server group g: there are two of that name"},
		{configuration(model.ServerGroup{Name: "g", Elements: make([]model.ServerElement, 65)}), "server group g: 65 elements; there can be no more than 64"},
	} {
		if _, err := New(Options{}).Compile(test.c, noAdjacency); err == nil || err.Error() != test.want {
			t.Errorf("Compile = %v; want %s", err, test.want)
		}
	}
}

// TestRules: what the configuration says about an element, whatever group has
// it.
func TestRules(t *testing.T) {
	element := func(transport model.Transport) []model.ServerElement {
		return []model.ServerElement{{Host: "192.0.2.1", Transport: transport}}
	}
	for _, test := range []struct {
		name   string
		change func(*model.Config)
		want   setting
	}{
		{"no pings", func(c *model.Config) {}, setting{rules: rules{retries: 2}}},
		{"defaults", func(c *model.Config) { c.SIP.Routing.GlobalPing = true }, setting{rules{retries: 2, pingsDown: true}, probe{
			local4: netip.MustParseAddrPort("127.0.0.1:0"), up: 5 * time.Second, down: 10 * time.Second, timeout: 500 * time.Millisecond}}},
		{"options", func(c *model.Config) {
			c.SIP.Networks[0].Listens = append(c.SIP.Networks[0].Listens, model.SIPListen{Address: netip.MustParseAddrPort("[::1]:5060")})
			c.SIP.Routing.GlobalPing = true
			c.SIP.Routing.PingOptions = []model.PingOptions{{Network: "other", Up: 1}, {
				Network: "net", Local: netip.MustParseAddrPort("127.0.0.9:5038"), Type: model.PingProactive, Up: 200, Down: 300, Timeout: 100,
			}}
		}, setting{rules{retries: 2}, probe{
			model.PingProactive, netip.MustParseAddrPort("127.0.0.9:5038"), netip.MustParseAddrPort("[::1]:0"), 200 * time.Millisecond, 300 * time.Millisecond, 100 * time.Millisecond}}},
		{"not this group", func(c *model.Config) {
			c.SIP.Routing.GlobalPing, c.SIP.Routing.Groups[0].NoPing = true, true
		}, setting{rules: rules{retries: 2}}},
		{"not over WebSocket", func(c *model.Config) {
			c.SIP.Routing.GlobalPing, c.SIP.Routing.Groups[0].Elements = true, element(model.WSS)
		}, setting{rules: rules{retries: 1}}},
		{"another group", func(c *model.Config) {
			c.SIP.Routing.GlobalPing, c.SIP.Routing.Groups[0].NoPing = true, true
			c.SIP.Routing.Groups = append(c.SIP.Routing.Groups, model.ServerGroup{Name: "h", Network: "net", Elements: element(model.UDP)}, c.SIP.Routing.Groups[0])
			c.SIP.Routing.Groups[2].Name = "i"
		}, setting{rules{retries: 2, pingsDown: true}, probe{
			local4: netip.MustParseAddrPort("127.0.0.1:0"), up: 5 * time.Second, down: 10 * time.Second, timeout: 500 * time.Millisecond}}},
		{"retries", func(c *model.Config) {
			c.SIP.Routing.Retries = model.ElementTries{UDP: 7, TCP: 8, TLS: 9}
			c.SIP.Routing.RetryAfter = 1500
		}, setting{rules: rules{retries: 7, rest: 1500 * time.Millisecond}}},
		{"of TCP", func(c *model.Config) {
			c.SIP.Routing.Retries, c.SIP.Routing.Groups[0].Elements = model.ElementTries{UDP: 7, TCP: 8, TLS: 9}, element(model.TCP)
		}, setting{rules: rules{retries: 8}}},
		{"of TLS", func(c *model.Config) {
			c.SIP.Routing.Retries, c.SIP.Routing.Groups[0].Elements = model.ElementTries{UDP: 7, TCP: 8, TLS: 9}, element(model.TLS)
		}, setting{rules: rules{retries: 9}}},
	} {
		c := configuration(model.ServerGroup{Name: "g", Elements: element(model.UDP)})
		test.change(c)
		s := compiled(t, New(Options{}), c)
		if len(s.elements) != 1 {
			t.Errorf("%s: %d elements; want 1", test.name, len(s.elements))
		}
		for _, got := range s.elements {
			if got != test.want {
				t.Errorf("%s: %+v; want %+v", test.name, got, test.want)
			}
		}
	}
}

// TestCommits: what is known of an element lives as long as a configuration in
// force has it, and one that is only prepared changes nothing.
func TestCommits(t *testing.T) {
	r := New(Options{})
	three := servers(make([]model.ServerElement, 3)...)
	group := func(name string, elements ...model.ServerElement) *model.Config {
		return configuration(model.ServerGroup{Name: name, Balance: model.BalanceHighestQ, Elements: elements})
	}
	call := invite(t, "1")
	s := compiled(t, r, group("g", three[:2]...))
	put(s, map[int]string{1: "down"})
	for range 2 {
		if _, err := r.Compile(group("g", three[2]), noAdjacency); err != nil {
			t.Fatal(err)
		}
	}
	if got := chosen(s, call); got != "2" || len(r.Status()[0].Elements) != 2 {
		t.Errorf("another configuration is prepared: Choose = %s, groups %+v; want 2, and both elements", got, r.Status())
	}
	if got := chosen(compiled(t, r, group("renamed", three...)), call); got != "2 3" {
		t.Errorf("in another group Choose = %s; want 2 3: 1 is still down", got)
	}
	compiled(t, r, group("g", three[2]))
	if got := chosen(compiled(t, r, group("g", three...)), call); got != "1 2 3" {
		t.Errorf("after a configuration without it Choose = %s; want 1 2 3: what was known of 1 is forgotten", got)
	}
	elsewhere := group("g", three...)
	put(compiled(t, r, elsewhere), map[int]string{2: "down"})
	elsewhere.SIP.Networks[0].Name, elsewhere.SIP.Routing.Groups[0].Network = "other", "other"
	if got := chosen(compiled(t, r, elsewhere), call); got != "1 2 3" {
		t.Errorf("out of another network Choose = %s; want 1 2 3: that is another way", got)
	}
}

// TestInService: calls that are being set up see at the commit that an element
// is shut down, when no group has it that is not.
func TestInService(t *testing.T) {
	r := New(Options{})
	group := func(name string, shutdown bool) model.ServerGroup {
		return model.ServerGroup{Name: name, Elements: servers(model.ServerElement{Shutdown: shutdown})}
	}
	e := compiled(t, r, configuration(group("g", false))).Choose(0, invite(t, "1"), nil)[0].Element
	for _, test := range []struct {
		groups []model.ServerGroup
		want   bool
	}{
		{[]model.ServerGroup{group("g", true)}, false},
		{[]model.ServerGroup{group("g", false)}, true},
		{[]model.ServerGroup{group("g", true), group("h", false)}, true},
		{[]model.ServerGroup{group("g", false), group("h", true)}, true},
		{[]model.ServerGroup{group("g", true), group("h", true)}, false},
	} {
		compiled(t, r, configuration(test.groups...))
		if got := e.InService(); got != test.want || !e.Up() {
			t.Errorf("with %+v: in service %v, up %v; want %v, true", test.groups, got, e.Up(), test.want)
		}
	}
}

// TestConcurrently has calls, reports, pings, commits and operators at once; the
// race detector looks on.
func TestConcurrently(t *testing.T) {
	l := newLab()
	l.status = map[string]int{"192.0.2.1": 200, "192.0.2.2": 503, "192.0.2.3": 0}
	r := New(Options{Dial: l.dial, Locator: l})
	configurations := make([]*model.Config, 3)
	for i := range configurations {
		configurations[i] = pinged(model.PingOptions{Up: 1 + i, Down: 1 + i, Timeout: 1000}, servers(make([]model.ServerElement, 2+i)...)...)
	}
	s := compiled(t, r, configurations[0])
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	var callers sync.WaitGroup
	for caller := range 4 {
		callers.Go(func() {
			in, targets := invite(t, fmt.Sprint(caller)), make([]hop.Target, 0, MaxElements)
			for i := range 5000 {
				targets = r.current.Load().Choose(0, in, targets[:0])
				if len(targets) == 0 {
					t.Error("Choose gives no target")
					return
				}
				e := targets[0].Element
				e.Report(hop.Outcome(i%4), time.Duration(i%3)*time.Millisecond)
				e.(*Element).Feedback(0, time.Second)
				e.Up()
			}
		})
	}
	for i := range 50 {
		s = compiled(t, r, configurations[i%3])
		if got := len(r.Status()[0].Elements); got != 2+i%3 {
			t.Errorf("%d elements; want %d", got, 2+i%3)
		}
		r.Conditions()
		r.Clear()
	}
	callers.Wait()
	e := s.groups[0].members[0].element
	for limit := time.Now().Add(patience); e.pings.answered.Load() == 0 && time.Now().Before(limit); {
		time.Sleep(time.Millisecond)
	}
	if e.pings.answered.Load() == 0 {
		t.Error("no ping was answered")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run = %v; want nil", err)
	}
}
