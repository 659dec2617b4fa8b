// Package uki joins a kernel, its command line and its root file system into one
// EFI program, a unified kernel image: systemd's stub with a section for each
// part (UAPI group specification "Unified Kernel Image"). Firmware loads and,
// with Secure Boot, verifies the whole as one file.
package uki

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"fmt"
)

// Image is what goes into a unified kernel image.
type Image struct {
	Stub        []byte // the EFI stub of the same architecture as the kernel
	OSRelease   []byte // as /etc/os-release; boot menus take the name from it
	CommandLine string
	Initrd      []byte
	Linux       []byte // a kernel with an EFI entry of its own: vmlinuz or Image
}

// Where things are in a PE file (Microsoft's "PE Format").
const (
	signatureAt         = 0x3c // offset of the offset of "PE\0\0"
	coffHeaderSize      = 20
	sectionHeaderSize   = 40
	sizeOfImageAt       = 56 // within the optional header
	checkSumAt          = 64
	sectionInitialized  = 0x00000040
	sectionReadable     = 0x40000000
	certificateTableDir = 4 // index of the data directory that holds signatures

	maxAlignment = 64 << 10
	maxAddress   = 1 << 30 // of the stub's own sections; what is added has some 3 GiB left
)

// Build gives the program: the stub with the sections .osrel, .cmdline, .initrd
// and .linux behind its own. It is not signed.
func Build(image Image) ([]byte, error) {
	stub, err := readStub(image.Stub)
	if err != nil {
		return nil, fmt.Errorf("EFI stub: %w", err)
	}
	parts := []struct {
		name string
		data []byte
	}{
		{".osrel", image.OSRelease},
		// The stub takes the command line up to a zero byte.
		{".cmdline", append([]byte(image.CommandLine), 0)},
		{".initrd", image.Initrd},
		// Last, because the kernel may use memory behind itself while it
		// unpacks.
		{".linux", image.Linux},
	}
	if space := stub.headerSpace(); space < len(parts) {
		return nil, fmt.Errorf("EFI stub: room for %d more sections; %d are needed", space, len(parts))
	}
	for _, part := range parts {
		if len(part.data) == 0 || len(part.data) > maxAddress/2 {
			return nil, fmt.Errorf("section %s would have %d bytes", part.name, len(part.data))
		}
		stub.append(part.name, part.data)
	}
	return stub.finish(), nil
}

// stub is a PE file that sections are appended to.
type stub struct {
	out             []byte
	optionalAt      int // offset of the optional header
	sectionsAt      int // offset of the section table
	sections        uint16
	headerEnd       uint32 // where the headers' room ends
	fileAlignment   uint32
	memoryAlignment uint32
	nextAddress     uint32 // the first free one behind all sections
}

func readStub(file []byte) (*stub, error) {
	if !bytes.HasPrefix(file, []byte("MZ")) {
		return nil, fmt.Errorf("not an EFI program")
	}
	parsed, err := pe.NewFile(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	header, ok := parsed.OptionalHeader.(*pe.OptionalHeader64)
	if !ok {
		return nil, fmt.Errorf("not a 64-bit EFI program")
	}
	if header.NumberOfRvaAndSizes > certificateTableDir && header.DataDirectory[certificateTableDir].Size != 0 {
		return nil, fmt.Errorf("it is signed: a section added to it would break the signature")
	}
	for _, alignment := range []uint32{header.FileAlignment, header.SectionAlignment} {
		if alignment == 0 || alignment > maxAlignment || alignment&(alignment-1) != 0 {
			return nil, fmt.Errorf("alignment %d is not a power of two up to %d", alignment, maxAlignment)
		}
	}
	if int64(header.SizeOfHeaders) > int64(len(file)) {
		return nil, fmt.Errorf("headers of %d bytes in a file of %d", header.SizeOfHeaders, len(file))
	}
	s := &stub{
		out:             bytes.Clone(file),
		sections:        parsed.NumberOfSections,
		headerEnd:       header.SizeOfHeaders,
		fileAlignment:   header.FileAlignment,
		memoryAlignment: header.SectionAlignment,
	}
	coffAt := int(binary.LittleEndian.Uint32(file[signatureAt:])) + 4
	s.optionalAt = coffAt + coffHeaderSize
	s.sectionsAt = s.optionalAt + int(parsed.SizeOfOptionalHeader)
	for _, section := range parsed.Sections {
		end := uint64(section.VirtualAddress) + uint64(section.VirtualSize)
		if end > maxAddress {
			return nil, fmt.Errorf("section %s ends at address %#x", section.Name, end)
		}
		s.nextAddress = max(s.nextAddress, align(uint32(end), s.memoryAlignment))
		if section.Size > 0 {
			s.headerEnd = min(s.headerEnd, section.Offset)
		}
	}
	// Debian's stubs carry a symbol table, which a PE image must not have.
	binary.LittleEndian.PutUint64(s.out[coffAt+8:], 0)
	return s, nil
}

// headerSpace is how many more section headers fit before the first section.
func (s *stub) headerSpace() int {
	used := s.sectionsAt + int(s.sections)*sectionHeaderSize
	return (int(s.headerEnd) - used) / sectionHeaderSize
}

// append adds a section behind all others, in memory and in the file.
func (s *stub) append(name string, data []byte) {
	s.pad()
	var header bytes.Buffer
	section := pe.SectionHeader32{
		VirtualSize:      uint32(len(data)),
		VirtualAddress:   s.nextAddress,
		SizeOfRawData:    align(uint32(len(data)), s.fileAlignment),
		PointerToRawData: uint32(len(s.out)),
		Characteristics:  sectionInitialized | sectionReadable,
	}
	copy(section.Name[:], name)
	// A bytes.Buffer takes every write, and the struct has a fixed size.
	if err := binary.Write(&header, binary.LittleEndian, section); err != nil {
		panic(err)
	}
	copy(s.out[s.sectionsAt+int(s.sections)*sectionHeaderSize:], header.Bytes())
	s.sections++
	s.out = append(s.out, data...)
	s.nextAddress = align(s.nextAddress+section.VirtualSize, s.memoryAlignment)
}

func (s *stub) finish() []byte {
	s.pad()
	binary.LittleEndian.PutUint16(s.out[s.optionalAt-coffHeaderSize+2:], s.sections)
	binary.LittleEndian.PutUint32(s.out[s.optionalAt+sizeOfImageAt:], s.nextAddress)
	binary.LittleEndian.PutUint32(s.out[s.optionalAt+checkSumAt:], 0) // EFI does not look at it
	return s.out
}

// pad fills the file up to its alignment.
func (s *stub) pad() {
	length := uint32(len(s.out))
	s.out = append(s.out, make([]byte, align(length, s.fileAlignment)-length)...)
}

func align(n, to uint32) uint32 { return (n + to - 1) &^ (to - 1) }
