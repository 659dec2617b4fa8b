package volume

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Where the fields of a FAT's first sector stand (Microsoft's FAT specification
// 1.03, "Boot Sector and BPB").
const (
	fatSectorSize = 0x0b // two octets
	fatReserved   = 0x0e // two octets: the sectors before the first table
	fatMedia      = 0x15
	fatSizeOf16   = 0x16 // two octets, zero on FAT32
	fat16State    = 0x25 // BS_Reserved1
	fat32State    = 0x41

	// stateDirty is set in the state while the FAT is mounted (Linux's
	// fs/fat/inode.c, fat_set_state).
	stateDirty byte = 1
)

// fat is what can be seen of a FAT that is not mounted.
type fat struct {
	state   byte
	at      int64 // where the state stands
	dirty   bool  // it was not unmounted when it was used last
	damaged bool  // its table does not begin as every table does
}

// readFAT looks at the FAT in a file.
func readFAT(file *os.File) (f fat, err error) {
	var head [sector]byte
	if _, err := file.ReadAt(head[:], 0); err != nil {
		return f, fmt.Errorf("look at the FAT on %s: %w", file.Name(), err)
	}
	f.at = fat16State
	if binary.LittleEndian.Uint16(head[fatSizeOf16:]) == 0 {
		f.at = fat32State
	}
	f.state = head[f.at]
	f.dirty = f.state&stateDirty != 0
	table := int64(binary.LittleEndian.Uint16(head[fatReserved:])) * int64(binary.LittleEndian.Uint16(head[fatSectorSize:]))
	var first [1]byte
	if _, err := file.ReadAt(first[:], table); err != nil {
		return f, fmt.Errorf("look at the FAT on %s: %w", file.Name(), err)
	}
	f.damaged = first[0] != head[fatMedia]
	return f, nil
}

// lookAtFAT looks at the FAT on a device.
func lookAtFAT(device string) (fat, error) {
	file, err := os.Open(device)
	if err != nil {
		return fat{}, err
	}
	defer file.Close()
	return readFAT(file)
}

// cleanFAT takes a FAT that is not mounted for one that was unmounted.
func cleanFAT(device string) error {
	file, err := os.OpenFile(device, os.O_RDWR|unix.O_EXCL, 0)
	if err != nil {
		return err
	}
	f, err := readFAT(file)
	if err == nil {
		_, err = file.WriteAt([]byte{f.state &^ stateDirty}, f.at)
	}
	return errors.Join(err, file.Sync(), file.Close())
}
