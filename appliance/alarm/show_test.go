package alarm

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/appliance/config"
	"causeway/appliance/exec/exectest"
	"causeway/appliance/link"
	"causeway/appliance/model"
)

func TestShow(t *testing.T) {
	inBubble(t, func(b *box) {
		s := exectest.Session{Answers: map[string]any{
			"control.alarms":        func(string) (any, error) { return ActiveAlarms{b.Active()}, nil },
			"control.alarm-history": func(string) (any, error) { return b.Events(0, historyMost), nil },
			"control.alarm-table":   func(string) (any, error) { return Rows{b.Table()}, nil },
		}}
		show := func(name, line string) {
			t.Helper()
			exectest.Golden(t, name, s.Type(t.Context(), t, ExecCommands(), line))
		}
		show("show-alarms-none", "show alarms")
		show("show-alarms-history-none", "show alarms history")
		b.Report("watch", append(link1[:1:1], model.Condition{Name: SlotOnTrial, Text: "slot B"},
			model.Condition{Name: BoxIncomplete, Text: "no watchdog; " + strings.Repeat("something of many words is missing; ", 5)}))
		b.Measure("space", space(91))
		b.wait(10 * time.Second)
		b.Report("watch", link1)
		b.Measure("space", space(95))
		b.wait(holdDown)
		show("show-alarms", "show alarms active")
		show("show-alarms-detail", "show alarms detail")
		show("show-alarms-history", "show alarms history")
		b.Apply(&model.Config{Alarms: model.Alarms{Storage: 60}})
		show("show-alarms-table", "show alarms table")
		s.Answers = nil
		for _, line := range []string{"show alarms", "show alarms detail", "show alarms history", "show alarms table", "clear alarm 1"} {
			if got, want := s.Type(t.Context(), t, ExecCommands(), line), "% control does not answer\n"; got != want {
				t.Errorf("%s without control = %q; want %q", line, got, want)
			}
		}
	})
}

func TestClearCommand(t *testing.T) {
	s := exectest.Session{Answers: map[string]any{
		"control.clear-alarm": Cleared{[]model.Alarm{{Number: 7, Name: LinkDown, Object: "LAN1"}, {Number: 9, Name: AlarmStore}}},
	}}
	const who = `"operator":{"user":"console","origin":"ttyS0"}}`
	for line, want := range map[string]string{
		"clear alarm 7":                       `{"number":7,"name":"","object":"",`,
		"clear alarm link-down":               `{"number":0,"name":"link-down","object":"",`,
		"clear alarm crash-file one two.txt ": `{"number":0,"name":"crash-file","object":"one two.txt",`,
	} {
		if got, want := s.Type(t.Context(), t, ExecCommands(), line), "Cleared: 7 link-down LAN1\nCleared: 9 alarm-store\n"; got != want {
			t.Errorf("%s prints %q; want %q", line, got, want)
		}
		if got := s.Called(); !slices.Equal(got, []string{"control.clear-alarm " + want + who}) {
			t.Errorf("%s calls %s; want %s", line, got, want+who)
		}
	}
	s.Answers["control.clear-alarm"] = errors.New("there is no such active alarm")
	if got, want := s.Type(t.Context(), t, ExecCommands(), "clear alarm 8"), "% control refused: there is no such active alarm\n"; got != want {
		t.Errorf("clear alarm 8 = %q; want %q", got, want)
	}
}

func TestMethods(t *testing.T) {
	a := Open(Options{File: t.TempDir() + "/alarms.db", Log: discard})
	defer a.Close()
	a.Report("trial", []model.Condition{{Name: SlotOnTrial, Text: "slot B"}})
	socket := link.Socket(t.TempDir(), "control")
	listener, err := link.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- link.ServeListener(t.Context(), listener, a.Methods()) }()

	call := func(method string, params, result any) {
		t.Helper()
		if err := link.Call(t.Context(), socket, method, params, result); err != nil {
			t.Errorf("%s = %v", method, err)
		}
	}
	var active ActiveAlarms
	call("control.alarms", nil, &active)
	if len(active.Active) != 1 || active.Active[0].Name != SlotOnTrial {
		t.Errorf("control.alarms = %+v; want the slot on trial", active)
	}
	var rows Rows
	call("control.alarm-table", nil, &rows)
	if diff := cmp.Diff(Table(), rows.Rows); diff != "" {
		t.Errorf("control.alarm-table (-want +got):\n%s", diff)
	}
	var cleared Cleared
	call("control.clear-alarm", ClearRequest{Which{Number: 1}, operator}, &cleared)
	if len(cleared.Cleared) != 1 || cleared.Cleared[0].Number != 1 {
		t.Errorf("control.clear-alarm = %+v; want alarm 1", cleared)
	}
	for request, want := range map[HistoryRequest]string{{}: "missed 0, last 2: 1 2", {After: 1}: "missed 0, last 2: 2", {Max: 1}: "missed 0, last 2: 1"} {
		var page Page
		call("control.alarm-history", request, &page)
		if got := numbers(page); got != want {
			t.Errorf("control.alarm-history %+v = %s; want %s", request, got, want)
		}
	}
	var remote *link.RemoteError
	if err := link.Call(t.Context(), socket, "control.clear-alarm", ClearRequest{}, nil); !errors.As(err, &remote) {
		t.Errorf("control.clear-alarm of nothing = %v; want the method's refusal", err)
	}
}

func TestThresholdCommand(t *testing.T) {
	g, err := config.New(Commands())
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]model.Alarms{
		"": {},
		"alarm threshold cpu 20\nalarm threshold memory 55\nalarm threshold storage 99":                          {CPU: 20, Memory: 55, Storage: 99},
		"alarm threshold cpu 20\nalarm threshold cpu 30\nalarm threshold storage 50\nno alarm threshold storage": {CPU: 30},
		"alarm threshold memory 20\nno alarm threshold memory 20\nno alarm threshold cpu":                        {},
	} {
		c, err := g.Parse(text)
		if err != nil || c.Alarms != want {
			t.Errorf("Parse(%q) = %+v, %v; want %+v", text, c, err, want)
			continue
		}
		again, err := g.Parse(g.Render(c))
		if err != nil || again.Alarms != want {
			t.Errorf("Parse(Render) of %+v = %+v, %v", want, again, err)
		}
	}
	for _, text := range []string{"alarm threshold cpu 19", "alarm threshold cpu 100", "alarm threshold disk 80", "alarm threshold cpu"} {
		if _, err := g.Parse(text); err == nil {
			t.Errorf("Parse(%q) = nil; want an error", text)
		}
	}
}
