package message

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// torture is the oracle for RFC 4475, by section. The octets are those of the
// RFC's own archive, which sipgo's module carries as test data; how that
// module sorts them into folders does not matter here.
var torture = []struct {
	section string
	file    string
	parse   error // what Parse says: the message is dropped
	status  int   // what Validate answers; 0 = the message is good
}{
	{"3.1.1.1 a short tortuous INVITE", "wsinv", nil, 0},
	{"3.1.1.2 wide range of valid characters", "intmeth", nil, 0},
	{"3.1.1.3 valid use of the % escaping mechanism", "esc01", nil, 0},
	{"3.1.1.4 escaped nulls in URIs", "escnull", nil, 0},
	{"3.1.1.5 use of % when it is not an escape", "esc02", nil, 0},
	{"3.1.1.6 no LWS between display name and <", "lwsdisp", nil, 0},
	{"3.1.1.7 long values in header fields", "longreq", nil, 0},
	{"3.1.1.8 extra trailing octets in a UDP datagram", "dblreq", nil, 0},
	{"3.1.1.9 semicolon-separated parameters in URI user part", "semiuri", nil, 0},
	{"3.1.1.10 varied and unknown transport types", "transports", nil, 0},
	{"3.1.1.11 multipart MIME message", "mpart01", nil, 0},
	{"3.1.1.12 unusual reason phrase", "unreason", nil, 0},
	{"3.1.1.13 empty reason phrase", "noreason", nil, 0},
	{"3.1.2.1 extraneous header field separators", "badinv01", nil, 400},
	{"3.1.2.2 content length larger than message", "clerr", nil, 400},
	{"3.1.2.3 negative content-length", "ncl", nil, 400},
	{"3.1.2.4 request scalar fields with overlarge values", "scalar02", nil, 400},
	{"3.1.2.5 response scalar fields with overlarge values", "scalarlg", ErrMalformed, 0},
	{"3.1.2.6 unterminated quoted string in display name", "quotbal", nil, 400},
	{"3.1.2.7 <> enclosing Request-URI", "ltgtruri", nil, 400},
	{"3.1.2.8 malformed SIP Request-URI (embedded LWS)", "lwsruri", nil, 400},
	{"3.1.2.9 multiple SP separating Request-Line elements", "lwsstart", nil, 400},
	{"3.1.2.10 SP characters at end of Request-Line", "trws", nil, 400},
	{"3.1.2.11 escaped headers in SIP Request-URI", "escruri", nil, 400},
	{"3.1.2.12 invalid time zone in Date header field", "baddate", nil, 400},
	{"3.1.2.13 failure to enclose name-addr URI in <>", "regbadct", nil, 400},
	{"3.1.2.14 spaces within addr-spec", "badaspec", nil, 400},
	{"3.1.2.15 non-token characters in display name", "baddn", nil, 400},
	{"3.1.2.16 unknown protocol version", "badvers", nil, 505},
	{"3.1.2.17 start line and CSeq method mismatch", "mismatch01", nil, 400},
	{"3.1.2.18 unknown method with CSeq method mismatch", "mismatch02", nil, 400}, // or 501, which is no proxy's
	{"3.1.2.19 overlarge response code", "bigcode", ErrNotSIP, 0},
	{"3.2.1 missing transaction identifier", "badbranch", nil, 0}, // RFC 2543 matching: the transaction core's
	{"3.3.1 missing required header fields", "insuf", nil, 400},
	{"3.3.2 Request-URI with unknown scheme", "unkscm", nil, 416},
	{"3.3.3 Request-URI with known but atypical scheme", "novelsc", nil, 416},
	{"3.3.4 unknown URI schemes in header fields", "unksm2", nil, 0},
	{"3.3.5 Proxy-Require and Require", "bext01", nil, 0}, // 420: the core's
	{"3.3.6 unknown Content-Type", "invut", nil, 0},       // the endpoint's
	{"3.3.7 unknown authorization scheme", "regaut01", nil, 0},
	{"3.3.8 multiple values in single value required fields", "multi01", nil, 400},
	{"3.3.9 multiple Content-Length values", "mcl01", nil, 400},
	{"3.3.10 200 OK response with broadcast Via", "bcast", nil, 0}, // discarded by the core: not our Via
	{"3.3.11 Max-Forwards of zero", "zeromf", nil, 0},              // 483: the core's
	{"3.3.12 REGISTER with a Contact parameter", "cparam01", nil, 0},
	{"3.3.13 REGISTER with a URL parameter", "cparam02", nil, 0},
	{"3.3.14 REGISTER with a URL escaped header", "regescrt", nil, 0},
	{"3.3.15 unacceptable Accept offering", "sdp01", nil, 0},
	{"3.4.1 INVITE with RFC 2543 syntax", "inv2543", nil, 0},
	{"no section: Request-Line without version", "test", ErrNotSIP, 0},
}

