package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"

	"causeway/appliance/billing"
	"causeway/appliance/confine"
	"causeway/appliance/console"
	"causeway/appliance/control"
	"causeway/appliance/grammar"
	"causeway/appliance/logging"
	"causeway/appliance/proxy"
)

// begin reads a process's flags, of which it takes no other arguments, and
// confines it if they say so, before anything else is done. One that cannot be
// confined runs all the same: calls come first.
func begin(name string, args []string, declare func(*flag.FlagSet), log *slog.Logger) error {
	set := flag.NewFlagSet("appliance "+name, flag.ContinueOnError)
	declare(set)
	root := set.String("confine", "", "use no more than the service needs of the box below this `directory`; empty: whatever it may")
	if err := set.Parse(args); err != nil {
		return err
	}
	if set.NArg() > 0 {
		return fmt.Errorf("%s: unexpected argument %q", name, set.Arg(0))
	}
	if *root == "" {
		return nil
	}
	if err := confine.Enter(name, *root); err != nil {
		log.Error("not confined", "error", err)
	}
	return nil
}

func runProxy(ctx context.Context, args []string) error {
	log, debug := logging.New(os.Stderr, "proxy")
	options := proxy.Options{Parse: grammar.All().Parse, Log: log, Debug: debug.Methods()}
	if err := begin("proxy", args, options.Flags, log); err != nil {
		return err
	}
	return proxy.Main(ctx, options)
}

func runBilling(ctx context.Context, args []string) error {
	log, debug := logging.New(os.Stderr, "billing")
	options := billing.Options{Parse: grammar.All().Parse, Log: log, Debug: debug.Methods()}
	if err := begin("billing", args, options.Flags, log); err != nil {
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
	if err := begin("control", args, options.Flags, log); err != nil {
		return err
	}
	return control.Run(ctx, options)
}

func runConsole(ctx context.Context, args []string) error {
	options := console.Options{Grammar: grammar.All(), Words: grammar.Words(), Commands: grammar.Exec()}
	log, _ := logging.New(os.Stderr, "console")
	if err := begin("console", args, options.Flags, log); err != nil {
		return err
	}
	return console.Run(ctx, options)
}
