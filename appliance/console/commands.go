package console

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"causeway/appliance/config"
)

// command is one command of the EXEC mode.
type command struct {
	syntax string // as config.Command.Syntax
	args   []config.Argument
	help   string
	run    func(ctx context.Context, s *session, a config.Args) error
}

// execCommands is the table of the EXEC mode in the order of help.
func execCommands() []command {
	service := config.Argument{
		Name: "SERVICE", Type: config.Choice{"proxy", "billing", "control"}, Help: "Process to restart",
	}
	return []command{
		{"show version", nil, "What image this is", showVersion},
		{"show system", nil, "Services, volumes, memory, slot and watchdog", showSystem},
		{"show interfaces", nil, "LAN1 and LAN2 as the kernel has them", showInterfaces},
		{"show sip status", nil, "Listen points, calls and counters of the proxy", showSIPStatus},
		{"show billing status", nil, "Journal and counters of billing", showBillingStatus},
		{"show running-config", nil, "The configuration in force", showRunningConfig},
		{"show clock", nil, "The time and where it comes from", showClock},
		{"service restart SERVICE [force]", []config.Argument{service}, "Restart a process; force ends it without asking", restartService},
		{"reload [now]", nil, "Restart the appliance; now asks nothing", reload},
		{"power-off [now]", nil, "Switch the appliance off; now asks nothing", powerOff},
		{"help", nil, "This list; words may be abbreviated", help},
		{"?", nil, "This list", help},
	}
}

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

func help(_ context.Context, s *session, _ config.Args) error {
	table := tabwriter.NewWriter(s.terminal, 0, 0, 2, ' ', 0)
	for _, c := range s.commands {
		syntax := c.syntax
		for _, arg := range c.args {
			if choice, ok := arg.Type.(config.Choice); ok {
				syntax = strings.Replace(syntax, arg.Name, choice.String(), 1)
			}
		}
		fmt.Fprintf(table, "%s\t%s\n", syntax, c.help)
	}
	return table.Flush()
}

func restartService(ctx context.Context, s *session, a config.Args) error {
	params := restartRequest{Service: a.Text("SERVICE"), Force: a.Has("force")}
	if err := s.call(ctx, "init", "init.restart", params, nil); err != nil {
		return err
	}
	fmt.Fprintf(s.terminal, "%s is being restarted\n", params.Service)
	return nil
}

func reload(ctx context.Context, s *session, a config.Args) error {
	return s.shutDown(ctx, a, "reboot", "Reload")
}

func powerOff(ctx context.Context, s *session, a config.Args) error {
	return s.shutDown(ctx, a, "poweroff", "Power off")
}

// shutDown asks whether it is meant, as IOS does: Enter or y is yes.
func (s *session) shutDown(ctx context.Context, a config.Args, mode, question string) error {
	if !a.Has("now") {
		reply, err := s.ask(question + "? [confirm]")
		if err != nil {
			return fmt.Errorf("not confirmed: %w", err)
		}
		if reply = strings.TrimSpace(reply); reply != "" && !strings.EqualFold(reply, "y") && !strings.EqualFold(reply, "yes") {
			return fmt.Errorf("not confirmed")
		}
	}
	params := rebootRequest{Mode: mode, Reason: "console"}
	if err := s.call(ctx, "init", "init.reboot", params, nil); err != nil {
		return err
	}
	fmt.Fprintln(s.terminal, "The system is going down")
	return nil
}
