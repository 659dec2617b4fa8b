package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"causeway/qemu/chaos"
	"causeway/qemu/lab"
)

// repairPromise is how soon the network is to be as configured again.
const repairPromise = 2 * time.Second

func runChaosNetwork(ctx context.Context, args []string) error {
	var rounds int
	var seed uint64
	err := parse("chaos-network", args, func(set *flag.FlagSet) {
		set.IntVar(&rounds, "rounds", 10, "`number` of rounds, each of every disturbance, and of kills")
		set.Uint64Var(&seed, "seed", 1, "`number` that decides what is broken next")
	})
	if err != nil {
		return err
	}
	if rounds < 1 {
		return fmt.Errorf("chaos-network: -rounds %d: want at least 1", rounds)
	}
	dir, err := os.MkdirTemp("", "causeway-chaos-")
	if err != nil {
		return fmt.Errorf("chaos-network: %w", err)
	}
	defer os.RemoveAll(dir)
	program, err := lab.BuildAppliance(ctx, ".", dir)
	if err != nil {
		return err
	}
	report, err := chaos.Run(ctx, program, rounds, seed)
	if err != nil {
		return err
	}
	fmt.Print(report)
	if report.Worst > repairPromise {
		return fmt.Errorf("chaos-network: the repair after the %s took %v; want %v at most", report.WorstAfter, report.Worst, repairPromise)
	}
	return report.Leaks()
}
