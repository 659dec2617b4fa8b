package logging

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"causeway/appliance/model"
)

// maxText is the most that is sent of a text, in octets. The kernel bounds a
// line below it; with the header it stays below what every receiver must take
// of TCP and TLS, and fits a datagram (RFC 5424 §6.1, RFC 5426 §3.1).
const maxText = 1024

// enterprise is the number that structured data of ours is named with. 32473
// is the one that documents use for an example (RFC 5612): the box has no
// number of its own.
const enterprise = "32473"

// message is a syslog message before it is written.
type message struct {
	facility, severity int
	time               time.Time
	host, app, id      string
	data               string // structured data, written out
	text               string
}

// append writes the message in the form of RFC 5424 §6.
func (m message) append(b []byte) []byte {
	b = fmt.Appendf(b, "<%d>1 %s %s %s - %s %s", m.facility<<3|m.severity, timestamp(m.time),
		cmp.Or(m.host, "-"), m.app, cmp.Or(m.id, "-"), m.data)
	text := printable(m.text)
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "")
	}
	if text == "" {
		return b
	}
	b = append(b, ' ')
	if !isASCII(text) {
		b = append(b, "\ufeff"...) // says that it is UTF-8 (§6.4)
	}
	return append(b, text...)
}

// timeLayout has microseconds, the finest that RFC 5424 §6.2.3 knows.
const timeLayout = "2006-01-02T15:04:05.000000Z07:00"

// timestamp writes a time for files and servers.
func timestamp(t time.Time) string { return t.UTC().Format(timeLayout) }

// ofLine is the message of a log line. Its number lets a server know a line
// that it gets twice.
func ofLine(host string, l line) message {
	return message{
		facility: l.facility, severity: l.severity, time: l.time, host: host, app: l.process,
		data: element("log@"+enterprise, "seq", strconv.FormatUint(l.seq, 10)), text: l.text,
	}
}

// ofLostEvents is the message in the place of so many events of alarms.
func ofLostEvents(host string, when time.Time, lost uint64) message {
	return message{
		facility: syslogFacility, severity: warning, time: when, host: host, app: "logging", id: "ALARM", data: "-",
		text: fmt.Sprintf("events of alarms missing here: %d", lost),
	}
}

// perceived are the severities of alarms as RFC 5674 §2 maps them.
var perceived = map[model.Severity]int{
	model.Critical: alert,
	model.Major:    critical,
	model.Minor:    erroneous,
	model.Warning:  warning,
}

// ofEvent is the message of an alarm's event: with the element that RFC 5674
// §3 defines for any alarm, and one that has our own names and numbers.
func ofEvent(host string, e model.AlarmEvent) message {
	severity, known := perceived[e.Severity]
	name := string(e.Severity)
	if !known || e.Kind == "clear" {
		severity = notice
	}
	if e.Kind == "clear" {
		name = "cleared"
	}
	return message{
		facility: facilities["control"], severity: severity, time: e.Time, host: host, app: "control", id: "ALARM",
		data: element("alarm", "resource", cmp.Or(e.Object, host, "-"), "probableCause", "other", "perceivedSeverity", name) +
			element("alarm@"+enterprise, "event", strconv.FormatUint(e.Number, 10), "kind", e.Kind,
				"alarm", strconv.FormatUint(e.Alarm, 10), "name", e.Name, "object", e.Object),
		text: strings.TrimSpace(e.Kind+" "+e.Name+" "+e.Object) + ": " + e.Text,
	}
}

var escapes = strings.NewReplacer(`"`, `\"`, `\`, `\\`, `]`, `\]`)

// element writes an element of structured data: its name, and names and values
// of its parameters in turn (RFC 5424 §6.3).
func element(name string, parameters ...string) string {
	var b strings.Builder
	b.WriteString("[" + name)
	for i := 0; i < len(parameters); i += 2 {
		fmt.Fprintf(&b, ` %s="%s"`, parameters[i], escapes.Replace(printable(parameters[i+1])))
	}
	b.WriteByte(']')
	return b.String()
}

func isASCII(text string) bool {
	for i := range len(text) {
		if text[i] >= 0x80 {
			return false
		}
	}
	return true
}
