package web

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/appliance/model"
)

// TestEdges: steps begin where people count from, by the clock of the zone.
func TestEdges(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	const layout = "2 15:04 MST"
	for _, test := range []struct {
		from         time.Time
		length, step time.Duration
		want         string
	}{
		{time.Date(2026, 11, 23, 12, 7, 31, 0, berlin), 3 * time.Minute, time.Minute, "23 12:07 CET, 23 12:08 CET, 23 12:09 CET, 23 12:10 CET, 23 12:11 CET"},
		{time.Date(2026, 11, 23, 12, 7, 31, 0, berlin), time.Hour, 15 * time.Minute, "23 12:00 CET, 23 12:15 CET, 23 12:30 CET, 23 12:45 CET, 23 13:00 CET, 23 13:15 CET"},
		{time.Date(2026, 3, 28, 12, 0, 0, 0, berlin), 48 * time.Hour, day, "28 00:00 CET, 29 00:00 CET, 30 00:00 CEST, 31 00:00 CEST"},
		{time.Date(2026, 11, 23, 0, 0, 0, 0, berlin), 0, day, "23 00:00 CET, 24 00:00 CET"},
	} {
		var got []string
		for _, edge := range edgesBetween(test.from, test.from.Add(test.length), test.step) {
			got = append(got, edge.Format(layout))
		}
		if strings.Join(got, ", ") != test.want {
			t.Errorf("edges of %v from %v by %v = %v; want %s", test.length, test.from, test.step, got, test.want)
		}
	}
}

// counting gives sources that tell of as many calls a minute as the hour has in the
// zone, and a note of how long the answers may be.
func counting(t *testing.T, zone *time.Location) Sources {
	s := quietSources()
	s.CallsBetween = func(_ context.Context, from, to time.Time, step time.Duration) (list []Calls, err error) {
		if n := to.Sub(from) / step; n > 3000 || step < time.Minute {
			t.Errorf("asked for %d steps of %v", n, step)
		}
		for at := from; at.Before(to); at = at.Add(step) {
			minutes := int(step / time.Minute)
			hour := at.In(zone).Hour()
			list = append(list, Calls{Time: at.UTC(), Seconds: 60 * minutes, Offered: minutes * hour, Refused: minutes, Failed: 2 * minutes, PeakCPS: float64(hour), PeakOpen: 10 * hour})
		}
		return list, nil
	}
	return s
}

func readCSV(t *testing.T, text string) [][]string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return rows
}

// TestReportCalls: a time that was chosen, as a page and as a file.
func TestReportCalls(t *testing.T) {
	b := newBox(t, wellAnswers())
	b.server.Sources = counting(t, b.Zone())
	w := b.login(t, user)
	const query = "last=day&by=hour&until=2026-03-02T12:30"
	status, page := w.get("/reports/calls?" + query)
	for _, want := range []string{
		`<option value="hour" selected>the hour`, `value="2026-03-02T12:30"`, "Offered: at most 1380 (2026-03-01 23:00 CET)", "<td>2026-03-02 12:00 CET</td><td>720</td><td>60</td><td>120</td>",
		"Most open calls: at most 230", `href="?as=csv&amp;by=hour&amp;last=day&amp;part=calls&amp;until=2026-03-02T12%3A30"`,
	} {
		if status != http.StatusOK || !strings.Contains(page, want) {
			t.Fatalf("the report = %d %s; want %q in it", status, page, want)
		}
	}
	_, text := w.get("/reports/calls?part=calls&as=csv&" + query)
	rows := readCSV(t, text)
	if len(rows) != 26 { // it begins and ends within an hour
		t.Fatalf("%d rows; want a heading and 25 hours", len(rows))
	}
	want := [][]string{{"Time", "Offered", "Refused", "Failed"}, {"2026-03-01 12:00 CET", "720", "60", "120"}}
	if diff := cmp.Diff(want, rows[:2]); diff != "" {
		t.Errorf("the file (-want +got):\n%s", diff)
	}
}

// TestReportSpans: every time with every step is a page, a page that leads to the
// file, or an error that says what to do.
func TestReportSpans(t *testing.T) {
	b := newBox(t, wellAnswers())
	b.server.Sources = counting(t, b.Zone())
	w := b.login(t, user)
	for _, length := range spans {
		for _, pace := range paces {
			query := fmt.Sprintf("last=%s&by=%s", length.Value, pace.Value)
			status, page := w.get("/reports/cps?" + query)
			if status != http.StatusOK || len(page) > 150<<10 {
				t.Errorf("%s = %d, %d octets; want 200, at most 150 KiB", query, status, len(page))
			}
			step := pace.step
			if step == 0 {
				step = length.step
			}
			n := int(length.length / step)
			for _, one := range []struct {
				is   bool
				text string
			}{
				{n < stepsOnPage, `id="history-title"`}, {n >= stepsOnPage && n <= stepsInFile, "A page has room for 361 steps"}, {n > stepsInFile, "choose longer ones"},
			} {
				if strings.Contains(page, one.text) != one.is {
					t.Errorf("%s: %q is there: %t", query, one.text, !one.is)
				}
			}
			if n > stepsInFile {
				continue
			}
			if _, text := w.get("/reports/cps?part=history&as=csv&" + query); len(readCSV(t, text)) < n+1 {
				t.Errorf("%s: the file has %d rows; want %d at least", query, len(readCSV(t, text)), n+1)
			}
		}
	}
}

