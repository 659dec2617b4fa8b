package billing

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"causeway/appliance/storage"
)

// sequenceBlock is how many numbers are reserved at a time.
const sequenceBlock = 1000

// sequence gives the Sequence_Numbers of event messages. A file holds the
// first one that is not reserved, so that a crash skips numbers and never gives
// one twice. It wraps around after 2^32.
type sequence struct {
	file     string
	next     uint32
	reserved uint32 // the numbers before it may be given
}

// openSequence goes on where an earlier life of the process stopped.
func openSequence(file string) (*sequence, error) {
	text, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &sequence{file: file, next: 1, reserved: 1}, nil
	case err != nil:
		return nil, fmt.Errorf("read the sequence number: %w", err)
	}
	number, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32)
	if err != nil {
		return nil, fmt.Errorf("sequence number in %s: %w", file, err)
	}
	return &sequence{file: file, next: uint32(number), reserved: uint32(number)}, nil
}

// reserve sees to it that n numbers can be given.
func (s *sequence) reserve(n uint32) error {
	if s.reserved-s.next >= n {
		return nil
	}
	return s.keep(s.next + (n+sequenceBlock-1)/sequenceBlock*sequenceBlock)
}

// take gives the next number. There must be one reserved.
func (s *sequence) take() uint32 {
	number := s.next
	s.next++
	return number
}

// close gives back what was reserved and not taken.
func (s *sequence) close() error { return s.keep(s.next) }

func (s *sequence) keep(reserved uint32) error {
	if err := storage.WriteFile(s.file, []byte(strconv.FormatUint(uint64(reserved), 10)+"\n"), 0o640); err != nil {
		return fmt.Errorf("keep the sequence number: %w", err)
	}
	s.reserved = reserved
	return nil
}
