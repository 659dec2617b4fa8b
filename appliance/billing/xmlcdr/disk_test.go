package xmlcdr

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
)

// disk is a directory in memory that fails when told to, and forgets what was
// not flushed when its power is cut.
type disk struct {
	random *rand.Rand
	fat    bool // changes of names that were not flushed are lost one by one, a rename as two

	now     map[string]*content
	flushed map[string]*content
	changes []func(names map[string]*content) // since then

	operations int
	fault      error
	faultAt    int // the operation that fails with it
	diesAt     int // from this operation on everything fails; 0: never
	readFaults int // so many times a file is not read to its end
}

// content is that of a file.
type content struct{ now, flushed []byte }

func (c *content) String() string { return fmt.Sprintf("%q", c.now) }

// step counts an operation, which may fail.
func (d *disk) step() error {
	d.operations++
	switch {
	case d.diesAt > 0 && d.operations > d.diesAt:
		return syscall.EIO
	case d.fault != nil && d.operations == d.faultAt+1:
		return d.fault
	}
	return nil
}

// change changes names.
func (d *disk) change(changes ...func(names map[string]*content)) {
	for _, change := range changes {
		change(d.now)
	}
	if d.fat {
		d.changes = append(d.changes, changes...)
		return
	}
	d.changes = append(d.changes, func(names map[string]*content) {
		for _, change := range changes {
			change(names)
		}
	})
}

// cut has the disk as it is after a power cut.
func (d *disk) cut() {
	d.diesAt = 0
	names := maps.Clone(d.flushed)
	if names == nil {
		names = map[string]*content{}
	}
	kept := d.random.IntN(len(d.changes) + 1)
	for i, change := range d.changes {
		if d.fat && d.random.IntN(2) == 0 || !d.fat && i < kept {
			change(names)
		}
	}
	d.now, d.flushed, d.changes = names, maps.Clone(names), nil
	for _, c := range names {
		c.cut(d.random, d.fat)
	}
}

// cut leaves what was flushed, or part of what was written since: on FAT perhaps
// with that behind it which stood on the disk before.
func (c *content) cut(random *rand.Rand, fat bool) {
	if !bytes.HasPrefix(c.now, c.flushed) && random.IntN(2) == 0 {
		c.now = c.flushed
	} else if more := len(c.now) - len(c.flushed); more > 0 && bytes.HasPrefix(c.now, c.flushed) {
		c.now = slices.Clip(c.now[:len(c.flushed)+random.IntN(more+1)])
		if rest := len(c.flushed) + more - len(c.now); fat && random.IntN(2) == 0 {
			old := appendMark(numbered(8999), random.Uint32())[random.IntN(250):]
			old = appendMark(append(old, numbered(9000)...), random.Uint32())
			c.now = append(c.now, old[:min(rest, len(old))]...)
		}
	}
	c.flushed = c.now
}

func (d *disk) enter(string) (directory, error) { return d, d.step() }

func (d *disk) Open(name string, flag int) (file, error) {
	if err := d.step(); err != nil {
		return nil, err
	}
	c, found := d.now[name]
	switch {
	case !found && flag&os.O_CREATE == 0:
		return nil, fs.ErrNotExist
	case found && flag&os.O_EXCL != 0:
		return nil, fs.ErrExist
	case !found:
		c = &content{}
		d.change(func(names map[string]*content) { names[name] = c })
	case flag&os.O_TRUNC != 0:
		c.now = nil
	}
	return &diskFile{disk: d, content: c}, nil
}

func (d *disk) Rename(from, to string) error {
	if err := d.step(); err != nil {
		return err
	}
	if d.fat && !strings.HasSuffix(to, badSuffix) {
		return errors.ErrUnsupported // a cut would leave both names with the same octets, and deleting one ends both
	}
	c := d.now[from]
	d.change(func(names map[string]*content) { names[to] = c },
		func(names map[string]*content) { delete(names, from) })
	return nil
}

func (d *disk) Remove(name string) error {
	if err := d.step(); err != nil {
		return err
	}
	d.change(func(names map[string]*content) { delete(names, name) })
	return nil
}

func (d *disk) Names() ([]string, error) {
	return slices.Sorted(maps.Keys(d.now)), d.step()
}

func (d *disk) Sync() error {
	if err := d.step(); err != nil {
		return err
	}
	d.flushed, d.changes = maps.Clone(d.now), nil
	return nil
}

func (d *disk) Moved() error  { return nil }
func (d *disk) Renames() bool { return !d.fat }
func (d *disk) Close() error  { return nil }

// diskFile is an open file; it is written at its end.
type diskFile struct {
	*disk
	*content
	at int // where it is read
}

func (f *diskFile) Read(b []byte) (int, error) {
	if err := f.step(); err != nil {
		return 0, err
	}
	if f.at > 0 && f.readFaults > 0 {
		f.readFaults--
		return 0, syscall.EIO
	}
	n := copy(b[:min(len(b), 600)], f.content.now[f.at:])
	if f.at += n; n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (f *diskFile) Write(b []byte) (int, error) {
	err := f.step()
	if err != nil {
		b = b[:len(b)/2]
	}
	f.content.now = append(slices.Clip(f.content.now), b...)
	return len(b), err
}

func (f *diskFile) Datasync() error {
	if err := f.step(); err != nil {
		return err
	}
	f.content.flushed = f.content.now
	return nil
}

func (f *diskFile) Truncate(size int64) error {
	if err := f.step(); err != nil {
		return err
	}
	f.content.now = slices.Clip(f.content.now[:min(int(size), len(f.content.now))])
	return nil
}

func (f *diskFile) Close() error { return nil }
