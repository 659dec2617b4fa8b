package billing

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"

	"causeway/appliance/billing/journal"
	"causeway/appliance/storage"
)

// A snapshot is what the Billing Manager knows of the open calls as of one
// event; the events behind that are read again after a crash. The file is
// 28 octets, integers little-endian, and the manager's state:
//
//	0 "EVS", 3 version u8 = 1, 4 box [8], 12 event number u64, 20 length of
//	the state u32, 24 CRC32C of octets 0–23, 28 state
const (
	snapshotHeader  = 28
	snapshotVersion = 1
	snapshotMagic   = "EVS"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func writeSnapshot(file string, box journal.Box, event uint64, state []byte) error {
	b := make([]byte, 0, snapshotHeader+len(state))
	b = append(append(append(b, snapshotMagic...), snapshotVersion), box[:]...)
	b = binary.LittleEndian.AppendUint64(b, event)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(state)))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	if err := storage.WriteFile(file, append(b, state...), 0o640); err != nil {
		return fmt.Errorf("keep the state of open calls: %w", err)
	}
	return nil
}

// errNoSnapshot says that there is none of this box.
var errNoSnapshot = errors.New("there is no state of open calls")

func readSnapshot(file string, box journal.Box) (event uint64, state []byte, err error) {
	b, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, nil, errNoSnapshot
	case err != nil:
		return 0, nil, fmt.Errorf("read the state of open calls: %w", err)
	case len(b) < snapshotHeader || string(b[:3]) != snapshotMagic || b[3] != snapshotVersion ||
		crc32.Checksum(b[:24], castagnoli) != binary.LittleEndian.Uint32(b[24:]) ||
		uint64(len(b)-snapshotHeader) != uint64(binary.LittleEndian.Uint32(b[20:])):
		return 0, nil, fmt.Errorf("state of open calls %s: it is damaged", file)
	case journal.Box(b[4:12]) != box:
		return 0, nil, errNoSnapshot // another box's disk
	}
	return binary.LittleEndian.Uint64(b[12:]), b[snapshotHeader:], nil
}
