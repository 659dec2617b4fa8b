package sticks

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
)

// Where ext4 keeps things (the kernel's Documentation/filesystems/ext4): in the
// superblock, in the first group's descriptor, in an inode.
const (
	superblock     = 1024
	superblockUsed = 0x150

	extFirstBlock   = 0x14
	extBlockSize    = 0x18 // a power of two times 1024
	extErrors       = 0x3c // two octets: what to do about an error
	extErrorsPanic  = 3
	extInodeSize    = 0x58 // two octets
	extIncompatible = 0x60
	extRecover      = 4 // the journal is to be replayed

	groupInodes = 0x08 // where the table of inodes is

	inodeSizeLow  = 0x04
	inodeBlocks   = 0x28
	inodeSizeHigh = 0x6c
	// firstExtent is where an inode says where its first blocks are.
	firstExtent = inodeBlocks + 12 + 8

	journalInode = 8
)

func number(image []byte, at int) int { return int(binary.LittleEndian.Uint32(image[at:])) }

func blockSize(image []byte) int { return kib << number(image, superblock+extBlockSize) }

// inode finds an inode of the first group.
func inode(image []byte, n int) []byte {
	group := (number(image, superblock+extFirstBlock) + 1) * blockSize(image)
	size := int(binary.LittleEndian.Uint16(image[superblock+extInodeSize:]))
	return image[number(image, group+groupInodes)*blockSize(image)+(n-1)*size:][:size]
}

// Names with what stands before them in a directory: their length and type.
const (
	extHello  = "\x09\x01hello.txt"
	extFolder = "\x06\x02folder"
	extDeeper = "\x06\x02deeper"
)

// numberOf finds the inode number of a directory's entry.
func numberOf(image []byte, name string) []byte {
	return image[bytes.Index(image, []byte(name))-6:][:4]
}

// extKnot makes a directory its own subdirectory.
func extKnot(_ *rand.Rand, image []byte) []byte {
	copy(numberOf(image, extDeeper), numberOf(image, extFolder))
	return image
}

// extNames gives files names that steer a terminal, or lead elsewhere.
func extNames(_ *rand.Rand, image []byte) []byte {
	copy(image[bytes.Index(image, []byte(extHello))+2:], "\x1b[2J\n\a/..")
	copy(image[bytes.Index(image, []byte(extDeeper))+2:], "../../")
	return image
}

// extInodes gives a file a size and blocks that there are none of.
func extInodes(random *rand.Rand, image []byte) []byte {
	hello := inode(image, int(binary.LittleEndian.Uint32(numberOf(image, extHello))))
	binary.LittleEndian.PutUint32(hello[inodeSizeLow:], 0xffffffff)
	binary.LittleEndian.PutUint32(hello[inodeSizeHigh:], 0x7fffffff>>random.IntN(24))
	extreme(random, hello[inodeBlocks:inodeSizeHigh-8])
	return image
}

// extJournal has the kernel replay a journal whose blocks say anything.
func extJournal(random *rand.Rand, image []byte) []byte {
	image[superblock+extIncompatible] |= extRecover
	size := blockSize(image)
	journal := image[number(inode(image, journalInode), firstExtent)*size:]
	// The journal is big-endian; it begins with a superblock of its own.
	const magic, descriptor, commit, start, sequence = 0xc03b3998, 1, 2, 0x1c, 0x18
	binary.BigEndian.PutUint32(journal[start:], 1)
	for n := 1; n < 40; n++ {
		block := journal[n*size:][:size]
		for i := range block {
			block[i] = byte(random.Uint32())
		}
		binary.BigEndian.PutUint32(block, magic)
		binary.BigEndian.PutUint32(block[4:], uint32(descriptor+random.IntN(commit)))
		copy(block[8:], journal[sequence:][:4])
	}
	return image
}
