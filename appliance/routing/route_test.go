package routing

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

// always sends everything through policy p.
const always = "trigger routing sequence 10 policy p\n"

// byNumber looks the dialled number up in table t, with further lines of the step.
func byNumber(lines string) string {
	return "policy lookup p\nsequence 1 t request-uri uri-component user\n" + lines + "end sequence\nend policy\n" + always
}

func table9(destination string) string {
	return "route table t\nkey 9 " + destination + "\nend route table\n"
}

// TestRoute: where requests go, by what is configured.
func TestRoute(t *testing.T) {
	servers := "server-group sip group gw wan\nelement ip-address 192.168.43.7 5060 udp q-value 1.0 weight 10\n" +
		"element ip-address 192.168.43.8 5060 tcp q-value 0.5 weight 10\nlbtype highest-q\nend server-group\n"
	for _, tt := range []struct {
		name, config, uri, want string
	}{
		{"no trigger, no next hop", "", "sip:9@192.168.42.1", "404 (no route)"},
		{"next hop", "sip next-hop lan udp 192.168.43.2 5070 wan\n", "sip:9@192.168.42.1", "wan udp 192.168.43.2:5070"},
		{"no route is no reason for the next hop", "sip next-hop lan udp 192.168.43.2 5070 wan\n" + table9("response 603") + byNumber(""), "sip:8@192.168.42.1", "404 (no route)"},
		{"address", table9("target-destination 192.168.43.2 wan") + byNumber(""), "sip:9@192.168.42.1", "wan udp 192.168.43.2:5060"},
		{"address, port and transport", table9("target-destination 192.168.43.2:5080 wan tcp") + byNumber(""), "sip:9@192.168.42.1", "wan tcp 192.168.43.2:5080"},
		{"tls has its own port", "sip listen wan tls 192.168.43.1 5061\n" + table9("target-destination 192.168.43.2 wan tls") + byNumber(""), "sip:9@192.168.42.1", "wan tls 192.168.43.2:5061"},
		{"name", table9("target-destination gw.example.com wan") + byNumber(""), "sip:9@192.168.42.1", "wan gw.example.com (transport and port by DNS)"},
		{"name with a port", table9("target-destination gw.example.com:5062 wan") + byNumber(""), "sip:9@192.168.42.1", "wan udp gw.example.com:5062"},
		{"server group", servers + table9("target-destination gw wan") + byNumber(""), "sip:9@192.168.42.1", "wan udp 192.168.43.7:5060, wan tcp 192.168.43.8:5060"},
		{"a port means a host", servers + table9("target-destination gw:5060 wan") + byNumber(""), "sip:9@192.168.42.1", "wan udp gw:5060"},
		{"response", table9("response 603") + byNumber(""), "sip:9@192.168.42.1", "603 (route table t)"},
		{"request-uri", table9("default-sip wan") + byNumber(""), "sip:9@198.51.100.7", "wan udp 198.51.100.7:5060"},
		{"request-uri by name", table9("default-sip wan") + byNumber(""), "sip:9@example.org;transport=tcp", "wan tcp example.org"},
		{"request-uri over tls", table9("default-sip wan") + byNumber(""), "sips:9@198.51.100.7;transport=tcp", "wan tls 198.51.100.7:5061"},
		{"request-uri that is ours", table9("default-sip wan") + byNumber(""), "sip:9@192.168.42.1", "404 (request-uri of the box itself)"},
		{"request-uri that is our alias", "sip alias proxy.example.com\n" + table9("default-sip wan") + byNumber(""), "sip:9@Proxy.example.com", "404 (request-uri of the box itself)"},
		{"request-uri without host", table9("default-sip wan") + byNumber(""), "tel:9", "416 (request-uri without host)"},
		{"by-pass", "trigger routing sequence 1 by-pass\n", "sip:9@198.51.100.7:5070", "lan udp 198.51.100.7:5070"},
		{"the first trigger whose condition holds", "trigger condition c\nsequence 1\nmethod BYE\nend sequence\nend trigger condition\n" +
			"trigger routing sequence 1 by-pass condition c\n" + table9("response 486") + byNumber(""), "sip:9@198.51.100.7", "486 (route table t)"},
		{"another policy", "route table u\nkey 9 response 480\nend route table\npolicy lookup q\nsequence 1 u request-uri uri-component user\nend sequence\nend policy\n" +
			table9("policy q") + byNumber(""), "sip:9@192.168.42.1", "480 (route table u)"},
		{"another policy without a route: the next step", "route table u\nkey 8 response 480\nend route table\npolicy lookup q\nsequence 1 u request-uri uri-component user\nend sequence\nend policy\n" +
			"route table v\nkey 9 response 410\nend route table\n" + table9("policy q") +
			"policy lookup p\nsequence 1 t request-uri uri-component user\nend sequence\nsequence 2 v request-uri uri-component user\nend sequence\nend policy\n" + always,
			"sip:9@192.168.42.1", "410 (route table v)"},
		{"plus left out", table9("response 486") + byNumber("modify-key ignore-plus\n"), "sip:+9@192.168.42.1", "486 (route table t)"},
		{"plus left in", table9("response 486") + byNumber(""), "sip:+9@192.168.42.1", "404 (no route)"},
		{"separators left out", "route table t\nkey +49301 response 486\nend route table\n" + byNumber("modify-key ignore-tel-separators\n"), "sip:+49(30)-1@192.168.42.1", "486 (route table t)"},
		{"expression", table9("response 486") + byNumber("modify-key regex-match ^0(.) regex-replace $1\n"), "sip:09@192.168.42.1", "486 (route table t)"},
		{"letters behind a group", "route table t\nkey 9x response 486\nend route table\n" + byNumber("modify-key regex-match ^0(.) regex-replace $1x\n"), "sip:09@192.168.42.1", "486 (route table t)"},
		{"capital letters", "route table t\nkey Bob response 486\nend route table\n" + byNumber(""), "sip:BOB@192.168.42.1", "486 (route table t)"},
		{"no user part", table9("response 486") + byNumber("rule prefix\n"), "sip:192.168.42.1", "404 (no route)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newBox(t).commit(tt.config)
			if got := routed(p, invite(t, p, tt.uri)); got != tt.want {
				t.Errorf("Route(%s) = %s; want %s", tt.uri, got, tt.want)
			}
		})
	}
}

