package console

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
)

// rescueStep is one choice of the menu for a box whose control is down. It
// needs init and nothing else.
type rescueStep struct {
	help string
	do   func(ctx context.Context, out *output) error
}

// rescues is the menu, numbered from 1.
var rescues = []rescueStep{
	{"Restart control", restartControl},
	{"Restart control with the last good configuration", restartWith("last good")},
	{"Restart control with the built-in configuration", restartWith("built-in")},
	{"Show the log", showLog},
	{"Reset to what left the factory, and restart the box", factoryReset},
	{"Restart the box", reload},
}

// rescue does what the operator chooses of the menu.
func (s *Session) rescue(ctx context.Context, out exec.Session, a config.Args) error {
	if s.look(ctx) {
		return errors.New("control answers: configure, rollback and reload do what is needed")
	}
	choice := a.Int("CHOICE")
	if choice == 0 {
		var err error
		if choice, err = s.chooseRescue("none"); err != nil || choice == 0 {
			return err
		}
	}
	return rescues[choice-1].do(ctx, out.(*output))
}

// chooseRescue asks for a choice of the menu; 0 is none of them. Its error is
// that of the terminal.
func (s *Session) chooseRescue(enter string) (choice int, err error) {
	for i, r := range rescues {
		s.printf("  %d  %s\n", i+1, r.help)
	}
	reply, err := s.ask("Choice [" + enter + "]: ")
	if err != nil || reply == "" {
		return 0, err
	}
	if choice, err = strconv.Atoi(reply); err != nil || choice < 1 || choice > len(rescues) {
		s.printf("%% %s is not a choice of 1 to %d\n", reply, len(rescues))
		return 0, nil
	}
	return choice, nil
}

// runRescue does a step of the menu for who has not logged in.
func (s *Session) runRescue(ctx context.Context, step rescueStep) error {
	return s.run(ctx, typed{command: &command{Command: exec.Command{
		Syntax: "rescue",
		Run:    func(ctx context.Context, out exec.Session, _ config.Args) error { return step.do(ctx, out.(*output)) },
	}}})
}

// resetWord is typed for a user's name when no password is known any more: it
// resets the box to what left the factory. Whoever does so must have switched
// the box on, so the serial line alone is not enough, and finds nothing on it.
const (
	resetWord   = "reset!"
	resetWindow = 5 * time.Minute
)

var lostPassword = fmt.Sprintf(`The name of a user of this box. When no password is known any more, switch the
box off and on, and type %s here within %d minutes: it resets the box to
what left the factory.
`, resetWord, int(resetWindow.Minutes()))

// resetWithoutLogin resets a box that was switched on just now.
func (s *Session) resetWithoutLogin(ctx context.Context) error {
	var health model.SystemHealth
	err := s.Call(ctx, "init", "init.health", nil, &health)
	if err == nil && health.Uptime > resetWindow {
		err = fmt.Errorf("the box has been up for %v: %s is for the first %d minutes", health.Uptime.Round(time.Minute), resetWord, int(resetWindow.Minutes()))
	}
	if err != nil {
		s.printf("%% %v\n", err)
		return errAgain
	}
	return cmp.Or(s.runRescue(ctx, rescueStep{do: factoryReset}), errAgain)
}

func restartControl(ctx context.Context, out *output) error {
	params := struct {
		Service string `json:"service"`
		Force   bool   `json:"force"`
	}{"control", true}
	if err := out.Call(ctx, "init", "init.restart", params, nil); err != nil {
		return err
	}
	fmt.Fprintln(out, "control is being restarted")
	return nil
}

// restartWith has control start with that configuration.
func restartWith(configuration string) func(context.Context, *output) error {
	params := struct {
		Configuration string `json:"configuration"`
	}{configuration}
	return func(ctx context.Context, out *output) error {
		if err := out.Call(ctx, "init", "init.choose", params, nil); err != nil {
			return err
		}
		return restartControl(ctx, out)
	}
}

// showLog prints the log of the box.
func showLog(ctx context.Context, out *output) error {
	for query := (model.LogQuery{}); ; {
		var page model.LogPage
		if err := out.Call(ctx, "init", "init.log", query, &page); err != nil {
			return err
		}
		if len(page.Entries) == 0 || page.Next <= query.From {
			return nil
		}
		for _, entry := range page.Entries {
			if _, err := fmt.Fprintf(out, "%s %s\n", clock(out, entry.Time), entry.Text); err != nil {
				return err
			}
		}
		query.From = page.Next
	}
}

func reload(ctx context.Context, out *output) error {
	if err := out.Confirm("Restart the box?"); err != nil {
		return err
	}
	return restartBox(ctx, out)
}

func restartBox(ctx context.Context, out *output) error {
	params := struct {
		Mode   string `json:"mode"`
		Reason string `json:"reason"`
	}{"reboot", out.Operator().String()}
	if err := out.Call(ctx, "init", "init.reboot", params, nil); err != nil {
		return err
	}
	fmt.Fprintln(out, "The system is going down")
	return nil
}

// parts are what may be wiped besides the configuration.
var parts = []struct{ name, what string }{
	{"keys", "keys and certificates"},
	{"licences", "the licence"},
	{"billing", "billing records that were not delivered"},
	{"logs", "logs and crash files"},
}

// factoryReset asks what is to be wiped, has init wipe it and restarts the box.
// Who has not logged in is not asked: nothing stays that he could come by so.
func factoryReset(ctx context.Context, out *output) error {
	wiped := []string{"configuration"}
	for _, part := range parts {
		if out.Operator().User == nobody {
			wiped = append(wiped, part.name)
			continue
		}
		reply, err := out.ask("Wipe " + part.what + ", too? [no]: ")
		if err != nil {
			return err
		}
		if reply == "y" || reply == "yes" {
			wiped = append(wiped, part.name)
		}
	}
	if err := erase(ctx, out, wiped); err != nil {
		return err
	}
	return restartBox(ctx, out)
}

// writeErase has the next reload wipe what was named.
func (s *Session) writeErase(ctx context.Context, out exec.Session, a config.Args) error {
	wiped := []string{"configuration"}
	for _, part := range parts {
		if a.Has(part.name) {
			wiped = append(wiped, part.name)
		}
	}
	if err := erase(ctx, out, wiped); err != nil {
		return err
	}
	fmt.Fprintln(out, "It happens at the next reload")
	return nil
}

// erase asks before anything is wiped, and tells init.
func erase(ctx context.Context, out exec.Session, wiped []string) error {
	fmt.Fprintln(out, "When the box starts next, it wipes\n  the configuration with all earlier revisions")
	for _, part := range parts {
		if slices.Contains(wiped, part.name) {
			fmt.Fprintln(out, "  "+part.what)
		}
	}
	if len(wiped) > len(parts) {
		fmt.Fprintln(out, "  and whatever else is on bootflash: and harddisk:, which it overwrites")
	}
	if err := out.Confirm("Wipe it?"); err != nil {
		return err
	}
	return out.Call(ctx, "init", "init.erase", struct {
		Parts []string `json:"parts"`
	}{wiped}, nil)
}
