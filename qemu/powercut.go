package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"causeway/qemu/powercut"
)

func runPowerCut(ctx context.Context, args []string) error {
	var image imageFlags
	var setup powercut.Setup
	err := parse("powercut", args, func(set *flag.FlagSet) {
		image.declare(set)
		set.IntVar(&setup.Cuts, "cuts", 50, "`number` of cuts")
		set.IntVar(&setup.Steps, "steps", 30, "`number` of commits, confirmations and rollbacks")
		set.Uint64Var(&setup.Seed, "seed", 1, "`number` that decides about cuts and lost writes")
	})
	if err != nil {
		return err
	}
	if setup.Cuts < 1 || setup.Steps < 1 {
		return fmt.Errorf("powercut: -cuts %d -steps %d: want at least 1 of each", setup.Cuts, setup.Steps)
	}
	var fromDisk bool
	if setup.Image, fromDisk, err = image.open(ctx); err != nil {
		return err
	}
	if fromDisk {
		return errors.New("powercut: the record begins with a blank disk; want -boot kernel")
	}
	ctx, cancel := context.WithTimeout(ctx, bootLimit+time.Duration(setup.Cuts+10*setup.Steps)*time.Second)
	defer cancel()
	report, err := powercut.Run(ctx, setup)
	if err != nil {
		return err
	}
	fmt.Print(report)
	if len(report.Bad) > 0 {
		return fmt.Errorf("powercut: %d of %d cuts are bad", len(report.Bad), report.Cuts)
	}
	return nil
}
