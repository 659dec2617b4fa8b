package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"causeway/appliance/billing/cache"
	"causeway/appliance/billing/journal"
	"causeway/appliance/billing/packetcable"
	"causeway/appliance/billing/segment"
)

// runJournal prints or checks what billing keeps on disk: the journal of call
// events and the cache of billing records.
func runJournal(_ context.Context, args []string) error {
	printers := []segment.Printer{journal.Printer(), cache.Printer(describe)}
	switch {
	case len(args) == 2 && args[0] == "dump":
		return segment.Dump(os.Stdout, args[1], printers)
	case len(args) == 2 && args[0] == "verify":
		return segment.Verify(os.Stdout, args[1], printers)
	}
	return errors.New("journal: dump or verify, and which file or directory?")
}

// describe says what a record of the cache is.
func describe(r cache.Record) string {
	if r.Kind == cache.CDR {
		return strings.TrimSpace(strings.ReplaceAll(string(r.Payload), "\n", " "))
	}
	m, _, err := packetcable.Decode(r.Payload)
	if err != nil {
		return err.Error()
	}
	h := m.Header
	return fmt.Sprintf("%v %d element %v half-call %08x-%d at %s, %d attributes", h.Type, h.Sequence, h.Element, h.BCID.Seconds, h.BCID.Counter, h.Time, len(m.Attributes))
}
