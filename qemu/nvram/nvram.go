// Package nvram reads the flash in which QEMU's UEFI firmware keeps its
// variables, and says what the firmware would start: the other side of what the
// box writes there, read from the octets and not with the code of the box. It also
// has the owner of a machine enrol the keys of Secure Boot.
//
// The form is that of edk2: a firmware volume (UEFI PI specification, volume 3,
// §3.2.1) that holds a store of authenticated variables (edk2:
// MdeModulePkg/Include/Guid/VariableFormat.h).
package nvram

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"unicode/utf16"
)

// Vendors of variables, in the text form of their GUIDs.
const (
	Global   = "8be4df61-93ca-11d2-aa0d-00e098032b8c" // of UEFI itself (UEFI specification 2.10, §3.3)
	Security = "d719b2cb-3d3a-4596-a3bc-dad00e67656f" // of the databases db and dbx (§32.4.1)
)

// Name is that of a variable.
type Name struct {
	Vendor string // GUID
	Name   string
}

// Variables are those that a store holds, with their data.
type Variables map[Name][]byte

// Where things are: in the header of the volume, in that of the store and in that
// of each variable.
const (
	volumeSignatureAt = 40
	volumeHeaderAt    = 48 // the size of the volume's header, 16 bits
	volumeHeaderMin   = 56

	storeHeaderSize = 28 // GUID, size, format, state, 6 reserved
	storeSizeAt     = 16
	storeFormatAt   = 20
	storeFormatted  = 0x5a
	storeStateAt    = 21
	storeHealthy    = 0xfe

	variableStart      = 0x55aa
	variableHeaderSize = 60
	variableStateAt    = 2
	attributesAt       = 4
	nameSizeAt         = 36
	dataSizeAt         = 40
	vendorAt           = 44
	variableAlignment  = 4
)

// The state of a variable: bits are cleared one after another, as flash allows.
const (
	erased       = 0xff // the header is not complete
	unwritten    = 0xffffffff
	stateAdded   = 0x3f
	stateDeleted = 0xfd // the bit that is cleared last
	stateLeaving = 0x3e // it is being replaced: it counts until the other is there
)

const (
	volumeMark    = "_FVH"
	authenticated = "aaf32c78-947b-439a-a180-2e144ec37792" // GUID of a store of authenticated variables
)

// Parse reads the variables of a flash. A flash in the middle of a clean-up of
// the store, which the firmware would finish, is an error here.
func Parse(flash []byte) (Variables, error) {
	store, err := findStore(flash)
	if err != nil {
		return nil, fmt.Errorf("the flash of the firmware: %w", err)
	}
	records, _, err := readStore(store)
	if err != nil {
		return nil, err
	}
	variables, leaving := Variables{}, Variables{}
	for _, r := range records {
		switch r.state {
		case stateAdded:
			variables[r.name] = slices.Clone(r.data)
		case stateLeaving:
			leaving[r.name] = slices.Clone(r.data)
		}
	}
	for name, data := range leaving {
		if _, there := variables[name]; !there {
			variables[name] = data
		}
	}
	return variables, nil
}

// record is one entry of a store, whether it counts or not.
type record struct {
	at    int // of its header within the store
	state byte
	name  Name
	data  []byte
}

// readStore gives what was ever written to a store, and where the next is to be.
func readStore(store []byte) (records []record, end int, err error) {
	for end+variableHeaderSize <= len(store) {
		header := store[end:]
		if binary.LittleEndian.Uint16(header) != variableStart {
			break
		}
		nameSize, dataSize := binary.LittleEndian.Uint32(header[nameSizeAt:]), binary.LittleEndian.Uint32(header[dataSizeAt:])
		state := header[variableStateAt]
		if state == erased || nameSize == unwritten || dataSize == unwritten {
			nameSize, dataSize = 0, 0 // the power failed within its header: the firmware goes on behind that
		}
		if int64(nameSize)+int64(dataSize) > int64(len(header)-variableHeaderSize) {
			return nil, 0, fmt.Errorf("variable at %#x of the store: name of %d and data of %d octets go beyond its end", end, nameSize, dataSize)
		}
		body := header[variableHeaderSize:][:nameSize+dataSize]
		records = append(records, record{
			at: end, state: state, name: Name{guid(header[vendorAt:]), text(body[:nameSize])}, data: body[nameSize:],
		})
		end += align(variableHeaderSize + len(body))
	}
	return records, end, nil
}

func align(size int) int { return (size + variableAlignment - 1) &^ (variableAlignment - 1) }

// findStore gives what follows the headers of volume and store.
func findStore(flash []byte) ([]byte, error) {
	if len(flash) < volumeHeaderMin || string(flash[volumeSignatureAt:][:len(volumeMark)]) != volumeMark {
		return nil, errors.New("it holds no firmware volume")
	}
	begin := int(binary.LittleEndian.Uint16(flash[volumeHeaderAt:]))
	if begin < volumeHeaderMin || begin+storeHeaderSize > len(flash) {
		return nil, fmt.Errorf("its volume has a header of %d octets", begin)
	}
	store := flash[begin:]
	size := int64(binary.LittleEndian.Uint32(store[storeSizeAt:]))
	switch {
	case guid(store) != authenticated:
		return nil, fmt.Errorf("it holds a store %s; want %s", guid(store), authenticated)
	case store[storeFormatAt] != storeFormatted || store[storeStateAt] != storeHealthy:
		return nil, fmt.Errorf("its store has format %#x and state %#x", store[storeFormatAt], store[storeStateAt])
	case size < storeHeaderSize || size > int64(len(store)):
		return nil, fmt.Errorf("its store has %d octets", size)
	}
	return store[storeHeaderSize:size], nil
}

// guid gives the text form of a GUID: its first three parts are in little-endian
// order (UEFI specification 2.10, appendix A).
func guid(octets []byte) string {
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", binary.LittleEndian.Uint32(octets), binary.LittleEndian.Uint16(octets[4:]),
		binary.LittleEndian.Uint16(octets[6:]), octets[8:10], octets[10:16])
}

// text reads UTF-16 up to a zero.
func text(octets []byte) string {
	var units []uint16
	for ; len(octets) >= 2; octets = octets[2:] {
		unit := binary.LittleEndian.Uint16(octets)
		if unit == 0 {
			break
		}
		units = append(units, unit)
	}
	return string(utf16.Decode(units))
}
