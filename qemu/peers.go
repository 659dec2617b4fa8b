package main

import (
	"context"
	"flag"
	"os"

	"causeway/qemu/lab"
)

// runPeers has the peers, and what pages are held against, in the cache before a
// test waits for them.
func runPeers(ctx context.Context, args []string) error {
	if err := parse("peers", args, func(*flag.FlagSet) {}); err != nil {
		return err
	}
	if _, err := lab.OpenPeers(ctx, os.Stderr); err != nil {
		return err
	}
	_, err := lab.OpenAxe(ctx)
	return err
}
