package main

import (
	"context"
	"fmt"

	"causeway/qemu/lab"
)

// runLadder prints the SIPp scenario of a ladder: "caller" and "callee" are
// those of an ordinary call.
func runLadder(_ context.Context, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("ladder: one argument is needed: caller, callee or steps such as %q", lab.Callee)
	}
	ladder := lab.Ladder(args[0])
	switch args[0] {
	case "caller":
		ladder = lab.Caller
	case "callee":
		ladder = lab.Callee
	}
	scenario, err := ladder.Scenario()
	if err != nil {
		return err
	}
	fmt.Print(scenario)
	return nil
}
