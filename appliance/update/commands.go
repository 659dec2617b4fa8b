package update

import (
	"context"
	"errors"
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
	commands := []exec.Command{
		{Syntax: "show firmware", Run: showFirmware, Help: "The two slots, the bundle that is staged, and how the last update ended"},
		{Syntax: "upgrade stage SOURCE", Args: []config.Argument{source}, Level: exec.Privileged, Run: stageBundle,
			Help: "Bring a bundle to the box and check it; nothing else changes"},
		{Syntax: "upgrade cancel", Level: exec.Privileged, Run: cancelOrder, Help: "Forget the firmware that is to be put on trial later"},
		{Syntax: "upgrade confirm", Level: exec.Privileged, Run: confirmTrial,
			Help: "Agree to the firmware on trial, where that was asked for over COM"},
	}
	for _, what := range []struct {
		word     string
		rollback bool
		help     string
		now      string // what it does besides, at once
	}{
		{"activate", false, "Restart with the staged firmware on trial", ""},
		{"rollback", true, "Restart with the firmware of the other slot on trial", "; a trial that goes on is given up"},
	} {
		for _, moment := range moments {
			help := what.help + moment.help
			if moment.when == Now {
				help += what.now
			}
			commands = append(commands, exec.Command{
				Syntax: strings.TrimSpace("upgrade "+what.word+" "+moment.syntax) + " [trial TRIAL]",
				Args:   append([]config.Argument{trialArgument}, moment.args...),
				Help:   help, Level: exec.Privileged,
				Run: func(ctx context.Context, s exec.Session, a config.Args) error {
					return giveOrder(ctx, s, a, Order{Operator: s.Operator(), Rollback: what.rollback, When: moment.when})
				},
			})
		}
	}
	return commands
}

// trialArgument is the time that a trial may take.
var trialArgument = config.Argument{Name: "TRIAL", Type: config.Integer{Min: 1, Max: longestTrial},
	Help: fmt.Sprintf("Minutes in which the box must prove itself (default %d, over COM %d)",
		int(model.DefaultTrialLimit/time.Minute), int(confirmLimit/time.Minute))}

// moments are how the moment of a trial is typed.
var moments = []struct {
	when   When
	syntax string
	args   []config.Argument
	help   string
}{
	{Now, "[now]", nil, "; now asks nothing"},
	{At, "at TIME", []config.Argument{{Name: "TIME", Type: config.TimeOfDay{}, Help: "Time of day by the appliance's clock"}}, ", at a time"},
	{Idle, "idle [within MINUTES]", withinArgument("they may go on for ever"), ", when there are no calls"},
	{Drain, "drain [within MINUTES]", withinArgument(fmt.Sprint(longestDrain)), ", when the calls have ended; new ones are refused until then"},
}

func withinArgument(without string) []config.Argument {
	return []config.Argument{{Name: "MINUTES", Type: config.Integer{Min: 1, Max: longestWait},
		Help: fmt.Sprintf("Minutes after which it happens in spite of calls (default: %s)", without)}}
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

// giveOrder has another firmware put on trial.
func giveOrder(ctx context.Context, s exec.Session, a config.Args, o Order) error {
	if a.Has("MINUTES") {
		o.Within = a.Int("MINUTES")
	}
	if a.Has("TRIAL") {
		o.Trial = a.Int("TRIAL")
	}
	if o.When == At {
		o.At = config.TimeOfDay{}.Format(a.Int("TIME"))
	}
	if o.When == Now && !a.Has("now") {
		question, err := question(ctx, s, o.Rollback)
		if err != nil {
			return err
		}
		if err := s.Confirm(question); err != nil {
			return err
		}
	}
	asking, cancel := context.WithTimeout(ctx, 2*activateLimit)
	defer cancel()
	if err := s.Call(asking, "control", "control.update.order", o, nil); err != nil {
		return err
	}
	if o.When == Now {
		return watchWriting(ctx, s)
	}
	var now Status
	if err := s.Call(ctx, "control", "control.update.status", nil, &now); err != nil {
		return err
	}
	printScheduled(s, now.Scheduled)
	return nil
}

// question says what a restart now would do.
func question(ctx context.Context, s exec.Session, rollback bool) (string, error) {
	if rollback {
		return "Restart with the firmware of the other slot?", nil
	}
	var now Status
	if err := s.Call(ctx, "control", "control.update.status", nil, &now); err != nil {
		return "", err
	}
	if now.Staged == nil {
		return "", errNothingStaged
	}
	return fmt.Sprintf("Restart with %s on trial?", now.Staged.Version), nil
}

// watchWriting tells how far the image is, until the box restarts. Whoever does not
// watch changes nothing.
func watchWriting(ctx context.Context, s exec.Session) error {
	fmt.Fprintln(s, "The box restarts by itself when the image is in its slot")
	tick := time.NewTicker(progressInterval)
	defer tick.Stop()
	for {
		var f model.Firmware
		if err := s.Call(ctx, "init", "init.firmware", nil, &f); err != nil || f.Writing == nil {
			return nil // it does
		}
		if f.Writing.Problem != "" {
			return fmt.Errorf("slot %s is not written, nothing else has changed: %s", f.Writing.Slot, f.Writing.Problem)
		}
		fmt.Fprintln(s, progress(f.Writing.Have, f.Writing.Size))
		select {
		case <-ctx.Done():
			return errors.New("the update goes on: see show firmware")
		case <-tick.C:
		}
	}
}

func cancelOrder(ctx context.Context, s exec.Session, _ config.Args) error {
	var cancelled Cancelled
	if err := s.Call(ctx, "control", "control.update.cancel", byRequest{s.Operator()}, &cancelled); err != nil {
		return err
	}
	if cancelled.Was == nil {
		return errors.New("no firmware is to be put on trial later")
	}
	fmt.Fprintf(s, "%s is not put on trial\n", cancelled.Was.Version)
	return nil
}

func confirmTrial(ctx context.Context, s exec.Session, _ config.Args) error {
	if err := s.Call(ctx, "control", "control.update.confirm", byRequest{s.Operator()}, nil); err != nil {
		return err
	}
	fmt.Fprintln(s, "The firmware on trial is confirmed; it is blessed when the box has been healthy for a while")
	return nil
}

// overCOM says whether an operator is in over COM.
func overCOM(o model.Operator) bool { return o.Origin == "com" || strings.HasPrefix(o.Origin, "com ") }