// sipgoTestdata gives the folder of sipgo's test data in the module cache.
func sipgoTestdata(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/emiago/sipgo").Output()
	if err != nil {
		t.Fatalf("find the sipgo module: %v", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "sip", "testdata")
}

// tortureFiles reads all torture messages, by name without extension.
func tortureFiles(t testing.TB) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(sipgoTestdata(t), "torture", "*", "*.dat"))
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string][]byte, len(paths))
	for _, path := range paths {
		octets, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimSuffix(filepath.Base(path), ".dat")] = octets
	}
	if len(files) < 50 {
		t.Fatalf("found %d torture messages; want 50", len(files))
	}
	return files
}

func TestTorture(t *testing.T) {
	files := tortureFiles(t)
	if len(files) != len(torture) {
		t.Errorf("%d torture messages, %d rows in the oracle", len(files), len(torture))
	}
	var m Message
	for _, row := range torture {
		t.Run(row.section, func(t *testing.T) {
			octets, found := files[row.file]
			if !found {
				t.Fatalf("no message %s.dat", row.file)
			}
			if err := m.Parse(octets); !errors.Is(err, row.parse) {
				t.Fatalf("Parse = %v; want %v", err, row.parse)
			}
			if row.parse != nil {
				return
			}
			status := 0
			fault := m.Validate()
			if fault != nil {
				status = fault.Status
			}
			if status != row.status {
				t.Errorf("Validate = %v; want %d", fault, row.status)
			}
			if !bytes.HasPrefix(octets, m.Raw) {
				t.Error("Raw is not the beginning of the datagram")
			}
		})
	}
}

