package volume

import (
	"errors"
	"fmt"
	"os"

	"github.com/diskfs/go-diskfs/backend"
	"golang.org/x/sys/unix"
)

// sector is what a disk writes whole or not at all, in octets.
const sector = 512

// staged is a disk or partition on which something is made that counts only
// when it is whole. The first octets are kept in memory until commit, and the
// unfinished mark stands in their place: after a cut anywhere before the end
// of commit, Detect finds Unfinished.
//
// It is a backend.Storage for go-diskfs.
type staged struct {
	*os.File
	head []byte
}

var (
	_ backend.Storage      = (*staged)(nil)
	_ backend.WritableFile = (*staged)(nil)
)

// stage marks the file as unfinished and holds back what is written to its
// first held octets.
func stage(file *os.File, held int) (*staged, error) {
	mark := make([]byte, sector)
	copy(mark, unfinished)
	if _, err := file.WriteAt(mark, 0); err != nil {
		return nil, fmt.Errorf("mark %s as unfinished: %w", file.Name(), err)
	}
	if err := file.Sync(); err != nil {
		return nil, fmt.Errorf("mark %s as unfinished: %w", file.Name(), err)
	}
	return &staged{File: file, head: make([]byte, held)}, nil
}

// commit makes what was written count: all else, then the held octets from the
// second sector on, then the first sector, each on disk before the next.
func (s *staged) commit() error {
	for _, write := range []func() error{
		s.File.Sync,
		func() error { _, err := s.File.WriteAt(s.head[sector:], sector); return err },
		s.File.Sync,
		func() error { _, err := s.File.WriteAt(s.head[:sector], 0); return err },
		s.File.Sync,
	} {
		if err := write(); err != nil {
			return fmt.Errorf("finish %s: %w", s.Name(), err)
		}
	}
	return nil
}

// largeZeros is from where on a run of zeros is left to the kernel, in octets.
const largeZeros = 64 << 10

// WriteAt implements backend.WritableFile.
func (s *staged) WriteAt(p []byte, offset int64) (n int, err error) {
	if offset < int64(len(s.head)) {
		n = copy(s.head[offset:], p)
	}
	if n == len(p) {
		return n, nil
	}
	rest, at := p[n:], offset+int64(n)
	if len(rest) >= largeZeros && isZero(rest) {
		return len(p), s.zero(at, int64(len(rest)))
	}
	more, err := s.File.WriteAt(rest, at)
	return n + more, err
}

// ReadAt implements backend.File.
func (s *staged) ReadAt(p []byte, offset int64) (n int, err error) {
	if offset < int64(len(s.head)) {
		n = copy(p, s.head[offset:])
	}
	if n == len(p) {
		return n, nil
	}
	more, err := s.File.ReadAt(p[n:], offset+int64(n))
	return n + more, err
}

// zero writes zeros. Disks, and most file systems, do that without moving data.
func (s *staged) zero(offset, length int64) error {
	err := unix.Fallocate(int(s.Fd()), unix.FALLOC_FL_ZERO_RANGE|unix.FALLOC_FL_KEEP_SIZE, offset, length)
	if err == nil {
		return nil
	}
	if err != unix.EOPNOTSUPP {
		return fmt.Errorf("write zeros to %s at %d: %w", s.Name(), offset, err)
	}
	zeros := make([]byte, min(length, 1<<20))
	for end := offset + length; offset < end; offset += int64(len(zeros)) {
		if _, err := s.File.WriteAt(zeros[:min(int64(len(zeros)), end-offset)], offset); err != nil {
			return fmt.Errorf("write zeros to %s at %d: %w", s.Name(), offset, err)
		}
	}
	return nil
}

// Sys implements backend.Storage: there is no file to go around us with.
func (s *staged) Sys() (*os.File, error) { return nil, errors.ErrUnsupported }

// Writable implements backend.Storage.
func (s *staged) Writable() (backend.WritableFile, error) { return s, nil }

// Path implements backend.Storage.
func (s *staged) Path() string { return s.Name() }
