package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"causeway/qemu/smoke"
	"causeway/qemu/sticks"
)

// stickLimit is how long one stick may take.
const stickLimit = 2 * time.Minute

func runSticks(ctx context.Context, args []string) error {
	var flags imageFlags
	var count int
	var seed uint64
	err := parse("sticks", args, func(set *flag.FlagSet) {
		flags.declare(set)
		set.IntVar(&count, "sticks", 200, "`number` of sticks, one in five of them intact")
		set.Uint64Var(&seed, "seed", 1, "`number` that decides about all damage")
	})
	if err == nil {
		err = positive("sticks", []string{"sticks"}, count)
	}
	if err != nil {
		return err
	}
	image, fromDisk, err := flags.open(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, bootLimit+time.Duration(count)*stickLimit)
	defer cancel()
	dir, err := os.MkdirTemp("", "causeway-sticks-")
	if err != nil {
		return fmt.Errorf("sticks: %w", err)
	}
	maker, err := sticks.NewMaker(ctx, dir, seed)
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	box, err := smoke.Boot(ctx, smoke.Setup{Image: image, FromDisk: fromDisk, USB: true})
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	defer box.Close()
	report, err := sticks.Box{Box: box, Progress: os.Stderr}.Run(ctx, maker, count)
	if err == nil {
		fmt.Print(report)
		err = report.Fault()
	}
	if err == nil {
		err = box.PowerOff(ctx)
	}
	if err != nil {
		return box.Explain(err) // the image that it was about stays
	}
	return os.RemoveAll(dir)
}