// TestTortureView checks what is seen in the messages that are hard to see
// through, and that forwarding leaves every octet but our own edits alone.
func TestTortureView(t *testing.T) {
	type view struct {
		method, uri, callID, cseqMethod, fromTag, toTag string
		cseq                                            uint32
		transport, host, branch                         string
		port                                            uint16
		second                                          string // host of the second Via
		maxForwards, contentLength                      int
		routes                                          int
	}
	rows := []struct {
		file string
		want view
	}{
		{"wsinv", view{
			method: "INVITE", uri: "sip:vivekg@chair-dnrc.example.com;unknownparam",
			callID: "wsinv.ndaksdj@192.0.2.1", cseqMethod: "INVITE", cseq: 9,
			fromTag: "98asjd8", toTag: "1918181833n",
			transport: "UDP", host: "192.0.2.2", branch: "390skdjuw", second: "spindle.example.com",
			maxForwards: 68, contentLength: 150, routes: 1,
		}},
		{"intmeth", view{
			method: "!interesting-Method0123456789_*+`.%indeed'~",
			uri: "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)" +
				"@example.com",
			callID:     "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{",
			cseqMethod: "!interesting-Method0123456789_*+`.%indeed'~", cseq: 139122385,
			fromTag:   "_token~1'+`*%!-.",
			transport: "TCP", host: "host1.example.com", branch: "z9hG4bK-.!%66*_+`'~",
			maxForwards: 255, contentLength: 0,
		}},
		{"esc02", view{
			method: "RE%47IST%45R", uri: "sip:registrar.example.com",
			callID: "esc02.asdfnqwo34rq23i34jrjasdcnl23nrlknsdf", cseqMethod: "RE%47IST%45R", cseq: 29344,
			fromTag: "f232jadfj23", transport: "TCP", host: "host.example.com", branch: "z9hG4bK209%fzsnel234",
			maxForwards: 70, contentLength: 0,
		}},
		{"semiuri", view{
			method: "OPTIONS", uri: "sip:user;par=u%40example.net@example.com",
			callID: "semiuri.0ha0isndaksdj", cseqMethod: "OPTIONS", cseq: 8, fromTag: "33242",
			transport: "UDP", host: "192.0.2.1", branch: "z9hG4bKkdjuw",
			maxForwards: 3, contentLength: 0,
		}},
		{"transports", view{
			method: "OPTIONS", uri: "sip:user@example.com",
			callID: "transports.kijh4akdnaqjkwendsasfdj", cseqMethod: "OPTIONS", cseq: 60, fromTag: "323",
			transport: "UDP", host: "t1.example.com", branch: "z9hG4bKkdjuw", second: "t2.example.com",
			maxForwards: 70, contentLength: 0,
		}},
		{"dblreq", view{
			method: "REGISTER", uri: "sip:example.com",
			callID: "dblreq.0ha0isndaksdj99sdfafnl3lk233412", cseqMethod: "REGISTER", cseq: 8, fromTag: "43251j3j324",
			transport: "UDP", host: "192.0.2.125", branch: "z9hG4bKkdjuw23492",
			maxForwards: 8, contentLength: 0,
		}},
	}
	files := tortureFiles(t)
	for _, row := range rows {
		t.Run(row.file, func(t *testing.T) {
			var m Message
			if err := m.Parse(files[row.file]); err != nil {
				t.Fatal(err)
			}
			text := func(s Span) string { return string(m.Get(s)) }
			second, _ := m.SecondVia()
			got := view{
				method: text(m.MethodName), uri: text(m.URI), callID: text(m.CallID), cseqMethod: text(m.CSeqMethodName),
				fromTag: text(m.FromTag), toTag: text(m.ToTag), cseq: m.CSeq,
				transport: text(m.Via.Transport), host: text(m.Via.Host), branch: text(m.Via.Branch), port: m.Via.Port,
				second: text(second.Host), maxForwards: m.MaxForwards, contentLength: m.ContentLength,
			}
			for range m.Routes() {
				got.routes++
			}
			if got != row.want {
				t.Errorf("view\n got %+v\nwant %+v", got, row.want)
			}
			ours := []byte("Via: SIP/2.0/UDP 192.0.2.99;branch=z9hG4bKours\r\n")
			forwarded := Splice(nil, m.Raw, []Edit{
				{At: Span{m.FirstHeader, m.FirstHeader}, With: ours},
				{At: m.MaxForwardsValue, With: []byte("7")},
			})
			restored := bytes.Replace(forwarded, ours, nil, 1)
			restored = Splice(nil, restored, []Edit{{
				At: Span{m.MaxForwardsValue.Start, m.MaxForwardsValue.Start + 1}, With: m.Get(m.MaxForwardsValue),
			}})
			if !bytes.Equal(restored, m.Raw) {
				t.Errorf("forwarding changed more than it was told to:\n%q\n%q", restored, m.Raw)
			}
		})
	}
}

// TestTortureLength: the message of §3.1.1.8 ends with its header; what
// follows in the datagram is not forwarded.
func TestTortureLength(t *testing.T) {
	octets := tortureFiles(t)["dblreq"]
	var m Message
	if err := m.Parse(octets); err != nil {
		t.Fatal(err)
	}
	if !m.Body.Empty() || len(m.Raw) >= len(octets) || !bytes.HasSuffix(m.Raw, []byte("\r\n\r\n")) {
		t.Errorf("Raw ends %q, Body %v; want it to end with the header", m.Raw[max(0, len(m.Raw)-20):], m.Body)
	}
}
