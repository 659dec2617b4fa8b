// Command images makes what is flashed and what QEMU boots.
//
//	go run ./images build -board x86_64|arm64 [-variant release|debug] [-kernel-only] [-o DIR] [-com-root FILE] [-license-root FILE] [-keys DIR] [-unsigned]
//	go run ./images keys [-keys DIR]
//	go run ./images sign -image DIR -keys DIR
//	go run ./images reproduce -board x86_64|arm64 [-variant release|debug] [-keys DIR] [-made DIR]
//	go run ./images flash -board x86_64|arm64 [-variant release|debug] [-o DIR] [-installer] DEVICE
//
// build and sign print what they made, a key=value a line; reproduce builds one
// commit twice and compares. See docs/building.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"causeway/rootfs"
)

var commands = []struct {
	name, help string
	run        func(ctx context.Context, args []string, out, log io.Writer) error
}{
	{"build", "make an image", buildCommand},
	{"keys", "make the keys that images are signed with, where there are none", keysCommand},
	{"sign", "sign an image that was built without the keys, or sign it anew", signCommand},
	{"reproduce", "build the commit twice, in different surroundings, and compare", reproduceCommand},
	{"flash", "write an image to a disk, and read it back", flashCommand},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "images:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, log io.Writer) error {
	if err := rootfs.PinToolchain(); err != nil {
		return err
	}
	if len(args) > 0 {
		for _, command := range commands {
			if command.name == args[0] {
				return command.run(ctx, args[1:], out, log)
			}
		}
	}
	var usage strings.Builder
	for _, command := range commands {
		fmt.Fprintf(&usage, "\n  %-10s %s", command.name, command.help)
	}
	return fmt.Errorf("which command?%s", usage.String())
}

// parse parses the flags of a command that takes nothing else.
func parse(flags *flag.FlagSet, args []string) error {
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%s takes no argument %q", flags.Name(), flags.Arg(0))
	}
	return nil
}
