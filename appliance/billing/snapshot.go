package billing

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"

	"causeway/appliance/billing/cache"
	"causeway/appliance/billing/journal"
	"causeway/appliance/storage"
)

// snapshot is what billing knows as of one event; the events behind that are
// read again after a crash.
type snapshot struct {
	Event uint64         // the last one folded
	Era   uint64         // of the cache
	Terms *terms         // by which it was, and those behind it are; nil: none was yet
	Fresh []cache.Record // that the cache may not have taken
	Left  []left
	state []byte // of the Billing Manager: the open calls
}

// left is a cache that is not in use any more, with records in it.
type left struct {
	Path    storage.Path
	Records int64
}

// A snapshot's file is, integers little-endian:
//
//	0 "EVS", 3 version u8 = 2, 4 box [8], 12 length of the head u32, 16 length of
//	the state u32, 20 CRC32C of octets 0–19 and the head, 24 head (JSON), state
const (
	snapshotHeader  = 24
	snapshotVersion = 2
	snapshotMagic   = "EVS"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func writeSnapshot(file string, box journal.Box, s *snapshot) error {
	head, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("keep the state of open calls: %w", err)
	}
	b := make([]byte, 0, snapshotHeader+len(head)+len(s.state))
	b = append(append(append(b, snapshotMagic...), snapshotVersion), box[:]...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(head)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(s.state)))
	b = binary.LittleEndian.AppendUint32(b, crc32.Update(crc32.Checksum(b, castagnoli), castagnoli, head))
	b = append(append(b, head...), s.state...)
	if err := storage.WriteFile(file, b, 0o640); err != nil {
		return fmt.Errorf("keep the state of open calls: %w", err)
	}
	return nil
}

// errNoSnapshot says that there is none of this box.
var errNoSnapshot = errors.New("there is no state of open calls")

func readSnapshot(file string, box journal.Box) (*snapshot, error) {
	b, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, errNoSnapshot
	case err != nil:
		return nil, fmt.Errorf("read the state of open calls: %w", err)
	}
	head, state, err := splitSnapshot(b)
	if err != nil {
		return nil, fmt.Errorf("state of open calls %s: %w", file, err)
	}
	if journal.Box(b[4:12]) != box {
		return nil, errNoSnapshot // another box's disk
	}
	s := &snapshot{state: state}
	if err := json.Unmarshal(head, s); err != nil {
		return nil, fmt.Errorf("state of open calls %s: %w", file, err)
	}
	return s, nil
}

var errSnapshotDamaged = errors.New("it is damaged, or of another version")

// splitSnapshot checks a file and gives its parts; those of the state are
// checked by who reads it.
func splitSnapshot(b []byte) (head, state []byte, err error) {
	if len(b) < snapshotHeader || string(b[:3]) != snapshotMagic || b[3] != snapshotVersion {
		return nil, nil, errSnapshotDamaged
	}
	length, rest := uint64(binary.LittleEndian.Uint32(b[12:])), b[snapshotHeader:]
	if uint64(len(rest)) != length+uint64(binary.LittleEndian.Uint32(b[16:])) {
		return nil, nil, errSnapshotDamaged
	}
	head, state = rest[:length], rest[length:]
	if crc32.Update(crc32.Checksum(b[:20], castagnoli), castagnoli, head) != binary.LittleEndian.Uint32(b[20:]) {
		return nil, nil, errSnapshotDamaged
	}
	return head, state, nil
}
