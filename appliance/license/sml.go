package license

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
	"unicode"

	"causeway/appliance/license/ela"
	"causeway/appliance/storage"
)

// The files: sml.log is written to (L-49, L-50), sml.1.log was before it, …
const (
	logName  = "sml.log"
	logFiles = 4
	logSize  = 1 << 20 // octets of one, a line more at the most
	lineMost = 2000    // octets of the text of a line
)

// Log is the licence log: what the agent and the server said to each other, and
// what came of it, for people and for the eyes that know the log of the source
// documents (L-43 to L-48). Its lines are
//
//	HH:MM:SS,mmm COUNTER [THREAD:FILE:LINE] LEVEL root - TEXT
//
// with times in UTC, a counter of milliseconds since power-on, and the place
// that wrote the line. As they have no date, one opens each day. No token or
// other secret stands in them. A line that cannot be written is given up.
//
// It is safe for concurrent use. Nobody who writes to it waits for more than
// the disk.
type Log struct {
	files  storage.LineFiles
	now    func() time.Time
	uptime func() time.Duration
	log    *slog.Logger

	mu     sync.Mutex
	day    string // of the last line
	silent bool   // the last line was not written
}

// NewLog keeps the log in a directory, which may come and go. uptime is
// CLOCK_BOOTTIME.
func NewLog(dir string, now func() time.Time, uptime func() time.Duration, log *slog.Logger) *Log {
	return &Log{
		files: storage.LineFiles{Dir: dir, Name: logName, Count: logFiles, Size: logSize},
		now:   now, uptime: uptime, log: log,
	}
}

// Sent notes a request: an ela.Register, RenewID, Deregister or Authorize; by
// which ID certificate it was signed, if there is one, and how the box stood
// (L-46).
func (l *Log) Sent(request any, idSerial string, state State, daysLeft int) {
	switch m := request.(type) {
	case ela.Register:
		l.write("DEBUG", "register sent: sudi:%v, hostname:%s, software_tag:%s, agent:%s, seq:%d", m.UDI, m.HostName, m.SoftwareTag, m.Agent, m.Seq)
	case ela.RenewID:
		l.write("DEBUG", "id renewal sent: sudi:%v, id_cert_sn:%s, product_instance_id:%s, seq:%d", m.UDI, idSerial, m.Instance, m.Seq)
	case ela.Deregister:
		l.write("DEBUG", "deregister sent: sudi:%v, id_cert_sn:%s, product_instance_id:%s, seq:%d", m.UDI, idSerial, m.Instance, m.Seq)
	case ela.Authorize:
		var list []string
		for _, e := range m.Entitlements {
			list = append(list, fmt.Sprintf(
				"#<LicenseEntitlement @entitlement_tag=%q, @requested_count=%d, @vendor=%q, @requested_date=%s, @entitlement_version=%q, @display_name=%q, @enforce_mode=%s, @days_left=%d>",
				e.Tag, e.Count, vendorOf(e.Tag), e.Requested.UTC().Format(time.RFC3339), e.Version, entitlementName, renderings[state].log, daysLeft))
		}
		l.write("DEBUG", "auth request sent: sudi:%v, hostname:%s, signing_cert_sn:%s, id_cert_sn:%s, product_instance_id:%s, seq:%d, entitlements: [%s]",
			m.UDI, m.HostName, m.SigningSerial, idSerial, m.Instance, m.Seq, strings.Join(list, ", "))
	}
}

// vendorOf is the UUID at the end of a tag: regid.YYYY-MM.DOMAIN.NAME,VERSION_UUID.
func vendorOf(tag string) string { return tag[strings.LastIndexByte(tag, '_')+1:] }

// Received notes an answer that was verified, an ela.Registered, Authorized or
// Gone, and by which signing certificate (L-44, L-45, L-47, L-48).
func (l *Log) Received(answer any, signingSerial string) {
	switch m := answer.(type) {
	case ela.Registered:
		what := "register"
		if m.Type == ela.TypeRenewedID {
			what = "id renewal"
		}
		l.write("DEBUG", "%s received:id_cert_sn:%s, signing_cer:sub_ca_cert:%s, renew_interval:%d", what, m.IDSerial, signingSerial, m.RenewInterval)
		l.write("DEBUG", `registration successful and responded {"signature"=>{"type"=>%q}, "product_instance_id"=>%q, "smart_account"=>%q, "virtual_account"=>%q, "not_after"=>%q}`,
			m.SignatureType, m.Instance, m.SmartAccount, m.VirtualAccount, m.NotAfter.UTC().Format(time.RFC3339))
	case ela.Authorized:
		l.write("DEBUG", "auth request received: start_date:%d, compliance_status:%s, expiry:%d, retry_interval:%d, renew_interval:%d, signing_cert_sn:%s",
			m.Start.UnixMilli(), m.Compliance, m.Expiry, m.RetryInterval, m.RenewInterval, signingSerial)
	case ela.Gone:
		l.write("DEBUG", "deregister received: signing_cert_sn:%s", signingSerial)
	}
}

// State notes a change of state, and why.
func (l *Log) State(from, to State, why string) {
	l.write("INFO", "state %s (%s) to %s (%s): %s", from, renderings[from].log, to, renderings[to].log, why)
}

// Failed notes why an exchange, by its kind, came to nothing.
func (l *Log) Failed(kind string, err error) { l.write("WARN", "%s failed: %v", kind, err) }

// write writes a line for the caller of who calls it.
func (l *Log) write(level, format string, args ...any) {
	_, file, at, _ := runtime.Caller(2)
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now().UTC()
	line := func(level, text string) string {
		return fmt.Sprintf("%s %d [agent:license/%s:%d] %s root - %s\n",
			strings.Replace(now.Format("15:04:05.000"), ".", ",", 1), l.uptime().Milliseconds(), filepath.Base(file), at, level, clean(text))
	}
	text := line(level, fmt.Sprintf(format, args...))
	day := now.Format(time.DateOnly)
	if day != l.day {
		text = line("INFO", "date "+day+" UTC") + text
	}
	err := l.files.Append([]byte(text))
	if err == nil {
		l.day = day
	} else if !l.silent {
		l.log.Warn("the licence log is not written", "error", err)
	}
	l.silent = err != nil
}

// clean makes one line of a text, of which parts may come from others.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		if r != ' ' && !unicode.IsGraphic(r) {
			return '?'
		}
		return r
	}, text)
	if len(text) > lineMost {
		text = strings.ToValidUTF8(text[:lineMost], "") + "…"
	}
	return text
}
