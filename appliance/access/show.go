package access

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
)

// logDefault is how many entries show access log prints.
const logDefault = 50

// ExecCommands declares what an operator may ask about users.
func ExecCommands() []exec.Command {
	return []exec.Command{
		{Syntax: "show users", Help: "Who is logged in, and who may be", Run: showUsers},
		{Syntax: "show groups", Help: "Groups of users, and what they may do", Run: showGroups},
		{
			Syntax: "show access log [last ENTRIES]", Level: exec.Privileged,
			Args: []config.Argument{{
				Name: "ENTRIES", Type: config.Integer{Min: 1, Max: queryMost}, Default: logDefault, Help: "How many of the newest",
			}},
			Help: "Who logged in, was refused or changed something", Run: showLog,
		},
		{
			Syntax: "clear user session SESSION", Level: exec.Privileged,
			Args: []config.Argument{{Name: "SESSION", Type: config.Integer{Min: 1, Max: 1<<31 - 1}, Help: "Its number, as show users has it"}},
			Help: "End a session", Run: clearSession,
		},
	}
}

func showUsers(ctx context.Context, s exec.Session, _ config.Args) error {
	var all Users
	if err := s.Call(ctx, "control", "control.access.users", struct{}{}, &all); err != nil {
		return err
	}
	exec.Field(s, "Time zone", s.Zone())
	printSessions(s, all.Sessions)
	fmt.Fprintln(s)
	const row = "%-32s  %-8s  %4s  %s\n"
	fmt.Fprintf(s, row, "User", "Password", "Keys", "Groups")
	for _, u := range all.Accounts {
		password, groups := "no", strings.Join(u.Groups, ", ")
		switch {
		case u.BuiltIn:
			groups += " (over COM only)"
		case u.Password:
			password = "yes"
		}
		if groups == "" {
			groups = "none: may not log in"
		}
		fmt.Fprintf(s, row, u.Name, password, fmt.Sprint(u.Keys), groups)
		if u.Locked > 0 {
			fmt.Fprintf(s, "  locked out until %s\n", exec.Time(s, time.Now().Add(time.Duration(u.Locked)*time.Second), time.TimeOnly))
		}
	}
	return nil
}

func printSessions(s exec.Session, sessions []Session) {
	const row = "%7s  %-20s  %-24s  %-12s  %s\n"
	fmt.Fprintf(s, row, "Session", "User", "From", "Since", "Idle")
	for _, one := range sessions {
		fmt.Fprintf(s, row, fmt.Sprint(one.ID), one.User, one.Origin, exec.Time(s, one.Since, "Jan _2 15:04"),
			time.Duration(one.Idle)*time.Second)
	}
	if len(sessions) == 0 {
		fmt.Fprintln(s, "Nobody is logged in.")
	}
}

func showGroups(ctx context.Context, s exec.Session, _ config.Args) error {
	var all Groups
	if err := s.Call(ctx, "control", "control.access.groups", struct{}{}, &all); err != nil {
		return err
	}
	for i, g := range all.Groups {
		if i > 0 {
			fmt.Fprintln(s)
		}
		printGroup(s, g, isBuiltIn(g.Name))
	}
	return nil
}

func printGroup(w io.Writer, g model.Group, builtIn bool) {
	name := g.Name
	if builtIn {
		name += " (built in)"
	}
	exec.Field(w, "Group", name)
	for _, r := range g.Rules {
		verb, words := deny, r.Words
		if r.Permit {
			verb = permit
		}
		if words == "" {
			words = "(all)"
		}
		fmt.Fprintf(w, "  %-6s %-9s %s\n", verb, r.Kind, words)
	}
	files := "none"
	switch {
	case g.FilesWrite:
		files = "read and write"
	case g.FilesRead:
		files = read
	}
	fmt.Fprintf(w, "  files over SFTP: %s\n", files)
}

func showLog(ctx context.Context, s exec.Session, a config.Args) error {
	var log Log
	if err := s.Call(ctx, "control", "control.access.log", LogQuery{Last: a.Int("ENTRIES")}, &log); err != nil {
		return err
	}
	exec.Field(s, "Time zone", s.Zone())
	for _, e := range log.Entries {
		fmt.Fprintf(s, "%s %s\n", exec.Time(s, e.Time, time.DateTime), e)
	}
	if log.Problem != "" {
		fmt.Fprintf(s, "%% %s\n", log.Problem)
	}
	return nil
}

// String is the entry without its time.
func (e Entry) String() string {
	text := e.Event
	if e.User != "" {
		text += " " + e.User
	}
	if e.Origin != "" {
		text += " on " + e.Origin
	}
	if e.Event == EventLogin {
		text += " by " + e.Method
	}
	if e.Session > 0 {
		text += fmt.Sprintf(", session %d", e.Session)
	}
	for _, more := range []string{e.Why, e.Line} {
		if more != "" {
			text += ": " + more
		}
	}
	if e.Times > 1 {
		text += fmt.Sprintf(" (%d times)", e.Times)
	}
	return text
}

func clearSession(ctx context.Context, s exec.Session, a config.Args) error {
	return s.Call(ctx, "control", "control.access.clear", Clear{Session: uint64(a.Int("SESSION")), Operator: s.Operator()}, nil)
}
