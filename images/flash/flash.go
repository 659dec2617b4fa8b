// Package flash writes a disk image to a disk of this computer: the right one,
// whole, and known to be there.
//
// Open refuses what is no whole disk, is in use, or cannot be written; Fit makes
// of an image what belongs on a disk of that size; Write writes it, has the disk
// bring it to its medium, and reads all of it back from there.
package flash

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/diskfs/go-diskfs/backend"
	"github.com/diskfs/go-diskfs/partition/gpt"

	"causeway/board"
)

// block is that of disk images, in octets.
const block = 512

// Target is what is written to.
type Target interface {
	io.ReaderAt
	io.WriterAt
	// Flush brings what was written to the medium, and forgets it: what is read
	// from then on comes from there.
	Flush() error
}

// Image is a disk image as it belongs on one disk.
type Image struct {
	file   io.ReaderAt
	length int64   // octets of the file
	size   int64   // of the disk
	pieces []piece // what is another on this disk; the later ones count
}

// piece is what stands at one place of the disk.
type piece struct {
	at      int64
	content []byte
}

// Fit makes an Image of a file of length octets for a disk of size: its partition
// table takes all of the disk, and so does harddisk:, which begins empty.
func Fit(file backend.File, length, size int64) (*Image, error) {
	if size < length {
		return nil, fmt.Errorf("the disk has %d octets, the image takes %d", size, length)
	}
	table, err := gpt.Read(file, block, block)
	if err != nil {
		return nil, fmt.Errorf("the image: %w", err)
	}
	size = size / block * block // the disk may count in larger ones
	table.Resize(uint64(size))
	fitted := &Image{file: file, length: length, size: size}
	for _, p := range table.Partitions {
		if p == nil || p.Name != board.PartitionHarddisk {
			continue
		}
		const mib = 1 << 20
		end := size/mib*mib - mib // as package disk does
		p.Size = uint64(end - p.GetStart())
		p.End = uint64(end/block) - 1
		// init makes a file system where there was none: it looks at both ends.
		fitted.pieces = append(fitted.pieces, piece{end - mib, make([]byte, mib)})
	}
	if size > length {
		// The copy of the table that the image has at its end is void.
		fitted.pieces = append(fitted.pieces, piece{length - 34*block, make([]byte, 34*block)})
	}
	if err := table.Write(&pieces{File: file, image: fitted}, size); err != nil {
		return nil, fmt.Errorf("partition table: %w", err)
	}
	return fitted, nil
}

// pieces takes what is written to it as pieces of an image.
type pieces struct {
	backend.File
	image *Image
}

func (p *pieces) WriteAt(content []byte, at int64) (int, error) {
	p.image.pieces = append(p.image.pieces, piece{at, slices.Clone(content)})
	return len(content), nil
}

// readAt fills p with what belongs at that place.
func (i *Image) readAt(p []byte, at int64) error {
	n, err := i.file.ReadAt(p[:max(0, min(int64(len(p)), i.length-at))], at)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the image: %w", err)
	}
	clear(p[n:])
	for _, piece := range i.pieces {
		if piece.at < at+int64(len(p)) && at < piece.at+int64(len(piece.content)) {
			copy(p[max(0, piece.at-at):], piece.content[max(0, at-piece.at):])
		}
	}
	return nil
}

// chunk is what is written and read at once, in octets.
const chunk = 4 << 20

// chunks gives the places that the image says something about, in order, each of
// chunk octets but at the end of the disk.
func (i *Image) chunks() (places []int64) {
	add := func(from, to int64) {
		for at := from / chunk * chunk; at < to; at += chunk {
			places = append(places, at)
		}
	}
	add(0, i.length)
	for _, piece := range i.pieces {
		add(piece.at, piece.at+int64(len(piece.content)))
	}
	slices.Sort(places)
	return slices.Compact(places)
}

// Progress is told how far a step is, in octets.
type Progress func(step string, done, all int64)

// ErrLies means that a disk does not hold what was written to it.
var ErrLies = errors.New("the disk does not hold what was written to it")

// Write writes the image to the disk that it was fitted to, and reads it back.
func (i *Image) Write(ctx context.Context, disk Target, progress Progress) error {
	err := i.each(ctx, "writing", progress, func(wanted, _ []byte, at int64) error {
		_, err := disk.WriteAt(wanted, at)
		return err
	})
	if err != nil {
		return err
	}
	if err := disk.Flush(); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	return i.each(ctx, "reading back", progress, func(wanted, found []byte, at int64) error {
		if _, err := io.ReadFull(io.NewSectionReader(disk, at, int64(len(found))), found); err != nil {
			return err
		}
		if !bytes.Equal(wanted, found) {
			return ErrLies
		}
		return nil
	})
}

// each does something for each chunk: wanted is what belongs there, spare as long.
func (i *Image) each(ctx context.Context, step string, progress Progress, do func(wanted, spare []byte, at int64) error) error {
	buffer, spare := make([]byte, chunk), make([]byte, chunk)
	places := i.chunks()
	for n, at := range places {
		if err := context.Cause(ctx); err != nil {
			return fmt.Errorf("%s: %w: the disk is not usable as it is now", step, err)
		}
		length := min(chunk, i.size-at)
		if err := i.readAt(buffer[:length], at); err != nil {
			return err
		}
		if err := do(buffer[:length], spare[:length], at); err != nil {
			return fmt.Errorf("%s at octet %d: %w", step, at, err)
		}
		progress(step, int64(n+1)*chunk, int64(len(places))*chunk)
	}
	return nil
}
