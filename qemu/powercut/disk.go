package powercut

import (
	"fmt"
	"os"
)

const pageSize = 4096

type page [pageSize]byte

// disk is a part of a disk in memory: its pages that were ever written to.
type disk struct {
	start, size int64 // the part, in octets of the disk
	pages       map[int64]*page
	own         map[int64]bool // pages that no other disk shares; nil: all
}

func newDisk(start, size int64) *disk {
	return &disk{start: start, size: size, pages: map[int64]*page{}}
}

// fork gives a copy that can be written to as long as d is not.
func (d *disk) fork() *disk {
	copied := newDisk(d.start, d.size)
	copied.own = map[int64]bool{}
	for n, p := range d.pages {
		copied.pages[n] = p
	}
	return copied
}

// write writes data at that offset of the whole disk; they lie within the part.
// Zeros where nothing was written take no room.
func (d *disk) write(offset int64, data []byte) {
	for at := offset - d.start; len(data) > 0; {
		n := min(int64(len(data)), pageSize-at%pageSize)
		if d.pages[at/pageSize] != nil || !isZero(data[:n]) {
			copy(d.writable(at / pageSize)[at%pageSize:], data[:n])
		}
		data, at = data[n:], at+n
	}
}

func isZero(data []byte) bool {
	for _, octet := range data {
		if octet != 0 {
			return false
		}
	}
	return true
}

// writable gives the page of that number for writing.
func (d *disk) writable(n int64) *page {
	p := d.pages[n]
	switch {
	case p == nil:
		p = new(page)
	case d.own != nil && !d.own[n]:
		shared := *p
		p = &shared
	default:
		return p
	}
	d.pages[n] = p
	if d.own != nil {
		d.own[n] = true
	}
	return p
}

// save writes the part as an image to path.
func (d *disk) save(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("save a volume: %w", err)
	}
	defer file.Close()
	if err := file.Truncate(d.size); err != nil {
		return fmt.Errorf("save a volume: %w", err)
	}
	var zeros page
	for n, p := range d.pages {
		if *p == zeros {
			continue
		}
		if _, err := file.WriteAt(p[:min(pageSize, d.size-n*pageSize)], n*pageSize); err != nil {
			return fmt.Errorf("save a volume: %w", err)
		}
	}
	return file.Close()
}
