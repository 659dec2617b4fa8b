package system

import (
	"context"
	"fmt"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/config/change"
	"causeway/appliance/exec"
)

// restartRequest is what init.restart takes.
type restartRequest struct {
	Service string `json:"service"`
	Force   bool   `json:"force"`
}

// rebootRequest is what init.reboot takes.
type rebootRequest struct {
	Mode   string `json:"mode"` // "reboot" or "poweroff"
	Reason string `json:"reason"`
}

// powerCommands end something: a process, or the whole box, now or later.
func powerCommands() []exec.Command {
	service := config.Argument{
		Name: "SERVICE", Type: config.Choice{"proxy", "billing", "control"}, Help: "Process to restart",
	}
	reason := config.Argument{Name: "REASON", Type: config.Line{}, Help: "Why, for the log"}
	in := config.Argument{Name: "DELAY", Type: delay{}, Help: "Minutes, or hours and minutes, from now"}
	at := config.Argument{Name: "TIME", Type: clockTime{}, Help: "Time of day by the appliance's clock"}
	return []exec.Command{
		{
			Syntax: "service restart SERVICE [force]", Args: []config.Argument{service}, Level: exec.Privileged,
			Help: "Restart a process; force ends it without asking", Run: restartService,
		},
		{
			Syntax: "reload [now] [reason REASON]", Args: []config.Argument{reason}, Level: exec.Privileged,
			Help: "Restart the appliance; now asks nothing", Run: reload,
		},
		{
			Syntax: "reload in DELAY [reason REASON]", Args: []config.Argument{in, reason}, Level: exec.Privileged,
			Help: "Restart the appliance after a time", Run: reloadIn,
		},
		{
			Syntax: "reload at TIME [reason REASON]", Args: []config.Argument{at, reason}, Level: exec.Privileged,
			Help: "Restart the appliance when its clock shows a time", Run: reloadAt,
		},
		{
			Syntax: "reload cancel", Level: exec.Privileged,
			Help: "Forget the restart that was asked for a time", Run: reloadCancel,
		},
		{Syntax: "show reload", Help: "The restart that was asked for a time", Run: showReload},
		{
			Syntax: "power-off [now]", Level: exec.Privileged,
			Help: "Switch the appliance off; now asks nothing", Run: powerOff,
		},
	}
}

func restartService(ctx context.Context, s exec.Session, a config.Args) error {
	params := restartRequest{Service: a.Text("SERVICE"), Force: a.Has("force")}
	if err := s.Call(ctx, "init", "init.restart", params, nil); err != nil {
		return err
	}
	fmt.Fprintf(s, "%s is being restarted\n", params.Service)
	return nil
}

func reload(ctx context.Context, s exec.Session, a config.Args) error {
	reason := s.Operator().String()
	if a.Has("REASON") {
		reason += ": " + a.Text("REASON")
	}
	return shutDown(ctx, s, rebootRequest{"reboot", reason}, "Reload?", a.Has("now"))
}

func powerOff(ctx context.Context, s exec.Session, a config.Args) error {
	return shutDown(ctx, s, rebootRequest{"poweroff", s.Operator().String()}, "Power off?", a.Has("now"))
}

// shutDown asks whether it is meant, unless it is sure, and tells init.
func shutDown(ctx context.Context, s exec.Session, request rebootRequest, question string, sure bool) error {
	if !sure {
		warnOfChanges(ctx, s)
		if err := s.Confirm(question); err != nil {
			return err
		}
	}
	if err := s.Call(ctx, "init", "init.reboot", request, nil); err != nil {
		return err
	}
	fmt.Fprintln(s, "The system is going down")
	return nil
}

// controlPatience is how long a restart waits to hear of changes: control may
// be what the restart is to mend.
const controlPatience = 2 * time.Second

// warnOfChanges says whose changes a restart would lose.
func warnOfChanges(ctx context.Context, s exec.Session) {
	ctx, cancel := context.WithTimeout(ctx, controlPatience)
	defer cancel()
	var candidate change.Candidate
	if err := s.Call(ctx, "control", "control.candidate", nil, &candidate); err != nil {
		return
	}
	if holder := candidate.Holder; holder != nil && holder.Changed {
		fmt.Fprintf(s, "Changes that %s has not committed will be lost\n", holder.Operator)
	}
}

func reloadIn(ctx context.Context, s exec.Session, a config.Args) error {
	return schedule(ctx, s, ReloadRequest{Operator: s.Operator(), Minutes: a.Int("DELAY"), Reason: a.Text("REASON")})
}

func reloadAt(ctx context.Context, s exec.Session, a config.Args) error {
	return schedule(ctx, s, ReloadRequest{Operator: s.Operator(), At: a.Text("TIME"), Reason: a.Text("REASON")})
}

func schedule(ctx context.Context, s exec.Session, request ReloadRequest) error {
	warnOfChanges(ctx, s)
	var status ReloadStatus
	if err := s.Call(ctx, "control", "control.reload", request, &status); err != nil {
		return err
	}
	printReload(s, status)
	return nil
}

func reloadCancel(ctx context.Context, s exec.Session, _ config.Args) error {
	var was ReloadStatus
	if err := s.Call(ctx, "control", "control.reload-cancel", nil, &was); err != nil {
		return err
	}
	if !was.Scheduled {
		return fmt.Errorf("no reload is scheduled")
	}
	fmt.Fprintf(s, "The reload at %s is cancelled\n", exec.Time(s, was.Time, time.RFC3339))
	return nil
}

func showReload(ctx context.Context, s exec.Session, _ config.Args) error {
	var status ReloadStatus
	if err := s.Call(ctx, "control", "control.reload-status", nil, &status); err != nil {
		return err
	}
	if !status.Scheduled {
		fmt.Fprintln(s, "No reload is scheduled")
		return nil
	}
	printReload(s, status)
	return nil
}

func printReload(s exec.Session, status ReloadStatus) {
	exec.Field(s, "Reload at", exec.Time(s, status.Time, time.RFC3339))
	exec.Field(s, "In", inWords(status.Left.Round(time.Second)))
	exec.Field(s, "Asked for by", status.Operator)
	if status.Reason != "" {
		exec.Field(s, "Reason", status.Reason)
	}
	if status.Problem != "" {
		exec.Field(s, "Problem", status.Problem)
	}
}
