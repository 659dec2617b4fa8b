package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"causeway/appliance/storage"
)

// scanner reads the records of one segment in order. At the end of valid data
// it stays where it is: more may come, and the next call looks again.
type scanner struct {
	header
	src   io.ReaderAt
	off   int64 // of the next frame
	chain uint32
	last  uint64 // number of the last event
	ahead []byte // what was read from the file but not given out yet begins at ahead[used]
	used  int
}

// newScanner reads the header. The error is ErrForeign, a *DamageError, or one
// of reading.
func newScanner(src io.ReaderAt, box Box) (*scanner, error) {
	h, chain, err := readHeader(src, box)
	if err != nil {
		return nil, err
	}
	return &scanner{
		header: h, src: src, off: headerSize, chain: chain, last: h.firstSeq - 1,
	}, nil
}

// readHeader reads the header of a segment and checks whose it is.
func readHeader(src io.ReaderAt, box Box) (header, uint32, error) {
	var b [headerSize]byte
	n, err := src.ReadAt(b[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return header{}, 0, fmt.Errorf("read a header: %w", err)
	}
	h, chain, err := decodeHeader(b[:n])
	if err == nil && h.box != box {
		err = ErrForeign
	}
	return h, chain, err
}

// need gives the next n octets, at most maxFrame, or fewer at the end of the file.
func (s *scanner) need(n int) ([]byte, error) {
	if len(s.ahead)-s.used < n {
		if s.ahead == nil {
			s.ahead = make([]byte, 0, 2*maxFrame)
		}
		s.ahead = s.ahead[:copy(s.ahead, s.ahead[s.used:])]
		s.used = 0
		got, err := s.src.ReadAt(s.ahead[len(s.ahead):cap(s.ahead)], s.off+int64(len(s.ahead)))
		s.ahead = s.ahead[:len(s.ahead)+got]
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("read the journal at octet %d: %w", s.off, err)
		}
	}
	return s.ahead[s.used:min(s.used+n, len(s.ahead))], nil
}

// next gives the next frame, which is valid until the call after. The error is
// io.EOF at a clean end, a *DamageError, or one of reading.
func (s *scanner) next() (frame, error) {
	b, err := s.need(frameHeader)
	switch {
	case err != nil:
		return nil, err
	case len(b) == 0:
		return nil, io.EOF
	case len(b) < frameHeader:
		return nil, s.damage("a record's header is cut short")
	}
	length := binary.LittleEndian.Uint32(b)
	if length == 0 || length > maxPayload {
		return nil, s.damage("a record's length is out of range")
	}
	size := frameSize(int(length))
	if b, err = s.need(size); err != nil {
		return nil, err
	}
	if len(b) < size {
		return nil, s.damage("a record is cut short")
	}
	f := frame(b)
	if f.checksum(s.chain) != f.crc() {
		return nil, s.damage("a record's checksum is wrong")
	}
	due := s.last
	if f.kind() == recordEvent {
		due++
	}
	if f.seq() != due {
		return nil, s.damage(fmt.Sprintf("record %d stands where %d is due", f.seq(), due))
	}
	s.last, s.chain = due, f.crc()
	s.off += int64(size)
	s.used += size
	return f, nil
}

func (s *scanner) damage(reason string) error { return &DamageError{s.off, reason} }

// openSegment opens a segment of the box for reading. The caller closes the file.
func openSegment(dir string, number uint32, box Box) (*os.File, *scanner, error) {
	file, err := os.Open(filepath.Join(dir, segmentName(number)))
	if err != nil {
		return nil, nil, fmt.Errorf("open a segment: %w", err)
	}
	s, err := newScanner(file, box)
	if err == nil && s.number != number {
		err = &DamageError{12, fmt.Sprintf("the header says segment %d", s.number)}
	}
	if err != nil {
		file.Close()
		return nil, nil, fmt.Errorf("segment %d: %w", number, err)
	}
	return file, s, nil
}

// headerOf reads the header of a segment of the box.
func headerOf(dir string, number uint32, box Box) (header, error) {
	file, s, err := openSegment(dir, number, box)
	if err != nil {
		return header{}, err
	}
	return s.header, file.Close()
}

// cut copies what stands behind offset good into a .bad file and truncates the
// segment there. It gives the octets cut off; 0 if the segment was clean.
func cut(dir string, number uint32, good int64) (int64, error) {
	path := filepath.Join(dir, segmentName(number))
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return 0, fmt.Errorf("repair a segment: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || info.Size() <= good {
		return 0, err
	}
	if err := copyAside(asideName(dir, number, badSuffix), io.NewSectionReader(file, good, info.Size()-good)); err != nil {
		return 0, fmt.Errorf("keep the torn tail of %s: %w", path, err)
	}
	if err := storage.SyncDir(dir); err != nil {
		return 0, err
	}
	if err := file.Truncate(good); err != nil {
		return 0, fmt.Errorf("cut the torn tail: %w", err)
	}
	if err := file.Sync(); err != nil {
		return 0, fmt.Errorf("cut the torn tail: %w", err)
	}
	return info.Size() - good, nil
}

func copyAside(path string, from io.Reader) error {
	aside, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return err
	}
	_, err = io.Copy(aside, from)
	return errors.Join(err, aside.Sync(), aside.Close())
}
