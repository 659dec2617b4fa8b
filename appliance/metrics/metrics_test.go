package metrics

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	commonmodel "github.com/prometheus/common/model"

	"causeway/appliance/config"
	"causeway/appliance/exec/exectest"
	"causeway/appliance/model"
)

// limit bounds every wait of these tests; none of them takes that long.
const limit = time.Minute

// always is a source that answers the same.
func always[A any](answer A) func(context.Context) (A, error) {
	return func(context.Context) (A, error) { return answer, nil }
}

// never is a source that does not answer.
func never[A any](context.Context) (A, error) {
	var none A
	return none, errors.New("the process is down")
}

// sources are a box that has seen everything.
func sources() Sources {
	return Sources{
		Proxy: always(model.ProxyStatus{OpenCalls: 12, Transactions: 34, Counters: map[string]int64{
			"offered": 100, "calls": 90, "refused-cps": 7, "refused-licence": 3, "refused-cac": 8, "received-udp": 1000, "received-tls": 5, "sent-udp": 1100,
			"absorbed": 4, "retransmitted": 5, "timed-out": 2, "garbage": 6, "refused": 11, "sent-": 1, "connections refused: network": 1,
		}}),
		Billing: always(model.BillingStatus{OpenCalls: 11, Journal: model.JournalStatus{Bytes: 4096, FirstSeq: 10, NextSeq: 25},
			Counters: map[string]int64{"offered": 90, "ended": 80}}),
		System: always(model.SystemHealth{Uptime: time.Minute, MemTotalKB: 1024, MemAvailable: 512,
			Volumes: []model.VolumeStatus{{Name: "harddisk", TotalKB: 2048, FreeKB: 1024}, {Name: "usb0"}},
			Services: []model.ServiceStatus{
				{Name: "proxy", PID: os.Getpid(), Restarts: 2, MemoryKB: 100}, {Name: "console", Restarts: 1},
			}}),
		CallRate: always(CallRate{Average: 9.5, Limit: 10, Rejecting: true}),
		License:  always(License{State: "OUT_OF_COMPLIANCE", Calls: true, Limit: 10, Left: time.Hour, IDLeft: 2 * time.Hour}),
		COM:      always(COM{Connected: true, GraceLeft: 720 * time.Hour, Sessions: 2, OutboxEntries: 3, OutboxOctets: 812, RoundTrip: 45 * time.Millisecond}),
		CallHome: always(model.CallHomeStatus{
			Waiting: make([]model.CallHomeEntry, 2), Profiles: []model.CallHomeTally{{Name: "vendor", Sent: 5, Failed: 3}, {Name: "noc"}},
			Dropped: map[string]int64{"expired": 2, "full": 1},
		}),
		Elements:    always([]Element{{"lan2", "gateways", "udp 198.51.100.2:5060", true}, {"lan2", "gateways", "tcp 198.51.100.3:5060", false}}),
		Connections: always([]model.SIPConnection{{Network: "lan1", Transport: "tcp"}, {Network: "lan1", Transport: "tcp"}, {Network: "lan2", Transport: "tls"}}),
	}
}

func newMetrics(s Sources) *Metrics {
	return New(Options{Sources: s, Version: "v1.2.3", Host: "127.0.0.1", Log: slog.New(slog.DiscardHandler)})
}

var cpuSeconds = regexp.MustCompile(`(cpu_seconds_total\{process="proxy"\}) [0-9.]+`)

// TestText: the text is what is expected, by Prometheus' conventions, and can
// be read.
func TestText(t *testing.T) {
	got, err := newMetrics(sources()).text()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.New(strings.NewReader(got.Text)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("promlint finds %v, %v; want nothing", problems, err)
	}
	parser := expfmt.NewTextParser(commonmodel.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(got.Text))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]float64{"causeway_sip_calls_open": 12, "causeway_journal_records": 15, "causeway_build_info": 1} {
		if value := families[name].GetMetric()[0].GetGauge().GetValue(); value != want {
			t.Errorf("%s = %v; want %v", name, value, want)
		}
	}
	s := &exectest.Session{Answers: map[string]any{"control.metrics": Text{got.Text, "serve metrics: the port is in use"}}}
	printed := s.Type(t.Context(), t, ExecCommands(), "show metrics")
	golden(t, cpuSeconds.ReplaceAllString(printed, "$1 0.5"))
}

