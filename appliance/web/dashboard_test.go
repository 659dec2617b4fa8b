package web

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/html"

	"causeway/appliance/alarm"
	"causeway/appliance/model"
)

// noon is a time of tests.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// quietSources are those of a box that takes calls, of which none come.
func quietSources() Sources {
	return Sources{
		CallRate: func(context.Context) (CallRate, error) {
			r := CallRate{Now: 2, Average: 1.25, Limit: 10, Rule: model.RuleCPS}
			for i := range 10 {
				r.Snapshots = append(r.Snapshots, Snapshot{End: noon.Add(time.Duration(i) * 30 * time.Second), Span: 30 * time.Second, Rate: float64(i) / 2})
			}
			return r, nil
		},
		License: func(context.Context) (License, error) {
			return License{State: "AUTHORIZED", Calls: true, Limit: 10, Left: 80 * 24 * time.Hour}, nil
		},
		COM:          func(context.Context) (COM, error) { return COM{State: "connected", Connected: true}, nil },
		CallsBetween: func(context.Context, time.Time, time.Time, time.Duration) ([]Calls, error) { return nil, nil },
		FailedCalls:  func(context.Context, FailedCallsQuery) (FailedCalls, error) { return FailedCalls{}, nil },
	}
}

// wellAnswers are those of a box with which nothing is wrong.
func wellAnswers() map[string]any {
	return map[string]any{
		"proxy.status": model.ProxyStatus{OpenCalls: 3, Transactions: 5, Counters: map[string]int64{"offered": 1234}},
		"billing.status": model.BillingStatus{
			RADIUS: []model.RADIUSClientStatus{{Name: "acct", Up: true, Servers: []model.RADIUSServerStatus{{Name: "one", Up: true}}}},
			Cache:  model.CacheStatus{Records: 1, Bytes: 4096, Oldest: noon},
		},
		"init.health": model.SystemHealth{
			Uptime: 50 * time.Hour, Slot: "A", MemTotalKB: 1 << 20, MemAvailable: 1 << 19,
			Slots:    []model.SlotStatus{{Name: "A", State: model.SlotBlessed, Version: "1.2.3"}, {Name: "B", State: model.SlotReady, Version: "1.2.2"}},
			Volumes:  []model.VolumeStatus{{Name: "harddisk", Device: "/dev/vda4", State: "mounted", TotalKB: 1000, FreeKB: 750}, {Name: "usb0", State: "missing"}},
			Services: []model.ServiceStatus{{Name: "proxy", PID: 12}},
		},
		"control.status": model.ControlStatus{
			Interfaces: []model.InterfaceStatus{{LAN: "LAN1", Link: "up", Address: "192.0.2.1/24"}, {LAN: "LAN2", Shutdown: true}},
			Clock:      "synchronised", Resolver: "answers",
		},
		"control.alarms":          alarm.ActiveAlarms{},
		"control.callhome.status": model.CallHomeStatus{Mode: "full"},
	}
}

// cardOf gives the text of a card on the Dashboard, and the sentence above them.
func cardOf(t *testing.T, page, title string) (card, sentence string) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		class := ""
		for _, a := range n.Attr {
			if a.Key == "class" {
				class = a.Val
			}
		}
		switch {
		case n.Data == "p" && strings.HasPrefix(class, "state "):
			sentence = class + ": " + textOf(n)
		case n.Data == "h3" && textOf(n) == title:
			card = textOf(n.Parent)
		}
	}
	return card, sentence
}

// textOf is the text of an element, with one blank where there is a gap.
func textOf(n *html.Node) string {
	var words []string
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			words = append(words, strings.Fields(d.Data)...)
		}
	}
	return strings.Join(words, " ")
}

