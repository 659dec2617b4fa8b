package billing

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"causeway/appliance/storage"
)

// sequenceBlock is how many numbers are reserved at a time beyond those taken.
const sequenceBlock = 1000

// sequence gives the Sequence_Numbers of event messages. A file holds the
// first one that is not reserved, so that a crash skips numbers and never gives
// one twice. It wraps around after 2^32.
type sequence struct {
	file     string
	next     uint32
	reserved uint32 // the numbers before it may be given
}

// openSequence goes on where an earlier life of the process stopped. With an
// error it starts with the seconds since 1970: far from what was given before.
func openSequence(file string) (*sequence, error) {
	text, err := storage.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = []byte("1"), nil
	}
	var number uint64
	if err == nil {
		number, err = strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32)
	}
	if err != nil {
		number, err = uint64(time.Now().Unix()), fmt.Errorf("read the sequence number in %s: %w", file, err)
	}
	return &sequence{file: file, next: uint32(number), reserved: uint32(number)}, err
}

// take gives the next number. What carries it must not be kept or sent before
// secure.
func (s *sequence) take() uint32 {
	number := s.next
	s.next++
	return number
}

// secure sees to it that no number taken so far is given again after a crash.
func (s *sequence) secure() error {
	if int32(s.next-s.reserved) <= 0 { // it wraps around
		return nil
	}
	return s.keep(s.next + sequenceBlock)
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
