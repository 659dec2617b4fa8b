package routing

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

// grouped is a route group that everything goes to, with the lines of it.
func grouped(lines string) string {
	return "route group g\n" + lines + "end route group\n" + table9("group g") + byNumber("")
}

// TestRouteGroup: the order of the ways, and what leads from one to the next.
func TestRouteGroup(t *testing.T) {
	servers := "server-group sip group gw wan\nelement ip-address 192.168.43.7 5060 udp q-value 1.0 weight 10\n" +
		"element ip-address 192.168.43.8 5060 udp q-value 0.5 weight 10\nlbtype highest-q\nfailover-resp-codes 408\nend server-group\n"
	const a, b, c = "element target-destination 192.168.43.2 wan", "element target-destination 192.168.43.3 wan", "element target-destination 192.168.43.4 wan"
	for _, tt := range []struct {
		name, config string
		drawn        []int
		want         string // the last octet of each target and its failover codes
	}{
		{"by falling q-value", grouped(a + " q-value 0.5\n" + b + " q-value 1.0\n"), nil, "3[500-500 502-599] 2[500-500 502-599]"},
		{"by weight, the first", grouped(a + " weight 30\n" + b + " weight 70\n"), []int{29}, "2[500-500 502-599] 3[500-500 502-599]"},
		{"by weight, the second", grouped(a + " weight 30\n" + b + " weight 70\n"), []int{30}, "3[500-500 502-599] 2[500-500 502-599]"},
		{"three by weight", grouped(a + " weight 10\n" + b + " weight 10\n" + c + " weight 10\n"), []int{25, 15}, "4[500-500 502-599] 3[500-500 502-599] 2[500-500 502-599]"},
		{"no weight comes last", grouped(a + " weight 0\n" + b + " weight 1\n" + c + " weight 0\n"), []int{0}, "3[500-500 502-599] 2[500-500 502-599] 4[500-500 502-599]"},
		{"own failover codes", grouped(a + " q-value 1.0 failover-codes 503 , 408\n" + b + " q-value 0.5\n"), nil, "2[503-503 408-408] 3[500-500 502-599]"},
		{"in parallel", grouped("parallel\n" + a + "\n" + b + "\n" + c + " q-value 0.5\n"), nil, "2[500-500 502-599] &3[500-500 502-599] 4[500-500 502-599]"},
		{"parallel pairs", grouped("parallel\n" + a + "\n" + b + "\n" + c + " q-value 0.5\nelement target-destination 192.168.43.5 wan q-value 0.5\n"), nil,
			"2[500-500 502-599] &3[500-500 502-599] 4[500-500 502-599] &5[500-500 502-599]"},
		{"server group: either codes within it", servers + grouped("element target-destination gw wan q-value 1.0\n"+b+" q-value 0.5\n"), nil,
			"7[500-500 502-599 408-408] 8[500-500 502-599] 3[500-500 502-599]"},
		{"server group in parallel: its first element", servers + grouped("parallel\nelement target-destination gw wan\n"+b+"\n"), nil, "7[500-500 502-599] &3[500-500 502-599]"},
		{"time policy", "policy time night\nsequence 1\ntime 22:00 06:00\nend sequence\nend policy\n" +
			grouped(a+" q-value 1.0 time-policy night\n"+b+" q-value 0.5\n"), nil, "3[500-500 502-599]"},
		{"response at the end is not reached", grouped(a + " q-value 1.0\nelement response 603 q-value 0.5\n" + b + " q-value 0.1\n"), nil, "2[500-500 502-599]"},
		{"response first", grouped(a + " q-value 0.5\nelement response 603 q-value 1.0\n"), nil, "603 (route table t)"},
		{"empty", grouped(""), nil, "404 (no route)"},
		{"group in a group", "route group h\n" + a + " q-value 0.3\n" + b + " q-value 0.6\nend route group\n" +
			grouped("element group h q-value 1.0 failover-codes 480\n"+c+" q-value 0.5\n"), nil, "3[500-500 502-599] 2[480-480] 4[500-500 502-599]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := newBox(t)
			if tt.drawn != nil {
				x.drawn = tt.drawn
			}
			p := x.commit(tt.config)
			if got := branches(p, invite(t, p, "sip:9@192.168.42.1")); got != tt.want {
				t.Errorf("Route = %s; want %s", got, tt.want)
			}
		})
	}
}

