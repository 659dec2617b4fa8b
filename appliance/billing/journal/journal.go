// Package journal is the crash-safe queue of call events between the proxy,
// which writes, and billing, which reads (billing requirements: no event that
// a peer saw more than one commit before a power cut is lost, none is sent
// from another box's disk).
//
// In: batches of model.CallEvent from the SIP core. Out: the same events, in
// order, each at least once until it is acknowledged.
//
// A directory holds segments ev-00000001.jnl, ev-00000002.jnl … (package
// segment) and two marks: "durable", the last record that is on the disk for
// certain, kept by the writer, and "ack", the last one that billing is done
// with, kept by the reader. Besides the rules of segments:
//
//   - Events are numbered without gaps.
//   - After each commit the writer moves "durable". The reader never gives out a
//     record beyond that mark, so what it acts on cannot vanish.
//   - Each segment begins with the list of the calls open at that point. A
//     segment may go when the first record of the next one is acknowledged;
//     the open calls are therefore always in what is left.
//   - Opening for writing looks at the newest segment with such a list and
//     those after it, so a restart takes the same time whatever the backlog.
//
// Nobody but the writer writes segments, nobody but the reader deletes them.
package journal

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"strings"

	"causeway/appliance/billing/segment"
)

// Box tells the journals of different boxes apart: the first octets of the
// SHA-256 of the box's serial number.
type Box = segment.Box

// BoxOf gives the Box of a serial number.
func BoxOf(serial string) Box {
	sum := sha256.Sum256([]byte(serial))
	return Box(sum[:8])
}

// ReadBox gives the Box of the serial number in a file (model.SerialFile). A
// plain host has no such file: its serial number is empty.
func ReadBox(path string) (Box, error) {
	serial, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return Box{}, fmt.Errorf("read the serial number: %w", err)
	}
	return BoxOf(strings.TrimSpace(string(serial))), nil
}

// ErrInUse says that another process has the journal open for the same purpose.
var ErrInUse = segment.ErrInUse

var format = segment.Format{Prefix: "ev-", Magic: "EVJ"}

// Names of the marks.
const (
	durableName = "durable"
	ackName     = "ack"
)

func dirOf(path string, box Box) segment.Dir {
	return segment.Dir{Path: path, Format: format, Box: box}
}
