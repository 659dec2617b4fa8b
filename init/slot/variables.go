package slot

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"unicode/utf16"

	"github.com/google/uuid"
	"github.com/u-root/u-root/pkg/efivarfs"
	"golang.org/x/mod/semver"

	"causeway/board"
)

// The vendors of EFI variables.
var (
	global = uuid.MustParse("8be4df61-93ca-11d2-aa0d-00e098032b8c") // UEFI specification 2.10, §3.3
	loader = uuid.MustParse("4a67b082-0a4c-41cf-b6c7-440b29bb8c4f") // systemd, whose stub starts our kernel
	ours   = uuid.MustParse("35b3b16b-1a3a-431c-b0cb-e9903caa58db")
)

// The variables.
var (
	bootOrder   = efivarfs.VariableDescriptor{Name: "BootOrder", GUID: global}
	bootNext    = efivarfs.VariableDescriptor{Name: "BootNext", GUID: global}
	startedFrom = efivarfs.VariableDescriptor{Name: "LoaderDevicePartUUID", GUID: loader}
	// floorCopy holds the floor as text: a bootflash: that was formatted does
	// not let the past in.
	floorCopy = efivarfs.VariableDescriptor{Name: "CausewayFloor", GUID: ours}
	// trialMark names the slot on trial, for an image that cannot read or write
	// the state: it is taken away by the boot that needs it.
	trialMark = efivarfs.VariableDescriptor{Name: "CausewayTrial", GUID: ours}
)

// lasting are the attributes of all that we write.
const lasting = efivarfs.AttributeNonVolatile | efivarfs.AttributeBootserviceAccess | efivarfs.AttributeRuntimeAccess

// variables are those of the firmware.
type variables struct{ efivarfs.EFIVar }

// read gives the content of a variable; nil if there is none.
func (v variables) read(name efivarfs.VariableDescriptor) ([]byte, error) {
	_, content, err := v.Get(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read EFI variable %s: %w", name.Name, err)
	}
	return content, nil
}

// write gives a variable its content, if it has another: the firmware's memory
// wears out.
func (v variables) write(name efivarfs.VariableDescriptor, content []byte) error {
	if before, err := v.read(name); err == nil && before != nil && bytes.Equal(before, content) {
		return nil
	}
	if err := v.Set(name, lasting, content); err != nil {
		return fmt.Errorf("write EFI variable %s: %w", name.Name, err)
	}
	return nil
}

// remove removes a variable that may be there.
func (v variables) remove(name efivarfs.VariableDescriptor) error {
	if content, err := v.read(name); err != nil || content == nil {
		return err
	}
	if err := v.Remove(name); err != nil {
		return fmt.Errorf("remove EFI variable %s: %w", name.Name, err)
	}
	return nil
}

// numbers reads a variable that is a list of 16-bit numbers. One that has half
// a number at its end was not written by anybody who knows it: it has none.
func (v variables) numbers(name efivarfs.VariableDescriptor) ([]uint16, error) {
	content, err := v.read(name)
	if len(content)%2 != 0 {
		return nil, err
	}
	numbers := make([]uint16, len(content)/2)
	for i := range numbers {
		numbers[i] = binary.LittleEndian.Uint16(content[2*i:])
	}
	return numbers, err
}

func encodeNumbers(numbers []uint16) []byte {
	var content []byte
	for _, n := range numbers {
		content = binary.LittleEndian.AppendUint16(content, n)
	}
	return content
}

// readFloor gives the copy of the floor; empty if there is none.
func (v variables) readFloor() (string, error) {
	content, err := v.read(floorCopy)
	if floor := string(content); err == nil && semver.IsValid(floor) {
		return floor, nil
	}
	return "", err
}

// Where the box may have been started from, besides slot "A" and slot "B".
const (
	Kernel    = "kernel"    // no partition that we know: the firmware's network boot, or no UEFI at all
	Installer = "installer" // the installer's stick
)

// Running gives what the box was started from. Without variables that is
// Kernel.
func Running(firmware efivarfs.EFIVar) (string, error) {
	if firmware == nil {
		return Kernel, nil
	}
	content, err := variables{firmware}.read(startedFrom)
	if err != nil {
		return Kernel, err
	}
	from := decodeText(content)
	for _, slot := range slots {
		if strings.EqualFold(from, slot.guid) {
			return slot.name, nil
		}
	}
	if strings.EqualFold(from, board.GUIDInstaller) {
		return Installer, nil
	}
	return Kernel, nil
}

// decodeText reads UTF-16 in little endian, up to its end or a zero.
func decodeText(content []byte) string {
	var text []uint16
	for ; len(content) > 1; content = content[2:] {
		unit := binary.LittleEndian.Uint16(content)
		if unit == 0 {
			break
		}
		text = append(text, unit)
	}
	return string(utf16.Decode(text))
}
