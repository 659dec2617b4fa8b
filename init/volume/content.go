package volume

import (
	"bytes"
	"fmt"
	"io"
)

// Content is what a disk or partition holds: Blank, Unfinished, Unknown, or
// the name of a file system, partition table or container ("ext4", "LUKS").
type Content string

// Contents beside the names in the signatures table.
const (
	Blank      Content = "blank"          // nothing: it may be formatted
	Unfinished Content = "half formatted" // ours, cut off in the middle: it may be formatted
	Unknown    Content = "unknown data"   // neither: it is never touched
)

// Formattable reports whether formatting destroys nothing of anyone's.
func (c Content) Formattable() bool { return c == Blank || c == Unfinished }

// unfinished stands in the first sector while we write the rest; it is the
// last thing that goes. ext4 does not use that sector, a GPT keeps its
// protective MBR there, which is then the last thing that comes.
const unfinished = "causeway: formatting was cut off, everything here is void\n"

// signatures in the order they are looked for. The boot sector mark comes
// last: most FAT and NTFS volumes carry it too.
var signatures = []struct {
	content Content
	offset  int
	magic   string
}{
	{"ext4", 0x438, "\x53\xef"},
	{"XFS", 0, "XFSB"},
	{"btrfs", 0x10040, "_BHRfS_M"},
	{"vfat", 0x36, "FAT12   "},
	{"vfat", 0x36, "FAT16   "},
	{"vfat", 0x52, "FAT32   "},
	{"exFAT", 3, "EXFAT   "},
	{"NTFS", 3, "NTFS    "},
	{"BitLocker", 3, "-FVE-FS-"},
	{"swap", 4096 - 10, "SWAPSPACE2"},
	{"swap", 65536 - 10, "SWAPSPACE2"},
	{"LUKS", 0, "LUKS\xba\xbe"},
	{"LVM", 512, "LABELONE"},
	{"LVM", 0, "LABELONE"},
	{"RAID", 0, "\xfc\x4e\x2b\xa9"},
	{"RAID", 4096, "\xfc\x4e\x2b\xa9"},
	{"ISO 9660", 32769, "CD001"},
	{"UDF", 32769, "BEA01"},
	{"squashfs", 0, "hsqs"},
	{"EROFS", 1024, "\xe2\xe1\xf5\xe0"},
	{"F2FS", 1024, "\x10\x20\xf5\xf2"},
	{"JFS", 32768, "JFS1"},
	{"ReiserFS", 0x10034, "ReIsEr"},
	{"APFS", 32, "NXSB"},
	{"a partition table", 512, "EFI PART"},
	{"a partition table", 4096, "EFI PART"},
	{"a boot sector", 510, "\x55\xaa"},
}

// What must be zero for a disk or partition to count as blank: all known
// formats keep something there (RAID and GPT backups at the end).
const (
	blankHead = 1 << 20
	blankTail = 64 << 10
)

// Detect says what is in the first size octets of r.
func Detect(r io.ReaderAt, size int64) (Content, error) {
	head, err := readPart(r, 0, min(size, blankHead))
	if err != nil {
		return "", err
	}
	if bytes.HasPrefix(head, []byte(unfinished)) {
		return Unfinished, nil
	}
	for _, signature := range signatures {
		if end := signature.offset + len(signature.magic); end <= len(head) && string(head[signature.offset:end]) == signature.magic {
			return signature.content, nil
		}
	}
	tail, err := readPart(r, max(0, size-blankTail), min(size, blankTail))
	if err != nil {
		return "", err
	}
	if isZero(head) && isZero(tail) {
		return Blank, nil
	}
	return Unknown, nil
}

func readPart(r io.ReaderAt, offset, length int64) ([]byte, error) {
	part := make([]byte, length)
	if _, err := io.ReadFull(io.NewSectionReader(r, offset, length), part); err != nil {
		return nil, fmt.Errorf("read %d octets at %d: %w", length, offset, err)
	}
	return part, nil
}

func isZero(b []byte) bool {
	return len(b) == 0 || b[0] == 0 && bytes.Equal(b[:len(b)-1], b[1:])
}