// TestRules: one table, looked up by every rule.
func TestRules(t *testing.T) {
	keys := "route table t\n"
	for i, key := range []string{"49", "4930", "493012345", "example.com", "a.example.com", "192.0.2.0/24", "192.0.2.128/25", "2001:db8::/32", "192.0.2.7"} {
		keys += fmt.Sprintf("key %s response %d\n", key, 401+i)
	}
	keys += "end route table\n"
	patterns := "route table t\nkey 49.* response 401\nkey 4930|50 response 402\nkey .*\\.example\\.com response 403\nend route table\n"
	nets := "route table t\nkey 192.0.2.0/24 response 401\nkey 192.0.2.128/25 response 402\nkey 2001:db8::/32 response 403\nkey 192.0.2.7 response 404\nend route table\n"
	for _, tt := range []struct {
		rule, component, config string
		want                    map[string]int
	}{
		{"exact", "user", keys, map[string]int{"sip:4930@x": 402, "sip:49301@x": 0, "sip:4@x": 0}},
		{"prefix", "user", keys, map[string]int{"sip:4930@x": 402, "sip:49301@x": 402, "sip:4940@x": 401, "sip:48@x": 0, "sip:4930123456@x": 403, "sip:4@x": 0}},
		{"fixed 4", "user", keys, map[string]int{"sip:493099@x": 402, "sip:4930@x": 402, "sip:493@x": 0, "sip:4931@x": 0}},
		{"subdomain", "host", keys, map[string]int{"sip:b.a.example.com": 405, "sip:A.EXAMPLE.com": 405, "sip:b.example.com": 404, "sip:badexample.com": 0, "sip:com": 0}},
		{"subnet", "host", nets, map[string]int{"sip:192.0.2.1": 401, "sip:192.0.2.129": 402, "sip:192.0.2.7": 404, "sip:192.0.3.1": 0, "sip:[2001:db8::1]": 403, "sip:example.com": 0}},
		{"regex", "user", patterns, map[string]int{"sip:4930@x": 401, "sip:50@x": 402, "sip:500@x": 0}},
		{"regex", "domain", patterns, map[string]int{"sip:1@a.Example.com": 403, "sip:1@example.com": 0, "sip:4930@192.0.2.1": 0}},
	} {
		p := newBox(t).commit(tt.config + "policy lookup p\nsequence 1 t request-uri uri-component " + tt.component + "\nrule " + tt.rule + "\nend sequence\nend policy\n" + always)
		for uri, status := range tt.want {
			want := "404 (no route)"
			if status != 0 {
				want = fmt.Sprintf("%d (route table t)", status)
			}
			if got := routed(p, invite(t, p, uri)); got != want {
				t.Errorf("rule %s of %s = %s; want %s", tt.rule, uri, got, want)
			}
		}
	}
}

