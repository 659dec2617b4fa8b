package main

import (
	"context"
	"errors"
	"os"

	"causeway/appliance/billing/cache"
	"causeway/appliance/billing/journal"
	"causeway/appliance/billing/segment"
)

// runJournal prints or checks what billing keeps on disk: the journal of call
// events and the cache of billing records.
func runJournal(_ context.Context, args []string) error {
	printers := []segment.Printer{journal.Printer(), cache.Printer(nil)}
	switch {
	case len(args) == 2 && args[0] == "dump":
		return segment.Dump(os.Stdout, args[1], printers)
	case len(args) == 2 && args[0] == "verify":
		return segment.Verify(os.Stdout, args[1], printers)
	}
	return errors.New("journal: dump or verify, and which file or directory?")
}
