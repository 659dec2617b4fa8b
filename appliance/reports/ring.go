package reports

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"path/filepath"

	"causeway/appliance/storage"
)

// minutesKept is how far back the history goes: 90 days.
const minutesKept = 90 * 24 * 60

// The file is a header and one record for each minute of the ring, in the
// place that follows from its time: minute modulo minutesKept. A record
// carries its minute and a checksum, so a record that a cut left half written,
// or one of another round, is no record, and nothing has to be searched when
// the file is opened.
const (
	recordSize = 32 // octets; the header is as long
	fileSize   = (minutesKept + 1) * recordSize
)

// header begins every file; what follows it says how to read the rest.
var header = func() []byte {
	h := append([]byte("causeway reports 1\n"), make([]byte, recordSize)...)[:recordSize]
	binary.BigEndian.PutUint32(h[recordSize-4:], minutesKept)
	return h
}()

// Minute is what happened in one minute of the Unix time.
type Minute struct {
	Minute   uint32 // since 1970
	Seconds  uint16 // that it stands for; more than 60 after the clock went back or the proxy was silent
	Calls    uint32 // offered
	Refused  uint32 // by the box, those that overload shed included
	PeakCPS  uint32 // the most calls offered in a second, in hundredths
	PeakOpen uint32 // the most calls open at a time
	Failed   uint32 // of those admitted; 0 in records of the releases that did not count them
}

// merge adds what another part of the same minute saw.
func (m *Minute) merge(other Minute) {
	m.Seconds = uint16(min(math.MaxUint16, int(m.Seconds)+int(other.Seconds)))
	m.Calls += other.Calls
	m.Refused += other.Refused
	m.Failed += other.Failed
	m.PeakCPS = max(m.PeakCPS, other.PeakCPS)
	m.PeakOpen = max(m.PeakOpen, other.PeakOpen)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encode makes the record of a minute.
func (m *Minute) encode() []byte {
	b := make([]byte, 0, recordSize)
	b = binary.BigEndian.AppendUint32(b, m.Minute)
	b = binary.BigEndian.AppendUint16(b, m.Seconds)
	b = append(b, 0, 0)
	for _, n := range []uint32{m.Calls, m.Refused, m.PeakCPS, m.PeakOpen, m.Failed} {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// decode reads a record of recordSize octets; false: it is none.
func (m *Minute) decode(b []byte) bool {
	body := b[:recordSize-4]
	m.Minute = binary.BigEndian.Uint32(b)
	if m.Minute == 0 || binary.BigEndian.Uint32(b[recordSize-4:]) != crc32.Checksum(body, castagnoli) {
		return false
	}
	m.Seconds = binary.BigEndian.Uint16(b[4:])
	for i, field := range []*uint32{&m.Calls, &m.Refused, &m.PeakCPS, &m.PeakOpen, &m.Failed} {
		*field = binary.BigEndian.Uint32(b[8+4*i:])
	}
	return true
}

// device is a file or memory.
type device interface {
	io.ReaderAt
	io.WriterAt
	Sync() error
	Close() error
}

// ring is the history of the last minutesKept minutes.
type ring struct{ device }

// openRing opens the file at path, or makes it. A file that is none of ours is
// renamed to path.bad.
func openRing(path string) (*ring, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, err
	}
	file, err := storage.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, err
	}
	have := make([]byte, recordSize)
	switch _, err := file.ReadAt(have, 0); {
	case err == nil && bytes.Equal(have, header):
		return &ring{file}, nil
	case err != nil && !errors.Is(err, io.EOF):
		return nil, errors.Join(err, file.Close())
	}
	if info, err := file.Stat(); err != nil || info.Size() > 0 {
		if err := errors.Join(err, file.Close(), os.Rename(path, path+".bad")); err != nil {
			return nil, err
		}
		if file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o640); err != nil {
			return nil, err
		}
	}
	_, err = file.WriteAt(header, 0)
	if err = errors.Join(err, file.Sync()); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &ring{file}, nil
}

// add brings a minute, or a part of one, into the ring. It survives a power
// cut when add returns.
func (r *ring) add(m Minute) error {
	at := offset(m.Minute)
	record := make([]byte, recordSize)
	if _, err := r.ReadAt(record, at); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read minute %d of the reports: %w", m.Minute, err)
	}
	var before Minute
	if before.decode(record) && before.Minute == m.Minute {
		m.merge(before)
	}
	if _, err := r.WriteAt(m.encode(), at); err != nil {
		return fmt.Errorf("write minute %d of the reports: %w", m.Minute, err)
	}
	if err := r.Sync(); err != nil {
		return fmt.Errorf("flush minute %d of the reports: %w", m.Minute, err)
	}
	return nil
}

// read gives the minutes that are known from one to before another, at most
// minutesKept of them, in their order.
func (r *ring) read(from, to uint32) ([]Minute, error) {
	if to > from && to-from > minutesKept {
		from = to - minutesKept
	}
	var list []Minute
	for from < to {
		// Up to the end of the file, and on from its beginning.
		n := min(to-from, minutesKept-from%minutesKept)
		records := make([]byte, int(n)*recordSize)
		have, err := r.ReadAt(records, offset(from))
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("read the reports: %w", err)
		}
		for i := 0; (i+1)*recordSize <= have; i++ {
			var m Minute
			if m.decode(records[i*recordSize:]) && m.Minute == from+uint32(i) {
				list = append(list, m)
			}
		}
		from += n
	}
	return list, nil
}

// offset is where the record of a minute stands.
func offset(minute uint32) int64 { return int64(minute%minutesKept+1) * recordSize }

// memory is a device without a disk.
type memory []byte

// newMemory makes a ring that lasts as long as the process.
func newMemory() *ring { return &ring{memory(make([]byte, fileSize))} }

// ReadAt implements io.ReaderAt.
func (m memory) ReadAt(p []byte, at int64) (int, error) { return copy(p, m[at:]), nil }

// WriteAt implements io.WriterAt.
func (m memory) WriteAt(p []byte, at int64) (int, error) { return copy(m[at:], p), nil }

// Sync does nothing.
func (m memory) Sync() error { return nil }

// Close does nothing.
func (m memory) Close() error { return nil }