// TestReportFaults: what cannot be read is said at the form, once.
func TestReportFaults(t *testing.T) {
	b := newBox(t, wellAnswers())
	b.server.Sources = counting(t, b.Zone())
	w := b.login(t, user)
	for query, want := range map[string]string{
		"last=year":     "last &#34;year&#34; is none of what may be chosen",
		"by=month":      "by &#34;month&#34; is none of what may be chosen",
		"until=tonight": "until &#34;tonight&#34; is no time: it is written as 2006-01-02T15:04",
	} {
		if _, page := w.get("/reports/calls?" + query); strings.Count(page, want) != 1 || strings.Contains(page, "<figure") {
			t.Errorf("%s = %s; want %q once", query, page, want)
		}
	}
	b.server.Sources.CallsBetween = func(context.Context, time.Time, time.Time, time.Duration) ([]Calls, error) {
		return nil, errors.New("the disk hangs")
	}
	if _, page := w.get("/reports/cps"); !strings.Contains(page, "The disk hangs.") || !strings.Contains(page, `id="rate-title"`) {
		t.Errorf("without history: %s; want the error, and the snapshots", page)
	}
	if status, _ := w.get("/reports/cps?part=history&as=csv"); status != http.StatusInternalServerError {
		t.Errorf("the file without history = %d; want 500", status)
	}
}

// TestReportHangs: a disk that hangs does not hold a page.
func TestReportHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := make(chan struct{})
		defer close(hangs)
		v := &visit{Server: &Server{Options: Options{Sources: Sources{
			CallsBetween: func(context.Context, time.Time, time.Time, time.Duration) ([]Calls, error) { <-hangs; return nil, nil },
		}}}}
		started := time.Now()
		w := window{edges: edgesBetween(noon, noon.Add(time.Hour), time.Minute), step: time.Minute}
		if _, err := v.calls(t.Context(), w); err != errSilent || time.Since(started) != historyLimit {
			t.Errorf("calls = %v after %v; want %v after %v", err, time.Since(started), errSilent, historyLimit)
		}
	})
}

// TestReportNothing: a box that has seen no call yet has gaps, and no numbers.
func TestReportNothing(t *testing.T) {
	b := newBox(t, wellAnswers())
	_, page := b.login(t, user).get("/reports/calls?last=hour")
	if strings.Count(page, "Nothing is known of this time.") != 2 || strings.Contains(page, "<figure") {
		t.Errorf("the report of nothing: %s", page)
	}
}

// TestReportFailedCalls: the log is searched, counted by rule, and to be had as CSV
// that no spreadsheet takes for formulas.
func TestReportFailedCalls(t *testing.T) {
	b := newBox(t, wellAnswers())
	var asked FailedCallsQuery
	b.server.Sources.FailedCalls = func(_ context.Context, q FailedCallsQuery) (FailedCalls, error) {
		asked = q
		return FailedCalls{On: true, Lost: 4, Problem: "the disk is full", Calls: []FailedCall{
			{Time: noon, Status: 486, Reason: "Busy", From: "=1+1", To: "<b>", Caller: "west", CallID: "c"},
			{Time: noon, Status: 503, Rule: "cps"}, {Time: noon, Status: 503, Rule: "cps"},
		}}, nil
	}
	w := b.login(t, user)
	status, page := w.get("/reports/failed-calls?rule=c%22s&from=alice&last=hour")
	if want := (FailedCallsQuery{Last: failedOnPage, Rule: `c"s`, From: "alice"}); status != http.StatusOK || asked != want {
		t.Errorf("the page = %d, asked for %+v; want %+v", status, asked, want)
	}
	for _, want := range []string{
		"&lt;b&gt;", "The last 3", "Calls: at most 2 (cps).", "<td>2026-11-23 13:00:00 CET</td>", "4 calls are not in it", "the disk is full",
		`name="rule" value="c&#34;s"`, `type="hidden" name="last" value="hour"`, `type="hidden" name="from" value="alice"`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q: %s", want, page)
		}
	}
	_, text := w.get("/reports/failed-calls?part=log&as=csv")
	rows := readCSV(t, text)
	if want := []string{"2026-11-23 13:00:00 CET", "486", "Busy", "none: the other side refused it", "'=1+1", "<b>", "west", "", "c"}; len(rows) != 4 || !cmp.Equal(rows[1], want) || asked.Last != failedInFile {
		t.Errorf("the file = %q, of %d; want %q in its second row", rows, asked.Last, want)
	}
	b.server.Sources.FailedCalls = func(context.Context, FailedCallsQuery) (FailedCalls, error) { return FailedCalls{}, nil }
	if _, page := w.get("/reports/failed-calls"); !strings.Contains(page, "The log is off") || !strings.Contains(page, "There are none.") {
		t.Errorf("without a log: %s", page)
	}
}

