package main

import (
	"context"
	"flag"
	"fmt"
	"time"

	"causeway/qemu/smoke"
)

// bootLimit is far more than any boot takes.
const bootLimit = 5 * time.Minute

func runSmoke(ctx context.Context, args []string) error {
	var image imageFlags
	var setup smoke.Setup
	var calls, rate int
	err := parse("smoke", args, func(set *flag.FlagSet) {
		image.declare(set)
		set.IntVar(&calls, "calls", 100, "`number` of calls in all")
		set.IntVar(&rate, "rate", 20, "new calls per `second`")
		set.IntVar(&setup.MemoryMB, "memory", 256, "memory of the machine in `MiB`")
	})
	if err != nil {
		return err
	}
	if calls < 1 || rate < 1 {
		return fmt.Errorf("smoke: -calls %d -rate %d: want at least 1 of each", calls, rate)
	}
	if setup.Image, setup.FromDisk, err = image.open(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, bootLimit+3*time.Duration(calls/rate)*time.Second)
	defer cancel()
	report, err := smoke.Run(ctx, setup, calls, rate)
	fmt.Print(report)
	return err
}
