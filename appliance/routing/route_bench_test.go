package routing

import (
	"fmt"
	"testing"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

// BenchmarkRoute is what a call costs here: trigger, policy, prefix table,
// server group of four elements; by the size of the table.
func BenchmarkRoute(b *testing.B) {
	for _, n := range []int{10, 1000, 100_000} {
		b.Run(fmt.Sprintf("%d routes", n), func(b *testing.B) { benchmarkRoute(b, n) })
	}
}

func benchmarkRoute(b *testing.B, n int) {
	c := configured(b, "server-group sip group gw wan\nelement ip-address 192.168.43.7 5060 udp q-value 1.0 weight 10\n"+
		"element ip-address 192.168.43.8 5060 udp q-value 1.0 weight 10\nelement ip-address 192.168.43.9 5060 udp q-value 1.0 weight 10\n"+
		"element ip-address 192.168.43.10 5060 udp q-value 1.0 weight 10\nlbtype call-id\nend server-group\n"+
		"trigger condition dialog\nsequence 1\nmid-dialog\nend sequence\nend trigger condition\n"+
		"trigger condition caller\nsequence 1\nin-network lan\nremote-ip 192.168.42.0/24\nmethod INVITE\nend sequence\nend trigger condition\n"+
		"route table t\nend route table\n"+
		"policy lookup p\nsequence 1 t request-uri uri-component user\nrule prefix\nmodify-key ignore-plus\nend sequence\nend policy\n"+
		"trigger routing sequence 1 by-pass condition dialog\ntrigger routing sequence 10 policy p condition caller\n")
	for i := range n {
		c.SIP.Routing.Tables[0].Routes = append(c.SIP.Routing.Tables[0].Routes, model.Route{
			Key: fmt.Sprintf("49%09d", i), Destination: model.Destination{Host: "gw", Network: "wan"},
		})
	}
	p := newBox(b).use(c)
	calls := make([]*hop.Incoming, 256)
	for i := range calls {
		calls[i] = invite(b, p, fmt.Sprintf("sip:+49%09d12@example.com", i*7919%n))
	}
	d := hop.Decision{Targets: make([]hop.Target, 0, 16)}
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		d.Targets, d.Refusal = d.Targets[:0], hop.Refusal{}
		if p.Route(calls[i%len(calls)], &d); len(d.Targets) != 4 {
			b.Fatalf("%d targets", len(d.Targets))
		}
		i++
	}
	if hits := p.tables["t"].hits.Load(); hits != int64(i) {
		b.Errorf("%d hits of %d calls", hits, i)
	}
	b.ReportMetric(float64(p.tables["t"].bytes())/float64(n), "octets/route")
}

// BenchmarkRules is one lookup in 1,000 routes by each rule.
func BenchmarkRules(b *testing.B) {
	for _, tt := range []struct{ rule, component, key, uri string }{
		{"exact", "user", "49%05d", "sip:4900500@x"},
		{"prefix", "user", "49%05d", "sip:490050012345@x"},
		{"fixed 7", "user", "49%05d", "sip:490050012345@x"},
		{"subdomain", "host", "h%d.example.com", "sip:1@a.b.h500.example.com"},
		{"subnet", "host", "10.0.%d.0/24", "sip:1@10.0.5.1"},
		{"regex", "user", "49%05d.*", "sip:490000112345@x"},
	} {
		b.Run(tt.rule, func(b *testing.B) {
			c := configured(b, "route table t\nend route table\npolicy lookup p\nsequence 1 t request-uri uri-component "+
				tt.component+"\nend sequence\nend policy\n"+always)
			var length int
			fmt.Sscanf(tt.rule, "fixed %d", &length)
			for i, name := range model.MatchRuleNames {
				if tt.rule == name || length > 0 && name == "fixed" {
					c.SIP.Routing.Lookups[0].Steps[0].Rule = model.MatchRule(i)
				}
			}
			c.SIP.Routing.Lookups[0].Steps[0].Length = length
			routes := 1000
			if tt.rule == "subnet" {
				routes = 256
			}
			for i := range routes {
				c.SIP.Routing.Tables[0].Routes = append(c.SIP.Routing.Tables[0].Routes, model.Route{
					Key: fmt.Sprintf(tt.key, i), Destination: model.Destination{Host: "192.168.43.2", Network: "wan"},
				})
			}
			p := newBox(b).use(c)
			in := invite(b, p, tt.uri)
			d := hop.Decision{Targets: make([]hop.Target, 0, 16)}
			b.ReportAllocs()
			for b.Loop() {
				d.Targets, d.Refusal = d.Targets[:0], hop.Refusal{}
				if p.Route(in, &d); len(d.Targets) != 1 {
					b.Fatalf("%+v", d.Refusal)
				}
			}
		})
	}
}

func BenchmarkAdjacency(b *testing.B) {
	c := configured(b, "")
	c.SBC.Adjacencies = []model.Adjacency{{Name: "lan", Network: "lan"}}
	p := newBox(b).use(c)
	in := invite(b, p, "sip:1@x")
	b.ReportAllocs()
	for b.Loop() {
		if p.Adjacency("lan", model.UDP, in.Remote.Addr()) == nil {
			b.Fatal("none")
		}
	}
}

// TestRouteAllocates nothing.
func TestRouteAllocates(t *testing.T) {
	p := newBox(t).commit(grouped("element target-destination 192.168.43.2 wan\nelement target-destination 192.168.43.3 wan\n"))
	in := invite(t, p, "sip:9@192.168.42.1")
	d := hop.Decision{Targets: make([]hop.Target, 0, 16)}
	count := testing.AllocsPerRun(200, func() {
		d.Targets, d.Refusal = d.Targets[:0], hop.Refusal{}
		p.Route(in, &d)
	})
	if count >= 1 { // the collector may empty the pool of walks in between
		t.Errorf("Route allocates %v times", count)
	}
}
