package nvram

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"
)

// x509List is the type of a list of certificates (EFI_CERT_X509_GUID, UEFI
// specification 2.10, §32.4.1).
const x509List = "a5c059a1-94e4-4aa7-87b5-ab155c2bf072"

// The sizes of a list of signatures and of one in it, without its data.
const (
	listHeaderSize = 28 // type; sizes of list, header and signature
	ownerSize      = 16
)

// keyAttributes are those of a database of keys: kept, there in boot and at run time,
// changed by who has signed the change (§8.2).
const keyAttributes = 0x27

// Enrol makes a certificate (DER) the only one that the firmware trusts: it
// starts what that key has signed, and takes other keys from nobody else. The flash
// must be one with keys, which are replaced.
func Enrol(flash, certificate []byte) error {
	list := GUID(x509List)
	for _, size := range []int{listHeaderSize + ownerSize + len(certificate), 0, ownerSize + len(certificate)} {
		list = binary.LittleEndian.AppendUint32(list, uint32(size))
	}
	list = slices.Concat(list, make([]byte, ownerSize), certificate)
	for _, name := range []Name{{Global, "PK"}, {Global, "KEK"}, {Security, "db"}} {
		if err := replace(flash, name, keyAttributes, list); err != nil {
			return fmt.Errorf("enrol a key in %s: %w", name.Name, err)
		}
	}
	return nil
}

// replace writes a variable that is there, as the firmware does: behind all others,
// with the old one marked as deleted.
func replace(flash []byte, name Name, attributes uint32, data []byte) error {
	store, err := findStore(flash)
	if err != nil {
		return err
	}
	records, end, err := readStore(store)
	if err != nil {
		return err
	}
	there := false
	for _, r := range records {
		if r.name == name && (r.state == stateAdded || r.state == stateLeaving) {
			store[r.at+variableStateAt] &= stateDeleted
			there = true
		}
	}
	if !there {
		return fmt.Errorf("there is no variable %s", name.Name)
	}
	named := UTF16(name.Name)
	variable := make([]byte, variableHeaderSize, variableHeaderSize+len(named)+len(data))
	binary.LittleEndian.PutUint16(variable, variableStart)
	variable[variableStateAt] = stateAdded
	binary.LittleEndian.PutUint32(variable[attributesAt:], attributes)
	binary.LittleEndian.PutUint32(variable[nameSizeAt:], uint32(len(named)))
	binary.LittleEndian.PutUint32(variable[dataSizeAt:], uint32(len(data)))
	copy(variable[vendorAt:], GUID(name.Vendor))
	variable = slices.Concat(variable, named, data)
	if len(variable) > len(store)-end {
		return fmt.Errorf("%d octets are left; %d are needed", len(store)-end, len(variable))
	}
	copy(store[end:], variable)
	return nil
}

// GUID gives one of our own as UEFI keeps it: the opposite of guid.
func GUID(text string) []byte {
	octets, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil {
		panic(err)
	}
	slices.Reverse(octets[:4])
	slices.Reverse(octets[4:6])
	slices.Reverse(octets[6:8])
	return octets
}

// UTF16 gives a text as UEFI keeps it, with the zero at the end: the opposite of
// text.
func UTF16(text string) []byte {
	var octets []byte
	for _, unit := range utf16.Encode([]rune(text + "\x00")) {
		octets = binary.LittleEndian.AppendUint16(octets, unit)
	}
	return octets
}
