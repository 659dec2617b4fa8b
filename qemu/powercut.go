package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"causeway/qemu/edition"
	"causeway/qemu/lab"
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

func runPowerCutCalls(ctx context.Context, args []string) error {
	var image imageFlags
	setup := powercut.Calls{Progress: os.Stderr}
	err := parse("powercut-calls", args, func(set *flag.FlagSet) {
		image.declare(set)
		set.IntVar(&setup.Cuts, "cuts", 100, "`number` of cuts, half of them of a box with its records on a stick")
		set.IntVar(&setup.Boots, "boots", 2, "`number` of cuts of each box that a machine boots from")
		set.IntVar(&setup.Seconds, "seconds", 15, "`time` that calls come")
		set.IntVar(&setup.Rate, "rate", 20, "new calls per `second`")
		set.Uint64Var(&setup.Seed, "seed", 1, "`number` that decides about cuts and lost writes")
	})
	if err == nil {
		err = positive("powercut-calls", []string{"cuts", "seconds", "rate"}, setup.Cuts-1, setup.Seconds, setup.Rate)
	}
	if err != nil {
		return err
	}
	var fromDisk bool
	if setup.Image, fromDisk, err = image.open(ctx); err != nil {
		return err
	}
	if fromDisk {
		return errors.New("powercut-calls: the record begins with a blank disk; want -boot kernel")
	}
	if setup.Peers, err = lab.OpenPeers(ctx, os.Stderr); err != nil {
		return err
	}
	return withAppliance(ctx, func(program string) error {
		setup.Program = program
		report, err := setup.RunBoth(ctx)
		if err != nil {
			return err
		}
		fmt.Print(report)
		return report.Fault()
	})
}

func runPowerCutUpdate(ctx context.Context, args []string) error {
	var image imageFlags
	var keys string
	update := powercut.Update{Progress: os.Stderr}
	err := parse("powercut-update", args, func(set *flag.FlagSet) {
		image.declare(set)
		set.StringVar(&keys, "keys", cmp.Or(os.Getenv("CAUSEWAY_KEYS"), "out/keys"), "`directory` of the keys that the image was signed with")
		set.IntVar(&update.Cuts, "cuts", 50, "`number` of cuts")
		set.IntVar(&update.Boots, "boots", 8, "`number` of cuts that a machine boots from")
		set.Uint64Var(&update.Seed, "seed", 1, "`number` that decides about cuts and lost writes")
	})
	if err != nil {
		return err
	}
	if update.Cuts < 1 || update.Boots < 0 || update.Boots > update.Cuts {
		return fmt.Errorf("powercut-update: -cuts %d -boots %d: want at least 1, and no more boots than cuts", update.Cuts, update.Boots)
	}
	opened, _, err := image.open(ctx) // it is always booted from disk
	if err != nil {
		return err
	}
	if update.Editions, err = edition.Open(ctx, opened, keys); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(3+update.Boots)*bootLimit+time.Duration(5*update.Cuts)*time.Second)
	defer cancel()
	report, err := update.Run(ctx)
	if err != nil {
		return err
	}
	fmt.Print(report)
	if len(report.Stranded) > 0 {
		return fmt.Errorf("powercut-update: %d of %d cuts leave a box that does not work", len(report.Stranded), report.Cuts)
	}
	return nil
}
