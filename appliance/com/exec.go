package com

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"causeway/appliance/com/gate"
	"causeway/appliance/com/line"
	"causeway/appliance/config"
	"causeway/appliance/exec"
)

// ExecCommands declares what an operator of the box may ask and do about COM.
func ExecCommands() []exec.Command {
	return append([]exec.Command{
		{
			Syntax: "com support-access DURATION", Level: exec.Privileged, Run: openSupport,
			Args: []config.Argument{{Name: "DURATION", Type: supportTime{}, Help: "For so long, as 45m or 4h; a restart of the box ends it"}},
			Help: "Let operators behind COM in for a while: cli, config, files and the tunnels",
		},
		{Syntax: "no com support-access", Level: exec.Privileged, Run: closeSupport, Help: "Let them in no longer; who is in is put out"},
		{Syntax: "com line-test", Level: exec.Privileged, Run: testLine, Help: "Measure the line to COM, both ways; that loads it, for two minutes at most"},
		{
			Syntax: "clear com session SESSION", Level: exec.Privileged, Run: clearSession,
			Args: []config.Argument{{Name: "SESSION", Type: config.Integer{Min: 1, Max: 1<<31 - 1}, Help: "Its number, as show com sessions has it"}},
			Help: "End a session of an operator behind COM",
		},
		{Syntax: "clear com session all", Level: exec.Privileged, Run: clearSessions, Help: "End all sessions of operators behind COM"},
		{Syntax: "clear com link", Level: exec.Privileged, Run: redial, Help: "Drop the link, if there is one, and dial at once"},
	}, showCommands()...)
}

func openSupport(ctx context.Context, s exec.Session, a config.Args) error {
	return setSupport(ctx, s, a["DURATION"].(time.Duration))
}

func closeSupport(ctx context.Context, s exec.Session, _ config.Args) error {
	return setSupport(ctx, s, 0)
}

func setSupport(ctx context.Context, s exec.Session, duration time.Duration) error {
	var now gate.SupportStatus
	err := s.Call(ctx, "control", "control.com.support", gate.SupportRequest{Operator: s.Operator(), Duration: duration}, &now)
	if err == nil {
		exec.Field(s, "Support access", supportText(now))
	}
	return err
}

func clearSession(ctx context.Context, s exec.Session, a config.Args) error {
	return endSessions(ctx, s, uint64(a.Int("SESSION")))
}

func clearSessions(ctx context.Context, s exec.Session, _ config.Args) error {
	return endSessions(ctx, s, 0)
}

// endSessions ends the session of a number; 0: all.
func endSessions(ctx context.Context, s exec.Session, number uint64) error {
	var cleared gate.Cleared
	err := s.Call(ctx, "control", "control.com.clear", gate.ClearRequest{Operator: s.Operator(), Number: number}, &cleared)
	if err == nil {
		exec.Field(s, "Sessions ended", cleared.Sessions)
	}
	return err
}

func redial(ctx context.Context, s exec.Session, _ config.Args) error {
	return s.Call(ctx, "control", "control.com.redial", RedialRequest{Operator: s.Operator()}, nil)
}

// testPatience is a little longer than what control takes for the test.
const testPatience = 150 * time.Second

func testLine(ctx context.Context, s exec.Session, _ config.Args) error {
	ctx, cancel := context.WithTimeout(ctx, testPatience)
	defer cancel()
	var test line.Test
	if err := s.Call(ctx, "control", "control.com.line-test", line.TestRequest{Operator: s.Operator()}, &test); err != nil {
		return err
	}
	exec.Field(s, "Round trip", roundTrip(test.RoundTrip))
	exec.Field(s, "To COM", bandwidth(test.Up))
	exec.Field(s, "From COM", bandwidth(test.Down))
	return nil
}

// roundTrip is a time with a mark if it is too long (COM-19).
func roundTrip(d time.Duration) string {
	text := d.Round(time.Millisecond).String()
	if d > line.LongestRoundTrip {
		text += fmt.Sprintf(" (more than %v)", line.LongestRoundTrip)
	}
	return text
}

// bandwidth is a number of bits per second with a mark if it is too small
// (COM-18).
func bandwidth(bits int64) string {
	text := fmt.Sprintf("%d kbit/s", bits/1000)
	if bits < line.LeastBandwidth {
		text += fmt.Sprintf(" (less than %d)", line.LeastBandwidth/1000)
	}
	return text
}

// supportTime is how long support access is open: whole minutes or hours, as
// "45m" and "4h". Its value is a time.Duration.
type supportTime struct{}

var supportWord = regexp.MustCompile(`^[1-9][0-9]{0,3}[mh]$`)

// Parse reads a time.
func (supportTime) Parse(word string) (any, error) {
	d, err := time.ParseDuration(word)
	if !supportWord.MatchString(word) || err != nil || d < gate.ShortestSupport || d > gate.LongestSupport {
		return nil, fmt.Errorf("%s is not a time from 15m to 24h, in whole minutes or hours", word)
	}
	return d, nil
}

// Format prints the time.
func (supportTime) Format(value any) string {
	d, _ := value.(time.Duration)
	if d%time.Hour == 0 {
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dm", d/time.Minute)
}

// String gives the bounds.
func (supportTime) String() string { return "<15m-24h>" }
