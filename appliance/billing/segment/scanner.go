package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// Scanner reads the frames of one segment in order. At the end of valid data
// it stays where it is: more may come, and the next call looks again. It
// belongs to one goroutine.
type Scanner struct {
	Header
	file  File
	off   int64 // of the next frame
	chain uint32
	last  uint64 // number of the last record
	ahead []byte // what was read from the file but not given out yet begins at ahead[used]
	used  int
}

// NewScanner reads the header of a segment and checks whose it is. The error
// is ErrForeign, a *DamageError, or one of reading. The file is closed with the
// scanner.
func NewScanner(file File, magic string, box Box) (*Scanner, error) {
	var b [HeaderSize]byte
	n, err := file.ReadAt(b[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read a header: %w", err)
	}
	h, chain, err := decodeHeader(b[:n], magic)
	if err != nil {
		return nil, err
	}
	if h.Box != box {
		return nil, ErrForeign
	}
	return &Scanner{Header: h, file: file, off: HeaderSize, chain: chain, last: h.FirstSeq - 1}, nil
}

// Offset is where the next frame stands, in octets from the start of the file.
func (s *Scanner) Offset() int64 { return s.off }

// Last is the number of the last record that Next gave; that before the first
// one at the start.
func (s *Scanner) Last() uint64 { return s.last }

// Close closes the file.
func (s *Scanner) Close() error { return s.file.Close() }

// need gives the next n octets, at most maxFrame, or fewer at the end of the
// file. Sectors behind them that cannot be read are no error yet.
func (s *Scanner) need(n int) ([]byte, error) {
	if len(s.ahead)-s.used < n {
		waiting := s.ahead[s.used:]
		switch {
		case s.ahead == nil: // enough for who looks at the first frames only
			s.ahead = make([]byte, 0, sector)
		case cap(s.ahead) < 2*maxFrame:
			s.ahead = make([]byte, 0, 2*maxFrame)
		}
		s.ahead = s.ahead[:copy(s.ahead[:cap(s.ahead)], waiting)]
		s.used = 0
		got, err := s.file.ReadAt(s.ahead[len(s.ahead):cap(s.ahead)], s.off+int64(len(s.ahead)))
		s.ahead = s.ahead[:len(s.ahead)+got]
		if err != nil && !errors.Is(err, io.EOF) && len(s.ahead) < n {
			return nil, fmt.Errorf("read a segment at octet %d: %w", s.off, err)
		}
	}
	return s.ahead[s.used:min(s.used+n, len(s.ahead))], nil
}

// Next gives the next frame, which is valid until the call after. The error is
// io.EOF at a clean end, a *DamageError, or one of reading.
func (s *Scanner) Next() (Frame, error) {
	b, err := s.need(FrameHeader)
	switch {
	case err != nil:
		return nil, err
	case len(b) == 0:
		return nil, io.EOF
	case len(b) < FrameHeader:
		return nil, s.damage("a record's header is cut short")
	}
	length := binary.LittleEndian.Uint32(b)
	if length == 0 || length > MaxPayload {
		return nil, s.damage("a record's length is out of range")
	}
	size := FrameSize(int(length))
	if b, err = s.need(size); err != nil {
		return nil, err
	}
	if len(b) < size {
		return nil, s.damage("a record is cut short")
	}
	f := Frame(b)
	if f.checksum(s.chain) != f.crc() {
		return nil, s.damage("a record's checksum is wrong")
	}
	due := s.last
	if f.Type() == Record {
		due++
	}
	if f.Seq() != due {
		return nil, s.damage(fmt.Sprintf("record %d stands where %d is due", f.Seq(), due))
	}
	s.last, s.chain = due, f.crc()
	s.off += int64(size)
	s.used += size
	return f, nil
}

func (s *Scanner) damage(reason string) error { return &DamageError{s.off, reason} }

// Claim gives the time that the damaged frame at the scanner's place says it
// is of, if it has the number that is due: then it was one once.
func (s *Scanner) Claim() (at time.Time, ok bool) {
	b, err := s.need(FrameHeader)
	if err != nil || len(b) < FrameHeader {
		return at, false
	}
	f := Frame(b)
	return f.Time(), f.Type() == Record && f.Seq() == s.last+1
}

// Skip goes past damage, or past sectors that cannot be read, to the next
// record that proves to be one: its checksum continues that of the damaged
// frame, or the one before it does that of its own predecessor. The next call
// of Next gives it. Without such a record Skip gives false and the scanner
// stays where it is. It takes memory for what is left of the segment.
func (s *Scanner) Skip() bool {
	rest := s.rest()
	if len(rest) < FrameHeader {
		return false
	}
	damaged := Frame(rest).crc()
	for at := FrameAlign; at < len(rest); at += FrameAlign {
		f := s.plausible(rest[at:])
		if f == nil {
			continue
		}
		if f.checksum(damaged) == f.crc() {
			s.jump(at, f.Seq(), damaged)
			return true
		}
		if next := s.plausible(rest[at+len(f):]); next != nil && next.Seq() == f.Seq()+1 && next.checksum(f.crc()) == next.crc() {
			s.jump(at+len(f), next.Seq(), f.crc())
			return true
		}
	}
	return false
}

// jump makes the record numbered seq, at octets from here, the next one.
func (s *Scanner) jump(at int, seq uint64, chain uint32) {
	s.off, s.last, s.chain = s.off+int64(at), seq-1, chain
	s.ahead, s.used = s.ahead[:0], 0
}

// plausible gives the frame that b begins with if it looks like a record of
// what is left of the segment, else nil.
func (s *Scanner) plausible(b []byte) Frame {
	if len(b) < FrameHeader {
		return nil
	}
	length := binary.LittleEndian.Uint32(b)
	if length == 0 || length > MaxPayload || FrameSize(int(length)) > len(b) {
		return nil
	}
	f := Frame(b[:FrameSize(int(length))])
	if f.Type() != Record || f[9]|f[10]|f[11] != 0 || f.Seq() <= s.last || f.Seq()-s.last > maxFrames {
		return nil
	}
	return f
}

const (
	sector     = 4096 // octets that are given up when one of them cannot be read
	badSectors = 64   // after which the rest is given up: each may take the disk seconds
	maxFrames  = 1 << 20
)

// rest reads from here to the end of the file, zeros in the place of sectors
// that cannot be read.
func (s *Scanner) rest() []byte {
	var rest []byte
	for bad := 0; bad < badSectors; {
		off := s.off + int64(len(rest))
		block := make([]byte, sector-off%sector)
		n, err := s.file.ReadAt(block, off)
		switch {
		case errors.Is(err, io.EOF):
			return append(rest, block[:n]...)
		case err != nil:
			bad++
			clear(block[n:])
		}
		rest = append(rest, block...)
	}
	return rest
}