// TestFacts: what is looked up need not stand in the request.
func TestFacts(t *testing.T) {
	for _, tt := range []struct{ field, rule, key string }{
		{"field in-network", "exact", "lan"},
		{"field remote-ip", "subnet", "192.168.42.0/24"},
		{"field remote-ip", "exact", "192.168.42.9"},
		{"field remote-port", "exact", "5060"},
		{"field local-ip", "subnet", "192.168.42.1"},
		{"field protocol", "exact", "udp"},
		{"field method", "exact", "INVITE"},
		{"request-uri", "exact", "sip:9@192.168.42.1"},
		{"header Diversion uri-component user", "prefix", "49"},
		{"header Diversion header-param reason", "exact", "busy"},
	} {
		p := newBox(t).commit("route table t\nkey " + tt.key + " response 486\nend route table\npolicy lookup p\nsequence 1 t " +
			tt.field + "\nrule " + tt.rule + "\nend sequence\nend policy\n" + always)
		in := request(t, p, "lan", "192.168.42.9:5060", "INVITE sip:9@192.168.42.1", "Diversion: <sip:4930@192.0.2.1>;reason=busy\r\n")
		if got, want := routed(p, in), "486 (route table t)"; got != want {
			t.Errorf("lookup of %s by rule %s = %s; want %s", tt.field, tt.rule, got, want)
		}
	}
}

// TestByPass: a request that says itself where it goes.
func TestByPass(t *testing.T) {
	c := configured(t, "sip alias proxy.example.com\ntrigger routing sequence 1 by-pass\n")
	c.SBC.Adjacencies = []model.Adjacency{
		{Name: "all", Network: "lan"},
		{Name: "carrier", Network: "wan", Addresses: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}},
	}
	p := newBox(t).use(c)
	for _, tt := range []struct{ lines, want string }{
		{"", "lan udp 203.0.113.9:5060"},
		{"Route: <sip:198.51.100.7;lr>\r\n", "wan udp 198.51.100.7:5060"},
		{"Route: <sip:192.168.42.1;lr>, <sip:proxy.example.com;lr>\r\nRoute: <sip:198.51.100.8:5070;transport=tcp;lr>\r\n", "wan tcp 198.51.100.8:5070"},
		{"Route: <sip:192.168.42.1;lr>\r\n", "lan udp 203.0.113.9:5060"},
	} {
		in := request(t, p, "lan", "192.168.42.9:5060", "INVITE sip:9@203.0.113.9", tt.lines)
		if got := routed(p, in); got != tt.want {
			t.Errorf("Route with %q = %s; want %s", tt.lines, got, tt.want)
		}
	}
}

// TestAdjacency: network, longest prefix and transport.
func TestAdjacency(t *testing.T) {
	prefixes := func(texts ...string) (all []netip.Prefix) {
		for _, text := range texts {
			all = append(all, netip.MustParsePrefix(text))
		}
		return all
	}
	c := configured(t, "")
	c.SBC.Adjacencies = []model.Adjacency{
		{Name: "any", Network: "lan"},
		{Name: "net", Network: "lan", Addresses: prefixes("192.0.2.0/24", "2001:db8::/32")},
		{Name: "host-tcp", Network: "lan", Addresses: prefixes("192.0.2.7/32"), Transport: "tcp"},
		{Name: "host", Network: "lan", Addresses: prefixes("192.0.2.8/32")},
		{Name: "host-tls", Network: "lan", Addresses: prefixes("192.0.2.8/32"), Transport: "tls"},
		{Name: "carrier", Network: "wan", Addresses: prefixes("192.0.2.0/24")},
	}
	p := newBox(t).use(c)
	for _, tt := range []struct {
		network   string
		transport model.Transport
		peer      string
		want      string
	}{
		{"lan", model.UDP, "203.0.113.1", "any"},
		{"lan", model.UDP, "192.0.2.1", "net"},
		{"lan", model.WS, "2001:db8::1", "net"},
		{"lan", model.UDP, "2001:db9::1", "any"},
		{"lan", model.TCP, "192.0.2.7", "host-tcp"},
		{"lan", model.UDP, "192.0.2.7", "net"},
		{"lan", model.UDP, "192.0.2.8", "host"},
		{"lan", model.TLS, "192.0.2.8", "host-tls"},
		{"lan", model.UDP, "::ffff:192.0.2.8", "host"},
		{"wan", model.UDP, "192.0.2.1", "carrier"},
		{"wan", model.UDP, "203.0.113.1", "wan"},
		{"nowhere", model.UDP, "203.0.113.1", ""},
	} {
		if got := p.Adjacency(tt.network, tt.transport, netip.MustParseAddr(tt.peer)); got.Name != tt.want {
			t.Errorf("Adjacency(%s, %v, %s) = %q; want %q", tt.network, tt.transport, tt.peer, got.Name, tt.want)
		}
	}
	if got := p.Adjacency("wan", model.UDP, netip.Addr{}).Name; got != "wan" {
		t.Errorf("Adjacency of no address = %q; want wan", got)
	}
}

