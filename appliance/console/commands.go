package console

import (
	"context"
	"fmt"
	"io"
	"math"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/storage/files"
)

// Commands gives the commands of the session itself that are typed in EXEC, for
// the command reference. They run only in a session.
func Commands() []exec.Command { return within(inExec) }

// ConfigurationCommands gives those that are typed in the modes of the
// configuration.
func ConfigurationCommands() []exec.Command { return within(inConfiguration) }

func within(places scope) []exec.Command {
	var list []exec.Command
	for _, c := range new(Session).commands() {
		if c.in&places != 0 {
			list = append(list, c.Command)
		}
	}
	return list
}

// doLine is the argument of do.
const doLine = "LINE"

// sharedWords is the help of keywords that are no command by themselves.
var sharedWords = config.Words{
	"show":                        "What the box is and does",
	"show configuration":          "What runs, what is being changed, what was before",
	"show configuration revision": "One of the history",
	"copy":                        "Copy the configuration or a file",
	"copy running-config":         "The configuration in force",
	"write erase keys":            "The keys and certificates, too",
	"write erase licences":        "The licence, too",
	"write erase billing":         "Records that were not delivered, too",
	"write erase logs":            "Logs and crash files, too",
	"terminal":                    "This terminal",
	"terminal length":             "Rows of a screen",
	"terminal width":              "Characters of a row",
	"terminal no":                 "Undo",
	"load merge":                  "Add them to the candidate",
	"load replace":                "Put them in the place of the candidate",
	"no":                          "Undo",
	"write":                       "Save the configuration, or wipe it",
	"write memory":                "As IOS has it",
	"load":                        "Bring a text into the candidate",
	"commit":                      "Put the candidate in force and save it, or confirm the last commit",
	"commit confirmed":            "Undo it unless another commit confirms it in time",
	"commit comment":              "Why, for the history",
	"configure terminal":          "From this terminal",
	"configure terminal take":     "From whoever changes it now",
}

// commands is the table of the session's own commands.
func (s *Session) commands() []command {
	revision := config.Argument{Name: "REVISION", Type: config.Integer{Min: 1, Max: math.MaxInt32}, Help: "Its number in show configuration history"}
	file := config.Argument{Name: "PATH", Type: files.PlaceType{Web: true}, Help: "The file: usb0:x, sftp://user@192.0.2.1/x, https://host.example/x"}
	return []command{
		own(inUser|inPrivileged, "enable", "Turn privileged commands on", s.enable),
		free(own(inUser|inPrivileged, "disable", "Turn privileged commands off", s.disable)),
		free(own(inUser|inPrivileged, "exit", "Leave the session", s.logout)),
		free(own(inUser|inPrivileged, "logout", "Leave the session", s.logout)),
		own(inPrivileged, "configure [terminal [take]]", "Change the configuration", s.configure),
		{Command: exec.Command{
			Syntax: "do " + doLine, Help: "Type a command of EXEC", Configuring: true,
			Args: []config.Argument{{Name: doLine, Type: config.Line{}, Help: "The command"}},
		}, in: inConfiguration, does: true, free: true},

		own(inConfiguration, "commit [confirmed MINUTES] [comment LINE]", "Put the candidate in force and save it, or confirm the last commit", s.commit,
			config.Argument{Name: "MINUTES", Type: config.Integer{Min: 1, Max: 1440}, Help: "Minutes to confirm it in"},
			config.Argument{Name: "LINE", Type: config.Line{}, Help: "The comment"}),
		own(inConfiguration, "commit call-home", "Commit, and send all messages of Call Home now", s.commitAndCall),
		free(own(inConfiguration, "exit", "Leave this mode", s.exit)),
		free(own(inConfiguration, "end", "Leave the configuration", s.end)),
		free(drops(own(inConfiguration, "abort", "Drop the changes and leave the configuration", s.abort))),
		changesAll(own(inConfiguration, "load merge terminal", "Type or paste lines that change the candidate", s.load(false))),
		changesAll(own(inConfiguration, "load merge PATH", "Read them from a file", s.load(false), file)),
		changesAll(own(inConfiguration, "load replace terminal", "Type or paste lines that take its place", s.load(true))),
		changesAll(own(inConfiguration, "load replace PATH", "Read them from a file", s.load(true), file)),
		changesAll(own(privileged, "rollback REVISION", "Put an earlier revision in force again", s.rollback, revision)),
		changesAll(own(inPrivileged, "setup", "Answer the questions of the first boot again", s.setup)),
		own(privileged, "write [memory]", "Commit, and say what is saved", s.write),
		own(privileged, "copy running-config startup-config", "Commit, and say what is saved", s.write),
		own(inPrivileged|inDo, "write erase [keys] [licences] [billing] [logs]", "Wipe the configuration at the next reload", s.writeErase),

		own(everywhere, "show running-config", "The configuration in force", s.showRunning),
		own(everywhere, "show startup-config", "The configuration that the box starts with", s.showStartup),
		own(everywhere, "show configuration running", "The configuration in force", s.showRunning),
		own(everywhere, "show configuration candidate", "The configuration with the changes", s.showCandidate),
		own(everywhere, "show configuration diff", "What the candidate changes", s.showDiff),
		own(everywhere, "show configuration history", "The last commits", s.showRevisions),
		own(everywhere, "show configuration revision REVISION", "The text of an earlier one", s.showRevision, revision),
		own(everywhere, "show configuration failed", "Lines that this firmware does not know and keeps aside", s.showFailed),

		free(own(everywhere, "show history", "The commands that were typed", s.showHistory)),
		free(own(inExec, "terminal length ROWS", "Rows of a screen; 0 prints without stopping", s.setLength,
			config.Argument{Name: "ROWS", Type: config.Integer{Min: 0, Max: 512}, Help: "Rows"})),
		free(own(inExec, "terminal width CHARACTERS", "Characters of a row", s.setWidth,
			config.Argument{Name: "CHARACTERS", Type: config.Integer{Min: 40, Max: 512}, Help: "Characters"})),
		own(inExec, "terminal monitor", "Show new lines of the log here", s.monitor),
		free(own(inExec, "terminal no monitor", "Show no lines of the log here", s.noMonitor)),
		own(inExec, "rescue [CHOICE]", "What helps when control does not answer", s.rescue,
			config.Argument{Name: "CHOICE", Type: config.Integer{Min: 1, Max: len(rescues)}, Help: "What to do"}),
		free(own(everywhere, "help", "How to type commands", help)),
	}
}

