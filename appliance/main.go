// Command appliance is everything the box does once it is up. Its first
// argument chooses the process; init starts one of each (docs/architecture.md).
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	_ "time/tzdata" // the zones; the root has no files of them

	"golang.org/x/sys/unix"
)

// process is one way to run the binary.
type process struct {
	name string
	help string
	run  func(ctx context.Context, args []string) error
}

var processes = []process{
	{"proxy", "SIP, routing, admission: the data plane", runProxy},
	{"billing", "call events from the journal to the record keeper", runBilling},
	{"control", "configuration, network, clock and the other subjects", runControl},
	{"console", "the serial port", runConsole},
	{"check", "check a configuration file: appliance check FILE", runCheck},
	{"commands", "print the command reference, docs/commands.md", runCommands},
	{"journal", "print or check what billing keeps on disk: appliance journal dump|verify FILE|DIRECTORY", runJournal},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM, unix.SIGINT)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "appliance:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("which process? One of\n%s", usage())
	}
	for _, p := range processes {
		if p.name == args[0] {
			return p.run(ctx, args[1:])
		}
	}
	return fmt.Errorf("there is no process %q; one of\n%s", args[0], usage())
}

func usage() string {
	var b strings.Builder
	for _, p := range processes {
		fmt.Fprintf(&b, "  %-8s %s\n", p.name, p.help)
	}
	return b.String()
}