// TestDashboardWell: a box with which nothing is wrong says so, and all that counts.
func TestDashboardWell(t *testing.T) {
	b := newBox(t, wellAnswers())
	status, page := b.login(t, user).get("/")
	if status != http.StatusOK {
		t.Fatalf("GET / = %d %s", status, page)
	}
	for title, want := range map[string]string{
		"Calls":            "Calls 3 calls now Transactions 5 Since the proxy started 1234 calls",
		"Licence":          "Licence AUTHORIZED Calls up to 10 a second Authorization 80 days left",
		"Calls per second": "Calls per second 2.0 now, 1.25 over the snapshots. Limit: 10, of the licence.",
		"COM":              "COM connected",
		"RADIUS and cache": "RADIUS and cache 1 record waits acct 1 of 1 server up The oldest since 2026-11-23 13:00:00 CET Cache 4.0 KiB",
		"Ports and clock":  "Ports and clock LAN1 up, 192.0.2.1/24 LAN2 shut down Clock synchronised DNS answers",
		"Disks":            "Disks harddisk: 25 % of 1000 KiB used usb0: missing",
		"Alarms":           "Alarms 0 alarms",
		"Firmware":         "Firmware 1.2.3 Slot A blessed, runs Slot B ready, 1.2.2 Up for 50 h Memory free 512 MiB of 1.0 GiB",
		"Call Home":        "Call Home full Waiting 0 messages",
	} {
		card, sentence := cardOf(t, page, title)
		if !strings.HasPrefix(card, want) || card != want && title != "Calls per second" {
			t.Errorf("card %s = %q; want %q", title, card, want)
		}
		if want := "state good: The box takes calls, and nothing is wrong."; sentence != want {
			t.Errorf("the box is %q; want %q", sentence, want)
		}
	}
	if strings.Count(page, "<rect class=\"bar s0\" x=") != 9 { // the first snapshot has no calls
		t.Errorf("the chart has not nine bars: %s", page)
	}
}

// TestDashboardTroubles: what is wrong is in the sentence, the worst first.
func TestDashboardTroubles(t *testing.T) {
	change := func(method string, to any) func(*box) { return func(b *box) { b.Answers[method] = to } }
	for _, test := range []struct {
		name     string
		change   func(*box)
		card     string // and what it shows
		want     string
		sentence string
	}{
		{"the proxy is down", func(b *box) { delete(b.Answers, "proxy.status") }, "Calls", "No answer: proxy does not answer",
			"state bad: The box takes no calls: the proxy does not answer."},
		{"the rate is not told", func(b *box) {
			b.server.Sources.CallRate = func(context.Context) (CallRate, error) { return CallRate{}, errors.New("refused") }
		}, "Calls per second", "No answer: refused", "state bad: The box takes calls, but the proxy does not answer."},
		{"billing is down", change("billing.status", errors.New("refused")), "RADIUS and cache", "No answer: billing refused",
			"state bad: The box takes calls, but billing does not answer."},
		{"alarms", change("control.alarms", alarm.ActiveAlarms{Active: []model.Alarm{
			{Severity: model.Major, Text: "one"}, {Severity: model.Minor, Text: "two"}, {Severity: model.Warning, Text: "three"}, {Severity: model.Warning, Text: "four"}, {Severity: model.Warning, Text: "five"},
		}}), "Alarms", "5 alarms major one minor two warning three warning four And 1 more", "state bad: The box takes calls, but 1 major alarm is active."},
		{"RADIUS", change("billing.status", model.BillingStatus{RADIUS: []model.RADIUSClientStatus{{Name: "acct", Servers: []model.RADIUSServerStatus{{}, {}}}}}),
			"RADIUS and cache", "acct 0 of 2 servers up", "state bad: The box takes calls, but no RADIUS server of acct answers."},
		{"a full disk", change("init.health", model.SystemHealth{Volumes: []model.VolumeStatus{{Name: "harddisk", State: "mounted", Device: "/dev/vda4", TotalKB: 100, FreeKB: 5}}}),
			"Disks", "harddisk: 95 % of 100 KiB used", "state warn: The box takes calls, but harddisk: is full to 95 %."},
		{"a trial, and a process that is gone", change("init.health", model.SystemHealth{Trial: true, Services: []model.ServiceStatus{{Name: "billing"}}}),
			"Firmware", "Does not run billing", "state bad: The box takes calls, but billing does not run."},
		{"the licence", func(b *box) {
			b.server.Sources.License = func(context.Context) (License, error) { return License{State: "EVAL_EXPIRED"}, nil }
		}, "Licence", "EVAL_EXPIRED Calls rejected", "state bad: The box takes no calls: the licence allows none (EVAL_EXPIRED)."},
		{"two", func(b *box) {
			b.server.Sources.COM = func(context.Context) (COM, error) {
				return COM{State: "dials", GraceLeft: 29 * 24 * time.Hour, Waiting: 7}, nil
			}
			b.server.Sources.CallRate = func(context.Context) (CallRate, error) { return CallRate{Rejecting: true}, nil }
		}, "COM", "dials What is subscribed goes on for 29 days To be told 7",
			"state bad: The box takes calls, but more calls come than may, the others are rejected; there is no link to COM (dials)."},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBox(t, wellAnswers())
			test.change(b)
			_, page := b.login(t, user).get("/")
			card, sentence := cardOf(t, page, test.card)
			if !strings.Contains(card, test.want) {
				t.Errorf("card %s = %q; want %q in it", test.card, card, test.want)
			}
			if sentence != test.sentence {
				t.Errorf("the box is %q; want %q", sentence, test.sentence)
			}
		})
	}
}

