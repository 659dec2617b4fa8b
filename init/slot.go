package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"unicode/utf16"

	"causeway/board"
)

// efiGlobal is the vendor of the variables that UEFI itself defines (UEFI
// specification 2.10, §3.3).
const efiGlobal = "8be4df61-93ca-11d2-aa0d-00e098032b8c"

// entryPrefix begins the description of the boot entries that stand for our
// slots. An entry of the firmware's own, such as the removable path's, says
// nothing about trial.
const entryPrefix = "Causeway"

// efiLoader is the vendor of the variables by which a loader says what it started
// (systemd's Boot Loader Interface).
const efiLoader = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"

// slotPartitions are the partitions that a slot is started from.
var slotPartitions = map[string]string{board.GUIDESPA: "A", board.GUIDESPB: "B"}

// readSlot finds out which slot this is and whether it is on trial: it was
// started by an entry of ours that is not the first of the boot order.
func (m *machine) readSlot() error {
	partition, err := m.efiVariable("LoaderDevicePartUUID", efiLoader)
	if errors.Is(err, os.ErrNotExist) {
		return nil // not started by firmware from a disk
	}
	if err != nil {
		return fmt.Errorf("find out which slot this is: %w", err)
	}
	slot := slotPartitions[strings.ToUpper(utf16Text(partition))]
	if slot == "" {
		return nil
	}
	m.slot = slot
	if m.trial, err = m.onTrial(); err != nil {
		return fmt.Errorf("find out whether slot %s is on trial: %w", slot, err)
	}
	if m.trial {
		m.log.Printf("slot %s is on trial", slot)
	}
	return nil
}

func (m *machine) onTrial() (bool, error) {
	current, err := m.efiNumbers("BootCurrent")
	if err != nil {
		return false, err
	}
	order, err := m.efiNumbers("BootOrder")
	if err != nil {
		return false, err
	}
	if len(current) != 1 {
		return false, fmt.Errorf("BootCurrent has %d values", len(current))
	}
	if len(order) > 0 && order[0] == current[0] {
		return false, nil
	}
	entry, err := m.efiVariable(fmt.Sprintf("Boot%04X", current[0]), efiGlobal)
	if err != nil {
		return false, err
	}
	return strings.HasPrefix(entryDescription(entry), entryPrefix), nil
}

// efiVariable reads the data of a vendor's variable: what follows its attributes.
func (m *machine) efiVariable(name, vendor string) ([]byte, error) {
	const attributes = 4
	text, err := os.ReadFile(m.path(efiMount.target, name+"-"+vendor))
	if err != nil {
		return nil, err
	}
	if len(text) < attributes {
		return nil, fmt.Errorf("EFI variable %s has only %d octets", name, len(text))
	}
	return text[attributes:], nil
}

// efiNumbers reads a variable that is a list of 16-bit numbers.
func (m *machine) efiNumbers(name string) ([]uint16, error) {
	data, err := m.efiVariable(name, efiGlobal)
	if err != nil {
		return nil, err
	}
	if len(data)%2 != 0 {
		return nil, fmt.Errorf("EFI variable %s has %d octets, an odd number", name, len(data))
	}
	numbers := make([]uint16, len(data)/2)
	for i := range numbers {
		numbers[i] = binary.LittleEndian.Uint16(data[2*i:])
	}
	return numbers, nil
}

// entryDescription gives the description of a boot entry (EFI_LOAD_OPTION):
// UTF-16 up to a zero, behind 32 bits of attributes and 16 of a length.
func entryDescription(entry []byte) string {
	const header = 6
	return utf16Text(entry[min(header, len(entry)):])
}

// utf16Text gives the text up to a zero, or to the end.
func utf16Text(data []byte) string {
	var text []uint16
	for i := 0; i+1 < len(data); i += 2 {
		unit := binary.LittleEndian.Uint16(data[i:])
		if unit == 0 {
			break
		}
		text = append(text, unit)
	}
	return string(utf16.Decode(text))
}