// TestTargetAdjacency: every target with an address knows its adjacency.
func TestTargetAdjacency(t *testing.T) {
	c := configured(t, "sip next-hop lan udp 192.168.43.2 5060 wan\n")
	c.SBC.Adjacencies = []model.Adjacency{{Name: "carrier", Network: "wan"}}
	p := newBox(t).use(c)
	var d hop.Decision
	if p.Route(invite(t, p, "sip:9@192.168.42.1"), &d); len(d.Targets) != 1 || d.Targets[0].Adjacency.Name != "carrier" {
		t.Errorf("Route = %+v; want one target of adjacency carrier", d.Targets)
	}
}

// TestHits: counters are exact, whoever counts, and go on over a commit.
func TestHits(t *testing.T) {
	const text = "route table t\nkey 9 response 486\nend route table\n"
	b := newBox(t)
	p := b.commit(text + byNumber(""))
	const threads, calls = 8, 500
	var all sync.WaitGroup
	for range threads {
		in, miss := invite(t, p, "sip:9@192.168.42.1"), invite(t, p, "sip:8@192.168.42.1")
		all.Go(func() {
			for range calls {
				routed(p, in)
				routed(p, miss)
			}
		})
	}
	all.Wait()
	if _, err := b.TestRoute(t.Context(), TestQuery{URI: "sip:9@192.168.42.1", Network: "lan"}); err != nil {
		t.Fatal(err)
	}
	b.commit(text + "route table other\nend route table\n" + byNumber(""))
	o := b.current.Load().overview()
	if table := o.Tables[1]; table.Name != "t" || table.Hits != threads*calls {
		t.Errorf("table = %+v; want %d hits", table, threads*calls)
	}
	if step := o.Policies[0].Steps[0]; step.Hits != threads*calls {
		t.Errorf("step = %+v; want %d hits", step, threads*calls)
	}
	if trigger := o.Triggers[0]; trigger.Hits != 2*threads*calls {
		t.Errorf("trigger = %+v; want %d hits", trigger, 2*threads*calls)
	}
}

