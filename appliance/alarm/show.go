package alarm

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
)

// ExecCommands declares what an operator may ask and do about alarms.
func ExecCommands() []exec.Command {
	return []exec.Command{
		{Syntax: "show alarms [active]", Help: "Alarms that are active, the worst first", Run: showActive},
		{Syntax: "show alarms detail", Help: "Active alarms with all that is known of them and what to do", Run: showDetail},
		{Syntax: "show alarms history", Help: "What was raised and cleared, oldest first", Run: showHistory},
		{Syntax: "show alarms table", Help: "All alarms there are, with the rules by which they are raised and cleared", Run: showTable},
		{
			Syntax: "clear alarm ALARM [OBJECT]", Level: exec.Privileged,
			Args: []config.Argument{
				{Name: "ALARM", Type: config.Name{}, Help: "Number of an active alarm, or name of one or more"},
				{Name: "OBJECT", Type: config.Line{}, Help: "What the alarm is about, as show alarms prints it"},
			},
			Help: "Clear an active alarm; it is raised again when its condition comes anew",
			Run:  clearAlarm,
		},
	}
}

// The rows of show alarms; the text follows indented.
const (
	rowFormat = "%-7s  %-8s  %-25s  %s\n"
	indent    = "    "
	width     = 80
)

func showActive(ctx context.Context, s exec.Session, _ config.Args) error {
	active, err := askActive(ctx, s)
	if err != nil || len(active) == 0 {
		return err
	}
	fmt.Fprintf(s, rowFormat, "Number", "Severity", "Raised", "Alarm")
	for _, alarm := range active {
		fmt.Fprintf(s, rowFormat, strconv.FormatUint(alarm.Number, 10), alarm.Severity, stamp(s, alarm.First), subject(alarm.Name, alarm.Object))
		wrap(s, alarm.Text)
	}
	return nil
}

func showDetail(ctx context.Context, s exec.Session, _ config.Args) error {
	active, err := askActive(ctx, s)
	if err != nil {
		return err
	}
	for _, alarm := range active {
		row, _ := Find(alarm.Name)
		fmt.Fprintf(s, "\n%s\n", subject(alarm.Name, alarm.Object))
		for _, line := range []struct{ name, text string }{
			{"Number", strconv.FormatUint(alarm.Number, 10)},
			{"Severity", string(alarm.Severity)},
			{"First", stamp(s, alarm.First)},
			{"Last", stamp(s, alarm.Last)},
			{"Count", strconv.Itoa(alarm.Count)},
			{"Text", alarm.Text},
			{"Impact", row.Text},
			{"Remedy", row.Remedy},
		} {
			wrap(s, line.name+": "+line.text)
		}
	}
	return nil
}

// askActive asks for the active alarms and prints how many there are.
func askActive(ctx context.Context, s exec.Session) ([]model.Alarm, error) {
	var answer ActiveAlarms
	if err := s.Call(ctx, "control", "control.alarms", nil, &answer); err != nil {
		return nil, err
	}
	exec.Field(s, "Active alarms", len(answer.Active))
	return answer.Active, nil
}

func showHistory(ctx context.Context, s exec.Session, _ config.Args) error {
	var page Page
	if err := s.Call(ctx, "control", "control.alarm-history", HistoryRequest{}, &page); err != nil {
		return err
	}
	exec.Field(s, "Events", len(page.Events))
	if page.Missed > 0 {
		exec.Field(s, "Events no longer kept", page.Missed)
	}
	if len(page.Events) == 0 {
		return nil
	}
	fmt.Fprintf(s, rowFormat, "Number", "Event", "Time", "Alarm")
	for _, event := range page.Events {
		fmt.Fprintf(s, rowFormat, strconv.FormatUint(event.Number, 10), event.Kind, stamp(s, event.Time),
			subject(event.Name, event.Object)+" ("+string(event.Severity)+")")
		text := event.Text
		if event.Number != event.Alarm {
			text += fmt.Sprintf(" (raised as %d)", event.Alarm)
		}
		wrap(s, text)
	}
	return nil
}

func showTable(ctx context.Context, s exec.Session, _ config.Args) error {
	var answer Rows
	if err := s.Call(ctx, "control", "control.alarm-table", nil, &answer); err != nil {
		return err
	}
	for _, row := range answer.Rows {
		fmt.Fprintf(s, "%s (%s)\n", subject(row.Name, row.Object), row.Severity)
		wrap(s, "Raised: "+row.Raise+lasting(row.RaiseAfter))
		for _, l := range row.Levels {
			fmt.Fprintf(s, "%s%s%-8s  raised at %g %%, cleared below %g %%\n", indent, indent, l.Severity, l.Raise, l.Clear)
		}
		wrap(s, "Cleared: "+row.Clear+lasting(row.ClearAfter))
		wrap(s, "Impact: "+row.Text)
		wrap(s, "Remedy: "+row.Remedy)
	}
	return nil
}

// lasting says how long a condition must hold.
func lasting(d time.Duration) string {
	switch {
	case d == 0:
		return ""
	case d%time.Minute == 0:
		return fmt.Sprintf(", for %d min", d/time.Minute)
	}
	return fmt.Sprintf(", for %d s", d/time.Second)
}

func clearAlarm(ctx context.Context, s exec.Session, a config.Args) error {
	request := ClearRequest{Which: Which{Name: a.Text("ALARM"), Object: a.Text("OBJECT")}, Operator: s.Operator()}
	if number, err := strconv.ParseUint(request.Name, 10, 64); err == nil {
		request.Which = Which{Number: number}
	}
	var answer Cleared
	if err := s.Call(ctx, "control", "control.clear-alarm", request, &answer); err != nil {
		return err
	}
	for _, alarm := range answer.Cleared {
		exec.Field(s, "Cleared", fmt.Sprintf("%d %s", alarm.Number, subject(alarm.Name, alarm.Object)))
	}
	return nil
}

// subject is the name of an alarm and what it is about.
func subject(name, object string) string { return strings.TrimSpace(name + " " + object) }

func stamp(s exec.Session, t time.Time) string { return exec.Time(s, t, time.RFC3339) }

// wrap prints a text indented, in lines that fit the screen as far as its
// words do.
func wrap(w io.Writer, text string) {
	line := ""
	for _, word := range strings.Fields(text) {
		if longer := line + " " + word; line != "" && len(indent)+len(longer) > width {
			fmt.Fprintln(w, indent+line)
			line = word
		} else {
			line = strings.TrimSpace(longer)
		}
	}
	if line != "" {
		fmt.Fprintln(w, indent+line)
	}
}
