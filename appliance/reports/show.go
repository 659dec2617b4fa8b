package reports

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/exec"
)

// ExecCommands declares what an operator may ask of the history.
func ExecCommands() []exec.Command {
	hours := config.Argument{Name: "HOURS", Type: config.Integer{Min: 1, Max: 72}, Help: "How far back, in hours"}
	days := config.Argument{Name: "DAYS", Type: config.Integer{Min: 1, Max: 90}, Help: "How far back, in days"}
	return []exec.Command{
		{Syntax: "show reports [calls]", Help: "Calls of the last 24 hours", Run: showLast(func(config.Args) time.Duration {
			return 24 * time.Hour
		})},
		{Syntax: "show reports [calls] hours HOURS", Args: []config.Argument{hours}, Help: "Calls of the last hours", Run: showLast(func(a config.Args) time.Duration {
			return time.Duration(a.Int("HOURS")) * time.Hour
		})},
		{Syntax: "show reports [calls] days DAYS", Args: []config.Argument{days}, Help: "Calls of the last days", Run: showLast(func(a config.Args) time.Duration {
			return time.Duration(a.Int("DAYS")) * 24 * time.Hour
		})},
	}
}

// showLast shows the time up to now.
func showLast(length func(config.Args) time.Duration) func(context.Context, exec.Session, config.Args) error {
	return func(ctx context.Context, s exec.Session, a config.Args) error {
		to, back := time.Now(), length(a)
		step := stepFor(back)
		from := to.Add(-back).Truncate(step)
		var series Series
		if err := s.Call(ctx, "control", "control.reports", Query{From: from, To: to, Step: int(step / time.Minute)}, &series); err != nil {
			return err
		}
		chart(s, series.Points, from, to, step)
		return nil
	}
}

// steps are the lengths that a row may have.
var steps = []time.Duration{
	5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour,
	3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
}

// rowsMost is about what a screen holds.
const rowsMost = 30

// stepFor is the shortest step that makes no more than rowsMost rows of a time,
// or a day.
func stepFor(length time.Duration) time.Duration {
	for _, step := range steps {
		if length <= rowsMost*step {
			return step
		}
	}
	return steps[len(steps)-1]
}

// The columns of the chart; the bar shows the peak rate.
const (
	rowFormat = "%-16s  %7v  %7v  %7v  %6v  %6v  %5v"
	barMost   = 12
)

// chart prints a row for every step from one time to another.
func chart(s exec.Session, points []Point, from, to time.Time, step time.Duration) {
	fmt.Fprintf(s, "Calls offered, from the proxy's counters once a second; steps of %s\n", name(step))
	exec.Field(s, "Time zone", s.Zone())
	fmt.Fprintf(s, rowFormat+"  Peak/s\n", "Time", "Calls", "Refused", "Failed", "Mean/s", "Peak/s", "Open")
	top := 0.0
	known := map[int64]Point{}
	for _, p := range points {
		known[p.Time.Unix()] = p
		top = max(top, p.PeakCPS)
	}
	for at := from; at.Before(to); at = at.Add(step) {
		p, there := known[at.Unix()]
		row := []any{exec.Time(s, at, "2006-01-02 15:04"), "-", "-", "-", "-", "-", "-"}
		if there {
			row = []any{row[0], p.Calls, p.Refused, p.Failed, rate(p.MeanCPS), rate(p.PeakCPS), p.PeakOpen}
		}
		fmt.Fprintf(s, rowFormat, row...)
		if p.PeakCPS > 0 {
			fmt.Fprint(s, "  ", strings.Repeat("#", int(math.Ceil(barMost*p.PeakCPS/top))))
		}
		fmt.Fprintln(s)
	}
}

func rate(cps float64) string { return fmt.Sprintf("%.1f", cps) }

// name says a step in words.
func name(step time.Duration) string {
	switch {
	case step == 24*time.Hour:
		return "a day"
	case step%time.Hour == 0:
		return fmt.Sprintf("%d h", step/time.Hour)
	}
	return fmt.Sprintf("%d min", step/time.Minute)
}
