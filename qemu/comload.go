package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"causeway/qemu/lab"
	"causeway/qemu/load"
)

func runBenchCOM(ctx context.Context, args []string) error {
	var sizes string
	c := load.COM{Progress: os.Stderr}
	err := parse("bench-com", args, func(set *flag.FlagSet) {
		set.StringVar(&sizes, "boxes", "100,1000,10000", "numbers of boxes, a `list` with commas")
		set.DurationVar(&c.Beat, "heartbeat", 30*time.Second, "`time` between two heartbeats, whole seconds")
	})
	if err != nil {
		return err
	}
	if c.Beat < time.Second || c.Beat%time.Second != 0 {
		return fmt.Errorf("bench-com: -heartbeat %v: want whole seconds", c.Beat)
	}
	if c.Program, err = os.Executable(); err != nil {
		return err
	}
	for field := range strings.SplitSeq(sizes, ",") {
		if c.Boxes, err = strconv.Atoi(field); err != nil || c.Boxes < 1 {
			return fmt.Errorf("bench-com: -boxes %s: %q is no number of boxes", sizes, field)
		}
		cost, err := c.Run(ctx)
		if err != nil {
			return fmt.Errorf("%d boxes: %w", c.Boxes, err)
		}
		fmt.Println(cost)
	}
	return nil
}

func runCOMLine(ctx context.Context, args []string) error {
	var minutes int
	line := load.COMLine{Beat: 10 * time.Second, Progress: os.Stderr}
	err := parse("com-line", args, func(set *flag.FlagSet) {
		set.IntVar(&minutes, "minutes", 10, "`time` that the link is watched")
		set.IntVar(&line.Octets, "octets", 4<<20, "`size` of the log that is fetched, again and again")
	})
	if err == nil {
		err = positive("com-line", []string{"minutes", "octets"}, minutes, line.Octets)
	}
	if err != nil {
		return err
	}
	line.Length = time.Duration(minutes) * time.Minute
	if line.Peers, err = lab.OpenPeers(ctx, os.Stderr); err != nil {
		return err
	}
	return withAppliance(ctx, func(program string) error {
		line.Program = program
		result, err := line.Run(ctx)
		if err != nil {
			return err
		}
		fmt.Print(result)
		return result.Check()
	}, "-tags=testclock")
}
