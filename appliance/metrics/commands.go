package metrics

import (
	"context"
	"fmt"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
)

// Commands declares the commands of this subject.
func Commands() []config.Command {
	return []config.Command{
		{
			Mode: config.Global, Syntax: "metrics SWITCH",
			Args: []config.Argument{{Name: "SWITCH", Type: config.Choice{on, "off"}, Help: "Whether anyone may read them on the ports of the box"}},
			Help: "Serve metrics to Prometheus over HTTP, at /metrics (default off)",
			Apply: func(c *model.Config, a config.Args) error {
				c.Metrics.On = a.Text("SWITCH") == on
				return nil
			},
			Render: func(c *model.Config, _ config.Args) []config.Args {
				return config.When(c.Metrics.On, config.Args{"SWITCH": on})
			},
			Check: checkPort,
		},
		{
			Mode: config.Global, Syntax: "metrics port PORT", No: "metrics port",
			Args: []config.Argument{{Name: "PORT", Type: config.Port, Help: fmt.Sprintf("TCP port; %d by default", model.DefaultMetricsPort)}},
			Help: "Serve metrics at another port",
			Apply: func(c *model.Config, a config.Args) error {
				if c.Metrics.Port = a.Int("PORT"); c.Metrics.Port == model.DefaultMetricsPort {
					c.Metrics.Port = 0
				}
				return nil
			},
			Negate: func(c *model.Config, _ config.Args) error {
				c.Metrics.Port = 0
				return nil
			},
			Render: func(c *model.Config, _ config.Args) []config.Args {
				return config.When(c.Metrics.Port != 0, config.Args{"PORT": c.Metrics.Port})
			},
		},
	}
}

const on = "on"

// checkPort refuses a port that another service has.
func checkPort(c *model.Config, _ config.Args) error {
	port := c.Metrics.TCPPort()
	if service := c.TCPServiceAt(port, model.ServiceMetrics); service != "" && c.Metrics.On {
		return config.BadArgument("SWITCH", "metrics port %d: %s has it already", port, service)
	}
	return nil
}

// ExecCommands declares what an operator may ask of the metrics.
func ExecCommands() []exec.Command {
	return []exec.Command{{Syntax: "show metrics", Help: "What the box counts, as Prometheus reads it", Run: show}}
}

func show(ctx context.Context, s exec.Session, _ config.Args) error {
	var now Text
	if err := s.Call(ctx, "control", "control.metrics", nil, &now); err != nil {
		return err
	}
	if _, err := fmt.Fprint(s, now.Text); err != nil {
		return err
	}
	if now.Problem != "" {
		fmt.Fprintf(s, "%% %s\n", now.Problem)
	}
	return nil
}