// TestReportBilling: what waits for the record keepers, and what became of requests.
func TestReportBilling(t *testing.T) {
	b := newBox(t, map[string]any{"billing.status": model.BillingStatus{
		Manager:  model.BillingManagerStatus{CacheMinor: 100, CacheMajor: 200, CacheCritical: 300},
		Cache:    model.CacheStatus{Bytes: 150 << 10, Consumers: []model.CacheConsumerStatus{{Name: "packetcable-em-0", Records: 12, Bytes: 3456, Oldest: noon, Held: true}, {Name: "xml-1", Orphaned: true}}},
		RADIUS:   []model.RADIUSClientStatus{{Name: "acct", Servers: []model.RADIUSServerStatus{{Name: "one", Address: "192.0.2.1:1813", Up: true, Requests: 7, RoundTripTime: 1500 * time.Microsecond}}}},
		CDR:      &model.CDRStatus{Directory: "harddisk:/cdr/", Calls: 55},
		Counters: map[string]int64{"begin": 5, "answer": 4},
	}})
	w := b.login(t, user)
	_, page := w.get("/reports/billing")
	for _, want := range []string{
		"Size: at most 150 KB (On the disk). Minor alarm: 100 KB. Major alarm: 200 KB. Critical alarm: 300 KB.", "Records: at most 12 (packetcable-em-0).",
		"<td>packetcable-em-0</td><td>12</td><td>3456</td><td>2026-11-23 13:00:00 CET</td><td>cannot deliver at present</td>", "not configured any more",
		"<td>acct</td><td>one</td><td>192.0.2.1:1813</td><td>up</td><td>7</td>", "<td>1.5</td>", "<td>Calls written</td><td>55</td>", "<td>Octets on the disk</td><td>153600</td>", "Read: at most 5 (begin).",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q: %s", want, page)
		}
	}
	_, text := w.get("/reports/billing?part=events&as=csv")
	if want := "Event,Read\r\nanswer,4\r\nbegin,5\r\n"; text != want {
		t.Errorf("the file = %q; want %q", text, want)
	}
	b.Answers["billing.status"] = model.BillingStatus{}
	if _, page := w.get("/reports/billing"); strings.Count(page, "There are none.") != 4 {
		t.Errorf("a box without billing: %s", page)
	}
}

// TestReportRights: a report is seen by who may type its command.
func TestReportRights(t *testing.T) {
	b := newBox(t, wellAnswers())
	b.people.rights["eve"] = model.Rights{Rules: []model.Rule{{Permit: true, Kind: model.RuleExec, Words: "show reports"}}}
	w := b.login(t, "eve")
	for path, want := range map[string]int{"/reports/calls": 200, "/reports/cps": 200, "/reports/failed-calls": 200, "/reports/billing": 403, "/reports/failed-calls?part=log": 404, "/reports/cps?part=rate": 404} {
		if status, text := w.get(path); status != want {
			t.Errorf("GET %s = %d %s; want %d", path, status, text, want)
		}
	}
}

// FuzzWindow: whatever the form says, it is an error, or steps that follow each other,
// as many as a file has at most, none of them to come.
func FuzzWindow(f *testing.F) {
	f.Add("day", "hour", "2026-03-02T12:30")
	f.Add("90-days", "", "0001-01-01T00:00")
	f.Add("hour", "day", "9999-12-31T23:59")
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, last, by, until string) {
		v := &visit{
			Server:  &Server{Options: Options{Zone: func() *time.Location { return zone }}},
			request: &http.Request{Form: url.Values{"last": {last}, "by": {by}, "until": {until}}},
		}
		w, err := v.window()
		if err != nil {
			return
		}
		if n := len(w.edges) - 1; n < 1 || n > stepsInFile+1 || w.edges[n-1].After(time.Now()) {
			t.Fatalf("%d steps, the last begins at %v", n, w.edges[max(0, n-1)])
		}
		for i, edge := range w.edges[1:] {
			if !edge.After(w.edges[i]) {
				t.Fatalf("step %d ends at %v, and begins at %v", i, edge, w.edges[i])
			}
		}
	})
}
