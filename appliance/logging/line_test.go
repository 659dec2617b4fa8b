package logging

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"causeway/appliance/model"
)

// daemonDebug is the priority with which init writes every line.
const daemonDebug = 3<<3 | 7

func TestReadLine(t *testing.T) {
	for _, test := range []struct {
		priority           int
		text               string
		facility, severity int
		process, rest      string
		alarm              bool
	}{
		{6, "Linux version 6.1.0", 0, 6, "kernel", "Linux version 6.1.0", false},
		{2, "proxy: no service says this", 0, 2, "kernel", "proxy: no service says this", false},
		{daemonDebug, "init: ready", 3, 6, "init", "ready", false},
		{daemonDebug, "proxy: level=DEBUG msg=x", 16, 7, "proxy", "msg=x", false},
		{daemonDebug, "billing: level=INFO msg=x", 17, 6, "billing", "msg=x", false},
		{daemonDebug, "control: level=INFO+2 msg=x", 18, 5, "control", "msg=x", false},
		{daemonDebug, `console: level=WARN msg="a b" c=d`, 19, 4, "console", `msg="a b" c=d`, false},
		{daemonDebug, "proxy: level=ERROR msg=x", 16, 3, "proxy", "msg=x", false},
		{daemonDebug, "proxy: level=ERROR+4 msg=x", 16, 2, "proxy", "msg=x", false},
		{daemonDebug, "proxy: level=LOUD msg=x", 16, 5, "proxy", "level=LOUD msg=x", false},
		{daemonDebug, "proxy: panic: runtime error", 16, 2, "proxy", "panic: runtime error", false},
		{daemonDebug, "proxy: fatal error: all goroutines are asleep", 16, 2, "proxy", "fatal error: all goroutines are asleep", false},
		{daemonDebug, "proxy: goroutine 1 [running]:", 16, 5, "proxy", "goroutine 1 [running]:", false},
		{daemonDebug, "control: level=WARN msg=\"alarm raise\" alarm=cpu object=\"\"", 18, 4, "control", `msg="alarm raise" alarm=cpu object=""`, true},
		{daemonDebug, `control: level=WARN msg="no alarm=cpu"`, 18, 4, "control", `msg="no alarm=cpu"`, false},
		{daemonDebug, `control: level=WARN msg="a \"b\"" alarm=cpu`, 18, 4, "control", `msg="a \"b\"" alarm=cpu`, true},
		{1<<3 | 5, "who: am I", 1, 5, "-", "who: am I", false},
		{daemonDebug, "proxy: tab\tbell\a bad\xff \u202e", 16, 5, "proxy", "tab bell? bad? ?", false},
		{daemonDebug, "", 3, 7, "-", "", false},
	} {
		got := readLine(model.LogEntry{Seq: 7, Priority: test.priority, Text: test.text})
		want := line{7, time.Time{}, test.facility, test.severity, test.process, test.rest, test.alarm}
		if got != want {
			t.Errorf("readLine(%d, %q) = %+v; want %+v", test.priority, test.text, got, want)
		}
	}
}

func TestReadLines(t *testing.T) {
	at := time.Unix(1e9, 0)
	entries := []model.LogEntry{{Seq: 3, Text: "c"}, {Seq: 5, Text: "e", Time: at}, {Seq: 6, Text: "f"}}
	const lost = "lines missing here: "
	for _, test := range []struct {
		next uint64
		want string
	}{
		{0, "2 " + lost + "3|3 c|4 " + lost + "1|5 e|6 f"},
		{3, "3 c|4 " + lost + "1|5 e|6 f"},
		{5, "5 e|6 f"},
		{7, ""},
	} {
		var got []string
		for _, l := range readLines(test.next, entries) {
			got = append(got, string(rune('0'+l.seq))+" "+l.text)
			if l.seq == 4 && (l.time != at || l.severity != warning || l.facility != syslogFacility) {
				t.Errorf("the line that tells of a gap is %+v; want the time of the one after it, syslog.warning", l)
			}
		}
		if got := strings.Join(got, "|"); got != test.want {
			t.Errorf("readLines(%d) = %s; want %s", test.next, got, test.want)
		}
	}
}

// FuzzReadLine: a line is never what a parser of lines or a terminal would
// take for something else, and the severity is always one.
func FuzzReadLine(f *testing.F) {
	for _, text := range []string{
		"proxy: level=WARN msg=\"a b\" alarm=cpu", "init: ready", "proxy: level=INFO+2", "control: level=",
		"proxy: level=WARN msg=\"no end", "billing: panic: \x1b[2J\n", "a=b=c=\"", "\xff: \u2028",
	} {
		f.Add(daemonDebug, text)
		f.Add(6, text)
	}
	f.Fuzz(func(t *testing.T, priority int, text string) {
		l := readLine(model.LogEntry{Priority: priority & 0xff, Text: text})
		if l.severity < 0 || l.severity > 7 || l.process == "" || strings.ContainsRune(l.process, ' ') {
			t.Errorf("readLine(%q) = %+v; want a severity and a process", text, l)
		}
		if !utf8.ValidString(l.text) || strings.ContainsFunc(l.text, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("readLine(%q) has the text %q; want it printable", text, l.text)
		}
	})
}
