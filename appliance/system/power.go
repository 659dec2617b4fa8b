package system

import (
	"context"
	"fmt"

	"causeway/appliance/config"
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

// powerCommands end something: a process, or the whole box.
func powerCommands() []exec.Command {
	service := config.Argument{
		Name: "SERVICE", Type: config.Choice{"proxy", "billing", "control"}, Help: "Process to restart",
	}
	return []exec.Command{
		{
			Syntax: "service restart SERVICE [force]", Args: []config.Argument{service}, Level: exec.Privileged,
			Help: "Restart a process; force ends it without asking", Run: restartService,
		},
		{
			Syntax: "reload [now]", Level: exec.Privileged,
			Help: "Restart the appliance; now asks nothing", Run: reload,
		},
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
	return shutDown(ctx, s, a, "reboot", "Reload")
}

func powerOff(ctx context.Context, s exec.Session, a config.Args) error {
	return shutDown(ctx, s, a, "poweroff", "Power off")
}

// shutDown asks whether it is meant, and tells init.
func shutDown(ctx context.Context, s exec.Session, a config.Args, mode, what string) error {
	if !a.Has("now") {
		if err := s.Confirm(what + "?"); err != nil {
			return err
		}
	}
	params := rebootRequest{Mode: mode, Reason: s.Operator().String()}
	if err := s.Call(ctx, "init", "init.reboot", params, nil); err != nil {
		return err
	}
	fmt.Fprintln(s, "The system is going down")
	return nil
}
