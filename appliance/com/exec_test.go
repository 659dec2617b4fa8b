package com

import (
	"errors"
	"strings"
	"testing"
	"time"

	"causeway/appliance/com/gate"
	"causeway/appliance/com/line"
	"causeway/appliance/exec/exectest"
)

func TestExecCommands(t *testing.T) {
	const operator = `{"operator":{"user":"console","origin":"ttyS0"}`
	s := exectest.Session{Answers: map[string]any{
		"control.com.support": func(params string) (any, error) {
			if strings.Contains(params, `"duration":0`) {
				return gate.SupportStatus{}, nil
			}
			return gate.SupportStatus{Left: 90 * time.Minute, By: "console on ttyS0"}, nil
		},
		"control.com.clear":     gate.Cleared{Sessions: 2},
		"control.com.redial":    errors.New("there is no customer ID"),
		"control.com.line-test": line.Test{RoundTrip: 201 * time.Millisecond, Up: 127_999, Down: 4_000_000},
	}}
	for _, test := range []struct{ line, printed, called string }{
		{
			"com support-access 90m", "Support access: open for another 1h30m; opened by console on ttyS0\n",
			"support " + operator + `,"duration":5400000000000}`,
		},
		{
			"com support-access 4h", "Support access: open for another 1h30m; opened by console on ttyS0\n",
			"support " + operator + `,"duration":14400000000000}`,
		},
		{"no com support-access", "Support access: closed\n", "support " + operator + `,"duration":0}`},
		{"clear com session 7", "Sessions ended: 2\n", "clear " + operator + `,"number":7}`},
		{"clear com session all", "Sessions ended: 2\n", "clear " + operator + `,"number":0}`},
		{"clear com link", "% control refused: there is no customer ID\n", "redial " + operator + "}"},
		{
			"com line-test", "Round trip: 201ms (more than 200ms)\nTo COM: 127 kbit/s (less than 128)\nFrom COM: 4000 kbit/s\n",
			"line-test " + operator + "}",
		},
	} {
		printed := s.Type(t.Context(), t, ExecCommands(), test.line)
		called := strings.ReplaceAll(strings.Join(s.Called(), "\n"), "control.com.", "")
		if printed != test.printed || called != test.called {
			t.Errorf("%s printed %q and called %q; want %q and %q", test.line, printed, called, test.printed, test.called)
		}
	}
}

func TestSupportTime(t *testing.T) {
	for word, want := range map[string]time.Duration{"15m": 15 * time.Minute, "90m": 90 * time.Minute, "4h": 4 * time.Hour, "24h": 24 * time.Hour} {
		got, err := supportTime{}.Parse(word)
		if err != nil || got != want {
			t.Errorf("Parse(%q) = %v, %v; want %v", word, got, err, want)
		}
	}
	for _, word := range []string{"14m", "25h", "1441m", "0h", "-1h", "4", "h", "1h30m", "60s", "99999999999999999999m", ""} {
		if got, err := (supportTime{}).Parse(word); err == nil {
			t.Errorf("Parse(%q) = %v; want an error", word, got)
		}
	}
}