// TestPlanRefuses: what the commands' own checks cannot see.
func TestPlanRefuses(t *testing.T) {
	for _, tt := range []struct {
		change func(c *model.Config)
		want   string
	}{
		{func(c *model.Config) { c.SIP.Routing.Tables[0].Routes[0].Network = "moon" }, `route table t: key 9: there is no SIP network "moon"`},
		{func(c *model.Config) { c.SIP.Routing.Tables[0].Routes[0].Host = "no host" }, "route table t: key 9: there is no server group"},
		{func(c *model.Config) {
			c.SIP.Routing.Groups = []model.ServerGroup{{Name: "gw", Network: "lan"}}
			c.SIP.Routing.Tables[0].Routes[0].Host = "gw"
		}, "server group gw is in network lan"},
		{func(c *model.Config) { c.SIP.Routing.Tables[0].Routes[0].Transport = "sctp" }, `there is no transport "sctp"`},
		{func(c *model.Config) { c.SIP.Routing.Tables[0].Routes[0].Kind = model.ToGroup }, "there is no route group"},
		{func(c *model.Config) { c.SIP.Routing.Tables[0].Routes[0].Kind = model.ToPolicy }, "there is no lookup policy"},
		{func(c *model.Config) { c.SIP.Routing.Tables[0].Routes[0].Kind = model.ToResponse }, "response 0 is not between"},
		{func(c *model.Config) { c.SIP.Routing.Tables[0].Routes[0].Key = "" }, "has not 1 to 128 octets"},
		{func(c *model.Config) {
			c.SIP.Routing.Tables[0].Routes = append(c.SIP.Routing.Tables[0].Routes, c.SIP.Routing.Tables[0].Routes[0])
		}, "key 9: the table has it already"},
		{func(c *model.Config) { c.SIP.Routing.Lookups[0].Steps[0].Table = "moon" }, `lookup policy p sequence 1: there is no route table "moon"`},
		{func(c *model.Config) { c.SIP.Routing.Lookups[0].Steps[0].Field.Component = "moon" }, "a URI has no component"},
		{func(c *model.Config) { c.SIP.Routing.Lookups[0].Steps[0].Rule = model.MatchSubnet }, "key 9, looked up by rule subnet"},
		{func(c *model.Config) { c.SIP.Routing.Lookups[0].Steps[0].Rule = model.MatchFixed }, "rule fixed of 0 characters"},
		{func(c *model.Config) { c.SIP.Routing.Lookups[0].Steps[0].Match = "(" }, "regex-match"},
		{func(c *model.Config) {
			c.SIP.Routing.Tables[0].Routes[0].Key = "a)|(b"
			c.SIP.Routing.Lookups[0].Steps[0].Rule = model.MatchRegex
		}, "looked up by rule regex"},
		{func(c *model.Config) { c.SIP.Routing.Triggers[model.TriggerRouting][0].Policy = "moon" }, "trigger routing sequence 10: there is no lookup policy"},
		{func(c *model.Config) { c.SIP.Routing.Triggers[model.TriggerRouting][0].Condition = "moon" }, "there is no trigger condition"},
		{func(c *model.Config) {
			c.SIP.Routing.TimePolicies = []model.TimePolicy{{Name: "x", Sequences: []model.TimeSequence{{Sequence: 5, Start: "noon"}}}}
		}, "time policy x sequence 5: noon is no time"},
		{func(c *model.Config) { c.SBC.Adjacencies = []model.Adjacency{{Name: "a", Network: "moon"}} }, `adjacency a: there is no SIP network "moon"`},
		{func(c *model.Config) { c.Time.Zone.Name = "Moon/Crater" }, "time zone Moon/Crater"},
	} {
		c := configured(t, table9("target-destination 192.168.43.2 wan")+byNumber(""))
		tt.change(c)
		if _, err := newBox(t).Plan(c); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Plan = %v; want an error with %q", err, tt.want)
		}
	}
}

// TestTriggers: conditions, tests and what they compare.
func TestTriggers(t *testing.T) {
	for _, tt := range []struct {
		tests string
		want  bool
	}{
		{"in-network lan", true},
		{"in-network LAN", true},
		{"in-network wan", false},
		{"not in-network wan", true},
		{"remote-ip 192.168.42.0/24", true},
		{"remote-ip 192.168.43.0/24", false},
		{"not remote-ip 192.168.43.0/24", true},
		{"local-ip 192.168.42.1", true},
		{"local-port 5060", true},
		{"local-port 506.", true},
		{"local-port 50", false},
		{"protocol udp", true},
		{"method INVITE", true},
		{"method INVITE|OPTIONS", true},
		{"method OPTIONS|REGISTER", false},
		{"message request", true},
		{"mid-dialog", false},
		{"not mid-dialog", true},
		{"request-uri uri-component user 49.*", true},
		{"request-uri uri-component user 30", false},
		{"request-uri uri-component user ^4930$", true},
		{"request-uri uri-component domain EXAMPLE\\.net", true},
		{"request-uri uri-param user phone", true},
		{"header From uri-component user alice", true},
		{"header X-None value .*", false},
		{"not header X-None value .*", true},
		{"out-network wan", false},
		{"response-code 200", false},
		{"time noon", true},
		{"time night", false},
		{"in-network lan\nmethod BYE", false},
		{"in-network lan\nmethod INVITE", true},
		{"method BYE\nend sequence\nsequence 2\nmethod INVITE", true},
	} {
		b := newBox(t)
		p := b.commit("policy time noon\nsequence 1\ntime 12:00 12:01\nend sequence\nend policy\n" +
			"policy time night\nsequence 1\ntime 22:00 06:00\nend sequence\nend policy\n" +
			"trigger condition c\nsequence 1\n" + tt.tests + "\nend sequence\nend trigger condition\n" +
			"route table t\nkey 4930 response 486\nend route table\n" +
			strings.Replace(byNumber(""), always, "trigger routing sequence 1 policy p condition c\n", 1))
		want := map[bool]string{true: "486 (route table t)", false: "404 (no route)"}[tt.want]
		if got := routed(p, invite(t, p, "sip:4930@example.net;user=phone")); got != want {
			t.Errorf("%q: %s; want %s", tt.tests, got, want)
		}
		e := p.explain(invite(t, p, "sip:4930@example.net;user=phone"), b.now.Unix()/60)
		if e.Refusal != want {
			t.Errorf("%q explained: %+v; want %s", tt.tests, e, want)
		}
	}
}

