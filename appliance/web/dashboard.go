package web

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"causeway/appliance/alarm"
	"causeway/appliance/config"
	"causeway/appliance/model"
	"causeway/appliance/web/chart"
)

// dashboardPages is the page that one sees first.
func dashboardPages() []*page {
	return []*page{{path: "/", title: "Dashboard", parts: []part{health{}}}}
}

// How often the Dashboard is fetched again, and how long the box may take to tell how
// it is: what has not answered by then costs its card.
const (
	healthEvery = 5 * time.Second
	healthLimit = 2 * time.Second
)

// answers are those of all that the Dashboard may ask. Each question is asked when
// somebody waits for its answer, and once.
type answers struct {
	proxy    func() (model.ProxyStatus, error)
	billing  func() (model.BillingStatus, error)
	system   func() (model.SystemHealth, error)
	control  func() (model.ControlStatus, error)
	alarms   func() (alarm.ActiveAlarms, error)
	callHome func() (model.CallHomeStatus, error)
	license  func() (License, error)
	com      func() (COM, error)
	rate     func() (CallRate, error)
}

func (v *visit) answers(ctx context.Context) *answers {
	return &answers{
		proxy:    lazily(ctx, calling[model.ProxyStatus](v, "proxy", "proxy.status")),
		billing:  lazily(ctx, calling[model.BillingStatus](v, "billing", "billing.status")),
		system:   lazily(ctx, calling[model.SystemHealth](v, "init", "init.health")),
		control:  lazily(ctx, calling[model.ControlStatus](v, "control", "control.status")),
		alarms:   lazily(ctx, calling[alarm.ActiveAlarms](v, "control", "control.alarms")),
		callHome: lazily(ctx, v.callHome),
		license:  lazily(ctx, v.Sources.License),
		com:      lazily(ctx, v.Sources.COM),
		rate:     lazily(ctx, v.Sources.CallRate),
	}
}

// takesCalls reports whether the box takes calls.
func (a *answers) takesCalls() bool {
	license, err := a.license()
	_, silent := a.proxy()
	return silent == nil && (err != nil || license.Calls)
}

// lazily is asked, begun by the first who waits.
func lazily[A any](ctx context.Context, question func(context.Context) (A, error)) func() (A, error) {
	return sync.OnceValues(func() (A, error) { return asked(ctx, question)() })
}

// calling asks a process.
func calling[A any](v *visit, process, method string) func(context.Context) (A, error) {
	return func(ctx context.Context) (A, error) { return ask[A](ctx, v, process, method) }
}

var errSilent = errors.New("it has not answered in time")

// asked begins to ask, and gives what waits for the answer: as long as ctx, whatever
// the question does about that. One that panics has who waits panic, whom visit.shows
// catches: else it would take control with it.
func asked[A any](ctx context.Context, question func(context.Context) (A, error)) func() (A, error) {
	type reply struct {
		answer A
		err    error
		panics string // with its stack; empty: it has not
	}
	came := make(chan reply, 1)
	go func() {
		var r reply
		defer func() {
			if reason := recover(); reason != nil {
				r.panics = fmt.Sprintf("%v\n%s", reason, debug.Stack())
			}
			came <- r
		}()
		r.answer, r.err = question(ctx)
	}()
	return sync.OnceValues(func() (none A, err error) {
		select {
		case <-ctx.Done():
		case r := <-came:
			came <- r
		}
		select { // what came in time counts, however long others were waited for
		case r := <-came:
			if r.panics != "" {
				panic(r.panics)
			}
			if errors.Is(r.err, context.DeadlineExceeded) {
				r.err = errSilent
			}
			return r.answer, r.err
		default:
			return none, errSilent
		}
	})
}

// health is the box at a glance.
type health struct{}

func (health) name() string         { return "health" }
func (health) every() time.Duration { return healthEvery }

// permits implements part: who may see one card sees that.
func (health) permits(rights model.Rights) (err error) {
	for _, c := range cards {
		if err = c.permits(rights); err == nil {
			return nil
		}
	}
	return err
}

// glance is what the template has of the box.
type glance struct {
	Level    level
	Sentence string
	Cards    []filledCard
	Rate     *filledRate // nil: he may not see it
}

// filledCard is a card as somebody sees it.
type filledCard struct {
	Title, Path string // Path: of the page with more; empty: he may not see that
	Fault       error  // why not all is there; nil: it is
	content
}

// show asks nothing but what who looks may see, and all of it at once.
func (health) show(ctx context.Context, v *visit) (view, error) {
	limited, cancel := context.WithTimeout(ctx, healthLimit)
	defer cancel()
	a, rights := v.answers(limited), v.login.Rights
	var seen []card
	var fills []func() (content, error)
	for _, c := range cards {
		if c.permits(rights) == nil {
			seen, fills = append(seen, c), append(fills, asked(ctx, func(context.Context) (content, error) { return c.fill(v, a) }))
		}
	}
	var rate func() (CallRate, error) // nil: he may not see it
	if (callRate{}).permits(rights) == nil {
		rate = asked(ctx, func(context.Context) (CallRate, error) { return a.rate() })
	}
	var takes func() (bool, error) // likewise
	if cards[0].permits(rights) == nil {
		takes = asked(ctx, func(context.Context) (bool, error) { return a.takesCalls(), nil })
	}
	var g glance
	for i, c := range seen {
		filled := filledCard{Title: c.title}
		if filled.content, filled.Fault = fills[i](); filled.Fault != nil {
			filled.Level, filled.Trouble = bad, c.silent
		}
		if v.reach(c.path) != nil {
			filled.Path = c.path
		}
		g.Cards = append(g.Cards, filled)
	}
	if rate != nil {
		g.Rate = &filledRate{}
		if rate, err := rate(); err != nil {
			g.Rate.Fault = err
		} else if *g.Rate, err = rate.filled(v.Zone(), 110); err != nil {
			return view{}, err
		}
	}
	g.sum(takes)
	return view{template: "dashboard", data: g}, nil
}

