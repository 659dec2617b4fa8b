package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"causeway/appliance/storage"
)

// Mark is a small file with a record number that only grows. It is written
// in place into two slots by turns, a disk block apart, so that a cut in the
// middle of one leaves the other; the greatest valid number counts. Whoever
// moves a mark holds a lock on it for life: it is also what keeps a second one
// who would move it out.
//
// A slot is 24 octets: box [8], number u64, zero u32, CRC32C u32 of the rest.
type Mark struct {
	Seq uint64 // the number; 0: none of this box yet

	// Foreign says that the number in the file is another box's.
	Foreign bool

	file *os.File
	box  Box
	turn int64
}

const (
	slotSize  = 24
	slotApart = 4096
	slots     = 2
)

// ErrInUse says that another process has the files open for the same purpose.
var ErrInUse = errors.New("another process is at it")

// OpenMark opens the mark for moving it, and makes it if it is not there.
func OpenMark(dir, name string, box Box) (*Mark, error) {
	path := filepath.Join(dir, name)
	file, err := storage.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, fmt.Errorf("open a mark: %w", err)
	}
	if err := Lock(file); err != nil {
		file.Close()
		return nil, err
	}
	if err := storage.SyncDir(dir); err != nil {
		file.Close()
		return nil, err
	}
	m := &Mark{file: file, box: box}
	m.Seq, m.turn, m.Foreign = readSlots(file, box)
	return m, nil
}

// Lock keeps others out of a file or directory until it is closed. The error
// wraps ErrInUse if another holds the lock.
func Lock(file *os.File) error {
	err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = ErrInUse
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", file.Name(), err)
	}
	return nil
}

// Move writes a greater number. It lasts over a power cut after Sync.
func (m *Mark) Move(seq uint64) error {
	var slot [slotSize]byte
	copy(slot[:8], m.box[:])
	binary.LittleEndian.PutUint64(slot[8:], seq)
	binary.LittleEndian.PutUint32(slot[20:], crc32.Checksum(slot[:20], castagnoli))
	if _, err := m.file.WriteAt(slot[:], m.turn*slotApart); err != nil {
		return fmt.Errorf("move a mark: %w", err)
	}
	m.Seq, m.turn = seq, (m.turn+1)%slots
	return nil
}

// Sync makes the last Move last.
func (m *Mark) Sync() error { return datasync(m.file) }

// Close lets go of the mark.
func (m *Mark) Close() error { return m.file.Close() }

// ReadMark gives the number of the mark, 0 if there is none of this box.
func ReadMark(dir, name string, box Box) (uint64, error) {
	file, err := storage.Open(filepath.Join(dir, name))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read a mark: %w", err)
	}
	defer file.Close()
	seq, _, _ := readSlots(file, box)
	return seq, nil
}

// readSlots gives the greatest number of the box and the slot to write next.
// foreign is true if there are only numbers of another.
func readSlots(file *os.File, box Box) (seq uint64, turn int64, foreign bool) {
	for i := range int64(slots) {
		n, whose, valid := readSlot(file, i)
		foreign = foreign || valid && whose != box
		if valid && whose == box && n >= seq {
			seq, turn = n, (i+1)%slots
		}
	}
	return seq, turn, foreign && seq == 0
}

// readSlot gives the number in a slot and whose it is; valid is false for one
// that is torn or was never written.
func readSlot(file *os.File, i int64) (seq uint64, box Box, valid bool) {
	var slot [slotSize]byte
	if _, err := file.ReadAt(slot[:], i*slotApart); err != nil {
		return 0, Box{}, false
	}
	valid = crc32.Checksum(slot[:20], castagnoli) == binary.LittleEndian.Uint32(slot[20:])
	return binary.LittleEndian.Uint64(slot[8:]), Box(slot[:8]), valid
}