// FuzzComparison: an expression that compiles to a comparison of octets says
// the same as the expression.
func FuzzComparison(f *testing.F) {
	for _, seed := range [][2]string{{"49.*", "4930"}, {"^INVITE$", "invite"}, {"a|b", "b"}, {"", ""}, {".*", ""}, {"(?i)k", "K"}, {`\Qa.b\E`, "A.B"}, {"a{2}", "aa"}, {"()", "x"}, {"a()", "a"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, value, text string) {
		var one test
		if one.compare(value) != nil {
			return
		}
		want, err := compileWhole(value)
		if err != nil {
			return
		}
		if got := one.matches([]byte(text)); got != want.MatchString(text) {
			t.Errorf("%q compared with %q = %v; want %v (comparison %d, literal %q)", text, value, got, !got, one.comparison, one.literal)
		}
	})
}

// TestTimePolicy: times in the zone of the box.
func TestTimePolicy(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		sequence model.TimeSequence
		at       string // in that zone
		want     bool
	}{
		{model.TimeSequence{}, "2026-03-04 12:00", true},
		{model.TimeSequence{From: 540, To: 1020}, "2026-03-04 09:00", true},
		{model.TimeSequence{From: 540, To: 1020}, "2026-03-04 08:59", false},
		{model.TimeSequence{From: 540, To: 1020}, "2026-03-04 17:00", false},
		{model.TimeSequence{From: 1320, To: 360}, "2026-03-04 23:00", true},
		{model.TimeSequence{From: 1320, To: 360}, "2026-03-04 05:59", true},
		{model.TimeSequence{From: 1320, To: 360}, "2026-03-04 06:00", false},
		{model.TimeSequence{From: 1320, To: 0}, "2026-03-04 23:59", true},
		{model.TimeSequence{From: 1320, To: 0}, "2026-03-04 00:00", false},
		{model.TimeSequence{Weekdays: []int{3}}, "2026-03-04 12:00", true}, // a Wednesday
		{model.TimeSequence{Weekdays: []int{4}}, "2026-03-04 12:00", false},
		{model.TimeSequence{Weekdays: []int{3}, From: 1320, To: 360}, "2026-03-05 01:00", true}, // of Wednesday night
		{model.TimeSequence{Weekdays: []int{3}, From: 1320, To: 360}, "2026-03-04 01:00", false},
		{model.TimeSequence{Months: []int{2}, Days: []int{28}, From: 1320, To: 360}, "2026-03-01 01:00", true},
		{model.TimeSequence{Months: []int{3}}, "2026-03-31 23:59", true},
		{model.TimeSequence{Months: []int{4, 12}}, "2026-03-31 23:59", false},
		{model.TimeSequence{Days: []int{31}}, "2026-03-31 00:00", true},
		{model.TimeSequence{Start: "20260304T120000"}, "2026-03-04 12:00", true},
		{model.TimeSequence{Start: "20260304T120000"}, "2026-03-04 11:59", false},
		{model.TimeSequence{End: "20260304T120000"}, "2026-03-04 12:00", false},
		{model.TimeSequence{End: "20260304T120000"}, "2026-03-04 11:59", true},
		{model.TimeSequence{Start: "20260304T110000Z"}, "2026-03-04 12:00", true},
		{model.TimeSequence{Start: "20260304T110000Z"}, "2026-03-04 11:59", false},
	} {
		p, err := compileTimePolicy(&model.TimePolicy{Name: "x", Sequences: []model.TimeSequence{{Months: []int{13}}, tt.sequence}}, zone)
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.ParseInLocation("2006-01-02 15:04", tt.at, zone)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // worked out, and known
			if got := p.holds(at.Unix() / 60); got != tt.want {
				t.Errorf("%+v at %s = %v; want %v", tt.sequence, tt.at, got, tt.want)
			}
		}
	}
}
