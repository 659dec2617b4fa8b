package powercut

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
)

// atom is what a disk writes whole or not at all, in octets.
const atom = 512

// replay makes the disk as it may be after power cuts, one after another.
type replay struct {
	log      *Log
	durable  *disk // all that a flush covers
	entries  int   // how many the durable disk has
	volatile []Entry
}

// newReplay replays the part of a disk from start on, which was blank unless hold
// says otherwise.
func newReplay(log *Log, start, size int64) *replay {
	return &replay{log: log, durable: newDisk(start, size)}
}

// hold has the disk hold an image, from that offset of the disk on, where the log
// began.
func (r *replay) hold(path string, at int64) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read what a disk held: %w", err)
	}
	defer file.Close()
	for part := make([]byte, 1<<20); ; {
		n, err := io.ReadFull(file, part)
		r.durable.write(at, part[:n])
		at += int64(n)
		switch {
		case err == nil:
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		default:
			return fmt.Errorf("read what a disk held: %w", err)
		}
	}
}

// cut gives the disk when the power fails after that many entries of the log,
// which must not be fewer than in the last call. Writes that no flush covers are
// there, missing or torn as random says.
func (r *replay) cut(entries int, random *rand.Rand) (*disk, error) {
	for ; r.entries < entries; r.entries++ {
		entry := r.log.Entries[r.entries]
		if entry.Flags&Flush != 0 { // it covers what came before it
			if err := r.settle(); err != nil {
				return nil, err
			}
		}
		if entry.Length > 0 {
			r.volatile = append(r.volatile, entry)
		}
	}
	cut := r.durable.fork()
	for _, entry := range r.volatile {
		if err := r.apply(cut, entry, fate(entry, random)); err != nil {
			return nil, err
		}
	}
	return cut, nil
}

// settle brings the writes so far to the medium.
func (r *replay) settle() error {
	for _, entry := range r.volatile {
		if err := r.apply(r.durable, entry, whole); err != nil {
			return err
		}
	}
	r.volatile = r.volatile[:0]
	return nil
}

// apply does what of an entry reaches the part, as far as done says for each atom
// of it.
func (r *replay) apply(to *disk, e Entry, done func() bool) error {
	begin, end := max(e.Offset, to.start), min(e.Offset+e.Length, to.start+to.size)
	data := make([]byte, atom)
	for ; begin < end; begin += atom {
		if !done() {
			continue
		}
		data = data[:min(atom, end-begin)]
		if err := r.log.read(e, begin-e.Offset, data); err != nil {
			return err
		}
		to.write(begin, data)
	}
	return nil
}

func whole() bool { return true }

func nothing() bool { return false }

// fate decides about a write that no flush covers: a third are done, a third are
// not, and of a third each atom is or is not. One with FUA was on the medium
// before anybody was told.
func fate(e Entry, random *rand.Rand) func() bool {
	torn := func() bool { return random.IntN(2) == 0 }
	if e.Flags&FUA != 0 {
		return whole
	}
	return []func() bool{whole, nothing, torn}[random.IntN(3)]
}
