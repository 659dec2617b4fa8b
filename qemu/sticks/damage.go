package sticks

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"
)

const (
	sector = 512
	// front is where most that tells where things are stands, in octets.
	front = 256 * kib
)

// damage is what is done to an image of some kinds.
type damage struct {
	name string
	on   func(kind) bool // nil: all kinds
	do   func(random *rand.Rand, image []byte) []byte
}

func onFAT(k kind) bool  { return k.isFAT() }
func onExt4(k kind) bool { return strings.HasPrefix(k.name, "ext4") }
func onExt(k kind) bool  { return !k.isFAT() }

// damages in the order in which they take turns.
var damages = []damage{
	{"bits flipped in front", nil, func(random *rand.Rand, image []byte) []byte {
		return flip(random, image, front, 1+random.IntN(64))
	}},
	{"extreme fields", onFAT, func(random *rand.Rand, image []byte) []byte {
		extreme(random, image[fatFields:fatFieldsEnd])
		return image
	}},
	{"extreme fields", onExt, func(random *rand.Rand, image []byte) []byte {
		extreme(random, image[superblock:][:superblockUsed])
		return image
	}},
	{"a directory within itself", onFAT, fatKnot},
	{"a directory within itself", onExt, extKnot},
	{"names of control characters", onFAT, fatNames},
	{"names of control characters", onExt, extNames},
	{"zeros", nil, func(random *rand.Rand, image []byte) []byte {
		clear(somewhere(random, image))
		return image
	}},
	{"noise", nil, func(random *rand.Rand, image []byte) []byte {
		for i, part := 0, somewhere(random, image); i < len(part); i++ {
			part[i] = byte(random.Uint32())
		}
		return image
	}},
	{"cut off", nil, func(random *rand.Rand, image []byte) []byte {
		return image[:(64*kib+random.IntN(len(image)-64*kib))/sector*sector]
	}},
	{"chains in knots", onFAT, fatChains},
	{"extreme files", onFAT, fatSizes},
	{"extreme files", onExt, extInodes},
	{"an order to panic, and flipped bits", onExt, func(random *rand.Rand, image []byte) []byte {
		binary.LittleEndian.PutUint16(image[superblock+extErrors:], extErrorsPanic)
		flip(random, image[2*kib:], front, 200)
		return image
	}},
	{"a journal of noise to replay", onExt4, extJournal},
	{"bits flipped all over", nil, func(random *rand.Rand, image []byte) []byte {
		return flip(random, image, len(image), len(image)/(16*kib))
	}},
	{"an extreme table of partitions", nil, func(random *rand.Rand, image []byte) []byte {
		image = partitioned(image)
		extreme(random, image[tableAt:][:tableSize])
		return image
	}},
}

// flip flips so many bits in the first length octets.
func flip(random *rand.Rand, image []byte, length, bits int) []byte {
	for range bits {
		image[random.IntN(min(length, len(image)))] ^= 1 << random.IntN(8)
	}
	return image
}

// somewhere is a part of the front.
func somewhere(random *rand.Rand, image []byte) []byte {
	at := random.IntN(front)
	return image[at : at+1+random.IntN(min(64*kib, len(image)-at))]
}

// extreme sets one to three numbers in a part to what nobody expects.
func extreme(random *rand.Rand, part []byte) {
	values := []uint32{0, 1, 2, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffff0, random.Uint32()}
	for range 1 + random.IntN(3) {
		value := values[random.IntN(len(values))]
		switch random.IntN(3) {
		case 0:
			part[random.IntN(len(part))] = byte(value)
		case 1:
			binary.LittleEndian.PutUint16(part[random.IntN(len(part)/2)*2:], uint16(value))
		default:
			binary.LittleEndian.PutUint32(part[random.IntN(len(part)/4)*4:], value)
		}
	}
}

// A table of partitions in the first sector of a disk (UEFI 2.10, §5.2.1).
const (
	tableAt   = 446
	tableSize = 4 * 16
	tableMark = 510

	partitionStart = 1 * mib
)

// partitioned puts a file system into the one partition of a disk.
func partitioned(image []byte) []byte {
	disk := append(make([]byte, partitionStart), image...)
	entry := disk[tableAt:]
	entry[4] = 0x0c // FAT32; Linux looks at what is there
	binary.LittleEndian.PutUint32(entry[8:], partitionStart/sector)
	binary.LittleEndian.PutUint32(entry[12:], uint32(len(image)/sector))
	copy(disk[tableMark:], "\x55\xaa")
	return disk
}
