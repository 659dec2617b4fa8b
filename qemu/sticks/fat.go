package sticks

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
)

// Where FAT keeps things (Microsoft's FAT specification 1.03): in the first
// sector, and in an entry of a directory.
const (
	fatFields     = 0x0b // numbers begin
	fatSectorSize = 0x0b // two octets
	fatReserved   = 0x0e // two octets: sectors before the table
	fatFieldsEnd  = 0x3e

	entryCluster = 26 // two octets, the lower half
	entrySize    = 28 // four octets
)

// Names as an entry has them.
const (
	fatHello  = "HELLO   TXT"
	fatBig    = "BIG     BIN"
	fatFolder = "FOLDER     "
	fatDeeper = "DEEPER     "
)

// entry finds the entry of that name.
func entry(image []byte, name string) []byte { return image[bytes.Index(image, []byte(name)):] }

// fatKnot makes a directory its own subdirectory.
func fatKnot(_ *rand.Rand, image []byte) []byte {
	copy(entry(image, fatDeeper)[entryCluster:][:2], entry(image, fatFolder)[entryCluster:])
	return image
}

// fatChains leads chains of clusters into each other and themselves.
func fatChains(random *rand.Rand, image []byte) []byte {
	table := int(binary.LittleEndian.Uint16(image[fatReserved:])) * int(binary.LittleEndian.Uint16(image[fatSectorSize:]))
	for range 40 {
		at := table + 8 + random.IntN(200)*2
		binary.LittleEndian.PutUint16(image[at:], uint16(2+random.IntN(60)))
	}
	return image
}

// fatSizes gives files sizes that the stick has no room for.
func fatSizes(random *rand.Rand, image []byte) []byte {
	for _, name := range []string{fatHello, fatBig} {
		binary.LittleEndian.PutUint32(entry(image, name)[entrySize:], 0xffffffff-random.Uint32N(2)<<31)
	}
	return image
}

// fatNames gives files names that steer a terminal, or lead elsewhere.
func fatNames(_ *rand.Rand, image []byte) []byte {
	copy(entry(image, fatHello), "\x1b[2J\a\n\r\t\x7f")
	copy(entry(image, fatBig), "../../..BIN")
	copy(entry(image, fatDeeper), "..         ")
	return image
}
