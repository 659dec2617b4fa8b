package journal

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

// A mark is a small file with a record number that only grows. It is written
// in place into two slots by turns, a disk block apart, so that a cut in the
// middle of one leaves the other; the greatest valid number counts. Whoever
// moves a mark holds a lock on it for life: it is also what keeps a second
// writer or a second reader out.
//
// A slot is 24 octets: box [8], number u64, zero u32, CRC32C u32 of the rest.
type mark struct {
	file *os.File
	box  Box
	seq  uint64
	turn int64
}

const (
	slotSize  = 24
	slotApart = 4096
	slots     = 2
)

// ErrInUse says that another process has the journal open for the same purpose.
var ErrInUse = errors.New("another process is at it")

// openMark opens the mark for moving it, and makes it if it is not there.
func openMark(dir, name string, box Box) (*mark, error) {
	path := filepath.Join(dir, name)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, fmt.Errorf("open the journal's mark: %w", err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		file.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrInUse
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if err := storage.SyncDir(dir); err != nil {
		file.Close()
		return nil, err
	}
	m := &mark{file: file, box: box}
	m.seq, m.turn = readSlots(file, box)
	return m, nil
}

// move writes a greater number. It lasts over a power cut after sync.
func (m *mark) move(seq uint64) error {
	var slot [slotSize]byte
	copy(slot[:8], m.box[:])
	binary.LittleEndian.PutUint64(slot[8:], seq)
	binary.LittleEndian.PutUint32(slot[20:], crc32.Checksum(slot[:20], castagnoli))
	if _, err := m.file.WriteAt(slot[:], m.turn*slotApart); err != nil {
		return fmt.Errorf("move the journal's mark: %w", err)
	}
	m.seq, m.turn = seq, (m.turn+1)%slots
	return nil
}

func (m *mark) sync() error { return datasync(m.file) }

func (m *mark) close() error { return m.file.Close() }

// readMark gives the number of the mark, 0 if there is none of this box.
func readMark(dir, name string, box Box) (uint64, error) {
	file, err := os.Open(filepath.Join(dir, name))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the journal's mark: %w", err)
	}
	defer file.Close()
	seq, _ := readSlots(file, box)
	return seq, nil
}

// readSlots gives the greatest number of the box and the slot to write next.
func readSlots(file *os.File, box Box) (seq uint64, turn int64) {
	for i := range int64(slots) {
		var slot [slotSize]byte
		if _, err := file.ReadAt(slot[:], i*slotApart); err != nil {
			continue
		}
		if n, valid := decodeSlot(slot, box); valid && n >= seq {
			seq, turn = n, (i+1)%slots
		}
	}
	return seq, turn
}

// decodeSlot gives the number in a slot; valid is false for one that is torn,
// never written, or another box's.
func decodeSlot(slot [slotSize]byte, box Box) (seq uint64, valid bool) {
	valid = crc32.Checksum(slot[:20], castagnoli) == binary.LittleEndian.Uint32(slot[20:]) && Box(slot[:8]) == box
	return binary.LittleEndian.Uint64(slot[8:]), valid
}
