package kernel

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os/exec"
)

// Offsets in the setup header of an x86 kernel image
// (Documentation/arch/x86/boot.rst).
const (
	setupSectors  = 0x1f1 // one byte, sectors of setup code after the boot sector
	headerMagic   = 0x202 // "HdrS"
	bootVersion   = 0x206
	payloadOffset = 0x248 // 32 bits, from the end of the setup code
	payloadLength = 0x24c // 32 bits, the size in the last 4 bytes of the payload included
	headerEnd     = 0x250
)

var xzMagic = []byte("\xfd7zXZ\x00")

// vmlinux unpacks the kernel proper, an ELF file, from an x86 bzImage. A machine
// that starts it directly (QEMU through its PVH entry) saves the time that the
// image takes to unpack itself.
func vmlinux(bzImage []byte) ([]byte, error) {
	if len(bzImage) < headerEnd || string(bzImage[headerMagic:headerMagic+4]) != "HdrS" {
		return nil, fmt.Errorf("not an x86 kernel image")
	}
	if version := binary.LittleEndian.Uint16(bzImage[bootVersion:]); version < 0x208 {
		return nil, fmt.Errorf("boot protocol %#x does not say where the kernel is (needs 0x208)", version)
	}
	start := (uint64(bzImage[setupSectors])+1)*512 + uint64(binary.LittleEndian.Uint32(bzImage[payloadOffset:]))
	length := uint64(binary.LittleEndian.Uint32(bzImage[payloadLength:]))
	if length < 4 || start+length > uint64(len(bzImage)) {
		return nil, fmt.Errorf("payload of %d bytes at %d is not within the image's %d", length, start, len(bzImage))
	}
	payload := bzImage[start : start+length-4]
	if !bytes.HasPrefix(payload, xzMagic) {
		return nil, fmt.Errorf("payload begins with %x: only XZ is known", payload[:min(6, len(payload))])
	}
	// The kernel's XZ uses the x86 filter, which no Go module undoes.
	unpack := exec.Command("xz", "--decompress", "--stdout", "--single-stream")
	unpack.Stdin = bytes.NewReader(payload)
	var kernel, complaint bytes.Buffer
	unpack.Stdout, unpack.Stderr = &kernel, &complaint
	if err := unpack.Run(); err != nil {
		return nil, fmt.Errorf("unpack kernel with xz: %w: %s", err, bytes.TrimSpace(complaint.Bytes()))
	}
	if size := binary.LittleEndian.Uint32(bzImage[start+length-4:]); int(size) != kernel.Len() {
		return nil, fmt.Errorf("kernel unpacks to %d bytes; its image says %d", kernel.Len(), size)
	}
	return kernel.Bytes(), nil
}
