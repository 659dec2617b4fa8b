package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"causeway/qemu/bench"
)

func runBenchBoot(ctx context.Context, args []string) error {
	var flags imageFlags
	var runs int
	err := parse("bench-boot", args, func(set *flag.FlagSet) {
		flags.declare(set)
		set.IntVar(&runs, "runs", 5, "`times` each is booted")
	})
	if err != nil {
		return err
	}
	if runs < 1 {
		return fmt.Errorf("bench-boot: -runs %d: want at least 1", runs)
	}
	image, fromDisk, err := flags.open(ctx)
	if err != nil {
		return err
	}
	if fromDisk {
		return errors.New("bench-boot: the baseline has no disk image; want -boot kernel")
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(2*runs)*bootLimit)
	defer cancel()
	result, err := bench.MeasureBoot(ctx, ".", image, runs)
	if err != nil {
		return err
	}
	fmt.Print(result)
	return nil
}

func runBenchSIP(ctx context.Context, args []string) error {
	var rateList string
	workload := bench.Workload{Progress: os.Stderr}
	err := parse("bench-sip", args, func(set *flag.FlagSet) {
		set.StringVar(&rateList, "rates", "500,900", "new calls per second, a `list` with commas")
		set.IntVar(&workload.Seconds, "seconds", 20, "`length` of each run in seconds")
		set.IntVar(&workload.KamailioChildren, "children", 2, "Kamailio's worker `processes`")
	})
	if err != nil {
		return err
	}
	for field := range strings.SplitSeq(rateList, ",") {
		rate, err := strconv.Atoi(field)
		if err != nil || rate < 1 {
			return fmt.Errorf("bench-sip: -rates %s: %q is no rate", rateList, field)
		}
		workload.Rates = append(workload.Rates, rate)
	}
	results, err := bench.MeasureSIP(ctx, ".", workload)
	for _, result := range results {
		fmt.Print(result)
	}
	return err
}