// TestDashboardRights: a card is seen by who may type its command.
func TestDashboardRights(t *testing.T) {
	var mu sync.Mutex
	asked := make(map[string]bool)
	b := newBox(t, wellAnswers(), func(o *Options) {
		call := o.Call
		o.Call = func(ctx context.Context, process, method string, params, result any) error {
			mu.Lock()
			asked[method] = true
			mu.Unlock()
			return call(ctx, process, method, params, result)
		}
		o.Sources.CallRate = func(context.Context) (CallRate, error) { panic("asked for the rate") }
		o.Sources.License = func(context.Context) (License, error) { panic("asked for the licence") }
		o.Sources.COM = func(context.Context) (COM, error) { panic("asked for COM") }
	})
	b.people.rights["eve"] = model.Rights{Rules: []model.Rule{{Permit: true, Kind: model.RuleExec, Words: "show alarms"}}}
	eve := b.login(t, "eve")
	mu.Lock()
	clear(asked)
	mu.Unlock()
	_, page := eve.get("/")
	if card, sentence := cardOf(t, page, "Alarms"); card != "Alarms 0 alarms" || sentence != "state good: The box runs, and nothing is wrong." {
		t.Errorf("who may see alarms sees %q and %q", card, sentence)
	}
	for _, c := range cards {
		if card, _ := cardOf(t, page, c.title); card != "" && c.title != "Alarms" {
			t.Errorf("who may see alarms alone sees %q", card)
		}
	}
	if strings.Contains(page, "Calls per second") {
		t.Error("who may see alarms alone sees the rate of calls")
	}
	mu.Lock()
	defer mu.Unlock()
	if !asked["control.alarms"] || len(asked) != 1 {
		t.Errorf("for who may see alarms alone %v was asked", slices.Sorted(maps.Keys(asked)))
	}
}

// TestDashboardRate: the chart as CSV, and with nothing to draw.
func TestDashboardRate(t *testing.T) {
	b := newBox(t, wellAnswers())
	w := b.login(t, user)
	_, text := w.get("/reports/cps?part=rate&as=csv")
	if want := "Time,Calls per second (calls/s)\r\n2026-11-23 12:59:30 CET,0\r\n2026-11-23 13:00:00 CET,0.5\r\n"; !strings.HasPrefix(text, want) || strings.Count(text, "\n") != 11 {
		t.Errorf("CSV = %q; want eleven lines that begin with %q", text, want)
	}
	b.server.Sources.CallRate = func(context.Context) (CallRate, error) { return CallRate{Rule: model.RuleCPS}, nil }
	if _, text := w.get("/reports/cps?part=rate"); !strings.Contains(text, "There is no snapshot yet") || !strings.Contains(text, "Limit: none") {
		t.Errorf("without a snapshot: %s", text)
	}
	if _, text := w.get("/reports/cps?part=rate&as=csv"); text != "Time\r\n" {
		t.Errorf("CSV without a snapshot = %q", text)
	}
}

// TestDashboardSilent: who does not answer, whatever he is told, costs two seconds and
// nothing but his own.
func TestDashboardSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		deaf := make(chan struct{})
		defer close(deaf)
		started := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), healthLimit)
		defer cancel()
		answers := []func() (int, error){
			asked(ctx, func(context.Context) (int, error) { <-deaf; return 1, nil }),
			asked(ctx, func(ctx context.Context) (int, error) { <-ctx.Done(); return 2, fmt.Errorf("call: %w", ctx.Err()) }),
			asked(ctx, func(context.Context) (int, error) { return 3, nil }),
		}
		for i, want := range []error{errSilent, errSilent, nil} {
			if n, err := answers[i](); err != want {
				t.Errorf("answer %d = %d, %v; want %v", i, n, err, want)
			}
		}
		if took := time.Since(started); took != healthLimit {
			t.Errorf("all answers took %v; want %v", took, healthLimit)
		}
	})
}

// TestDashboardLeads: each card leads to a page that there is.
func TestDashboardLeads(t *testing.T) {
	b := newBox(t, wellAnswers())
	for _, c := range cards {
		if b.server.pages[c.path] == nil {
			t.Errorf("card %s leads to %s, which is no page", c.title, c.path)
		}
	}
}
