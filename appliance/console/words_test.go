package console

import (
	"strings"
	"testing"

	"causeway/appliance/config"
	"causeway/appliance/grammar"
)

// whole is a session with all that the appliance knows.
func whole(t *testing.T) *Session {
	t.Helper()
	s, err := New(Settings{Grammar: grammar.All(), Words: grammar.Words(), Commands: grammar.Exec()})
	if err != nil {
		t.Fatalf("New with all commands = %v; want no two that can be the same line", err)
	}
	return s
}

// TestEveryKeywordHasHelp walks the lines of every place up to their first
// value.
func TestEveryKeywordHasHelp(t *testing.T) {
	s := whole(t)
	for at, w := range s.places {
		var walk func(line string)
		walk = func(line string) {
			for _, c := range w.vocabulary.Expand(line).Choices {
				if c.Help == "" {
					t.Errorf("at %s, %q has no help behind %q", at, c.Word, line)
				}
				if !c.Value && strings.ToLower(c.Word) == c.Word && strings.Count(line, " ") < 4 {
					walk(line + c.Word + " ")
				}
			}
		}
		walk("")
	}
}

// TestPlaces types a line where it belongs and where it does not.
func TestPlaces(t *testing.T) {
	s := whole(t)
	for _, test := range []struct {
		line string
		in   scope
	}{
		{"enable", inUser | inPrivileged},
		{"configure", inPrivileged},
		{"conf t take", inPrivileged},
		{"commit", inConfiguration},
		{"commit confirmed 5 comment why", inConfiguration},
		{"rollback 3", inPrivileged | inDo | inConfiguration},
		{"show running-config", everywhere},
		{"sho ver", everywhere},
		{"wr", inPrivileged | inDo | inConfiguration},
		{"exi", inUser | inPrivileged | inConfiguration}, // beside exec-timeout
		{"write erase keys", inPrivileged | inDo},
		{"reload now", inPrivileged | inDo},
		{"terminal length 0", inExec},
		{"do show version", inConfiguration},
		{"load merge usb0:x", inConfiguration},
		{"show logging | include x", everywhere},
	} {
		for _, at := range []place{userExec, privilegedExec, afterDo, place(config.Global), "config-lan"} {
			got, err := s.understand(s.places[at], test.line)
			if want := test.in&at.scope() != 0; (err == nil && got.command != nil) != want {
				t.Errorf("%q at %s: a command is %t, %v; want %t", test.line, at, got.command != nil, err, want)
			}
		}
	}
}

// TestReference: the command reference sees what may be typed.
func TestReference(t *testing.T) {
	for name, want := range map[string]bool{"configure [terminal [take]]": true, "abort": false, "help": true} {
		found := false
		for _, c := range Commands() {
			found = found || c.Syntax == name
		}
		if found != want {
			t.Errorf("Commands has %q: %t; want %t", name, found, want)
		}
	}
	for _, c := range ConfigurationCommands() {
		if !c.Configuring || c.Help == "" {
			t.Errorf("ConfigurationCommands has %+v; want one that is typed there, with help", c)
		}
	}
}

func BenchmarkNew(b *testing.B) {
	settings := Settings{Grammar: grammar.All(), Words: grammar.Words(), Commands: grammar.Exec()}
	for b.Loop() {
		if _, err := New(settings); err != nil {
			b.Fatal(err)
		}
	}
}
