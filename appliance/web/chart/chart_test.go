package chart

import (
	"encoding/xml"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files")

var unknown = math.NaN()

// edges are those of n steps.
func edges(from time.Time, step time.Duration, n int) (list []time.Time) {
	for i := range n + 1 {
		list = append(list, from.Add(time.Duration(i)*step))
	}
	return list
}

// examples are one chart of each shape.
func examples() map[string]Chart {
	from := time.Date(2026, 11, 23, 22, 0, 0, 0, time.FixedZone("CET", 3600))
	return map[string]Chart{
		"lines": {
			Name: "rate", Title: "Calls <per> second", Unit: "calls/s", Axis: Times(edges(from, time.Hour, 6)),
			Series: []Series{{"Mean", []float64{0, 2.5, unknown, 4, unknown, 1}}, {"Peak", []float64{0, 5, 8, 12, 3}}},
			Limits: []Limit{{"Limit", 10}},
		},
		"bars": {
			Name: "vain", Title: "Calls in vain", Shape: Bars, Axis: Times(edges(from, 30*time.Second, 4)),
			Series: []Series{{"Refused", []float64{1, 0, 3, unknown}}, {"Failed", []float64{2, 2, unknown, unknown}}},
		},
		"ranks": {
			Name: "waiting", Title: "Records that wait", Shape: Ranks, Axis: Names("Instance", "packetcable-em-0", "xml-1"),
			Series: []Series{{"Records", []float64{50, unknown}}}, Limits: []Limit{{"Minor", 75}, {"Critical", 100}},
		},
	}
}

func TestGolden(t *testing.T) {
	for name, c := range examples() {
		got, err := c.HTML()
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join("testdata", name+".golden")
		text := strings.ReplaceAll(string(got), "><", ">\n<") + "\n"
		if *update {
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), text); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestSummary(t *testing.T) {
	for name, want := range map[string]string{
		"lines": "Mean: at most 4 calls/s (2026-11-24 01:00 CET), in the end 1. Peak: at most 12 calls/s (2026-11-24 01:00 CET), in the end 3. Limit: 10 calls/s.",
		"bars":  "Refused: at most 3 (2026-11-23 22:01:00 CET), in the end 3. Failed: at most 2 (2026-11-23 22:00:00 CET), in the end 2.",
		"ranks": "Records: at most 50 (packetcable-em-0). Minor: 75. Critical: 100.",
	} {
		if got := examples()[name].summary(); got != want {
			t.Errorf("summary of %s = %q; want %q", name, got, want)
		}
	}
	none := Chart{Axis: Names("", "a"), Series: []Series{{Name: "Calls"}}}
	if got, want := none.summary(), "Calls: nothing is known."; got != want {
		t.Errorf("summary of nothing = %q; want %q", got, want)
	}
}

func TestTable(t *testing.T) {
	heading, rows := examples()["lines"].Table()
	if diff := cmp.Diff([]string{"Time", "Mean (calls/s)", "Peak (calls/s)"}, heading); diff != "" {
		t.Errorf("heading (-want +got):\n%s", diff)
	}
	want := [][]string{
		{"2026-11-23 22:00 CET", "0", "0"},
		{"2026-11-23 23:00 CET", "2.5", "5"},
		{"2026-11-24 00:00 CET", "-", "8"},
		{"2026-11-24 01:00 CET", "4", "12"},
		{"2026-11-24 02:00 CET", "-", "3"},
		{"2026-11-24 03:00 CET", "1", "-"},
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestScale(t *testing.T) {
	for _, test := range []struct {
		most  float64
		whole bool
		want  string
	}{
		{0, true, "0 1"}, {0, false, "0 0.2 0.4 0.6 0.8 1"}, {1, true, "0 1"}, {3, true, "0 1 2 3"}, {7, true, "0 2 4 6 8"},
		{10, true, "0 2 4 6 8 10"}, {12, true, "0 5 10 15"}, {0.3, false, "0 0.1 0.2 0.3"}, {123.4, false, "0 50 100 150"},
		{1e5, true, "0 20k 40k 60k 80k 100k"}, {3.2e6, true, "0 1M 2M 3M 4M"}, {2500, true, "0 500 1000 1500 2000 2500"},
		{12500, true, "0 5000 10k 15k"},
	} {
		s := scaleTo(test.most, test.whole)
		var got []string
		for i := range s.n + 1 {
			got = append(got, short(s.step*float64(i)))
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("scale to %v (whole %t) = %v; want %s", test.most, test.whole, got, test.want)
		}
	}
}

func TestMarks(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	at := func(year int, month time.Month, day, hour, minute int) time.Time {
		return time.Date(year, month, day, hour, minute, 0, 0, berlin)
	}
	for _, test := range []struct {
		from time.Time
		step time.Duration
		n    int
		want string
	}{
		{at(2026, 11, 23, 12, 4), time.Minute, 60, "6:12:10 16:12:20 26:12:30 36:12:40 46:12:50 56:13:00"},
		{at(2026, 11, 23, 12, 4), 30 * time.Second, 10, "0:12:04 2:12:05 4:12:06 6:12:07 8:12:08"},
		{at(2026, 11, 22, 13, 0), 15 * time.Minute, 96, "20:18:00 44:23 Nov 68:06:00 92:12:00"},
		{at(2026, 11, 1, 0, 0), 24 * time.Hour, 30, "0:1 Nov 7:8 Nov 14:15 Nov 21:22 Nov 28:29 Nov"},
		// The nights in which the clocks go forward and back.
		{at(2026, 3, 28, 20, 0), time.Hour, 12, "1:21:00 4:29 Mar 6:03:00 9:06:00"},
		{at(2026, 10, 24, 20, 0), time.Hour, 14, "1:21:00 4:25 Oct 8:03:00 11:06:00"},
	} {
		axis := Times(edges(test.from, test.step, test.n))
		var got []string
		for _, m := range axis.marks {
			got = append(got, fmt.Sprintf("%g:%s", m.at, m.text))
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("marks of %d times %v from %v = %v; want %s", test.n, test.step, test.from, got, test.want)
		}
	}
}

// TestUnevenSteps: a day on which the clocks change is as wide as the others.
func TestUnevenSteps(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	var days []time.Time
	for day := range 5 {
		days = append(days, time.Date(2026, 3, 28+day, 0, 0, 0, 0, berlin))
	}
	axis := Times(days)
	want := Axis{
		Name: "Time", Note: "Times are of the zone Europe/Berlin.",
		Labels: []string{"2026-03-28 CET", "2026-03-29 CET", "2026-03-30 CEST", "2026-03-31 CEST"},
		marks:  []mark{{0, "28 Mar"}, {1, "29 Mar"}, {2, "30 Mar"}, {3, "31 Mar"}},
	}
	if diff := cmp.Diff(want, axis, cmp.AllowUnexported(Axis{}, mark{})); diff != "" {
		t.Errorf("axis (-want +got):\n%s", diff)
	}
}

// TestAnyChart: whatever the numbers, the figure is well formed, brings no style and
// no script, and nothing of it is out of its box.
func TestAnyChart(t *testing.T) {
	value := rapid.OneOf(
		rapid.Float64(), rapid.Float64Range(0, 1e4), rapid.Map(rapid.IntRange(0, 50), func(n int) float64 { return float64(n) }),
		rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), math.Inf(-1), -1, 5e-324, math.MaxFloat64}),
	)
	numbers := regexp.MustCompile(`-?[0-9.]+`)
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 200).Draw(t, "labels")
		step := rapid.SampledFrom([]time.Duration{time.Second, 30 * time.Second, time.Minute, 7 * time.Minute, time.Hour, 24 * time.Hour}).Draw(t, "step")
		c := Chart{
			Name: "any", Title: rapid.StringMatching(`[ -~]*`).Draw(t, "title"), Shape: Shape(rapid.IntRange(0, 2).Draw(t, "shape")),
			Axis: Times(edges(time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "from"), 0).UTC(), step, n)),
		}
		for range rapid.IntRange(1, 5).Draw(t, "series") {
			c.Series = append(c.Series, Series{rapid.StringMatching(`[ -~]*`).Draw(t, "name"), rapid.SliceOfN(value, 0, n).Draw(t, "values")})
		}
		for range rapid.IntRange(0, 3).Draw(t, "limits") {
			c.Limits = append(c.Limits, Limit{"limit", rapid.Float64Range(0, 1e6).Draw(t, "limit")})
		}
		if len(c.Axis.marks) > marksMost {
			t.Errorf("%d marks; want at most %d", len(c.Axis.marks), marksMost)
		}
		text, err := c.HTML()
		if err != nil {
			t.Fatal(err)
		}
		right := unit * float64(n)
		decoder := xml.NewDecoder(strings.NewReader(string(text)))
		decoder.Entity = xml.HTMLEntity
		for {
			token, err := decoder.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%v in %s", err, text)
			}
			element, is := token.(xml.StartElement)
			if !is {
				continue
			}
			for _, a := range element.Attr {
				switch {
				case a.Name.Local == "style" || strings.HasPrefix(a.Name.Local, "on") || element.Name.Local == "script":
					t.Errorf("<%s %s>: a strict policy does not let it in", element.Name.Local, a.Name.Local)
				case a.Name.Local == "d":
					for _, number := range numbers.FindAllString(a.Value, -1) {
						if v, err := strconv.ParseFloat(number, 64); err != nil || v < 0 || v > max(right, depth) {
							t.Errorf("%s is out of the box, in %s", number, a.Value)
						}
					}
				case strings.ContainsAny(a.Value, "NIe") && (a.Name.Local == "x" || a.Name.Local == "y" || a.Name.Local == "width" || a.Name.Local == "height"):
					t.Errorf("<%s %s=%q>: that is no number", element.Name.Local, a.Name.Local, a.Value)
				}
			}
		}
	})
}
