package logging

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/appliance/exec/exectest"
	"causeway/appliance/model"
)

// initLog answers init.log from a ring.
func initLog(k *kernel) func(string) (any, error) {
	return func(params string) (any, error) {
		var q model.LogQuery
		if err := json.Unmarshal([]byte(params), &q); err != nil {
			return nil, err
		}
		return k.read(context.Background(), q)
	}
}

func TestShowLogging(t *testing.T) {
	k := &kernel{next: 40}
	k.add("init: ready")
	k.add("proxy: level=WARN msg=\"journal\" error=\"no space\"")
	k.next++ // dropped
	k.add("control: level=INFO msg=configuration")
	s := &exectest.Session{Answers: map[string]any{
		"init.log": initLog(k),
		"control.logging": Status{
			File: FileStatus{Files: 3, Bytes: 2_345_678},
			Servers: []ServerStatus{
				{Server: "tls logs.example.net:6514", Level: 6, Up: true, Since: noon, Sent: 12345},
				{Server: "udp 192.0.2.1:514", Level: 3, Since: noon, Problem: "write udp 192.0.2.1:514: connection refused", Waiting: 7},
				{Server: "tcp 192.0.2.2:601", Level: 7},
				{Server: "udp 192.0.2.3:514", Level: 6, Up: true, Since: noon, Sent: 9},
			},
		},
	}}
	exectest.Golden(t, "show-logging", s.Type(t.Context(), t, ExecCommands(), "show logging"))
	exectest.Golden(t, "show-logging-filtered", s.Type(t.Context(), t, ExecCommands(), "show logging last 1 level warnings process proxy"))
	delete(s.Answers, "control.logging")
	exectest.Golden(t, "show-logging-control-down", s.Type(t.Context(), t, ExecCommands(), "show logging last 1"))
	delete(s.Answers, "init.log")
	exectest.Golden(t, "show-logging-init-down", s.Type(t.Context(), t, ExecCommands(), "show logging"))
}

// TestShowLoggingPages: a ring of many pages is shown whole, and its end when
// only that is wanted.
func TestShowLoggingPages(t *testing.T) {
	k := &kernel{}
	k.sayMany(3 * pageSize)
	s := &exectest.Session{Answers: map[string]any{"init.log": initLog(k)}}
	for _, test := range []struct {
		line  string
		first string
		lines int
	}{
		{"show logging", "msg=line-0\n", 3 * pageSize},
		{"show logging last 2", "msg=line-1498\n", 2},
		{"show logging last 700", "msg=line-800\n", 700},
		{"show logging last 10000", "msg=line-0\n", 3 * pageSize},
	} {
		_, lines, _ := strings.Cut(s.Type(t.Context(), t, ExecCommands(), test.line), "\n")
		first, _, _ := strings.Cut(lines, "\n")
		if got := strings.Count(lines, "\n"); got != test.lines || !strings.HasSuffix(first+"\n", test.first) {
			t.Errorf("%s prints %d lines, at first %q; want %d, %q", test.line, got, first, test.lines, test.first)
		}
	}
}

// TestShowLoggingFlood: lines that come while the log is shown do not keep it
// from its end.
func TestShowLoggingFlood(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	k := &kernel{}
	s := &exectest.Session{Answers: map[string]any{"init.log": func(string) (any, error) {
		page := model.LogPage{Next: k.next + pageSize}
		for ; k.next < page.Next; k.next++ {
			page.Entries = append(page.Entries, model.LogEntry{Seq: k.next, Time: time.Now(), Text: "flood"})
		}
		return page, ctx.Err()
	}}}
	got := s.Type(ctx, t, ExecCommands(), "show logging last 1")
	if ctx.Err() != nil || !strings.HasSuffix(got, "kernel: flood\n") {
		t.Errorf("show logging in a flood printed %q, %v; want a line of it", got, ctx.Err())
	}
}

func TestDebugCommands(t *testing.T) {
	on := DebugStatus{Left: 10 * time.Minute}
	s := &exectest.Session{Answers: map[string]any{"proxy.debug": on, "control.debug": DebugStatus{}}}
	for _, test := range []struct {
		line, want string
		called     []string
	}{
		{"debug proxy", "proxy: for 10m0s more, 0 lines dropped\n", []string{`proxy.debug {"minutes":10}`}},
		{"debug proxy minutes 60", "proxy: for 10m0s more, 0 lines dropped\n", []string{`proxy.debug {"minutes":60}`}},
		{"debug billing", "% billing does not answer\n", []string{`billing.debug {"minutes":10}`}},
		{"undebug control", "control: off\n", []string{`control.debug {"minutes":0}`}},
		{"no debug control", "control: off\n", []string{`control.debug {"minutes":0}`}},
		{"undebug all", "proxy: for 10m0s more, 0 lines dropped\nbilling: billing does not answer\ncontrol: off\n",
			[]string{`proxy.debug {"minutes":0}`, `billing.debug {"minutes":0}`, `control.debug {"minutes":0}`}},
		{"show debugging", "proxy: for 10m0s more, 0 lines dropped\nbilling: billing does not answer\ncontrol: off\n",
			[]string{`proxy.debug {"minutes":null}`, `billing.debug {"minutes":null}`, `control.debug {"minutes":null}`}},
	} {
		got := s.Type(t.Context(), t, ExecCommands(), test.line)
		if got != test.want || !slices.Equal(s.Called(), test.called) {
			t.Errorf("%s prints %q after %q; want %q after %q", test.line, got, s.Called(), test.want, test.called)
		}
	}
}
