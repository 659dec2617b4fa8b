package main

import (
	"context"
	"flag"
	"os"

	"causeway/qemu/lab"
)

// runPeers has the peers in the cache before a test waits for them.
func runPeers(ctx context.Context, args []string) error {
	if err := parse("peers", args, func(*flag.FlagSet) {}); err != nil {
		return err
	}
	_, err := lab.OpenPeers(ctx, os.Stderr)
	return err
}
