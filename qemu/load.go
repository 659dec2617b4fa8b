package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"causeway/qemu/lab"
	"causeway/qemu/load"
)

// withAppliance builds the appliance for this host for as long as run takes;
// flags are more ones of go build.
func withAppliance(ctx context.Context, run func(program string) error, flags ...string) error {
	dir, err := os.MkdirTemp("", "causeway-load-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	program, err := lab.BuildAppliance(ctx, ".", dir, flags...)
	if err != nil {
		return err
	}
	return run(program)
}

// positive fails unless all numbers are; flags are their names.
func positive(command string, flags []string, numbers ...int) error {
	for i, n := range numbers {
		if n < 1 {
			return fmt.Errorf("%s: -%s %d: want at least 1", command, flags[i], n)
		}
	}
	return nil
}

func runLeak(ctx context.Context, args []string) error {
	l := load.Leak{Progress: os.Stderr}
	err := parse("leak", args, func(set *flag.FlagSet) {
		set.IntVar(&l.Calls, "calls", 200000, "`number` of calls")
		set.IntVar(&l.Rate, "rate", 500, "new calls per `second`")
	})
	if err == nil {
		err = positive("leak", []string{"calls", "rate"}, l.Calls, l.Rate)
	}
	if err != nil {
		return err
	}
	return withAppliance(ctx, func(program string) error {
		l.Program = program
		return l.Run(ctx, os.Stdout)
	})
}

func runSoak(ctx context.Context, args []string) error {
	s := load.Soak{Progress: os.Stderr}
	var minutes int
	err := parse("soak", args, func(set *flag.FlagSet) {
		set.IntVar(&minutes, "minutes", 60, "`time` that calls come")
		set.IntVar(&s.Rate, "rate", 50, "new calls per `second`")
	})
	if err == nil {
		err = positive("soak", []string{"minutes", "rate"}, minutes, s.Rate)
	}
	if err != nil {
		return err
	}
	s.Length = time.Duration(minutes) * time.Minute
	return withAppliance(ctx, func(program string) error {
		s.Program = program
		return s.Run(ctx, os.Stdout)
	})
}

func runOverload(ctx context.Context, args []string) error {
	o := load.Overload{Progress: os.Stderr}
	var seconds int
	err := parse("overload", args, func(set *flag.FlagSet) {
		set.IntVar(&seconds, "seconds", 60, "`length` of the overload")
		set.IntVar(&o.Rate, "rate", 800, "calls offered per `second`")
	})
	if err == nil {
		err = positive("overload", []string{"seconds", "rate"}, seconds, o.Rate)
	}
	if err != nil {
		return err
	}
	o.Length = time.Duration(seconds) * time.Second
	return withAppliance(ctx, func(program string) error {
		o.Program = program
		result, err := o.Run(ctx)
		if err != nil {
			return err
		}
		fmt.Print(result)
		return result.Check(99)
	})
}

func runFlood(ctx context.Context, args []string) error {
	f := load.Flood{Progress: os.Stderr}
	err := parse("flood", args, func(set *flag.FlagSet) {
		set.IntVar(&f.Datagrams, "datagrams", 1000000, "`number` of datagrams")
		set.IntVar(&f.Sources, "sources", 100000, "`number` of sources, 131070 at the most")
		set.IntVar(&f.Rate, "rate", 5000, "datagrams per `second`")
	})
	if err == nil {
		err = positive("flood", []string{"datagrams", "sources", "rate"}, f.Datagrams, f.Sources, f.Rate)
	}
	if err != nil {
		return err
	}
	return withAppliance(ctx, func(program string) error {
		f.Program = program
		result, err := f.Run(ctx)
		if err != nil {
			return err
		}
		fmt.Print(result)
		return result.Check(50, 99)
	})
}

func runCPS(ctx context.Context, args []string) error {
	c := load.CPS{Progress: os.Stderr}
	err := parse("cps", args, func(set *flag.FlagSet) {
		set.IntVar(&c.Snapshots, "snapshots", 11, "snapshots of 30 s that the load lasts, 2 at least")
		set.IntVar(&c.Resumed, "resumed", 3, "snapshots after which calls are served again")
	})
	if err == nil {
		err = positive("cps", []string{"resumed"}, c.Resumed)
	}
	if err == nil && c.Snapshots < 2 {
		err = fmt.Errorf("cps: -snapshots %d: want at least 2: nothing is rejected before the second", c.Snapshots)
	}
	if err != nil {
		return err
	}
	return withAppliance(ctx, func(program string) error {
		c.Program = program
		results, err := c.Run(ctx)
		errs := []error{err}
		for _, r := range results {
			if len(r.Ends) > 0 {
				fmt.Print(r)
			}
			if err == nil {
				errs = append(errs, r.Check())
			}
		}
		return errors.Join(errs...)
	})
}
