package routing

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// base is a configuration that the refused lines are added to.
const base = `sip network in
sip network out
sip listen in udp 192.0.2.1 5060
sip listen out udp 198.51.100.1 5060
sip listen out tls 198.51.100.1 5061
server-group sip group gateways out
 element ip-address 198.51.100.11 5060 udp
 end server-group
route table numbers
 key 49 target-destination gateways out
 key ( response 404
 end route table
policy lookup numbers
 sequence 1 numbers request-uri uri-component user
 end sequence
 end policy
policy normalization plus
 uri-component update request-uri user ^\+ ""
 end policy
sbc b
 sbe
`

func TestChecks(t *testing.T) {
	for _, test := range []struct{ lines, want string }{
		// Networks.
		{"sip listen in tls 192.0.2.1 5061\nsip listen out ws 192.0.2.1 5061", "network out listens on 192.0.2.1:5061 (ws) already"},
		{"sip listen in udp 192.0.2.1 5061\nsip listen out tcp 192.0.2.1 5061", ""},
		{"sip listen in tcp 192.0.2.1 22", "port 22: SSH has it already"},
		{"sip listen in udp 192.0.2.1 22", ""},
		{"sip network in\nretransmit-timer T1 900\nretransmit-timer T2 800", "T2 (800 ms) is shorter than T1 (900 ms)"},
		{"no sip network out", "there is no SIP network out"},
		{"sip privacy trusted-destination lab", "there is no SIP network lab"},
		{"sip next-hop in udp 198.51.100.1 5061 out", ""},
		// Server groups.
		{"server-group sip group g lab", "there is no SIP network lab"},
		{"server-group sip group g out\nelement ip-address 192.0.2.1 5060 udp", "192.0.2.1:5060 is our own listen address in network in: requests would loop"},
		{"server-group sip group g out\nelement ip-address 198.51.100.1 0 tls", "198.51.100.1:5061 is our own listen address in network out: requests would loop"},
		{"server-group sip group g out\nelement ip-address 198.51.100.1 5060 tcp", ""},
		{"server-group sip group g out\nelement ip-address 2001:db8::1 5060 udp", "network out listens on no address from which 2001:db8::1 can be reached over udp"},
		{"server-group sip group g out\nelement ip-address 224.0.0.1 5060 udp", "224.0.0.1 is not the address of a host"},
		{"server-group sip group g out\nelement ip-address gw 5060 udp weight 0\nlbtype weight", "all servers of g have weight 0"},
		{"server-group sip group g out\nfailover-resp-codes 503 - 500", "the range 503-500 ends before it begins"},
		{"server-group sip group g out\nfailover-resp-codes 500 503", "500 503 is not a list such as 500-503,504"},
		{"server-group sip group g out\nno element ip-address gw 5060 udp", "server group g has no such element"},
		{"server-group sip group g out\nelement ip-address gw 5060 udp shutdown", "server group g has no such element"},
		{"server-group sip group g out\nno element ip-address gw 5060 udp shutdown", "server group g has no such element"},
		{"server-group sip ping-options out 198.51.100.1 5060", "network out listens on 198.51.100.1:5060; pings come from a port of their own"},
		{"server-group sip ping-options out 198.51.100.1 5038\nserver-group sip ping-options in 198.51.100.1 5038", "the pings of network in come from 198.51.100.1:5038 already"},
		// Routes.
		{"route table t\nkey 1 target-destination gateways in", "server group gateways is in network out"},
		{"route table t\nkey 1 target-destination no_host out", "there is no server group no_host, and a host cannot have that name"},
		{"route table t\nkey 1 target-destination gateways:5060 in", ""}, // a host of that name: groups have no port
		{"route table t\nkey 1 target-destination 198.51.100.1:5061 out tls", "198.51.100.1:5061 is our own listen address in network out: requests would loop"},
		{"route table t\nkey 1 target-destination 198.51.100.9 lab", "there is no SIP network lab"},
		{"route table t\nkey 1 group nothing", "there is no route group nothing"},
		{"route table t\nkey 1 policy nothing", "there is no lookup policy nothing"},
		{"route table t\nkey 1 default-sip lab", "there is no SIP network lab"},
		{"route table t\nkey 1 response 200", "200 is not between 300 and 699"},
		{"route table t\nno key 1", "route table t has no key 1"},
		{"no server-group sip group gateways", ""}, // gateways is a host then
		{"route group g\nelement target-destination gateways out time-policy nights", "there is no time policy nights"},
		{"route group g\nelement group g", "g leads back to itself: g names it"},
		{"route group g\nelement group h\nroute group h\nelement policy numbers\nroute table numbers\nkey 5 group g", "g leads back to itself: numbers names it"},
		{"route table numbers\nkey 5 policy numbers", "numbers leads back to itself: numbers names it"},
		// Policies.
		{"policy lookup p\nsequence 1 nothing request-uri uri-component user", "there is no route table nothing"},
		{"policy lookup numbers\nsequence 1 numbers request-uri uri-component user\nrule regex", "key ( of route table numbers: error parsing regexp: missing closing ): `(`"},
		{"policy lookup numbers\nsequence 1 numbers field remote-ip\nrule subnet", "key 49 of route table numbers: 49 is neither an IP address nor a network"},
		{"policy lookup numbers\nsequence 1 numbers request-uri uri-component user\nrule fixed", "rule fixed has a length, and the others have none"},
		{"policy lookup numbers\nsequence 1 numbers request-uri uri-component user\nrule prefix 4", "rule fixed has a length, and the others have none"},
		{"policy lookup numbers\nsequence 1 numbers request-uri uri-component user\nmodify-key regex-match a** regex-replace b", "a** is not a regular expression: error parsing regexp: invalid nested repetition operator: `**`"},
		{"policy normalization n\nuri-component update request-uri host all a b", "a b cannot be a part of a URI"},
		{"policy time p\nsequence 1\ntime 08:00 08:00", "no time lies between 08:00 and 08:00"},
		{"policy time p\nsequence 1\nstart-time 20260201T000000\nend-time 20260101T000000", "the end 20260101T000000 is not after the start 20260201T000000"},
		// Triggers.
		{"trigger routing sequence 1 by-pass policy numbers", "say either by-pass or a policy"},
		{"trigger routing sequence 1 condition c", "say either by-pass or a policy"},
		{"trigger routing sequence 1 by-pass condition c", "there is no trigger condition c"},
		{"trigger routing sequence 1 policy plus", "there is no lookup policy plus"},
		{"trigger post-normalization sequence 1 policy numbers", "there is no normalization policy numbers"},
		{"no trigger routing sequence 7", "there is no sequence 7"},
		{"trigger condition c\nsequence 1\nin-network lab", "there is no SIP network lab"},
		{"trigger condition c\nsequence 1\nin-network IN", ""},
		{"trigger condition c\nsequence 1\nin-network l.*", ""},
		{"trigger condition c\nsequence 1\ntime nights", "there is no time policy nights"},
		{"trigger condition c\nsequence 1\nno method INVITE", "the sequence has no such test"},
		// Adjacencies.
		{"adjacency sip a", "adjacency a has no network"},
		{"adjacency sip a\nnetwork lab", "there is no SIP network lab"},
		{"adjacency sip a\nnetwork in\nadjacency sip b\nnetwork in", "adjacency b is all of network in already"},
		{"adjacency sip a\nnetwork in\nadjacency sip b\nnetwork in\ntransport tcp", ""},
		{"adjacency sip a\nnetwork in\nremote-address ipv4 192.0.2.0 255.255.255.0\nadjacency sip b\nnetwork in\nremote-address ipv4 192.0.2.0 255.255.255.0",
			"adjacency b has the address 192.0.2.0/24 already"},
		{"adjacency sip a\nnetwork in\nremote-address ipv4 192.0.2.1 255.255.255.0", "192.0.2.1 has bits of a host; the network is 192.0.2.0/24"},
		{"accounting\nenable", "calls are billed as sbc, sbe, billing says; there is no other accounting"},
	} {
		_, err := grammar(t).Parse(base + test.lines)
		got := ""
		if fault := (*config.Error)(nil); errors.As(err, &fault) {
			got = fault.Rule
		}
		if got != test.want {
			t.Errorf("Parse(base + %q) = %v; want %s", test.lines, err, test.want)
		}
	}
}

