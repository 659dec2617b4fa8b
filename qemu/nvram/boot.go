package nvram

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Entry is a boot entry (EFI_LOAD_OPTION, UEFI specification 2.10, §3.1.3).
type Entry struct {
	Number      uint16
	Description string
	// Partition is the GUID of the partition of the program; empty: the entry is of a
	// whole device.
	Partition string
	File      string // of the program; empty: the removable path
	Internal  bool   // the program is the firmware's own: its setup, its shell
}

func (e Entry) String() string { return fmt.Sprintf("Boot%04X %q", e.Number, e.Description) }

// The attributes of an entry, and the nodes of a device path (§10.3).
const (
	entryActive    = 1
	entryHeader    = 6 // attributes, length of the path
	nodeHeader     = 4 // type, subtype, length
	typeMedia      = 4
	mediaHardDrive = 1
	mediaFile      = 4
	mediaFirmware  = 6 // a file in the firmware's flash
	hardDriveSize  = 42
	hardDriveGUID  = 24
)

// Order gives the entries that the firmware tries, one after another: that of
// BootNext, then those of BootOrder. It leaves out what it would: entries that are
// not there or not active.
func (v Variables) Order() ([]Entry, error) {
	next, err := v.Numbers("BootNext")
	if err != nil {
		return nil, err
	}
	order, err := v.Numbers("BootOrder")
	if err != nil {
		return nil, err
	}
	var entries []Entry
	for _, number := range append(next, order...) {
		data, there := v[Name{Global, fmt.Sprintf("Boot%04X", number)}]
		if !there {
			continue
		}
		entry, active, err := parseEntry(data)
		if err != nil {
			return nil, fmt.Errorf("Boot%04X: %w", number, err)
		}
		if entry.Number = number; active {
			entries = append(entries, entry)
		}
	}
	return entries, nil
}

// Numbers reads a variable of UEFI that is a list of 16-bit numbers; one that is
// not there is an empty list.
func (v Variables) Numbers(name string) ([]uint16, error) {
	data := v[Name{Global, name}]
	if len(data)%2 != 0 {
		return nil, fmt.Errorf("%s has %d octets, an odd number", name, len(data))
	}
	numbers := make([]uint16, len(data)/2)
	for i := range numbers {
		numbers[i] = binary.LittleEndian.Uint16(data[2*i:])
	}
	return numbers, nil
}

func parseEntry(data []byte) (e Entry, active bool, err error) {
	if len(data) < entryHeader {
		return e, false, fmt.Errorf("it has only %d octets", len(data))
	}
	active = binary.LittleEndian.Uint32(data)&entryActive != 0
	length := int(binary.LittleEndian.Uint16(data[4:]))
	rest := data[entryHeader:]
	end := 0
	for ; ; end += 2 {
		if end+2 > len(rest) {
			return e, false, errors.New("its description has no end")
		}
		if rest[end] == 0 && rest[end+1] == 0 {
			break
		}
	}
	e.Description = text(rest[:end])
	if rest = rest[end+2:]; length > len(rest) {
		return e, false, fmt.Errorf("its path of %d octets goes beyond its end", length)
	}
	for path := rest[:length]; len(path) > 0; {
		if len(path) < nodeHeader {
			return e, false, errors.New("its path ends within a node")
		}
		size := int(binary.LittleEndian.Uint16(path[2:]))
		if size < nodeHeader || size > len(path) {
			return e, false, fmt.Errorf("its path has a node of %d octets", size)
		}
		if path[0] == typeMedia {
			switch kind, node := path[1], path[:size]; {
			case kind == mediaHardDrive && size == hardDriveSize:
				e.Partition = guid(node[hardDriveGUID:])
			case kind == mediaFile:
				e.File += text(node[nodeHeader:])
			case kind == mediaFirmware:
				e.Internal = true
			}
		}
		path = path[size:]
	}
	return e, active, nil
}
