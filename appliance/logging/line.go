package logging

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"
	"unicode"

	"causeway/appliance/model"
)

// Facilities (RFC 5424 §6.2.1).
const (
	kernelFacility = 0
	daemonFacility = 3
	syslogFacility = 5 // lines about the log itself
	local0         = 16
)

// facilities of the processes; each service has one of its own.
var facilities = map[string]int{
	"init":    daemonFacility,
	"proxy":   local0,
	"billing": local0 + 1,
	"control": local0 + 2,
	"console": local0 + 3,
}

// Severities (RFC 5424 §6.2.1), those that are named here.
const (
	alert       = 1
	critical    = 2
	erroneous   = 3
	warning     = 4
	notice      = 5
	information = 6
	debugging   = 7
)

// severities are named in the configuration as IOS does, and in a line as
// syslogd does.
var severities = [8]struct{ level, keyword string }{
	{"emergencies", "emerg"},
	{"alerts", "alert"},
	{"critical", "crit"},
	{"errors", "err"},
	{"warnings", "warning"},
	{"notifications", "notice"},
	{"informational", "info"},
	{"debugging", "debug"},
}

// line is a log entry taken apart.
type line struct {
	seq      uint64
	time     time.Time
	facility int
	severity int
	process  string // "kernel" for the kernel's own, "-" for one that is not known
	text     string // printable, without level=
	alarm    bool   // it tells of an alarm that has an event of its own
}

// readLine takes an entry apart. The kernel's own lines have their severity in
// the priority. Those of services do not: a line of slog begins with its level,
// and the rest is what a dying Go program prints or an odd remark.
func readLine(e model.LogEntry) line {
	l := line{
		seq: e.Seq, time: e.Time, facility: e.Priority >> 3, severity: e.Priority & 7,
		process: "kernel", text: printable(e.Text),
	}
	if l.facility == kernelFacility {
		return l
	}
	process, text, _ := strings.Cut(l.text, ": ")
	facility, known := facilities[process]
	if !known {
		l.process = "-"
		return l
	}
	l.facility, l.process, l.text = facility, process, text
	if process == "init" {
		l.severity = information
		return l
	}
	l.severity, l.text = cutLevel(text)
	l.alarm = hasAttribute(l.text, "alarm")
	return l
}

// cutLevel gives the severity of a service's line and the line without level=.
func cutLevel(text string) (severity int, rest string) {
	word, rest, _ := strings.Cut(text, " ")
	var level slog.Level
	name, isSlog := strings.CutPrefix(word, "level=")
	switch {
	case isSlog && level.UnmarshalText([]byte(name)) == nil:
		return severityOf(level), rest
	case strings.HasPrefix(text, "panic: "), strings.HasPrefix(text, "fatal error: "):
		return critical, text
	}
	return notice, text
}

// severityOf puts the levels between slog's own where RFC 5424 has a name.
func severityOf(level slog.Level) int {
	switch {
	case level > slog.LevelError:
		return critical
	case level == slog.LevelError:
		return erroneous
	case level >= slog.LevelWarn:
		return warning
	case level > slog.LevelInfo:
		return notice
	case level == slog.LevelInfo:
		return information
	}
	return debugging
}

// hasAttribute reports whether a line in slog's text form has an attribute
// with that key.
func hasAttribute(text, key string) bool {
	for text != "" {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return false
		}
		if name == key {
			return true
		}
		if quoted, err := strconv.QuotedPrefix(value); err == nil {
			text = strings.TrimPrefix(value[len(quoted):], " ")
		} else {
			_, text, _ = strings.Cut(value, " ")
		}
	}
	return false
}

// printable makes every character that a terminal or a parser of lines might
// obey a question mark, and a tab a blank.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r == unicode.ReplacementChar, !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, text)
}

// readLines takes entries apart, of which the first that is asked for is Seq
// next. Where the ring has dropped some a line says so.
func readLines(next uint64, entries []model.LogEntry) []line {
	lines := make([]line, 0, len(entries)+1)
	for _, e := range entries {
		if e.Seq < next {
			continue
		}
		if lost := e.Seq - next; lost > 0 {
			lines = append(lines, lostLine(e.Seq-1, e.Time, lost))
		}
		lines = append(lines, readLine(e))
		next = e.Seq + 1
	}
	return lines
}

// lostLine stands in the place of so many entries, of which seq is the last.
func lostLine(seq uint64, when time.Time, lost uint64) line {
	return line{
		seq: seq, time: when, facility: syslogFacility, severity: warning, process: "logging",
		text: fmt.Sprintf("lines missing here: %d", lost),
	}
}