// sum says in one sentence how the box is: whether it takes calls, for who may see
// that, and what is wrong, the worst first.
func (g *glance) sum(takesCalls func() (bool, error)) {
	var troubles []string
	if g.Rate != nil && g.Rate.Fault != nil {
		g.Level, troubles = bad, append(troubles, cards[0].silent)
	}
	for _, at := range []level{bad, warn} {
		for _, c := range g.Cards {
			if c.Level == at && c.Trouble != "" && !slices.Contains(troubles, c.Trouble) {
				g.Level = max(g.Level, at)
				troubles = append(troubles, c.Trouble)
			}
		}
	}
	takes, but := "The box runs", ", but "
	if takesCalls != nil {
		takes = "The box takes calls"
		if does, err := takesCalls(); err != nil || !does {
			takes, but, g.Level = "The box takes no calls", ": ", bad
		}
	}
	if len(troubles) == 0 {
		g.Sentence = takes + ", and nothing is wrong."
		return
	}
	g.Sentence = takes + but + strings.Join(troubles, "; ") + "."
}

// level is how well something is.
type level uint8

const (
	good level = iota
	warn
	bad
)

// String is its class in the style sheet.
func (l level) String() string { return [...]string{"good", "warn", "bad"}[l] }

// filledRate is the calls a second as somebody sees them.
type filledRate struct {
	CallRate
	Fault   error
	Limited string
	Chart   template.HTML // empty: there is no snapshot yet
	CSV     string        // address of the file; empty: it is elsewhere
}

// filled draws the rate; high is as in chart.Chart.
func (r CallRate) filled(zone *time.Location, high int) (f filledRate, err error) {
	f = filledRate{CallRate: r, Limited: r.limited()}
	if len(r.Snapshots) > 0 {
		c := r.chart(zone)
		c.High = high
		f.Chart, err = c.HTML()
	}
	return f, err
}

// callRate is the chart of the calls a second against the limit.
type callRate struct{}

func (callRate) name() string         { return "rate" }
func (callRate) every() time.Duration { return healthEvery }
func (callRate) permits(rights model.Rights) error {
	return config.PermitsCommand(rights, "show cps")
}

func (callRate) show(ctx context.Context, v *visit) (view, error) {
	rate, err := v.askRate(ctx)
	if err != nil {
		return view{}, err
	}
	data, err := rate.filled(v.Zone(), 0)
	data.CSV = v.csv("rate")
	return view{template: "rate", data: data}, err
}

// list implements lister.
func (callRate) list(ctx context.Context, v *visit) (heading []string, rows [][]string, err error) {
	rate, err := v.askRate(ctx)
	if err != nil || len(rate.Snapshots) == 0 {
		return []string{"Time"}, nil, err
	}
	heading, rows = rate.chart(v.Zone()).Table()
	return heading, rows, nil
}

func (v *visit) askRate(ctx context.Context) (CallRate, error) {
	return once(v, "rate", func() (CallRate, error) {
		ctx, cancel := context.WithTimeout(ctx, healthLimit)
		defer cancel()
		return asked(ctx, v.Sources.CallRate)()
	})
}

// chart is that of the snapshots; there is one at least.
func (r CallRate) chart(zone *time.Location) chart.Chart {
	c := chart.Chart{Name: "rate", Title: "Calls per second in each snapshot", Unit: "calls/s", Shape: chart.Bars, Limits: r.limits()}
	first := r.Snapshots[0]
	edges, rates := []time.Time{second(first.End.Add(-first.Span), zone)}, []float64{}
	for _, s := range r.Snapshots {
		edges, rates = append(edges, second(s.End, zone)), append(rates, s.Rate)
	}
	c.Axis, c.Series = chart.Times(edges), []chart.Series{{Name: "Calls per second", Values: rates}}
	return c
}

// second is a time as it is printed.
func second(t time.Time, zone *time.Location) time.Time { return t.In(zone).Round(time.Second) }

// limits are those of calls per second.
func (r CallRate) limits() []chart.Limit {
	if r.Limit == 0 {
		return nil
	}
	return []chart.Limit{{Name: "Limit of " + r.rule(), Value: r.Limit}}
}

// rule says whose limit it is.
func (r CallRate) rule() string {
	if r.Rule == model.RuleCPS {
		return "the licence"
	}
	return r.Rule
}

// limited is the limit in words.
func (r CallRate) limited() string {
	if r.Limit == 0 {
		return "none"
	}
	return fmt.Sprintf("%g, of %s", r.Limit, r.rule())
}