// TestDown: what does not answer is told, and leaves out its own metrics only.
func TestDown(t *testing.T) {
	s := sources()
	s.Proxy, s.CallRate, s.License, s.Elements = never[model.ProxyStatus], nil, never[License], never[[]Element]
	got, err := newMetrics(s).text()
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		`process_answers{process="proxy"} 0`: true, `process_answers{process="billing"} 1`: true, "causeway_journal_records 15": true,
		"sip_calls_open": false, "element_up": false, "per_second": false,
	} {
		if strings.Contains(got.Text, text) != want {
			t.Errorf("the text has %s: %v; want %v", text, !want, want)
		}
	}
	s.Elements = always([]Element{{Element: "a\xff"}, {Element: "a\xff"}})
	if got, err := newMetrics(s).text(); err != nil || !strings.Contains(got.Text, "causeway_journal_records 15") {
		t.Errorf("text with the same element twice = %v; want the other metrics", err)
	}
}

// freePort finds a port that is free on 127.0.0.1.
func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// scrape gives the status and the text at a port.
func scrape(port int, path string) (int, string, error) {
	client := http.Client{Timeout: limit, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get("http://127.0.0.1:" + strconv.Itoa(port) + path)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), err
}

// eventually waits until problem says nothing any more.
func eventually(t *testing.T, what string, problem func() string) {
	t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(time.Millisecond) {
		text := problem()
		if text == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %s", what, text)
		}
	}
}

// served waits until a port is served, or is not.
func served(t *testing.T, port int, want bool) {
	t.Helper()
	eventually(t, fmt.Sprintf("port %d served: %v", port, want), func() string {
		if _, _, err := scrape(port, "/metrics"); (err == nil) != want {
			return fmt.Sprint(err)
		}
		return ""
	})
}

// TestServe follows the configuration: off, on, another port, off.
func TestServe(t *testing.T) {
	m := newMetrics(sources())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	apply := func(on bool, port int) { m.Apply(&model.Config{Metrics: model.Metrics{On: on, Port: port}}) }
	first, second := freePort(t), freePort(t)
	apply(true, first)
	served(t, first, true)
	if code, text, err := scrape(first, "/metrics"); code != http.StatusOK || !strings.Contains(text, "\ncauseway_sip_calls_open 12\n") {
		t.Errorf("GET /metrics = %d, %v:\n%s", code, err, text)
	}
	if code, _, _ := scrape(first, "/"); code != http.StatusNotFound {
		t.Errorf("GET / = %d; want 404", code)
	}
	apply(true, second)
	served(t, second, true)
	served(t, first, false)
	apply(false, second)
	served(t, second, false)

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := taken.Addr().(*net.TCPAddr).Port
	apply(true, port)
	problem := func() string {
		got, err := m.text()
		if err != nil {
			t.Fatal(err)
		}
		return got.Problem
	}
	eventually(t, "a port that is in use", func() string {
		if !strings.Contains(problem(), "address already in use") {
			return "no problem is told"
		}
		return ""
	})
	taken.Close()
	apply(true, port) // at once instead of at the next try
	served(t, port, true)
	eventually(t, "then", problem)
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run = %v; want nil", err)
	}
	served(t, port, false)
}

func TestCommands(t *testing.T) {
	grammar, err := config.New(Commands())
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"metrics on\n":                         "metrics on\n",
		"metrics off\n":                        "",
		"metrics port 9464\n":                  "",
		"metrics port 9000\nmetrics on\n":      "metrics on\n!\nmetrics port 9000\n",
		"metrics port 9000\nno metrics port\n": "",
	} {
		c, err := grammar.Parse(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if got := grammar.Render(c); got != want {
			t.Errorf("%q is rendered as %q; want %q", text, got, want)
		}
	}
}

// TestPortIsFree: metrics are served at all addresses, beside other services.
func TestPortIsFree(t *testing.T) {
	grammar, err := config.New(Commands())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		metrics model.Metrics
		want    string // of the error; empty: none
	}{
		{model.Metrics{On: true}, ""},
		{model.Metrics{On: true, Port: 53}, `"metrics on": metrics port 53: the box's own DNS has it already`},
		{model.Metrics{On: true, Port: 22}, `"metrics on": metrics port 22: SSH has it already`},
		{model.Metrics{Port: 22}, ""},
	} {
		got := ""
		if err := grammar.Validate(&model.Config{Metrics: test.metrics}); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("Validate(%+v) = %q; want %q", test.metrics, got, test.want)
		}
	}
}

// golden compares with testdata/metrics.txt, or writes it anew with -update, as
// exectest.Golden does, whose limit on the width of a line is not for metrics.
func golden(t *testing.T, printed string) {
	t.Helper()
	const file = "testdata/metrics.txt"
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.WriteFile(file, []byte(printed), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if difference := cmp.Diff(string(want), printed); difference != "" {
		t.Errorf("show metrics differs from %s:\n%s", file, difference)
	}
}
