package logging

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
)

// debugged are the processes with debug lines.
var debugged = config.Choice{"proxy", "billing", "control"}

// every stands for all of them.
const every = "all"

// ExecCommands declares what an operator may ask of the log.
func ExecCommands() []exec.Command {
	target := config.Argument{Name: "PROCESS", Type: append(slices.Clone(debugged), every), Help: "Whose debug lines end"}
	return []exec.Command{
		{
			Syntax: "show logging [last LINES] [level LEVEL] [process PROCESS]",
			Args: []config.Argument{
				{Name: "LINES", Type: config.Integer{Min: 1, Max: 10000}, Help: "The last so many lines that fit; all unless given"},
				{Name: "LEVEL", Type: levels(), Help: "Lines this severe or worse"},
				{Name: "PROCESS", Type: config.Choice{"kernel", "init", "proxy", "billing", "control", "console"}, Help: "Lines of this process"},
			},
			Help: "The log since boot, and where it is passed on to",
			Run:  showLogging,
		},
		{
			Syntax: "debug PROCESS [minutes MINUTES]",
			Args: []config.Argument{
				{Name: "PROCESS", Type: debugged, Help: "Which process writes debug lines into the log"},
				{Name: "MINUTES", Type: config.Integer{Min: debugMin, Max: debugMax}, Default: debugDefault, Help: "For how long"},
			},
			Help: "Write debug lines for some minutes, at most 50 a second", Level: exec.Privileged,
			Run: func(ctx context.Context, s exec.Session, a config.Args) error {
				return debug(ctx, s, a.Text("PROCESS"), a.Int("MINUTES"))
			},
		},
		{Syntax: "undebug PROCESS", Args: []config.Argument{target}, Help: "Stop debug lines", Level: exec.Privileged, Run: undebug},
		{Syntax: "no debug PROCESS", Args: []config.Argument{target}, Help: "Stop debug lines", Level: exec.Privileged, Run: undebug},
		{Syntax: "show debugging", Help: "Which processes write debug lines", Run: showDebugging},
	}
}

func debug(ctx context.Context, s exec.Session, process string, minutes int) error {
	var status DebugStatus
	err := s.Call(ctx, process, process+".debug", DebugRequest{&minutes}, &status)
	if err == nil {
		exec.Field(s, process, status)
	}
	return err
}

// undebug stops the debug lines of one process or of all, as far as they run.
func undebug(ctx context.Context, s exec.Session, a config.Args) error {
	if process := a.Text("PROCESS"); process != every {
		return debug(ctx, s, process, 0)
	}
	for _, process := range debugged {
		if err := debug(ctx, s, process, 0); err != nil {
			exec.Field(s, process, err)
		}
	}
	return nil
}

func showDebugging(ctx context.Context, s exec.Session, _ config.Args) error {
	for _, process := range debugged {
		var status DebugStatus
		if err := s.Call(ctx, process, process+".debug", DebugRequest{}, &status); err != nil {
			exec.Field(s, process, err)
		} else {
			exec.Field(s, process, status)
		}
	}
	return nil
}

// String is "off" or "for 9m30s more, 12 lines dropped".
func (d DebugStatus) String() string {
	if d.Left == 0 {
		return "off"
	}
	return fmt.Sprintf("for %v more, %d lines dropped", d.Left.Round(time.Second), d.Dropped)
}

// ringMost is more entries than the kernel's ring holds at once: 1 MiB of 32
// octets at least. What comes while the log is read in a flood is not read.
const ringMost = 1 << 16

// showLogging asks init for the log, so that it works while control is down.
func showLogging(ctx context.Context, s exec.Session, a config.Args) error {
	showRelay(ctx, s)
	level, process := len(severities)-1, a.Text("PROCESS")
	if a.Has("LEVEL") {
		level = slices.Index(levels(), a.Text("LEVEL"))
	}
	read := func(ctx context.Context, q model.LogQuery) (page model.LogPage, err error) {
		err = s.Call(ctx, "init", "init.log", q, &page)
		return page, err
	}
	last, err := newest(ctx, read, a.Int("LINES"), func(l line) bool {
		return l.severity <= level && (process == "" || l.process == process)
	})
	for _, l := range last {
		fmt.Fprintln(s, l.shown(exec.Time(s, l.time, timeLayout)))
	}
	return err
}

// Tail gives the newest lines of the log, most of them at most (0: all), as show
// logging has them. read asks init for a part of the log.
func Tail(ctx context.Context, read func(context.Context, model.LogQuery) (model.LogPage, error), most int) (string, error) {
	last, err := newest(ctx, read, most, func(line) bool { return true })
	var text strings.Builder
	for _, l := range last {
		fmt.Fprintln(&text, l.shown(l.time.UTC().Format(time.RFC3339)))
	}
	return text.String(), err
}

// newest reads the log and gives the newest lines that are wanted.
func newest(ctx context.Context, read func(context.Context, model.LogQuery) (model.LogPage, error), most int, wanted func(line) bool) (last []line, err error) {
	for more, next, entries := true, uint64(0), 0; more && entries < ringMost; {
		page, err := read(ctx, model.LogQuery{From: next, Max: pageSize})
		if err != nil {
			return nil, err
		}
		if next == 0 && len(page.Entries) > 0 {
			next = page.Entries[0].Seq // that the ring lost what was before is no news
		}
		for _, l := range readLines(next, page.Entries) {
			if wanted(l) {
				last = append(last, l)
			}
		}
		if most > 0 && len(last) > most {
			last = slices.Clone(last[len(last)-most:])
		}
		more, next, entries = len(page.Entries) == pageSize, page.Next, entries+len(page.Entries)
	}
	return last, nil
}

// shown is a line on a terminal, with its time as that is shown there.
func (l line) shown(at string) string {
	return fmt.Sprintf("%s %-7s %s: %s", at, severities[l.severity].keyword, l.process, l.text)
}

// patience is how long control may take to say how the log is passed on.
const patience = 2 * time.Second

// showRelay prints where the log is passed on to.
func showRelay(ctx context.Context, s exec.Session) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var status Status
	if err := s.Call(ctx, "control", "control.logging", nil, &status); err != nil {
		exec.Field(s, "Passed on", err)
		return
	}
	exec.Field(s, "File", status.File)
	for _, server := range status.Servers {
		exec.Field(s, "Server", server)
		fmt.Fprintf(s, "  %d messages sent, %d lines waiting, %s\n", server.Sent, server.Waiting, server.state(s))
		if server.Problem != "" {
			fmt.Fprintf(s, "  %s\n", server.Problem)
		}
	}
}

// String is "harddisk:log/messages, 3 files of 1034 KiB in all".
func (f FileStatus) String() string {
	text := fmt.Sprintf("harddisk:log/%s, %d files of %d KiB in all", fileName, f.Files, (f.Bytes+1023)/1024)
	if f.Problem != "" {
		text += "; not written: " + f.Problem
	}
	return text
}

// String is "tcp 192.0.2.1:601, informational".
func (s ServerStatus) String() string { return s.Server + ", " + severities[s.Level].level }

func (s ServerStatus) state(session exec.Session) string {
	since := exec.Time(session, s.Since, time.RFC3339)
	switch {
	case s.Up && strings.HasPrefix(s.Server, "udp "): // whether it listens nobody knows
		return "no error since " + since
	case s.Up:
		return "up since " + since
	case s.Problem != "":
		return "down since " + since
	}
	return "being tried"
}
