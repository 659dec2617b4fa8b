package resolver

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"causeway/appliance/exec/exectest"
	"causeway/appliance/model"
)

// TestShow prints what control says of a box that has seen everything.
func TestShow(t *testing.T) {
	state := State{
		Status: "192.0.2.1 answers",
		Served: []Served{{"127.0.0.1:53 tcp", ""}, {"127.0.0.1:53 udp", "bind: address already in use"}},
		Servers: []Server{
			{Address: netip.MustParseAddr("192.0.2.1"), Origin: "DHCP LAN1.100", Asked: 120, Failed: 3, RoundTrip: 12345 * time.Microsecond, Answered: 4 * time.Second},
			{Address: netip.MustParseAddr("2001:db8::53"), Origin: "DHCP LAN2", Silent: true, Asked: 7, Failed: 7, Problem: "name server 2001:db8::53: no answer in time"},
			{Address: netip.MustParseAddr("192.0.2.2"), Origin: "DHCP LAN2", Problem: "name server 192.0.2.2: it answers REFUSED", Asked: 1, Failed: 1, RoundTrip: time.Millisecond, Answered: time.Hour},
			{Address: netip.MustParseAddr("192.0.2.3"), Origin: "DHCP LAN2"},
		},
		Checks: []Checked{
			{Name: "avaya-sub.com", Use: "COM domain", Done: true, Ago: 90 * time.Second},
			{Name: "storage.googleapis.com", Use: "file store", Done: true, Ago: time.Second, Problem: "name server 192.0.2.1 says that it does not exist"},
			{Name: "new.example.com", Use: "COM domain"},
		},
		Counters: map[string]int64{"questions": 4711, "from-cache": 4000},
		Cached:   33, Octets: 9000,
	}
	hosts := Hosts{
		Static: []model.Host{{Name: "pbx.example.com", Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.9"), netip.MustParseAddr("2001:db8::9")}}},
		Cached: []Cached{
			{Name: "_sip._udp.example.com", Type: "SRV", Left: 4 * time.Minute, Records: []Record{{"_sip._udp.example.com.", 240, "SRV", "10 60 5060 a.example.com."}}},
			{Name: "absent.example.com", Type: "A", Outcome: "no such name", Left: 30 * time.Second},
			{Name: "www.example.com", Type: "A", Left: -2 * time.Hour, Records: []Record{{"www.example.com.", 0, "CNAME", "w.example.com."}, {"w.example.com.", 0, "A", "192.0.2.80"}}},
		},
	}
	s := exectest.Session{Answers: map[string]any{"control.dns": state, "control.dns-hosts": hosts}}
	var transcript strings.Builder
	for _, line := range []string{"show dns", "show hosts"} {
		fmt.Fprintf(&transcript, "# %s\n%s", line, s.Type(t.Context(), t, ExecCommands(), line))
	}
	s.Answers["control.dns-hosts"] = Hosts{}
	fmt.Fprintf(&transcript, "# show hosts\n%s", s.Type(t.Context(), t, ExecCommands(), "show hosts"))
	exectest.Golden(t, "show", transcript.String())
}

// TestRecordText: also a record of a type that nobody knows is told once.
func TestRecordText(t *testing.T) {
	for text, want := range map[string]string{
		`a.example.com. 300 IN TXT "tab\009bed"`:             `[{a.example.com. 300 TXT "tab\009bed"}]`,
		`a.example.com. 300 IN TYPE65280 \# 2 1b5b`:          `[{a.example.com. 300 TYPE65280 \# 2 1b5b}]`,
		`a\009b.example.com. 300 IN CNAME \027.example.com.`: `[{a\009b.example.com. 300 CNAME \027.example.com.}]`,
	} {
		k := known{answer: answer{records: records(t, text)}, source: fromServer}
		if got := fmt.Sprint(k.text()); got != want {
			t.Errorf("text of %s = %s; want %s", text, got, want)
		}
	}
}

var milliseconds = regexp.MustCompile(`\d+\.\d ms`)

// TestLookUp types the commands, over link, on a resolver that asks a server
// which has all kinds of records, some of them hostile.
func TestLookUp(t *testing.T) {
	servers := newServers(t)
	// The escapes would clear a screen and draw a prompt.
	servers.set(first, zone(t, "www.example.com. 300 IN CNAME web.example.com.", "web.example.com. 60 IN A 192.0.2.80",
		"web.example.com. 300 IN AAAA 2001:db8::80", "80.2.0.192.in-addr.arpa. 300 IN PTR web.example.com.",
		"_sip._udp.example.com. 300 IN SRV 10 60 5060 a.example.com.", "_sip._udp.example.com. 300 IN SRV 20 0 5060 b.example.com.",
		`example.com. 300 IN NAPTR 50 10 "s" "SIP+D2U" "" _sip._udp.example.com.`,
		`evil.example.com. 300 IN TXT "\027[2J\013# \155" "plain \"quoted\""`,
		`evil.example.com. 300 IN MX 10 \027[2J\010.example.com.`,
		`evil.example.com. 300 IN CAA 0 issue "\027]0;x\007"`))
	r := servers.newResolver(first)
	servers.set(second, refusing(dns.RcodeRefused))
	r.Apply(&model.Config{NameServers: r.Upstreams(), Hosts: []model.Host{{Name: "pbx.example.com", Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.9")}}}})
	var s exectest.Session
	s.Serve(t, "control", r.Methods())
	var transcript strings.Builder
	for _, line := range []string{
		"nslookup WWW.example.com", "nslookup 192.0.2.80", "nslookup _sip._udp.example.com type srv", "nslookup example.com type naptr server 192.0.2.1",
		"nslookup evil.example.com type txt", "nslookup evil.example.com type mx", "nslookup evil.example.com type caa",
		"nslookup absent.example.com", "nslookup web.example.com type mx", "nslookup pbx.example.com", "nslookup 192.0.2.9",
		"nslookup www.example.com type a server 192.0.2.2", "clear dns cache", "clear dns cache",
	} {
		fmt.Fprintf(&transcript, "# %s\n%s", line, s.Type(t.Context(), t, ExecCommands(), line))
	}
	printed := milliseconds.ReplaceAllString(transcript.String(), "N ms")
	for _, octet := range []byte(printed) {
		if octet != '\n' && (octet < ' ' || octet > '~') {
			t.Errorf("octet %#x of a record reaches the terminal", octet)
		}
	}
	exectest.Golden(t, "nslookup", printed)
}