// branches is the targets of a request by the last octet of their addresses.
func branches(p *Plan, in *hop.Incoming) string {
	var d hop.Decision
	p.Route(in, &d)
	if len(d.Targets) == 0 {
		return fmt.Sprintf("%d (%s)", d.Refusal.Status, d.Refusal.Rule)
	}
	var all []string
	for _, target := range d.Targets {
		text := fmt.Sprint(target.Address.Addr().As4()[3], "[")
		if target.Parallel {
			text = "&" + text
		}
		var codes []string
		for _, c := range target.Failover {
			codes = append(codes, fmt.Sprintf("%d-%d", c.From, c.To))
		}
		all = append(all, text+strings.Join(codes, " ")+"]")
	}
	return strings.Join(all, " ")
}

// TestShares: ways are drawn as often as their weights say.
func TestShares(t *testing.T) {
	b := newBox(t)
	b.drawn = make([]int, 1000)
	for i := range b.drawn {
		b.drawn[i] = i * 37 // every number below 100 as often as the others
	}
	p := b.commit(grouped("element target-destination 192.168.43.2 wan weight 25\nelement target-destination 192.168.43.3 wan weight 75\n"))
	in := invite(t, p, "sip:9@192.168.42.1")
	firsts := make(map[byte]int)
	for range b.drawn {
		firsts[branches(p, in)[0]]++
	}
	if firsts['2'] != 250 || firsts['3'] != 750 {
		t.Errorf("of 1000 calls %d and %d went to the weights 25 and 75", firsts['2'], firsts['3'])
	}
}

// TestBounds: circles end, and so does the list of targets.
func TestBounds(t *testing.T) {
	c := configured(t, grouped("element target-destination 192.168.43.2 wan q-value 0.1\n"))
	circle := model.RouteElement{Destination: model.Destination{Kind: model.ToGroup, Name: "g"}, Q: 1000}
	c.SIP.Routing.RouteGroups[0].Elements = append(c.SIP.Routing.RouteGroups[0].Elements, circle)
	p := newBox(t).use(c)
	if got, want := branches(p, invite(t, p, "sip:9@192.168.42.1")), "2[500-500 502-599]"; got != want {
		t.Errorf("Route through a circle = %s; want %s", got, want)
	}

	// Groups that lead to each other through two more each, deeper than allowed.
	var deep strings.Builder
	for i := range 30 {
		fmt.Fprintf(&deep, "route group g%d\nelement group g%d q-value 1.0\nelement group g%d q-value 0.5\nend route group\n", i, i+1, i+2)
	}
	deep.WriteString("route group g30\nend route group\nroute group g31\nend route group\n")
	p = newBox(t).commit(deep.String() + table9("group g0") + byNumber(""))
	if got, want := branches(p, invite(t, p, "sip:9@192.168.42.1")), "404 (no route)"; got != want {
		t.Errorf("Route through 30 groups = %s; want %s", got, want)
	}

	var wide strings.Builder
	for i := range 40 {
		fmt.Fprintf(&wide, "element target-destination 192.168.43.%d wan\n", i+2)
	}
	p = newBox(t).commit(grouped(wide.String()))
	var d hop.Decision
	if p.Route(invite(t, p, "sip:9@192.168.42.1"), &d); len(d.Targets) != maxTargets {
		t.Errorf("Route gives %d targets; want %d", len(d.Targets), maxTargets)
	}
}

// TestServersDown: the calls of a group that has no element for them.
func TestServersDown(t *testing.T) {
	p := newBox(t).commit("server-group sip group gw wan\nend server-group\n" + table9("target-destination gw wan") + byNumber(""))
	if got, want := routed(p, invite(t, p, "sip:9@192.168.42.1")), "503 (server group gw)"; got != want {
		t.Errorf("Route = %s; want %s", got, want)
	}
}

// TestTargetsStay: a decision's targets belong to whoever asked; those of the
// plan are as they were.
func TestTargetsStay(t *testing.T) {
	p := newBox(t).commit(grouped("parallel\nelement target-destination 192.168.43.2 wan\nelement target-destination 192.168.43.3 wan\n") +
		"trigger routing sequence 1 policy p\n")
	in := invite(t, p, "sip:9@192.168.42.1")
	before := branches(p, in)
	var d hop.Decision
	p.Route(in, &d)
	slices.Reverse(d.Targets)
	for i := range d.Targets {
		d.Targets[i].Failover, d.Targets[i].URI = nil, []byte("sip:x")
	}
	if after := branches(p, in); after != before {
		t.Errorf("Route = %s; before it was %s", after, before)
	}
}
