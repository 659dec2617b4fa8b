package system

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/exec/exectest"
)

func TestTechSupport(t *testing.T) {
	commands := append(machine.commands(), exec.Command{
		Syntax: "show arp", Run: func(context.Context, exec.Session, config.Args) error { return errors.New("no such table") },
	})
	commands = append(commands, TechSupport(commands))
	s := exectest.Session{Answers: map[string]any{
		"init.health": healthy, "control.running": map[string]string{"text": "hostname box\n"},
	}}
	synctest.Test(t, func(t *testing.T) {
		got := s.Type(t.Context(), t, commands, "show tech-support")
		before := 0
		for _, want := range []string{
			"------------------ show version ------------------\n\nVersion: v1.2\n",
			"--- show inventory ---", "--- show reload ------------------\n\n% control does not answer\n",
			"--- show system ---", "--- show processes cpu ---",
			"--- show arp ------------------\n\n% no such table\n",
			"--- show running-config ------------------\n\nhostname box\n",
		} {
			at := strings.Index(got, want)
			if at < before {
				t.Errorf("show tech-support printed\n%s\nwant %q in it, in the order of the list", got, want)
			}
			before = at
		}
		s.Enough = 1
		if got := s.Type(t.Context(), t, commands, "show tech-support"); strings.Count(got, "------------------ ") != 1 {
			t.Errorf("show tech-support printed\n%s\nwant it to end when the operator has seen enough", got)
		}
		s.Enough = 0
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if got := s.Type(ended, t, commands, "show tech-support"); strings.Count(got, "------------------ ") != 1 {
			t.Errorf("show tech-support after Ctrl-C printed\n%s\nwant it to end", got)
		}
	})
}

// reader is an operator who reads for longer than a command may take, where
// the pager stops at a line with that in it.
type reader struct {
	*exectest.Session
	stops string
}

func (r reader) Write(text []byte) (int, error) {
	if strings.Contains(string(text), r.stops) {
		time.Sleep(2 * supportPatience)
	}
	return r.Session.Write(text)
}

// TestTechSupportPaged: reading costs a command no patience, hanging does.
func TestTechSupportPaged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := reader{&exectest.Session{Answers: map[string]any{"control.dns": "asked"}}, "first line"}
		commands := []exec.Command{
			{Syntax: "show arp", Run: func(ctx context.Context, s exec.Session, _ config.Args) error {
				fmt.Fprintln(s, "first line")
				var answer string
				err := s.Call(ctx, "control", "control.dns", nil, &answer)
				fmt.Fprintln(s, answer)
				return err
			}},
			{Syntax: "show reports", Run: func(ctx context.Context, s exec.Session, _ config.Args) error {
				<-ctx.Done()
				return ctx.Err()
			}},
		}
		if err := TechSupport(commands).Run(t.Context(), s, nil); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"show arp ------------------\n\nfirst line\nasked\n", "% context deadline exceeded\n"} {
			if got := s.Printed(); strings.Count(got, want) != 1 {
				t.Errorf("show tech-support printed\n%s\nwant %q in it once", got, want)
			}
		}
	})
}
