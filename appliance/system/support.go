package system

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/exec"
)

// supportLines are what `show tech-support` types, in order: first what the
// box is, then how it is, then what each subject says, and the log last, since
// it is the longest. Those that a box does not have are passed over.
var supportLines = []string{
	"show version",
	"show firmware",
	"show inventory",
	"show clock detail",
	"show uptime",
	"show reload",
	"show system",
	"show watchdog",
	"show environment",
	"show alarms",
	"show storage",
	"show cpu",
	"show memory",
	"show processes",
	"show processes cpu",
	"show interfaces",
	"show ip interface brief",
	"show ip route",
	"show ipv6 route",
	"show arp",
	"show ipv6 neighbors",
	"show firewall",
	"show dhcp lease",
	"show dhcp binding",
	"show ntp",
	"show dns",
	"show sip status",
	"show calls summary",
	"show billing status",
	"show license tech-support",
	"show call-home detail",
	"show certificates",
	"show reports",
	"show running-config",
	"show alarms history",
	"dir harddisk:crash",
	"show logging",
}

// supportPatience bounds one of these commands: a process that hangs costs its
// own section only.
const supportPatience = 30 * time.Second

// TechSupport declares `show tech-support`, which types one command after the
// other of those given. None of them shows a secret.
func TechSupport(commands []exec.Command) exec.Command {
	return exec.Command{
		Syntax: "show tech-support", Level: exec.Privileged,
		Help: "All that whoever helps you asks for, to be captured and sent",
		Run: func(ctx context.Context, s exec.Session, _ config.Args) error {
			return showSupport(ctx, s, commands)
		},
	}
}

func showSupport(ctx context.Context, s exec.Session, commands []exec.Command) error {
	table, err := exec.NewTable(append(slices.Clip(commands), runningConfig))
	if err != nil {
		return err
	}
	for _, line := range supportLines {
		run, err := table.Find(line)
		if err != nil {
			continue
		}
		if _, err := fmt.Fprintf(s, "\n------------------ %s ------------------\n\n", line); err != nil {
			return err // the operator has seen enough
		}
		kept := section{Session: s}
		limited, cancel := context.WithTimeout(ctx, supportPatience)
		err = run(limited, &kept)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			fmt.Fprintf(&kept, "%% %v\n", err)
		}
		if _, err := kept.printed.WriteTo(s); err != nil {
			return err
		}
	}
	return nil
}

// section is the session of one of the commands. It keeps what is printed until
// the command ends: an operator who reads slowly costs it no patience.
type section struct {
	exec.Session
	printed bytes.Buffer
}

// Write keeps the text.
func (s *section) Write(text []byte) (int, error) { return s.printed.Write(text) }

// runningConfig is the console's command, which belongs to a session, for here.
var runningConfig = exec.Command{
	Syntax: "show running-config",
	Run: func(ctx context.Context, s exec.Session, _ config.Args) error {
		var running struct {
			Text string `json:"text"`
		}
		if err := s.Call(ctx, "control", "control.running", nil, &running); err != nil {
			return err
		}
		_, err := fmt.Fprint(s, running.Text)
		return err
	},
}