// TestUnderstood: lines that are printed in other words.
func TestUnderstood(t *testing.T) {
	for _, test := range []struct{ typed, want string }{
		{"sip network a icmp", "sip network a\n exit\n"},
		{"sip network a nat\nexit\nsip network a\nallow-connections", "sip network a nat\n exit\n"},
		{"sip network a nat\nexit\nsip network a standard\nno allow-connections", "sip network a\n no allow-connections\n exit\n"},
		{"sip dns-srv\nno use-naptr\nend dns", "sip dns-srv\n no naptr\n exit\n"},
		{"sip dns-srv\nno enable\nenable\nend dns", ""},
		{"sip overload redirect b.example.com\nsip overload reject", ""},
		{"no sip tls\nsip logging\nsip peg-counting 60", ""},
		{"sip network a\nserver-group sip group g a\nno ping\nping\nlbtype global", "sip network a\n exit\n!\nserver-group sip group g a\n exit\n"},
		{"sip network a\nserver-group sip group g a\nfailover-resp-codes 500 - 502 , 504,600",
			"sip network a\n exit\n!\nserver-group sip group g a\n failover-resp-codes 500-502,504,600\n exit\n"},
		{"policy lookup p\nsequence 20 t header f\nend sequence\nsequence 10 t request-uri\nmodify-key ignore-tel-seperators\nroute table t",
			"route table t\n exit\n!\npolicy lookup p\n sequence 10 t request-uri\n  modify-key ignore-tel-separators\n  exit\n sequence 20 t header From\n  exit\n exit\n"},
		{"policy normalization p\nsequence 15 header remove x-b all all\nheader add X-A some text\nheader add X-A some text\nsequence 5 sip-to-tel TO all",
			"policy normalization p\n sequence 5 sip-to-tel To all\n sequence 15 header remove x-b all all\n sequence 20 header add X-A some text\n exit\n"},
		{"trigger condition c\nsequence 2\nuser-agent-hdr cube.*\nnot proxy-route uri-param lr true\nmid-dialog\nmid-dialog",
			"trigger condition c\n sequence 2\n  header User-Agent value cube.*\n  not header Route uri-param lr true\n  mid-dialog\n  exit\n exit\n"},
		{"policy time t\nsequence 1\nmonth 11-2\nday-of-week fri-mon\ntime 22:00 06:00",
			"policy time t\n sequence 1\n  month 1,2,11,12\n  day-of-week sun,mon,fri,sat\n  time 22:00 06:00\n  exit\n exit\n"},
		{"route table t\nkey 2 response 404\nkey 10 response 480\nkey 2 response 486", "route table t\n key 2 response 486\n key 10 response 480\n exit\n"},
		{"route table t\nkey 2 response 404\nkey 1 response 480\nno key 2\nkey 2 response 486", "route table t\n key 1 response 480\n key 2 response 486\n exit\n"},
	} {
		g := grammar(t)
		c, err := g.Parse(test.typed)
		if err != nil {
			t.Errorf("Parse(%q) = %v; want no error", test.typed, err)
			continue
		}
		if diff := cmp.Diff(test.want, g.Render(c)); diff != "" {
			t.Errorf("Render(Parse(%q)) differs (-want +got):\n%s", test.typed, diff)
		}
	}
}

