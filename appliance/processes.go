package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"causeway/appliance/billing"
	"causeway/appliance/console"
	"causeway/appliance/control"
	"causeway/appliance/grammar"
	"causeway/appliance/logging"
	"causeway/appliance/proxy"
)

// parseFlags reads a process's flags; it takes no other arguments.
func parseFlags(name string, args []string, declare func(*flag.FlagSet)) error {
	set := flag.NewFlagSet("appliance "+name, flag.ContinueOnError)
	declare(set)
	if err := set.Parse(args); err != nil {
		return err
	}
	if set.NArg() > 0 {
		return fmt.Errorf("%s: unexpected argument %q", name, set.Arg(0))
	}
	return nil
}

func runProxy(ctx context.Context, args []string) error {
	log, debug := logging.New(os.Stderr, "proxy")
	options := proxy.Options{Parse: grammar.All().Parse, Log: log, Debug: debug.Methods()}
	if err := parseFlags("proxy", args, options.Flags); err != nil {
		return err
	}
	return proxy.Main(ctx, options)
}

func runBilling(ctx context.Context, args []string) error {
	log, debug := logging.New(os.Stderr, "billing")
	options := billing.Options{Parse: grammar.All().Parse, Log: log, Debug: debug.Methods()}
	if err := parseFlags("billing", args, options.Flags); err != nil {
		return err
	}
	return billing.Main(ctx, options)
}

func runControl(ctx context.Context, args []string) error {
	log, debug := logging.New(os.Stderr, "control")
	options := control.Options{
		Grammar: grammar.All(), Words: grammar.Words(), Commands: grammar.Exec(),
		BuiltIn: grammar.BuiltIn(), Log: log, Debug: debug.Methods(),
	}
	if err := parseFlags("control", args, options.Flags); err != nil {
		return err
	}
	return control.Run(ctx, options)
}

func runConsole(ctx context.Context, args []string) error {
	options := console.Options{Grammar: grammar.All(), Words: grammar.Words(), Commands: grammar.Exec()}
	if err := parseFlags("console", args, options.Flags); err != nil {
		return err
	}
	return console.Run(ctx, options)
}
