package console

import (
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
	do   func(ctx context.Context, s *Session, out exec.Session) error
}

// rescues is the menu, numbered from 1.
var rescues = []rescueStep{
	{"Restart control", func(ctx context.Context, s *Session, out exec.Session) error { return restartControl(ctx, out) }},
	{"Restart control with the last good configuration", func(ctx context.Context, s *Session, out exec.Session) error {
		return restartWith(ctx, out, "last good")
	}},
	{"Restart control with the built-in configuration", func(ctx context.Context, s *Session, out exec.Session) error {
		return restartWith(ctx, out, "built-in")
	}},
	{"Show the log", func(ctx context.Context, s *Session, out exec.Session) error { return s.showLog(ctx, out) }},
	{"Reset to what left the factory, and restart the box", func(ctx context.Context, s *Session, out exec.Session) error {
		return s.factoryReset(ctx, out)
	}},
	{"Restart the box", func(ctx context.Context, s *Session, out exec.Session) error { return s.reload(ctx, out) }},
}

// rescue does what the operator chooses of the menu.
func (s *Session) rescue(ctx context.Context, out exec.Session, a config.Args) error {
	if s.look(ctx) {
		return errors.New("control answers: configure, rollback and reload do what is needed")
	}
	choice := a.Int("CHOICE")
	if choice == 0 {
		for i, r := range rescues {
			fmt.Fprintf(out, "  %d  %s\n", i+1, r.help)
		}
		reply, err := s.ask("Choice [none]: ")
		if err != nil || reply == "" {
			return err
		}
		if choice, err = strconv.Atoi(reply); err != nil || choice < 1 || choice > len(rescues) {
			return fmt.Errorf("%s is not a choice of 1 to %d", reply, len(rescues))
		}
	}
	return rescues[choice-1].do(ctx, s, out)
}

func restartControl(ctx context.Context, out exec.Session) error {
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

// restartWith has control start with that configuration once.
func restartWith(ctx context.Context, out exec.Session, configuration string) error {
	params := struct {
		Configuration string `json:"configuration"`
	}{configuration}
	if err := out.Call(ctx, "init", "init.choose", params, nil); err != nil {
		return err
	}
	return restartControl(ctx, out)
}

// showLog pages through the log of the box.
func (s *Session) showLog(ctx context.Context, out exec.Session) error {
	paged := &pager{screen: s.screen, length: s.length, width: s.screen.width}
	for query := (model.LogQuery{}); ; {
		var page model.LogPage
		if err := out.Call(ctx, "init", "init.log", query, &page); err != nil {
			return err
		}
		if len(page.Entries) == 0 {
			return nil
		}
		for _, entry := range page.Entries {
			if _, err := fmt.Fprintf(paged, "%s %s\n", entry.Time.UTC().Format(time.DateTime), entry.Text); err != nil {
				return err
			}
		}
		query.From = page.Next
	}
}

func (s *Session) reload(ctx context.Context, out exec.Session) error {
	if err := out.Confirm("Restart the box?"); err != nil {
		return err
	}
	return restartBox(ctx, out)
}

func restartBox(ctx context.Context, out exec.Session) error {
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
func (s *Session) factoryReset(ctx context.Context, out exec.Session) error {
	wiped := []string{"configuration"}
	for _, part := range parts {
		reply, err := s.ask("Wipe " + part.what + ", too? [no]: ")
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
	if err := out.Confirm("Wipe it?"); err != nil {
		return err
	}
	return out.Call(ctx, "init", "init.erase", struct {
		Parts []string `json:"parts"`
	}{wiped}, nil)
}
