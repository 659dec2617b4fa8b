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
	"causeway/qemu/lab"
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
		set.IntVar(&workload.Rounds, "rounds", 3, "`times` each proxy runs at each rate")
		set.IntVar(&workload.Seconds, "seconds", 20, "`length` of each run in seconds")
		set.IntVar(&workload.Highest, "highest", 5000, "look for the highest clean `rate` up to this one; 0: do not")
		set.BoolVar(&workload.Billing, "billing", false, "run our proxy with its journal, too")
		set.StringVar(&workload.Profile, "cpuprofile", "", "write a profile of our proxy's last run to this `file`")
	})
	if err != nil {
		return err
	}
	if workload.Rounds < 1 || workload.Seconds < 1 {
		return fmt.Errorf("bench-sip: -rounds %d -seconds %d: want at least 1 of each", workload.Rounds, workload.Seconds)
	}
	for field := range strings.SplitSeq(rateList, ",") {
		rate, err := strconv.Atoi(field)
		if err != nil || rate < 1 {
			return fmt.Errorf("bench-sip: -rates %s: %q is no rate", rateList, field)
		}
		workload.Rates = append(workload.Rates, rate)
	}
	return bench.MeasureSIP(ctx, ".", workload, os.Stdout)
}

func runBenchBilling(ctx context.Context, args []string) error {
	b := bench.Billing{Progress: os.Stderr}
	err := parse("bench-billing", args, func(set *flag.FlagSet) {
		set.IntVar(&b.Backlog, "backlog", 1000000, "`number` of event messages that wait while no server answers")
		set.IntVar(&b.Drain, "drain", 200000, "`number` of event messages that wait when the server comes")
	})
	if err == nil {
		err = positive("bench-billing", []string{"backlog", "drain"}, b.Backlog/8, b.Drain/8)
	}
	if err != nil {
		return err
	}
	if b.Peers, err = lab.OpenPeers(ctx, os.Stderr); err != nil {
		return err
	}
	return withAppliance(ctx, func(program string) error {
		b.Program = program
		cost, err := b.Run(ctx)
		if err == nil {
			fmt.Print(cost)
		}
		return err
	})
}

func runBenchFirewall(ctx context.Context, args []string) error {
	var flags imageFlags
	load := bench.FirewallLoad{Progress: os.Stderr}
	err := parse("bench-firewall", args, func(set *flag.FlagSet) {
		flags.declare(set)
		set.IntVar(&load.Rate, "rate", 25, "new calls per `second`")
		set.IntVar(&load.Seconds, "seconds", 60, "`length` of each run in seconds")
		set.IntVar(&load.Turns, "turns", 2, "`times` that the firewall is on, and off")
	})
	if err != nil {
		return err
	}
	if load.Rate < 1 || load.Seconds < 1 || load.Turns < 1 {
		return fmt.Errorf("bench-firewall: -rate %d -seconds %d -turns %d: want at least 1 of each", load.Rate, load.Seconds, load.Turns)
	}
	var fromDisk bool
	if load.Image, fromDisk, err = flags.open(ctx); err != nil {
		return err
	}
	if fromDisk {
		return errors.New("bench-firewall: the kernel is started directly; want -boot kernel")
	}
	limit := bootLimit + time.Duration(2*load.Turns)*(time.Minute+3*time.Duration(load.Seconds)*time.Second)
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cost, err := bench.MeasureFirewall(ctx, load)
	if err != nil {
		return err
	}
	fmt.Print(cost)
	return nil
}

func runClockOffset(ctx context.Context, args []string) error {
	var flags imageFlags
	var minutes int
	err := parse("clock-offset", args, func(set *flag.FlagSet) {
		flags.declare(set)
		set.IntVar(&minutes, "minutes", 10, "`time` that the box follows chrony")
	})
	if err != nil {
		return err
	}
	if minutes < 1 {
		return fmt.Errorf("clock-offset: -minutes %d: want at least 1", minutes)
	}
	image, fromDisk, err := flags.open(ctx)
	if err != nil {
		return err
	}
	if fromDisk {
		return errors.New("clock-offset: the kernel is started directly; want -boot kernel")
	}
	length := time.Duration(minutes) * time.Minute
	ctx, cancel := context.WithTimeout(ctx, bootLimit+length)
	defer cancel()
	offset, err := bench.MeasureClock(ctx, image, length, os.Stderr)
	if err != nil {
		return err
	}
	fmt.Print(offset)
	return nil
}
