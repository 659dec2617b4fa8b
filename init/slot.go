package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"unicode/utf16"
)

// efiGlobal is the vendor of the variables that UEFI itself defines (UEFI
// specification 2.10, §3.3).
const efiGlobal = "8be4df61-93ca-11d2-aa0d-00e098032b8c"

// entryPrefix begins the description of the boot entries that stand for our
// slots. An entry of the firmware's own, such as the removable path's, says
// nothing about trial.
const entryPrefix = "Causeway"

// readSlot finds out which slot this is and whether it is on trial: it was
// started by an entry of ours that is not the first of the boot order.
func (m *machine) readSlot() error {
	slot := m.word("causeway.slot")
	if slot == "" {
		return nil
	}
	m.slot = slot
	trial, err := m.onTrial()
	if errors.Is(err, os.ErrNotExist) {
		return nil // no EFI variables: nothing is ever on trial
	}
	if err != nil {
		return fmt.Errorf("find out whether slot %s is on trial: %w", slot, err)
	}
	m.trial = trial
	if trial {
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
	entry, err := m.efiVariable(fmt.Sprintf("Boot%04X", current[0]))
	if err != nil {
		return false, err
	}
	return strings.HasPrefix(entryDescription(entry), entryPrefix), nil
}

// efiVariable reads the data of a variable: what follows its attributes.
func (m *machine) efiVariable(name string) ([]byte, error) {
	const attributes = 4
	text, err := os.ReadFile(m.path(efiMount.target, name+"-"+efiGlobal))
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
	data, err := m.efiVariable(name)
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
	var text []uint16
	for i := header; i+1 < len(entry); i += 2 {
		unit := binary.LittleEndian.Uint16(entry[i:])
		if unit == 0 {
			break
		}
		text = append(text, unit)
	}
	return string(utf16.Decode(text))
}