// TestCommandBounds fills each list up to its bound, and one over it.
func TestCommandBounds(t *testing.T) {
	for _, test := range []struct {
		before, line string // %[1]d counts from 1
		most         int
		want         string
	}{
		{"", "sip alias h%[1]d", aliasesMax, "there can be no more than 64 aliases"},
		{"sip network a\n", "server-group sip group g%[1]d a", groupsMax, "there can be no more than 256 server groups"},
		{"sip network a\nserver-group sip group g a\n", "element ip-address h%[1]d 0 udp", elementsMax, "there can be no more than 1024 elements in all server groups"},
		{"", "route table t%[1]d", tablesMax, "there can be no more than 256 route tables"},
		{"route table t\n", "key %[1]d response 404", routesMax, "there can be no more than 10000 routes in the configuration; put more into a file"},
		{"", "route group g%[1]d", groupsMax, "there can be no more than 256 route groups"},
		{"sip network a\nroute group g\n", "element target-destination h%[1]d a", waysMax, "route group g can have no more than 64 elements"},
		{"", "policy lookup p%[1]d", policiesMax, "there can be no more than 256 lookup policies"},
		{"", "policy normalization p%[1]d", policiesMax, "there can be no more than 256 normalization policies"},
		{"", "policy time p%[1]d", policiesMax, "there can be no more than 256 time policies"},
		{"policy time p\n", "sequence %[1]d", sequencesMax, "there can be no more than 256 sequences"},
		{"policy normalization p\n", "header add X-%[1]d v", sequencesMax, "there is no place behind sequence 2560"},
		{"", "trigger condition c%[1]d", conditionsMax, "there can be no more than 256 trigger conditions"},
		{"trigger condition c\nsequence 1\n", "method M%[1]d", testsMax, "a sequence can have no more than 32 tests"},
		{"", "trigger routing sequence %[1]d by-pass", sequencesMax, "there can be no more than 256 sequences"},
		{"sip network n\nsbc b\nsbe\n", "adjacency sip a%[1]d\nnetwork n\naccount x\nremote-address ipv6 2001:db8:%[1]x::/48", adjacenciesMax, "there can be no more than 1024 adjacencies"},
		{"sip network n\nsbc b\nsbe\nadjacency sip a\nnetwork n\n", "remote-address ipv6 2001:db8:%[1]x::/48", remotesMax, "an adjacency can have no more than 64 addresses"},
	} {
		var text strings.Builder
		text.WriteString(test.before)
		for i := range test.most {
			fmt.Fprintf(&text, test.line+"\n", i+1)
		}
		g := grammar(t)
		if _, err := g.Parse(text.String()); err != nil {
			t.Errorf("Parse of %d × %q = %v; want no error", test.most, test.line, err)
			continue
		}
		fmt.Fprintf(&text, test.line+"\n", test.most+1)
		if _, err := g.Parse(text.String()); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("Parse of %d × %q = %v; want %s", test.most+1, test.line, err, test.want)
		}
	}
}

// BenchmarkLoad10000Routes: keys in an order that is not theirs.
func BenchmarkLoad10000Routes(b *testing.B) {
	var text strings.Builder
	text.WriteString("sip network a\nsip listen a udp 192.0.2.1 5060\nserver-group sip group gateways a\nexit\nroute table t\n")
	for i := range routesMax {
		fmt.Fprintf(&text, " key 49%d target-destination gateways a\n", i*7919%routesMax)
	}
	text.WriteString(" exit\n")
	g := grammar(b)
	for b.Loop() {
		if _, aside, faults := g.Load(text.String()); len(aside)+len(faults) > 0 {
			b.Fatal(faults)
		}
	}
}

// BenchmarkPut is one route more for a table, its key anywhere among the others.
func BenchmarkPut(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		var table model.RouteTable
		for i := range routesMax {
			table.Put(model.Route{Key: fmt.Sprint(i * 7919 % routesMax)})
		}
	}
}
