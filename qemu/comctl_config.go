package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"causeway/appliance/com/wire"
)

func configGet(ctx context.Context, c *comctl, args []string) error {
	source := "running"
	if len(args) > 1 {
		source = args[1]
	}
	return c.text(ctx, args[0], wire.MethodConfigGet, wire.ConfigGet{Source: source})
}

func configDiff(ctx context.Context, c *comctl, args []string) error {
	return c.text(ctx, args[0], wire.MethodConfigDiff, nil)
}

// configEdit brings the lines of a file, or of the standard input, into the
// candidate.
func configEdit(ctx context.Context, c *comctl, args []string) error {
	text, err := os.ReadFile(args[1])
	if args[1] == "-" {
		text, err = io.ReadAll(os.Stdin)
	}
	if err != nil {
		return err
	}
	edit := wire.ConfigEdit{Lines: strings.Split(strings.TrimRight(string(text), "\n"), "\n")}
	return c.faults(ctx, args[0], wire.MethodConfigEdit, edit)
}

func configValidate(ctx context.Context, c *comctl, args []string) error {
	return c.faults(ctx, args[0], wire.MethodConfigValidate, nil)
}

// faults has a box judge a configuration.
func (c *comctl) faults(ctx context.Context, serial, method string, params any) error {
	var answer wire.ConfigFaults
	if err := c.Call(ctx, serial, method, params, &answer); err != nil {
		return err
	}
	return faultsIn(answer.Faults)
}

// faultsIn makes an error of faults.
func faultsIn(faults []string) error {
	if len(faults) == 0 {
		return nil
	}
	return errors.New(strings.TrimSuffix(printableText(strings.Join(faults, "\n")), "\n"))
}

// configCommit commits, waits until the box is back over the changed
// configuration, and confirms then. A box that does not come back undoes it.
func configCommit(ctx context.Context, c *comctl, args []string) error {
	commit := wire.ConfigCommit{}
	if len(args) > 1 {
		commit.Comment = args[1]
	}
	return c.confirmed(ctx, args[0], wire.MethodConfigCommit, commit)
}

func configRollback(ctx context.Context, c *comctl, args []string) error {
	revision, err := strconv.Atoi(args[1])
	if err != nil {
		return fmt.Errorf("revision %q: want a number", args[1])
	}
	return c.confirmed(ctx, args[0], wire.MethodConfigRollback, wire.ConfigRollback{Revision: revision})
}

// defaultConfirm is how long a box waits for the confirmation where it was not
// said (wire.ConfigCommit).
const defaultConfirm = 10 * time.Minute

// confirmed puts a configuration in force and confirms it over the next session.
func (c *comctl) confirmed(ctx context.Context, serial, method string, params any) error {
	before, err := c.Session(ctx, serial)
	if err != nil {
		return err
	}
	var answer wire.Committed
	calling, cancel := context.WithTimeout(ctx, defaultConfirm)
	defer cancel()
	if err := c.CallThrough(calling, serial, method, params, &answer); err != nil {
		return err
	}
	if err := c.printCommitted(answer); err != nil || answer.Confirm == "" {
		return err
	}
	until, err := time.Parse(time.RFC3339, answer.Confirm)
	if err != nil {
		return fmt.Errorf("the box wants a confirmation until %q: %w", answer.Confirm, err)
	}
	fmt.Fprintln(c.out, "waiting for the box to come back")
	ctx, cancel = context.WithDeadline(ctx, until)
	defer cancel()
	if err := c.AwaitOther(ctx, serial, before); err != nil {
		return fmt.Errorf("%w: it goes back to what it had", err)
	}
	return c.confirm(ctx, serial, answer.Revision)
}

func configConfirm(ctx context.Context, c *comctl, args []string) error {
	revision, err := strconv.Atoi(args[1])
	if err != nil {
		return fmt.Errorf("revision %q: want a number", args[1])
	}
	return c.confirm(ctx, args[0], revision)
}

func (c *comctl) confirm(ctx context.Context, serial string, revision int) error {
	var answer wire.Committed
	if err := c.Call(ctx, serial, wire.MethodConfigConfirm, wire.ConfigConfirm{Revision: revision}, &answer); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "revision %d is confirmed\n", answer.Revision)
	return nil
}

// printCommitted says which configuration is in force.
func (c *comctl) printCommitted(answer wire.Committed) error {
	if err := faultsIn(answer.Faults); err != nil {
		return err
	}
	for _, note := range answer.Notes {
		fmt.Fprintln(c.out, printable(note))
	}
	line := fmt.Sprintf("revision %d is in force", answer.Revision)
	if answer.Confirm != "" {
		line += ", to be confirmed until " + printable(answer.Confirm)
	}
	fmt.Fprintln(c.out, line)
	return nil
}

func configAbort(ctx context.Context, c *comctl, args []string) error {
	return c.Call(ctx, args[0], wire.MethodConfigAbort, nil, nil)
}
