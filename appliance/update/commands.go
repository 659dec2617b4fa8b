package update

import (
	"context"
	"fmt"
	"strings"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
	"causeway/appliance/storage/files"
)

// ExecCommands declares what an operator does with the firmware.
func ExecCommands() []exec.Command {
	source := config.Argument{Name: "SOURCE", Type: files.PlaceType{Web: true},
		Help: "A bundle: usb0:x, sftp://user@192.0.2.1/x, https://host.example/x; usb0: alone: the newest on the stick"}
	return []exec.Command{
		{Syntax: "show firmware", Run: showFirmware, Help: "The two slots, the bundle that is staged, and how the last update ended"},
		{Syntax: "upgrade stage SOURCE", Args: []config.Argument{source}, Level: exec.Privileged, Run: stageBundle,
			Help: "Bring a bundle to the box and check it; nothing else changes"},
		{Syntax: "upgrade activate [now]", Level: exec.Privileged, Run: activateBundle,
			Help: "Restart with the staged firmware on trial; now asks nothing"},
		{Syntax: "upgrade rollback [now]", Level: exec.Privileged, Run: rollBack,
			Help: "Restart with the firmware of the other slot; on trial, give up the trial"},
		{Syntax: "upgrade confirm", Level: exec.Privileged, Run: confirmTrial,
			Help: "Agree to the firmware on trial, where that was asked for over COM"},
	}
}

// longest bounds how long a bundle may take to come.
const longest = 12 * time.Hour

// progressInterval is how often it says how far it is.
const progressInterval = 3 * time.Second

func stageBundle(ctx context.Context, s exec.Session, a config.Args) error {
	from := files.PlaceOf(a, "SOURCE")
	login, err := files.LoginAt(ctx, s, from)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	var staged Staged
	done := make(chan error, 1)
	go func() {
		done <- s.Call(ctx, "control", "control.update.stage", StageRequest{s.Operator(), from, login}, &staged)
	}()
	tick := time.NewTicker(progressInterval)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			if err != nil {
				return err
			}
			fmt.Fprintf(s, "Staged %s: version %s, signed, for this box\nupgrade activate puts it on trial\n", staged.Name, staged.Version)
			return nil
		case <-tick.C:
			var now Status
			if err := s.Call(ctx, "control", "control.update.status", nil, &now); err == nil && now.Staging != nil {
				fmt.Fprintln(s, progress(now.Staging.Have, now.Staging.Size))
			}
		}
	}
}

func progress(have, size int64) string {
	if size == 0 {
		return fmt.Sprintf("%d octets", have)
	}
	return fmt.Sprintf("%d of %d octets", have, size)
}

// Order asks for a trial of the staged bundle, or of the other slot as it is.
type Order struct {
	Operator model.Operator `json:"operator"`
}

func activateBundle(ctx context.Context, s exec.Session, a config.Args) error {
	var now Status
	if err := s.Call(ctx, "control", "control.update.status", nil, &now); err != nil {
		return err
	}
	if now.Staged == nil {
		return errNothingStaged
	}
	if !a.Has("now") {
		if err := s.Confirm(fmt.Sprintf("Restart with %s on trial?", now.Staged.Version)); err != nil {
			return err
		}
	}
	return orderIt(ctx, s, "activate")
}

func rollBack(ctx context.Context, s exec.Session, a config.Args) error {
	if !a.Has("now") {
		if err := s.Confirm("Restart with the firmware of the other slot?"); err != nil {
			return err
		}
	}
	return orderIt(ctx, s, "rollback")
}

func orderIt(ctx context.Context, s exec.Session, what string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*activateLimit)
	defer cancel()
	if err := s.Call(ctx, "control", "control.update."+what, Order{s.Operator()}, nil); err != nil {
		return err
	}
	fmt.Fprintln(s, "The box restarts when the image is in its slot; show firmware tells how far it is")
	return nil
}

func confirmTrial(ctx context.Context, s exec.Session, _ config.Args) error {
	if err := s.Call(ctx, "control", "control.update.confirm", Order{s.Operator()}, nil); err != nil {
		return err
	}
	fmt.Fprintln(s, "The firmware on trial is confirmed; it is blessed when the box has been healthy for a while")
	return nil
}

// overCOM says whether an operator is in over COM.
func overCOM(o model.Operator) bool { return o.Origin == "com" || strings.HasPrefix(o.Origin, "com ") }
