package lab

import (
	"encoding/xml"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
)

// TestLadderScenario wants those texts in what SIPp is given, and not those.
func TestLadderScenario(t *testing.T) {
	for _, test := range []struct {
		name   string
		ladder Ladder
		has    []string
		lacks  []string
	}{
		{"caller", Caller,
			[]string{"INVITE sip:[service]@[remote_ip]:[remote_port] SIP/2.0", "CSeq: 1 INVITE", `<recv response="200" rrs="true">`, `regexp=";lr"`,
				"ACK [$target] SIP/2.0", "[routes]", "To:[$remote]", "<pause/>", "CSeq: 2 BYE", `regexp="2 BYE"`}, nil},
		{"callee asks nothing", Callee,
			[]string{`<recv request="INVITE">`, "[last_Record-Route:]", "[last_To:];tag=[pid]-[call_number]"}, []string{"rrs", "remote", "target"}},
		{"CANCEL and the ACK of 487 have INVITE's branch", CallerCancels,
			[]string{"CANCEL sip:[service]@", "branch=[branch-3]", "branch=[branch-6]", `regexp="1 CANCEL"`}, []string{"[routes]"}},
		{"INVITE is answered after another request", CalleeCancelled,
			[]string{`occurrence="2" assign_to="via2"`, "Via:[$via1]\nVia:[$via2]\nFrom:[$from]\nTo:[$to];tag=", "CSeq:[$cseq]"}, []string{"Record-Route:[$"}},
		{"its 200 is record-routed", "recv INVITE, send 180, recv CANCEL, send 200, send 200, recv ACK",
			[]string{"Record-Route:[$route1]\nRecord-Route:[$route2]"}, nil},
		{"header fields", `send INVITE with "Max-Forwards: 0" with "Supported: a, b", recv 483, send ACK`,
			[]string{"Max-Forwards: 0\n", "Supported: a, b\n"}, []string{"CSeq: 1 INVITE\nContact: <sip:lab@[contact]>\nMax-Forwards: 70"}},
		{"a call that may be refused", "send INVITE, recv 503 ends, recv 200, send ACK",
			[]string{`<recv response="503" optional="true" next="1">`, `<label id="1"/>`, "branch=[branch-4]", `<send next="2">`, `<label id="2"/>`}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.ladder.Scenario()
			if err != nil {
				t.Fatal(err)
			}
			if err := wellFormed(got); err != nil {
				t.Errorf("the scenario is no XML: %v", err)
			}
			for _, text := range test.has {
				if !strings.Contains(got, text) {
					t.Errorf("the scenario lacks %q:\n%s", text, got)
				}
			}
			for _, text := range test.lacks {
				if strings.Contains(got, text) {
					t.Errorf("the scenario has %q:\n%s", text, got)
				}
			}
		})
	}
}

func TestLadderFaults(t *testing.T) {
	for _, ladder := range []Ladder{
		"", "send", "send INVITE,", "shout INVITE", "wait", "wait long", "send INVITE loudly", "send INVITE body many",
		"recv 200", "send ACK", "send CANCEL", "send INVITE, send 200", "recv BYE, recv INFO, send 200, send 200",
	} {
		if got, err := ladder.Scenario(); err == nil {
			t.Errorf("scenario of %q = %s; want an error", ladder, got)
		}
	}
}

func FuzzLadder(f *testing.F) {
	for _, ladder := range []Ladder{Caller, CalleeCancelled, `send MESSAGE body 30 with "X: y"`, "send INVITE, recv 503 ends, wait 1s"} {
		f.Add(string(ladder))
	}
	f.Fuzz(func(t *testing.T, text string) {
		Ladder(text).Scenario() // of what is ours; it need not be good, only end
	})
}

func wellFormed(text string) error {
	for decoder := xml.NewDecoder(strings.NewReader(text)); ; {
		if _, err := decoder.Token(); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

func TestBodyOf(t *testing.T) {
	for _, octets := range []int{3, 50, 52, 53, 300, 30000} {
		if got := len(strings.ReplaceAll(bodyOf(octets), "\n", "\r\n")); got != octets {
			t.Errorf("bodyOf(%d) has %d octets on the wire", octets, got)
		}
	}
}

func TestBoundSocket(t *testing.T) {
	for _, test := range []struct {
		local       string
		tcp         bool
		table, text string
	}{
		{"192.168.43.2:5060", false, "udp", " 022BA8C0:13C4 "},
		{"127.0.0.1:80", true, "tcp", " 0100007F:0050 "},
		{"[2001:db8::1]:5060", false, "udp6", " B80D0120000000000000000001000000:13C4 "},
	} {
		table, text := boundSocket(netip.MustParseAddrPort(test.local), test.tcp)
		if table != test.table || text != test.text {
			t.Errorf("boundSocket(%s, %v) = %s, %q; want %s, %q", test.local, test.tcp, table, text, test.table, test.text)
		}
	}
}
