package clock

import (
	"context"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
)

// ExecCommands declares what an operator may ask about the time.
func ExecCommands() []exec.Command {
	return []exec.Command{
		{Syntax: "show clock", Help: "The time and where it comes from", Run: showClock},
	}
}

func showClock(ctx context.Context, s exec.Session, _ config.Args) error {
	exec.Field(s, "Time", time.Now().UTC().Format(time.RFC3339))
	var status model.ControlStatus
	if err := s.Call(ctx, "control", "control.status", nil, &status); err != nil {
		return err
	}
	exec.Field(s, "Source", status.Clock)
	return nil
}
