// Package journal is the crash-safe queue of call events between the proxy,
// which writes, and billing, which reads (billing requirements: no event that
// a peer saw more than one commit before a power cut is lost, none is sent
// from another box's disk).
//
// In: batches of model.CallEvent from the SIP core. Out: the same events, in
// order, each at least once until it is acknowledged.
//
// A directory holds segments ev-00000001.jnl, ev-00000002.jnl …, each a header
// and chained records, and two marks: "durable", the last record that is on
// the disk for certain, kept by the writer, and "ack", the last one that
// billing is done with, kept by the reader. The rules are few:
//
//   - The writer appends to segments it made itself in this life, one write and
//     one fdatasync a commit, and then moves "durable". The reader never gives
//     out a record beyond that mark, so what it acts on cannot vanish.
//   - Records are numbered without gaps. A segment is the authority from the
//     first number in its header on: what an older segment holds from there on
//     is void. So a commit whose fdatasync failed is written again into a new
//     segment under the same numbers, and the old copy does no harm.
//   - Each segment begins with the list of the calls open at that point. A
//     segment may go when the first record of the next one is acknowledged;
//     the open calls are therefore always in what is left.
//   - Opening for writing looks at the newest segment with such a list and
//     those after it, so a restart takes the same time whatever the backlog.
//     A tail that is not valid is copied to a .bad file and cut off.
//   - A segment of another box is renamed .foreign and never read.
//
// Nobody but the writer writes segments, nobody but the reader deletes them.
package journal

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"causeway/appliance/storage"
)

// Box tells the journals of different boxes apart: the first octets of the
// SHA-256 of the box's serial number.
type Box [8]byte

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

// ErrForeign says that a file carries another box's identity.
var ErrForeign = errors.New("it belongs to another box")

// DamageError says where a segment stops making sense.
type DamageError struct {
	Offset int64 // octets from the start of the file
	Reason string
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("damaged at octet %d: %s", e.Offset, e.Reason)
}

func isDamage(err error) bool {
	var damage *DamageError
	return errors.As(err, &damage)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const (
	segmentPrefix = "ev-"
	segmentSuffix = ".jnl"
	badSuffix     = ".bad"
	foreignSuffix = ".foreign"
	durableName   = "durable"
	ackName       = "ack"
)

func segmentName(number uint32) string {
	return fmt.Sprintf("%s%08d%s", segmentPrefix, number, segmentSuffix)
}

// listing is what a journal's directory holds, each list in order of number.
type listing struct {
	segments []uint32
	bad      []string // names of what was kept aside
	foreign  []string
	highest  uint32 // of all numbers in use, those aside included
}

// list reads the directory. Names that are not the journal's are left alone.
func list(dir string) (listing, error) {
	var l listing
	entries, err := os.ReadDir(dir) // sorted by name, and names sort like numbers
	if err != nil {
		return l, fmt.Errorf("list the journal: %w", err)
	}
	for _, entry := range entries {
		rest, ours := strings.CutPrefix(entry.Name(), segmentPrefix)
		digits, suffix, dotted := strings.Cut(rest, ".")
		number, err := strconv.ParseUint(digits, 10, 32)
		if !ours || !dotted || err != nil || len(digits) != 8 {
			continue
		}
		l.highest = max(l.highest, uint32(number))
		switch {
		case "."+suffix == segmentSuffix:
			l.segments = append(l.segments, uint32(number))
		case strings.HasSuffix(entry.Name(), badSuffix):
			l.bad = append(l.bad, entry.Name())
		case strings.HasSuffix(entry.Name(), foreignSuffix):
			l.foreign = append(l.foreign, entry.Name())
		}
	}
	return l, nil
}

// after gives the segments numbered above number.
func (l *listing) after(number uint32) []uint32 {
	i, found := slices.BinarySearch(l.segments, number)
	if found {
		i++
	}
	return l.segments[i:]
}

// asideName gives a name that is not in use for keeping a segment, or a part
// of it, out of the way.
func asideName(dir string, number uint32, suffix string) string {
	stem := strings.TrimSuffix(segmentName(number), segmentSuffix)
	for n := 0; ; n++ {
		name := stem + suffix
		if n > 0 {
			name = fmt.Sprintf("%s.%d%s", stem, n, suffix)
		}
		if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
			return filepath.Join(dir, name)
		}
	}
}

// setAside renames a segment out of the way.
func setAside(dir string, number uint32, suffix string) error {
	if err := os.Rename(filepath.Join(dir, segmentName(number)), asideName(dir, number, suffix)); err != nil {
		return fmt.Errorf("keep a segment aside: %w", err)
	}
	return storage.SyncDir(dir)
}

// datasync is fdatasync, repeated when a signal interrupts it.
func datasync(f *os.File) error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); err != unix.EINTR {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
