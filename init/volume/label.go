package volume

import (
	"encoding/binary"
	"io"
	"strings"
)

// updateLabel is what the file system of a stick with updates is called. It is
// usb0: before others.
const updateLabel = "CAUSEWAY"

// Where file systems keep their names.
const (
	ext4Label       = 0x478
	ext4LabelLength = 16

	fat16Label     = 0x2b
	fat32Label     = 0x47
	fatLabelLength = 11

	// In FAT the first directory has it besides, which most systems change
	// alone (Microsoft's FAT specification 1.03, "Directory").
	fatTables           = 0x10
	fatSizeOf32         = 0x24 // four octets
	fat32Root           = 0x2c // four octets: its first cluster
	fatClusterSize      = 0x0d // sectors
	fatEntry            = 32
	fatAttributes       = 11
	fatVolume      byte = 0x08 // the name of the volume, and nothing else
)

// label gives what a file system is called, as far as its first sectors say; ""
// if they make no sense.
func label(r io.ReaderAt, content Content) string {
	read := func(at int64, length int) []byte {
		part := make([]byte, length)
		if _, err := r.ReadAt(part, at); err != nil {
			return nil
		}
		return part
	}
	name := ""
	switch content {
	case "ext4":
		name, _, _ = strings.Cut(string(read(ext4Label, ext4LabelLength)), "\x00")
	case "vfat":
		head := read(0, sector)
		if head == nil {
			return ""
		}
		at := int64(fat16Label)
		tableSize := int64(binary.LittleEndian.Uint16(head[fatSizeOf16:]))
		root := int64(0) // its place behind the tables, in sectors
		if tableSize == 0 {
			at, tableSize = fat32Label, int64(binary.LittleEndian.Uint32(head[fatSizeOf32:]))
			root = (int64(binary.LittleEndian.Uint32(head[fat32Root:])) - 2) * int64(head[fatClusterSize])
		}
		name = string(head[at:][:fatLabelLength])
		root += int64(binary.LittleEndian.Uint16(head[fatReserved:])) + int64(head[fatTables])*tableSize
		entries := read(root*int64(binary.LittleEndian.Uint16(head[fatSectorSize:])), sector)
		for ; len(entries) > 0; entries = entries[fatEntry:] {
			if entries[fatAttributes] == fatVolume && entries[0] != 0xe5 { // not deleted
				name = string(entries[:fatLabelLength])
				break
			}
		}
	}
	return strings.TrimSpace(name)
}
