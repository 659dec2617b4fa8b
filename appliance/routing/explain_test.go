package routing

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"causeway/appliance/exec/exectest"
	"causeway/appliance/model"
)

// everything is a configuration that uses all of routing.
const everything = `server-group sip group gw wan
element ip-address 192.168.43.7 5060 udp q-value 1.0 weight 10
element ip-address 192.168.43.8 5060 tcp q-value 0.5 weight 10
element ip-address 192.168.43.10 5060 udp
element ip-address 192.168.43.10 5060 udp shutdown
lbtype highest-q
end server-group
policy time night
sequence 1
time 22:00 06:00
end sequence
end policy
policy normalization strip
sequence 1 uri-component update request-uri user ^00 +
end policy
policy normalization mark
sequence 1 header add X-Way wan
end policy
route group both
element target-destination gw wan q-value 1.0 weight 10
element target-destination backup.example.com wan q-value 0.5 weight 10
element target-destination 192.168.43.9 wan tcp q-value 0.5 weight 10 time-policy night
end route group
route table numbers
key 49 group both
key 4930 target-destination 192.168.43.20:5070 wan
key 1900 response 603
end route table
route table callers
file harddisk:routes.txt
key 192.168.42.99 default-sip wan
end route table
policy lookup calls
sequence 10 callers field remote-ip
rule subnet
end sequence
sequence 20 numbers request-uri uri-component user
rule prefix
modify-key ignore-plus
end sequence
end policy
trigger condition dialog
sequence 1
mid-dialog
end sequence
end trigger condition
trigger condition lan
sequence 1
in-network lan
method INVITE|OPTIONS
end sequence
sequence 2
remote-ip 10.0.0.0/8
time night
end sequence
end trigger condition
trigger pre-normalization sequence 1 policy strip condition lan
trigger routing sequence 1 by-pass condition dialog
trigger routing sequence 10 policy calls condition lan
trigger post-normalization sequence 1 policy mark
sip next-hop wan udp 192.168.42.2 5060 lan
`

// TestShow types what an operator types, at the proxy's own methods.
func TestShow(t *testing.T) {
	b := newBox(t)
	b.files["harddisk:/routes.txt"] = "key 192.168.42.0/28 response 486\nkey 10.0.0.0/8 response 480 oops\n"
	c := configured(t, everything)
	c.SBC.Adjacencies = []model.Adjacency{
		{Name: "phones", Network: "lan", Addresses: []netip.Prefix{netip.MustParsePrefix("192.168.42.0/24")}},
		{Name: "carrier", Network: "wan"},
	}
	p := b.use(c)
	for range 3 {
		routed(p, invite(t, p, "sip:493012@example.com"))
	}
	routed(p, invite(t, p, "sip:1900@example.com"))
	routed(p, request(t, p, "wan", "192.168.43.7:5060", "OPTIONS sip:1@example.com", ""))

	var s exectest.Session
	s.Serve(t, "proxy", b.Methods())
	var transcript strings.Builder
	for _, line := range []string{
		"show route table", "show routes table numbers", "show routes table numbers key 49", "show routes table moon",
		"show policy lookup", "show policy lookup moon", "show trigger",
		"test route sip:00493012@example.com network lan source 192.168.42.9",
		"test route sip:0049891@example.com network lan source 192.168.42.9",
		"test route sip:0049891@x network lan source 10.0.0.1 time 20260304T230000",
		"test route sip:1900@example.com network lan",
		"test route sip:17@example.com network lan",
		"test route sip:17@203.0.113.7 network lan source 192.168.42.99",
		"test route sip:493012@example.com network wan method REGISTER",
		"test route sip:493012@example.com", "test route sip:1@x network moon",
		"test route mailto:493012 network lan",
		"test route sip: network lan",
		"test route sip:1@example.com from nonsense network lan",
		"test route sip:1@example.com network lan method IN<VITE",
	} {
		fmt.Fprintf(&transcript, "# %s\n%s", line, s.Type(t.Context(), t, ExecCommands(), line))
	}
	exectest.Golden(t, "show", transcript.String())
}

// TestNothingInForce: a proxy that has no configuration yet says so.
func TestNothingInForce(t *testing.T) {
	b := newBox(t)
	if _, err := b.TestRoute(t.Context(), TestQuery{URI: "sip:1@x"}); err == nil {
		t.Error("TestRoute answers without a plan")
	}
	if got := b.current.Load().overview(); got.Tables != nil {
		t.Errorf("overview = %+v", got)
	}
	if _, err := b.current.Load().page(RoutesQuery{Table: "t"}); err == nil {
		t.Error("page answers without a plan")
	}
	if got := b.Conditions(); got != nil {
		t.Errorf("Conditions = %+v", got)
	}
}

// TestPages: a long table comes in several answers, each route once.
func TestPages(t *testing.T) {
	c := configured(t, "route table t\nend route table\n")
	for i := range 2*pageSize + 1 {
		c.SIP.Routing.Tables[0].Routes = append(c.SIP.Routing.Tables[0].Routes, model.Route{
			Key: fmt.Sprint(i), Destination: model.Destination{Kind: model.ToResponse, Status: 486},
		})
	}
	b := newBox(t)
	b.use(c)
	var s exectest.Session
	s.Serve(t, "proxy", b.Methods())
	lines := strings.Split(strings.TrimSpace(s.Type(t.Context(), t, ExecCommands(), "show routes table t")), "\n")
	if len(lines) != 2*pageSize+1 || lines[0] != "key 0 response 486" || lines[2*pageSize] != "key 2000 response 486" {
		t.Errorf("show routes table prints %d lines, from %s to %s", len(lines), lines[0], lines[len(lines)-1])
	}
}

// FuzzTestRoute: whatever is asked, the answer is targets or a refusal, or an
// error; and nothing of the question becomes a line of its own.
func FuzzTestRoute(f *testing.F) {
	f.Add("sip:4930@example.com", "sip:alice@example.com", "INVITE", "20260304T230000")
	f.Add("tel:+49-30;phone-context=x", "tel:1", "OPTIONS", "")
	f.Add("sip:4930@x SIP/2.0\r\nX: y", "sip:a@b>\r\nRoute: <sip:x>", "INVITE\r\n", "x")
	f.Add("urn:service:sos", "sips:[2001:db8::1]", "ACK", "")
	b := newBox(f)
	b.commit(everything)
	f.Fuzz(func(t *testing.T, uri, from, method, at string) {
		e, err := b.TestRoute(t.Context(), TestQuery{URI: uri, From: from, Network: "lan", Method: method, Time: at})
		if err != nil {
			return
		}
		if (len(e.Targets) == 0) == (e.Refusal == "") {
			t.Errorf("TestRoute(%q) = %+v", uri, e)
		}
		for _, line := range append(e.Steps, e.Targets...) {
			if strings.ContainsAny(line, "\r\n") {
				t.Errorf("TestRoute(%q) prints %q", uri, line)
			}
		}
	})
}
