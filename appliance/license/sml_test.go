package license

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/appliance/license/ela"
)

// prefix is how every line of the log begins (L-43).
var prefix = regexp.MustCompile(`(?m)^([0-9]{2}:[0-9]{2}:[0-9]{2},[0-9]{3} [0-9]+ \[agent:license/sml_test\.go:)[0-9]+(\] (?:DEBUG|INFO|WARN) root - )`)

// logged is a licence log at the hour of the source document's, and what is
// written about it.
func logged(t *testing.T, dir string) (l *Log, about *strings.Builder, day func(int)) {
	t.Helper()
	now := time.Date(2017, 5, 9, 13, 48, 25, 614e6, time.UTC)
	about = &strings.Builder{}
	l = NewLog(dir, func() time.Time { return now }, func() time.Duration { return 277_058 * time.Millisecond }, slog.New(slog.NewTextHandler(about, nil)))
	return l, about, func(days int) { now = now.AddDate(0, 0, days) }
}

// seedEntitlement is what the box of the source document asks for. It was
// printed with a date in the year 49322: milliseconds, read as seconds (L-64).
func seedEntitlement() ela.Entitlement {
	return ela.Entitlement{
		Tag:     "regid.2014-08.com.cisco.CUSP-5,1.0_8f106f12-4d11-44b7-8f36-f7aeaae3dfaa",
		Version: "9.0", Count: 2, Requested: time.UnixMilli(1494294169659),
	}
}

// TestLog writes each kind of line, with the values of the source document
// where it has any.
func TestLog(t *testing.T) {
	dir := t.TempDir()
	l, about, later := logged(t, dir)
	const token = "SECRET-TOKEN"
	udi := ela.UDI{PID: "UC_CUSP", SN: "qzHWUdZfXhQ"}
	common := ela.Common{Seq: 7, CNonce: "00112233"}
	const instance = "c2d100c0-c268-49ad-ad8c-9519d2b823c2"
	l.State(Unconfigured, Unidentified, "licensing was enabled")
	l.Sent(ela.Register{Common: common, Token: token, SoftwareTag: softwareTag, UDI: udi, CSR: []byte(token), Agent: "1.0", HostName: "se-10-66-75-64"}, "", Unidentified, 0)
	l.Failed(KindRegister, errors.New("register with https://licences.example.com: bad-token: \x1b[2J\nno such token"))
	l.Received(ela.Registered{
		Answered: ela.Answered{Type: ela.TypeRegistered}, Instance: instance, IDSerial: "970857", SigningSerial: "2", SignatureType: "SHA256", RenewInterval: 15_552_000,
		NotAfter: time.Date(2018, 5, 9, 1, 42, 49, 0, time.UTC), SmartAccount: "Example", VirtualAccount: "CUSP TEST",
	}, "2")
	l.State(Unidentified, Registered, "the server has registered the box")
	later(1)
	l.Sent(ela.Authorize{
		Common: common, Instance: instance, SigningSerial: "3", UDI: udi, HostName: "se-10-66-75-64", Entitlements: []ela.Entitlement{seedEntitlement()},
	}, "969365", OutOfCompliance, 90)
	l.Received(ela.Authorized{
		Start: time.UnixMilli(1494337382539), Compliance: ela.OutOfCompliance, Expiry: 7_775_673, RenewInterval: 2_592_000, RetryInterval: 43_200,
	}, "3")
	l.Sent(ela.RenewID{Common: common, Instance: instance, UDI: udi}, "969365", Authorized, 12)
	l.Received(ela.Registered{Answered: ela.Answered{Type: ela.TypeRenewedID}, IDSerial: "970999", RenewInterval: 15_552_000, SignatureType: "SHA256"}, "3")
	l.Sent(ela.Deregister{Common: common, Instance: instance, UDI: udi}, "970999", Authorized, 12)
	l.Received(ela.Gone{}, "3")

	text := readLog(t, dir)
	if strings.Contains(text+about.String(), token) || about.Len() > 0 {
		t.Errorf("about the log: %q; want nothing, and the token nowhere", about)
	}
	for line := range strings.Lines(text) {
		if !prefix.MatchString(line) {
			t.Errorf("%q does not begin as L-43 says", line)
		}
	}
	if diff := cmp.Diff(wantLog, prefix.ReplaceAllString(text, "$1$2")); diff != "" {
		t.Errorf("sml.log (-want +written):\n%s", diff)
	}
}

// TestLogWithoutDisk: nothing is written, that is told once, and it goes on
// when the disk is back.
func TestLogWithoutDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	l, about, _ := logged(t, dir)
	for range 3 {
		l.State(Unconfigured, Unidentified, "one")
	}
	if got := strings.Count(about.String(), "\n"); got != 1 {
		t.Errorf("it is told %d times that there is no disk; want once:\n%s", got, about)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	l.State(Unidentified, EvalExpired, "two")
	if text := readLog(t, dir); strings.Count(text, "\n") != 2 || !strings.Contains(text, "date 2017-05-09 UTC\n") || !strings.Contains(text, ": two\n") {
		t.Errorf("the log is %q; want the date and the last change of state", text)
	}
}