// privileged is wherever a privileged command of EXEC may be typed.
const privileged = inPrivileged | inDo | inConfiguration

// own declares a command of the session.
func own(in scope, syntax, help string, run func(context.Context, exec.Session, config.Args) error, args ...config.Argument) command {
	c := command{Command: exec.Command{Syntax: syntax, Args: args, Help: help, Run: run}, in: in}
	if in&inUser == 0 {
		c.Level = exec.Privileged
	}
	c.Configuring = in&inConfiguration != 0
	return c
}

// drops has a command typed in full.
func drops(c command) command {
	c.inFull = true
	return c
}

// changesAll has a command need the right to all of the configuration.
func changesAll(c command) command {
	c.Reconfigures = true
	return c
}

// free lets everybody type a command.
func free(c command) command {
	c.free = true
	return c
}

func (s *Session) enable(context.Context, exec.Session, config.Args) error {
	s.at = privilegedExec
	return nil
}

func (s *Session) disable(context.Context, exec.Session, config.Args) error {
	s.at = userExec
	return nil
}

// logout leaves the session, after asking what becomes of changes.
func (s *Session) logout(ctx context.Context, out exec.Session, a config.Args) error {
	if s.holds {
		if err := s.end(ctx, out, a); err != nil || s.holds {
			return err
		}
	}
	return errLogout
}

func (s *Session) showHistory(_ context.Context, out exec.Session, _ config.Args) error {
	for _, line := range s.screen.history.lines {
		fmt.Fprintln(out, line)
	}
	return nil
}

func (s *Session) setLength(_ context.Context, _ exec.Session, a config.Args) error {
	s.setRows(a.Int("ROWS"))
	return nil
}

func (s *Session) setWidth(_ context.Context, _ exec.Session, a config.Args) error {
	s.screen.setWidth(a.Int("CHARACTERS"))
	return nil
}

const howToType = `Type ? anywhere to see what may stand there; Tab completes a word, and words
may be abbreviated: sh ver. Ctrl-C drops the line, the arrows bring back earlier
ones, Ctrl-V takes the next character as it is. A long answer stops at --More--:
Space goes on, q ends it. Behind what show prints, "| include PATTERN" and the
like choose lines.

"enable" allows privileged commands and "configure" opens the configuration.
Lines typed there change a candidate; "show configuration diff" shows what, and
"commit" puts it in force. "end" leaves, "do" types a command of EXEC.
`

func help(_ context.Context, out exec.Session, _ config.Args) error {
	_, err := io.WriteString(out, howToType)
	return err
}
