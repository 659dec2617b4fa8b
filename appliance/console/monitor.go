package console

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
)

// What a session looks at without being asked, and how often.
const (
	logInterval  = time.Second
	lookInterval = 2 * time.Second // control and its alarms
	patience     = time.Second     // for an answer to either
	downAfter    = 5 * time.Second // without an answer, control is down
)

// controlState is what the session knows of control.
type controlState struct {
	status model.ControlStatus // the last one
	zone   *time.Location      // that of status; nil: there was none yet
	up     bool
	since  time.Time // when it was last up, or when the session began
	told   bool      // the operator was told that it is down
	err    error     // why it does not answer
}

// hostName is the one of the prompt.
func (s *Session) hostName() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return cmp.Or(s.control.status.HostName, "causeway")
}

// Zone is the time zone of the box.
func (s *Session) Zone() *time.Location {
	s.mu.Lock()
	defer s.mu.Unlock()
	return cmp.Or(s.control.zone, time.UTC)
}

// prompt is what stands before a line.
func (s *Session) prompt() string {
	if s.Silent {
		return ""
	}
	if s.at.configuring() {
		return fmt.Sprintf("%s(%s)#", s.hostName(), s.at)
	}
	return s.hostName() + string(s.at)
}

// awaitControl gives control time to come up, as it does at boot.
func (s *Session) awaitControl(ctx context.Context) {
	s.mu.Lock()
	s.control.since = time.Now()
	s.mu.Unlock()
	const pause = 100 * time.Millisecond
	for until := time.Now().Add(s.ControlWait); !s.look(ctx) && time.Now().Before(until); {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
	s.tellDown(0)
}

// watch tells the operator what nobody asked for, until ctx ends.
func (s *Session) watch(ctx context.Context) {
	ticker := time.NewTicker(logInterval)
	defer ticker.Stop()
	var log, alarms cursor
	var typed time.Time
	for last := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			s.newLines(ctx, &log)
			if now.Sub(last) < lookInterval {
				continue
			}
			last = now
			s.look(ctx)
			s.tellDown(downAfter)
			s.newAlarms(ctx, &alarms)
			s.tellTyped(ctx, &typed)
		}
	}
}

// tellTyped tells control that keys were typed since the last time.
func (s *Session) tellTyped(ctx context.Context, last *time.Time) {
	typed := s.in.lastKey()
	if typed.Equal(*last) {
		return
	}
	*last = typed
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s.Call(ctx, "control", "control.access.active", model.SessionRequest{Session: s.login.Session, Operator: s.login.Operator}, nil)
}

// look asks control how it is, and tells what is new about the configuration.
// It reports whether control answers.
func (s *Session) look(ctx context.Context) bool {
	s.looking.Lock()
	defer s.looking.Unlock()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var status model.ControlStatus
	err := s.Call(ctx, "control", "control.status", nil, &status)
	s.mu.Lock()
	before := s.control
	if err == nil {
		zone, _ := status.TimeZone.Location() // nil where this image has no such zone
		s.control = controlState{status: status, zone: zone, up: true, since: time.Now()}
	} else {
		s.control.up, s.control.err = false, err
	}
	s.mu.Unlock()
	if err != nil {
		return false
	}
	if before.told {
		s.screen.message("%CONTROL-5-UP: control answers again")
	}
	for _, line := range news(s.onScreen(), before.status, status) {
		s.screen.message(line)
	}
	if !s.Silent {
		for _, line := range reminders(before.status.Reminders, status.Reminders) {
			s.screen.message(line)
		}
	}
	for _, line := range visits(before.status.COM, status.COM, s.login.Operator) {
		s.screen.message(line)
	}
	return true
}

// Messages that nobody asked for begin as those of IOS do, with a subject, a
// severity (RFC 5424 §6.2.1) and a word, so that they are not taken for what a
// command has to say.

// news is what changed with the configuration between two answers of control.
func news(out exec.Session, before, now model.ControlStatus) []string {
	var lines []string
	for _, problem := range now.Problems {
		if !slices.Contains(before.Problems, problem) {
			lines = append(lines, "%CONFIG-3-PROBLEM: "+problem)
		}
	}
	if len(lines) > 0 {
		lines = append(lines, "%CONFIG-5-RUNNING: "+configuration(now.Revision))
	}
	if p := now.Pending; p != nil && (before.Pending == nil || before.Pending.Revision != p.Revision) {
		lines = append(lines, "%CONFIG-4-UNCONFIRMED: "+pendingNote(out, *p))
	}
	return lines
}