// TestLogLineIsBounded: what others send does not fill the disk.
func TestLogLineIsBounded(t *testing.T) {
	if got := clean(strings.Repeat("é", 2*lineMost)); len(got) > lineMost+len("…") || !strings.HasSuffix(got, "é…") {
		t.Errorf("a text of %d octets becomes one of %d; want %d at the most, and whole characters", 4*lineMost, len(got), lineMost)
	}
}

func readLog(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "sml.log"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// wantLog is what TestLog writes, without the numbers of the lines of its code.
const wantLog = `13:48:25,614 277058 [agent:license/sml_test.go:] INFO root - date 2017-05-09 UTC
13:48:25,614 277058 [agent:license/sml_test.go:] INFO root - state UNCONFIGURED (:unconfigured) to UNIDENTIFIED (:eval): licensing was enabled
13:48:25,614 277058 [agent:license/sml_test.go:] DEBUG root - register sent: sudi:UC_CUSP:qzHWUdZfXhQ, hostname:se-10-66-75-64, software_tag:regid.2026-11.com.example.CUSP,1.0_3a1f6c1e-8d0b-4d5c-9b57-6f2f0e9c41d8, agent:1.0, seq:7
13:48:25,614 277058 [agent:license/sml_test.go:] WARN root - register failed: register with https://licences.example.com: bad-token: ?[2J?no such token
13:48:25,614 277058 [agent:license/sml_test.go:] DEBUG root - register received:id_cert_sn:970857, signing_cer:sub_ca_cert:2, renew_interval:15552000
13:48:25,614 277058 [agent:license/sml_test.go:] DEBUG root - registration successful and responded {"signature"=>{"type"=>"SHA256"}, "product_instance_id"=>"c2d100c0-c268-49ad-ad8c-9519d2b823c2", "smart_account"=>"Example", "virtual_account"=>"CUSP TEST", "not_after"=>"2018-05-09T01:42:49Z"}
13:48:25,614 277058 [agent:license/sml_test.go:] INFO root - state UNIDENTIFIED (:eval) to REGISTERED (:eval): the server has registered the box
13:48:25,614 277058 [agent:license/sml_test.go:] INFO root - date 2017-05-10 UTC
13:48:25,614 277058 [agent:license/sml_test.go:] DEBUG root - auth request sent: sudi:UC_CUSP:qzHWUdZfXhQ, hostname:se-10-66-75-64, signing_cert_sn:3, id_cert_sn:969365, product_instance_id:c2d100c0-c268-49ad-ad8c-9519d2b823c2, seq:7, entitlements: [#<LicenseEntitlement @entitlement_tag="regid.2014-08.com.cisco.CUSP-5,1.0_8f106f12-4d11-44b7-8f36-f7aeaae3dfaa", @requested_count=2, @vendor="8f106f12-4d11-44b7-8f36-f7aeaae3dfaa", @requested_date=2017-05-09T01:42:49Z, @entitlement_version="9.0", @display_name="CUSP-5 calls per second", @enforce_mode=:out_of_compliance, @days_left=90>]
13:48:25,614 277058 [agent:license/sml_test.go:] DEBUG root - auth request received: start_date:1494337382539, compliance_status:OOC, expiry:7775673, retry_interval:43200, renew_interval:2592000, signing_cert_sn:3
13:48:25,614 277058 [agent:license/sml_test.go:] DEBUG root - id renewal sent: sudi:UC_CUSP:qzHWUdZfXhQ, id_cert_sn:969365, product_instance_id:c2d100c0-c268-49ad-ad8c-9519d2b823c2, seq:7
13:48:25,614 277058 [agent:license/sml_test.go:] DEBUG root - id renewal received:id_cert_sn:970999, signing_cer:sub_ca_cert:3, renew_interval:15552000
13:48:25,614 277058 [agent:license/sml_test.go:] DEBUG root - registration successful and responded {"signature"=>{"type"=>"SHA256"}, "product_instance_id"=>"", "smart_account"=>"", "virtual_account"=>"", "not_after"=>"0001-01-01T00:00:00Z"}
13:48:25,614 277058 [agent:license/sml_test.go:] DEBUG root - deregister sent: sudi:UC_CUSP:qzHWUdZfXhQ, id_cert_sn:970999, product_instance_id:c2d100c0-c268-49ad-ad8c-9519d2b823c2, seq:7
13:48:25,614 277058 [agent:license/sml_test.go:] DEBUG root - deregister received: signing_cert_sn:3
`
