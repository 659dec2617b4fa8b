package powercut

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"os"
)

// The format is that of Linux's dm-log-writes (kernel:
// Documentation/admin-guide/device-mapper/log-writes.rst): a superblock, then
// entries, each followed by its data, all padded to the log's sector size and
// in little-endian order.
const (
	logMagic   = 0x6a736677736872
	logVersion = 1

	superblockSize = 28 // magic, version and number of entries of 8 octets, sector size of 4
	headerSize     = 32 // sector, number of sectors, flags, length of a mark; 8 octets each

	minSectorSize = 512
	maxSectorSize = 1 << 16
	maxDisk       = 1 << 50 // octets; a log that tells of more is damaged
)

// Flags say what an entry of the log is besides a write.
type Flags uint64

// The flags. QEMU sets Flush and Discard only: it makes a write that is to
// reach the medium (FUA) from a write and a flush.
const (
	Flush   Flags = 1 << iota // what was written before is on the medium now
	FUA                       // this write is on the medium when it is done
	Discard                   // the range holds nothing of use; it has no data here
	Mark                      // a remark, no access to the disk

	allFlags = Flush | FUA | Discard | Mark
)

// Entry is one access to the disk, in the order of their completion.
type Entry struct {
	Offset, Length int64 // octets of the disk; both are 0 for a mere flush
	Flags          Flags

	data int64 // where the data begin in the log
}

// Log is the record of a disk that was blank at its beginning.
type Log struct {
	Entries []Entry
	data    io.ReaderAt
}

// OpenLog reads the log that QEMU wrote to path, up to its last flush. The file
// stays open until Close.
func OpenLog(path string) (*Log, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the log of a disk: %w", err)
	}
	info, err := file.Stat()
	if err == nil {
		var log *Log
		if log, err = ReadLog(file, info.Size()); err == nil {
			return log, nil
		}
	}
	file.Close()
	return nil, fmt.Errorf("read %s: %w", path, err)
}

// ReadLog reads a log of that many octets. Data are read from it later, when
// they are wanted.
func ReadLog(from io.ReaderAt, size int64) (*Log, error) {
	count, sectorSize, err := readSuperblock(from)
	if err != nil {
		return nil, err
	}
	log := &Log{data: from}
	at := sectorSize
	header := make([]byte, headerSize)
	for n := range count {
		if _, err := from.ReadAt(header, at); err != nil {
			return nil, fmt.Errorf("entry %d of %d: %w", n, count, unexpected(err))
		}
		at += sectorSize
		entry, length, err := parseEntry(header, sectorSize)
		if err != nil {
			return nil, fmt.Errorf("entry %d of %d: %w", n, count, err)
		}
		if entry.data = at; length > size-at {
			return nil, fmt.Errorf("entry %d of %d: %w", n, count, io.ErrUnexpectedEOF)
		}
		at += (length + sectorSize - 1) / sectorSize * sectorSize
		log.Entries = append(log.Entries, entry)
	}
	return log, nil
}

// Position gives the number of entries that the log at path holds up to its
// last flush. It may be asked while QEMU runs: the number is written before the
// flush is reported to the guest.
func Position(path string) (int, error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("read the position of a log: %w", err)
	}
	defer file.Close()
	count, _, err := readSuperblock(file)
	if err != nil {
		return 0, fmt.Errorf("read the position of %s: %w", path, err)
	}
	return int(count), nil
}

func readSuperblock(from io.ReaderAt) (entries uint64, sectorSize int64, err error) {
	block := make([]byte, superblockSize)
	if _, err := from.ReadAt(block, 0); err != nil {
		return 0, 0, fmt.Errorf("superblock: %w", unexpected(err))
	}
	magic, version := binary.LittleEndian.Uint64(block), binary.LittleEndian.Uint64(block[8:])
	entries, sectorSize = binary.LittleEndian.Uint64(block[16:]), int64(binary.LittleEndian.Uint32(block[24:]))
	switch {
	case magic != logMagic || version != logVersion:
		return 0, 0, fmt.Errorf("superblock has magic %#x, version %d; want %#x, %d", magic, version, uint64(logMagic), logVersion)
	case sectorSize < minSectorSize || sectorSize > maxSectorSize || bits.OnesCount64(uint64(sectorSize)) != 1:
		return 0, 0, fmt.Errorf("superblock has a sector size of %d octets", sectorSize)
	}
	return entries, sectorSize, nil
}

// parseEntry reads the header of an entry and says how long its data are.
func parseEntry(header []byte, sectorSize int64) (e Entry, length int64, err error) {
	sector, count := binary.LittleEndian.Uint64(header), binary.LittleEndian.Uint64(header[8:])
	flags, remark := Flags(binary.LittleEndian.Uint64(header[16:])), binary.LittleEndian.Uint64(header[24:])
	last := uint64(maxDisk / sectorSize)
	switch {
	case flags&^allFlags != 0:
		return Entry{}, 0, fmt.Errorf("unknown flags %#x", uint64(flags))
	case sector > last || count > last || remark > maxDisk:
		return Entry{}, 0, fmt.Errorf("%d sectors at %d, remark of %d octets", count, sector, remark)
	}
	e = Entry{Offset: int64(sector) * sectorSize, Length: int64(count) * sectorSize, Flags: flags}
	switch {
	case flags&Mark != 0:
		return Entry{Flags: flags}, int64(remark), nil
	case flags&Discard != 0:
		return e, 0, nil
	}
	return e, e.Length, nil
}

// read fills data with what an entry wrote from that octet of it on. A range that
// was discarded reads as zeros.
func (l *Log) read(e Entry, from int64, data []byte) error {
	if e.Flags&Discard != 0 {
		clear(data)
		return nil
	}
	if _, err := l.data.ReadAt(data, e.data+from); err != nil {
		return fmt.Errorf("read %d octets of the log at %d: %w", len(data), e.data+from, unexpected(err))
	}
	return nil
}

// Close closes the file of OpenLog.
func (l *Log) Close() error {
	if file, ok := l.data.(io.Closer); ok {
		return file.Close()
	}
	return nil
}

// unexpected says of an end in the middle that it is one.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
