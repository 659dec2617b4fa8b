package web

import (
	"cmp"
	"context"
	"fmt"
	"html/template"
	"maps"
	"math"
	"slices"
	"strconv"

	"causeway/appliance/config"
	"causeway/appliance/model"
	"causeway/appliance/web/chart"
)

// reportPages are those of the menu Reports.
func reportPages() []*page {
	offered := column{"Offered", func(c Calls) float64 { return float64(c.Offered) }}
	refused := column{"Refused", func(c Calls) float64 { return float64(c.Refused) }}
	failed := column{"Failed", func(c Calls) float64 { return float64(c.Failed) }}
	return []*page{
		{
			path: "/reports/calls", title: "Calls",
			intro: "A call is refused when the box does not admit it, and has failed when it was admitted in vain. The current minute is not there yet.",
			parts: []part{
				choosing{},
				callHistory{id: "calls", title: "Calls offered, refused and failed", columns: []column{offered, refused, failed}},
				callHistory{id: "open", title: "Open calls", columns: []column{{"Most open calls", func(c Calls) float64 { return float64(c.PeakOpen) }}}},
			},
		},
		{
			path: "/reports/failed-calls", title: "Failed calls",
			parts: []part{
				choosing{},
				callHistory{id: "vain", title: "Calls in vain", shape: chart.Bars, columns: []column{refused, failed}},
				failedLog{},
			},
		},
		{
			path: "/reports/cps", title: "Calls per second",
			parts: []part{
				callRate{},
				choosing{},
				callHistory{id: "history", title: "History", unit: "calls/s", limited: true, columns: []column{
					{"Mean", func(c Calls) float64 { return c.MeanCPS }},
					{"Peak", func(c Calls) float64 { return c.PeakCPS }},
				}},
			},
		},
		{
			path: "/reports/billing", title: "Billing", intro: "The counters count since billing started.",
			parts: billingReports(),
		},
	}
}

// column is what a report has of the calls of a step.
type column struct {
	name string
	of   func(Calls) float64
}

// callHistory is a report of calls over the time that the form of the page says.
type callHistory struct {
	id, title string
	unit      string // as chart.Chart has it
	shape     chart.Shape
	limited   bool // the limit of calls per second is drawn
	columns   []column
}

func (h callHistory) name() string                      { return h.id }
func (h callHistory) permits(rights model.Rights) error { return permitsReports(rights) }

func (h callHistory) show(ctx context.Context, v *visit) (view, error) {
	w, err := v.window()
	switch {
	case err != nil:
		return view{}, nil // the form says so
	case len(w.edges)-1 > stepsOnPage:
		note := fmt.Sprintf("A page has room for %d steps, these are %d: take the file, or choose longer steps.", stepsOnPage, len(w.edges)-1)
		return view{template: "report", data: report{Title: h.title, Note: note, CSV: v.csv(h.id)}}, nil
	}
	c, err := h.chart(ctx, v, w)
	if err != nil {
		return view{}, err
	}
	if !c.Knows() {
		return view{template: "report", data: report{Title: h.title, Note: "Nothing is known of this time."}}, nil
	}
	r := report{Title: h.title, CSV: v.csv(h.id)}
	r.Heading, r.Rows = c.Table()
	r.Chart, err = c.HTML()
	return view{template: "report", data: r}, err
}

// list implements lister.
func (h callHistory) list(ctx context.Context, v *visit) (heading []string, rows [][]string, err error) {
	w, err := v.window()
	if err != nil {
		return nil, nil, err
	}
	c, err := h.chart(ctx, v, w)
	if err != nil {
		return nil, nil, err
	}
	heading, rows = c.Table()
	return heading, rows, nil
}

func (h callHistory) chart(ctx context.Context, v *visit, w window) (chart.Chart, error) {
	c := chart.Chart{Name: h.id, Title: h.title, Unit: h.unit, Shape: h.shape, Axis: chart.Times(w.edges)}
	calls, err := v.calls(ctx, w)
	if err != nil {
		return c, err
	}
	for _, column := range h.columns {
		values := make([]float64, len(calls))
		for i, one := range calls {
			values[i] = math.NaN()
			if one.Seconds > 0 {
				values[i] = column.of(one)
			}
		}
		c.Series = append(c.Series, chart.Series{Name: column.name, Values: values})
	}
	if h.limited {
		if rate, err := v.askRate(ctx); err == nil { // without, there is the history
			c.Limits = rate.limits()
		}
	}
	return c, nil
}

// report is what the template has of one.
type report struct {
	Title   string
	Note    string // instead of what follows, or above it
	Chart   template.HTML
	Heading []string
	Rows    [][]string
	CSV     string // address; empty: there is none
}

// How many calls of the log are asked for: the proxy has other things to do.
const (
	failedOnPage = 150
	failedInFile = 10_000
)

// failedLog is the log of calls that failed, and why.
type failedLog struct{}

func (failedLog) name() string { return "log" }
func (failedLog) permits(rights model.Rights) error {
	return config.PermitsCommand(rights, "show failed-calls")
}

func (failedLog) show(ctx context.Context, v *visit) (view, error) {
	query := v.failedQuery(failedOnPage)
	failed, err := v.Sources.FailedCalls(ctx, query)
	if err != nil {
		return view{}, err
	}
	data := struct {
		report
		FailedCalls
		Query  FailedCallsQuery
		Others []choice
	}{report: report{Title: "Failed-calls log", CSV: v.csv("log")}, FailedCalls: failed, Query: query, Others: v.others("rule", "from")}
	data.Heading, data.Rows = failed.table(v)
	if len(failed.Calls) > 0 {
		data.Chart, err = failed.byRule().HTML()
	}
	return view{template: "failed", data: data}, err
}

// list implements lister.
func (failedLog) list(ctx context.Context, v *visit) (heading []string, rows [][]string, err error) {
	failed, err := v.Sources.FailedCalls(ctx, v.failedQuery(failedInFile))
	heading, rows = failed.table(v)
	return heading, rows, err
}

// failedQuery reads the form of the log.
func (v *visit) failedQuery(last int) FailedCallsQuery {
	return FailedCallsQuery{Last: last, Rule: v.request.Form.Get("rule"), From: v.request.Form.Get("from")}
}

func (f FailedCalls) table(v *visit) (heading []string, rows [][]string) {
	for _, one := range f.Calls {
		rows = append(rows, []string{
			v.clock(one.Time), strconv.Itoa(one.Status), one.Reason, one.rule(), one.From, one.To, one.Caller, one.Callee, one.CallID,
		})
	}
	return []string{"Time", "Status", "Reason", "Rule", "From", "To", "Caller", "Callee", "Call-ID"}, rows
}

// rule says who has refused the call.
func (c FailedCall) rule() string { return cmp.Or(c.Rule, "none: the other side refused it") }

// byRule counts the calls by rule, the most frequent first.
func (f FailedCalls) byRule() chart.Chart {
	count := map[string]float64{}
	for _, one := range f.Calls {
		count[one.rule()]++
	}
	rules := slices.SortedFunc(maps.Keys(count), func(a, b string) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a, b))
	})
	series := chart.Series{Name: "Calls"}
	for _, rule := range rules {
		series.Values = append(series.Values, count[rule])
	}
	return chart.Chart{Name: "rules", Title: "These calls by rule", Shape: chart.Ranks, Axis: chart.Names("Rule", rules...), Series: []chart.Series{series}}
}
