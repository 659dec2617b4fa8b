// Package segment is the crash-safe log on disk that the journal of call
// events and the cache of billing records have in common: a directory of
// segments, each a header and numbered, chained records, and marks that say
// how far somebody is.
//
// In: frames of opaque payloads. Out: the same, in order. What a record is,
// what a segment begins with and who may delete it is the owner's affair.
//
// The rules are few:
//
//   - A writer appends to segments that it made itself in this life. A write
//     and an fdatasync, and then the records count.
//   - Records are numbered. A segment is the authority from the first number in
//     its header on: what an older segment holds from there on is void. So a
//     record whose fdatasync failed is written again into a new segment under
//     the same number, and the old copy does no harm.
//   - Checksums are chained, so that what is left of another file in a reused
//     sector cannot pass. What is not valid at the end is copied to a .bad file
//     and cut off.
//   - A segment of another box is renamed .foreign and never read.
//
// It asks little of a file system, so that a FAT will do: no hard link, no hole
// in a file, no rename that must be atomic. Files and directories are flushed.
package segment

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"causeway/appliance/storage"
)

// Box tells the segments of different boxes apart.
type Box [8]byte

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

// IsDamage reports whether err is or wraps a *DamageError.
func IsDamage(err error) bool {
	var damage *DamageError
	return errors.As(err, &damage)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Format tells the segments of different owners apart.
type Format struct {
	Prefix string // of their names: "ev-"
	Magic  string // that they begin with, 3 octets: "EVJ"
}

const nameSuffix = ".jnl"

// Suffixes of what is kept aside.
const (
	BadSuffix     = ".bad"
	ForeignSuffix = ".foreign"
)

// Name is that of a segment: "ev-00000001.jnl".
func (f Format) Name(number uint32) string {
	return fmt.Sprintf("%s%08d%s", f.Prefix, number, nameSuffix)
}

// number reads a name, of a segment or of what was one, and gives what follows
// the digits.
func (f Format) number(name string) (number uint32, suffix string, ok bool) {
	rest, ours := strings.CutPrefix(name, f.Prefix)
	digits, suffix, dotted := strings.Cut(rest, ".")
	n, err := strconv.ParseUint(digits, 10, 32)
	return uint32(n), "." + suffix, ours && dotted && err == nil && len(digits) == 8
}

// Dir is a directory of segments of one format and box.
type Dir struct {
	Path string
	Format
	Box Box
	// OpenFile opens a segment for reading; nil: os.Open.
	OpenFile func(path string) (File, error)
}

// File is a segment as it is read.
type File interface {
	io.ReaderAt
	io.Closer
}

func (d Dir) path(number uint32) string { return filepath.Join(d.Path, d.Name(number)) }

// Listing is what a directory holds, each list in order of number.
type Listing struct {
	Segments []uint32
	Bad      []string // names of what was kept aside
	Foreign  []string
	Highest  uint32 // of all numbers in use, those aside included
}

// List reads the directory. Names of other formats are left out.
func (d Dir) List() (Listing, error) {
	var l Listing
	entries, err := os.ReadDir(d.Path) // sorted by name, and names sort like numbers
	if err != nil {
		return l, fmt.Errorf("list segments: %w", err)
	}
	for _, entry := range entries {
		number, suffix, ours := d.number(entry.Name())
		if !ours {
			continue
		}
		l.Highest = max(l.Highest, number)
		switch {
		case suffix == nameSuffix:
			l.Segments = append(l.Segments, number)
		case strings.HasSuffix(suffix, BadSuffix):
			l.Bad = append(l.Bad, entry.Name())
		case strings.HasSuffix(suffix, ForeignSuffix):
			l.Foreign = append(l.Foreign, entry.Name())
		}
	}
	return l, nil
}

// After gives the segments numbered above number.
func (l *Listing) After(number uint32) []uint32 {
	i, found := slices.BinarySearch(l.Segments, number)
	if found {
		i++
	}
	return l.Segments[i:]
}

// Sizes adds up what segments take, in octets. One that is deleted meanwhile
// is no error.
func (d Dir) Sizes(segments []uint32) (octets int64) {
	for _, number := range segments {
		if info, err := os.Stat(d.path(number)); err == nil {
			octets += info.Size()
		}
	}
	return octets
}

// Open opens a segment for reading. The error wraps ErrForeign, a
// *DamageError, or one of opening and reading.
func (d Dir) Open(number uint32) (*Scanner, error) {
	open := d.OpenFile
	if open == nil {
		open = func(path string) (File, error) { return storage.Open(path) }
	}
	file, err := open(d.path(number))
	if err != nil {
		return nil, fmt.Errorf("open a segment: %w", err)
	}
	s, err := NewScanner(file, d.Magic, d.Box)
	if err == nil && s.Number != number {
		err = &DamageError{12, fmt.Sprintf("the header says segment %d", s.Number)}
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("segment %d: %w", number, err)
	}
	return s, nil
}

// Header reads the header of a segment.
func (d Dir) Header(number uint32) (Header, error) {
	s, err := d.Open(number)
	if err != nil {
		return Header{}, err
	}
	return s.Header, s.Close()
}

// Ending is where one segment's valid data ends.
type Ending struct {
	Number uint32
	Good   int64 // octets
	Fault  error // why it ends there; nil at a clean end, and where visit had enough
}

// Scan calls visit for each valid frame of the segment, in order, until it
// returns false. With skip it goes past damage: for a segment that was complete
// once. Without, the first damage is the end: what was being written last when
// the power failed is a prefix.
func (d Dir) Scan(number uint32, skip bool, visit func(Frame) bool) Ending {
	s, err := d.Open(number)
	if err != nil {
		return Ending{number, 0, err}
	}
	defer s.Close()
	for {
		f, err := s.Next()
		switch {
		case err == io.EOF || err == nil && !visit(f):
			return Ending{number, s.off, nil}
		case err != nil && !(skip && s.Skip()):
			return Ending{number, s.off, err}
		}
	}
}

// Remove deletes a segment.
func (d Dir) Remove(number uint32) error { return os.Remove(d.path(number)) }

// SetAside renames a segment out of the way.
func (d Dir) SetAside(number uint32, suffix string) error {
	if err := os.Rename(d.path(number), d.asideName(number, suffix)); err != nil {
		return fmt.Errorf("keep a segment aside: %w", err)
	}
	return storage.SyncDir(d.Path)
}

// asideName gives a name that is not in use for keeping a segment, or a part
// of it, out of the way.
func (d Dir) asideName(number uint32, suffix string) string {
	stem := strings.TrimSuffix(d.Name(number), nameSuffix)
	for n := 0; ; n++ {
		name := stem + suffix
		if n > 0 {
			name = fmt.Sprintf("%s.%d%s", stem, n, suffix)
		}
		if _, err := os.Lstat(filepath.Join(d.Path, name)); err != nil {
			return filepath.Join(d.Path, name)
		}
	}
}

// datasync is fdatasync, repeated when a signal interrupts it.
func datasync(f *os.File) error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); err != unix.EINTR {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
