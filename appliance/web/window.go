package web

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// span is a length of time that reports are of.
type span struct {
	Value, Title string
	length       time.Duration
	step         time.Duration // that makes a chart of it
}

const day = 24 * time.Hour

// spans are what may be chosen, the first by default.
var spans = []span{
	{"day", "a day", day, 15 * time.Minute},
	{"hour", "an hour", time.Hour, time.Minute},
	{"6-hours", "6 hours", 6 * time.Hour, 5 * time.Minute},
	{"week", "a week", 7 * day, 2 * time.Hour},
	{"30-days", "30 days", 30 * day, 6 * time.Hour},
	{"90-days", "90 days", 90 * day, day},
}

// paces are the steps that may be chosen; the first fits the span.
var paces = []span{
	{Value: "", Title: "as fits the time"},
	{Value: "minute", Title: "the minute", step: time.Minute},
	{Value: "quarter", Title: "the quarter of an hour", step: 15 * time.Minute},
	{Value: "hour", Title: "the hour", step: time.Hour},
	{Value: "day", Title: "the day", step: day},
}

// How many steps a page and a file have.
const (
	stepsOnPage = 6*60 + 1 // six hours by the minute, that begin within one
	stepsInFile = 31 * 24 * 60
)

// untilLayout is that of fields of time in forms.
const untilLayout = "2006-01-02T15:04"

// window is the time that a report is of, as its form says.
type window struct {
	Last, By, Until string // as chosen; Until is empty for now
	edges           []time.Time
	step            time.Duration
}

// window is what the form says, the same for all parts of a page: now goes on.
func (v *visit) window() (window, error) { return once(v, "window", v.readWindow) }

func (v *visit) readWindow() (window, error) {
	form := v.request.Form
	w := window{Last: form.Get("last"), By: form.Get("by"), Until: form.Get("until")}
	length, err := chosen(spans, cmp.Or(w.Last, spans[0].Value), "last")
	if err != nil {
		return w, err
	}
	pace, err := chosen(paces, w.By, "by")
	if err != nil {
		return w, err
	}
	now := time.Now().In(v.Zone())
	to := now
	if w.Until != "" {
		if to, err = time.ParseInLocation(untilLayout, w.Until, v.Zone()); err != nil {
			return w, fmt.Errorf("until %q is no time: it is written as %s", w.Until, untilLayout)
		}
		if to.After(now) {
			to = now
		}
	}
	w.step = cmp.Or(pace.step, length.step)
	if n := int(length.length / w.step); n > stepsInFile {
		return w, fmt.Errorf("%s by %s is %d steps: the most are %d, choose longer ones or a shorter time", length.Title, pace.Title, n, stepsInFile)
	}
	w.edges = edgesBetween(to.Add(-length.length), to, w.step)
	return w, nil
}

// chosen is the one that a form names.
func chosen(list []span, value, field string) (span, error) {
	for _, one := range list {
		if one.Value == value {
			return one, nil
		}
	}
	return span{}, fmt.Errorf("%s %q is none of what may be chosen", field, value)
}

// edgesBetween are those of the steps that a time is in, by the clock of its zone: a
// day begins at midnight.
func edgesBetween(from, to time.Time, step time.Duration) []time.Time {
	midnight := time.Date(from.Year(), from.Month(), from.Day(), 0, 0, 0, 0, from.Location())
	edges := []time.Time{midnight.Add(from.Sub(midnight).Truncate(step))}
	if step == day {
		edges[0] = midnight
	}
	for last := edges[0]; last.Before(to); edges = append(edges, last) {
		if step == day {
			last = time.Date(last.Year(), last.Month(), last.Day()+1, 0, 0, 0, 0, last.Location())
		} else {
			last = last.Add(step)
		}
	}
	if len(edges) == 1 { // an empty time has a step, too
		edges = append(edges, edges[0].Add(step))
	}
	return edges
}

// choice is a field that another form of the page has.
type choice struct{ Name, Value string }

// others are what other forms of the page chose, as its address has it: a form keeps them.
func (v *visit) others(own ...string) (list []choice) {
	own = append(own, "part", "as")
	query := v.request.URL.Query()
	for _, name := range slices.Sorted(maps.Keys(query)) {
		for _, value := range query[name] {
			if value != "" && !slices.Contains(own, name) {
				list = append(list, choice{name, value})
			}
		}
	}
	return list
}

// csv is the address of a part of the page as a file, with what its address chose:
// what a form has sent, its token and passwords, is in no link.
func (v *visit) csv(part string) string {
	query := v.request.URL.Query()
	if at := v.at(); len(at) > 0 {
		query["at"] = at
	}
	query.Set("part", part)
	query.Set("as", "csv")
	return "?" + query.Encode()
}

// historyLimit is how long the history may take: it is on a disk, which may hang.
const historyLimit = 10 * time.Second

// calls are those of each step of the window; of one without Seconds nothing is known.
func (v *visit) calls(ctx context.Context, w window) ([]Calls, error) {
	return once(v, "calls", func() ([]Calls, error) { return v.readCalls(ctx, w) })
}

func (v *visit) readCalls(ctx context.Context, w window) ([]Calls, error) {
	const (
		finest = 15 * time.Minute // where midnight is in all zones
		atOnce = 2000             // steps of one question
	)
	ctx, cancel := context.WithTimeout(ctx, historyLimit)
	defer cancel()
	step := min(w.step, finest)
	sums, at := make([]Calls, len(w.edges)-1), 0
	for from, end := w.edges[0], w.edges[len(w.edges)-1]; from.Before(end); {
		to := from.Add(atOnce * step)
		if to.After(end) {
			to = end
		}
		points, err := asked(ctx, func(ctx context.Context) ([]Calls, error) {
			return v.Sources.CallsBetween(ctx, from, to, step)
		})()
		if err != nil {
			return nil, err
		}
		for _, p := range points {
			for at < len(sums)-1 && !p.Time.Before(w.edges[at+1]) {
				at++
			}
			sums[at].add(p)
		}
		from = to
	}
	for i := range sums {
		sums[i].Time = w.edges[i]
		sums[i].MeanCPS = float64(sums[i].Offered) / float64(max(1, sums[i].Seconds))
	}
	return sums, nil
}

// add adds the calls of another time.
func (c *Calls) add(p Calls) {
	c.Seconds += p.Seconds
	c.Offered += p.Offered
	c.Refused += p.Refused
	c.Failed += p.Failed
	c.PeakCPS = max(c.PeakCPS, p.PeakCPS)
	c.PeakOpen = max(c.PeakOpen, p.PeakOpen)
}

// choosing is the form that says what time the reports of the page are of.
type choosing struct{}

func (choosing) name() string                      { return "time" }
func (choosing) permits(rights model.Rights) error { return permitsReports(rights) }

func permitsReports(rights model.Rights) error {
	return config.PermitsCommand(rights, "show reports")
}

func (choosing) show(_ context.Context, v *visit) (view, error) {
	w, err := v.window()
	return view{template: "choosing", data: struct {
		window
		Spans, Paces []span
		Zone         string
		Others       []choice
		Fault        error // the other parts of the page are not there then
	}{w, spans, paces, v.Zone().String(), v.others("last", "by", "until"), err}}, nil
}