// reminders are those that are new between two answers of control.
func reminders(before, now []string) []string {
	var lines []string
	for _, reminder := range now {
		if !slices.Contains(before, reminder) {
			lines = append(lines, "%CONFIG-5-REMINDER: "+reminder)
		}
	}
	return lines
}

// visits is who has come in over COM, or left, between two answers of control,
// but for who types here.
func visits(before, now []string, self model.Operator) []string {
	var lines []string
	for _, origin := range now {
		if !slices.Contains(before, origin) && (origin != self.Origin || self.User != model.COMAdmin) {
			lines = append(lines, "%COM-5-IN: "+model.Operator{User: model.COMAdmin, Origin: origin}.String()+" is in: show com sessions")
		}
	}
	for _, origin := range before {
		if !slices.Contains(now, origin) {
			lines = append(lines, "%COM-5-OUT: "+model.Operator{User: model.COMAdmin, Origin: origin}.String()+" has left")
		}
	}
	return lines
}

// configuration names a revision by its number; 0 is in no store.
func configuration(number int) string {
	if number == 0 {
		return "the built-in configuration"
	}
	return fmt.Sprintf("revision %d", number)
}

// tellDown tells once that control has been down for so long, and what is left.
func (s *Session) tellDown(after time.Duration) {
	s.mu.Lock()
	c := s.control
	tell := !c.up && !c.told && time.Since(c.since) >= after
	s.control.told = c.told || tell
	s.mu.Unlock()
	if !tell {
		return
	}
	s.screen.message(fmt.Sprintf("%%CONTROL-2-DOWN: %v", c.err))
	s.screen.message("Without control calls go on, and so do the commands that need init, proxy or billing only")
	for i, r := range rescues {
		s.screen.message(fmt.Sprintf("  rescue %d  %s", i+1, r.help))
	}
}

// cursor is how far something was shown.
type cursor struct {
	next  uint64
	known bool
}

// linesMax is how many lines of the log are shown at once: a slow serial line
// shall not fall behind for ever.
const linesMax = 20

func (s *Session) monitor(context.Context, exec.Session, config.Args) error {
	s.setMonitoring(true)
	return nil
}

func (s *Session) noMonitor(context.Context, exec.Session, config.Args) error {
	s.setMonitoring(false)
	return nil
}

func (s *Session) setMonitoring(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.monitoring = on
}

// newLines shows the lines that the log got since it was looked at last.
func (s *Session) newLines(ctx context.Context, c *cursor) {
	s.mu.Lock()
	monitoring := s.monitoring
	s.mu.Unlock()
	if !monitoring {
		*c = cursor{}
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	shown, out := 0, s.onScreen()
	for {
		var page model.LogPage
		if s.Call(ctx, "init", "init.log", model.LogQuery{From: c.next}, &page) != nil || page.Next <= c.next {
			break // to be had a second later
		}
		c.next = page.Next
		for _, entry := range page.Entries {
			if shown++; c.known && shown <= linesMax {
				s.screen.message(exec.Time(out, entry.Time, time.TimeOnly) + " " + entry.Text)
			}
		}
	}
	if c.known && shown > linesMax {
		s.screen.message(fmt.Sprintf("%%LOG-6-MORE: %s: show logging", count(shown-linesMax, "more line")))
	}
	c.known = true
}

// newAlarms shows alarms of some weight that were raised or cleared since it
// was looked last.
func (s *Session) newAlarms(ctx context.Context, c *cursor) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request := struct {
		After uint64 `json:"after"`
		Max   int    `json:"max"`
	}{c.next, linesMax}
	var page struct {
		Events []model.AlarmEvent `json:"events"`
		Last   uint64             `json:"last"`
	}
	if s.Call(ctx, "control", "control.alarm-history", request, &page) != nil {
		return
	}
	if !c.known || len(page.Events) == 0 {
		c.next, c.known = page.Last, true
		return
	}
	for _, e := range page.Events {
		c.next = e.Number
		if e.Severity == model.Critical || e.Severity == model.Major {
			s.screen.message(alarmLine(e))
		}
	}
}

// alarmLine is an event as the log of IOS would show it.
func alarmLine(e model.AlarmEvent) string {
	what := map[string]string{"raise": "RAISED", "clear": "CLEARED", "change": "CHANGED"}[e.Kind]
	severity := map[model.Severity]int{model.Critical: 2, model.Major: 3}[e.Severity]
	object := ""
	if e.Object != "" {
		object = " of " + e.Object
	}
	return fmt.Sprintf("%%ALARM-%d-%s: %s: %s%s: %s", severity, what, e.Severity, e.Name, object, e.Text)
}
