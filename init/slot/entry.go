package slot

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/google/uuid"
	"github.com/u-root/u-root/pkg/efivarfs"

	"causeway/board"
	"causeway/init/volume"
)

// slots are the two, with what stands for them elsewhere.
var slots = []struct {
	name   string
	guid   string // of its partition
	number uint16 // of its boot entry: high, where no firmware numbers its own
}{
	{"A", board.GUIDESPA, 0x00f0},
	{"B", board.GUIDESPB, 0x00f1},
}

// An image that has not proved itself is not where the firmware looks by itself:
// one that hangs could never be left again if the firmware lost its variables. It
// is started by an entry that is in no order.
const (
	unprovenFile   = `\EFI\BOOT\TRIAL.EFI`
	unprovenNumber = 0x00f2
)

func isSlot(name string) bool { return name == "A" || name == "B" }

// other gives the slot that a slot is not.
func other(slot string) string {
	if slot == "A" {
		return "B"
	}
	return "A"
}

// number is that of a slot's boot entry.
func number(slot string) uint16 { return slots[slotIndex(slot)].number }

func slotIndex(slot string) int { return strings.Index("AB", slot) }

// slotOf gives the slot of a boot entry; empty for one of others.
func slotOf(number uint16) string {
	for _, s := range slots {
		if s.number == number {
			return s.name
		}
	}
	return ""
}

func entryVariable(number uint16) efivarfs.VariableDescriptor {
	return efivarfs.VariableDescriptor{Name: fmt.Sprintf("Boot%04X", number), GUID: global}
}

// entryPrefix begins the description of our boot entries.
const entryPrefix = "Causeway "

// active is the attribute of an entry that the firmware starts by itself
// (LOAD_OPTION_ACTIVE, UEFI specification 2.10, §3.1.3).
const active = 1

// entry gives the boot entry (EFI_LOAD_OPTION, ibid.) of a program on a
// partition.
func entry(description, guid string, part *volume.Partition, program string) ([]byte, error) {
	id, err := uuid.Parse(guid)
	if err != nil {
		return nil, err
	}
	// The first three fields are in little endian, unlike in text.
	slices.Reverse(id[0:4])
	slices.Reverse(id[4:6])
	slices.Reverse(id[6:8])

	// Device path nodes: type, subtype, length with this head (§10.3).
	path := []byte{4, 1, 42, 0} // media: a partition (§10.3.5.1)
	path = binary.LittleEndian.AppendUint32(path, uint32(part.Number))
	path = binary.LittleEndian.AppendUint64(path, uint64(part.Start)/uint64(part.BlockSize))
	path = binary.LittleEndian.AppendUint64(path, uint64(part.Size)/uint64(part.BlockSize))
	path = append(path, id[:]...)
	path = append(path, 2, 2) // GPT, and so a GUID
	file := encodeText(program)
	path = append(path, 4, 4) // media: a file (§10.3.5.4)
	path = binary.LittleEndian.AppendUint16(path, uint16(4+len(file)))
	path = append(path, file...)
	path = append(path, 0x7f, 0xff, 4, 0) // the end

	content := binary.LittleEndian.AppendUint32(nil, active)
	content = binary.LittleEndian.AppendUint16(content, uint16(len(path)))
	content = append(content, encodeText(description)...)
	return append(content, path...), nil
}

// encodeText gives UTF-16 in little endian with a zero at its end.
func encodeText(text string) []byte {
	return encodeNumbers(append(utf16.Encode([]rune(text)), 0))
}

// isOurs reports whether a boot entry has a description of ours: a firmware
// that copies entries keeps it.
func isOurs(entry []byte) bool {
	const head = 6 // attributes, length of the path
	return len(entry) > head && strings.HasPrefix(decodeText(entry[head:]), entryPrefix)
}
