package xmlcdr

import (
	"bufio"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/netip"
	"os"
	"slices"
	"time"
)

// What files begin and end with.
const (
	header = `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<recordfile sbc="%s">` + "\n"
	footer = "</recordfile>\n"
)

// errRoom says that nothing was tried because there would be no room for it.
var errRoom = errors.New("there is no room for CDR files")

// part is the file that is being written.
type part struct {
	file  file
	name  string // once it is finished
	size  int64  // octets that are on the disk for certain
	sum   uint32 // of those that are no marks
	calls int
	begun time.Time
}

// write makes calls last that are not in a file yet, in as many files as need be.
func (f *Files) write(calls [][]byte) error {
	var unknown [][]byte
	var sums []callSum // of those
	for _, call := range calls {
		if sum := sumOfCall(call); !f.known.has(sum) && !slices.Contains(sums, sum) {
			unknown, sums = append(unknown, call), append(sums, sum)
		}
	}
	for len(unknown) > 0 {
		if f.part == nil {
			f.part = f.newPart()
		}
		octets, count := f.fitting(unknown)
		if count == 0 {
			if err := f.roll(); err != nil {
				return err
			}
			continue
		}
		if err := f.extend(octets, count); err != nil {
			return err
		}
		for _, sum := range sums[:count] {
			f.known.add(sum)
		}
		unknown, sums = unknown[count:], sums[count:]
	}
	return nil
}

// newPart names the file that comes next. It is made with its first calls.
func (f *Files) newPart() *part {
	now := time.Now()
	f.number++
	name := fmt.Sprintf("billing-%d-%s-%06d.xml", f.options.Settings.Index, now.UTC().Format("20060102T150405Z"), f.number)
	return &part{name: name, sum: checksum(name), begun: now}
}

// fitting is what comes next in the part: as many calls as it has room for, one
// at least in a new one.
func (f *Files) fitting(calls [][]byte) (octets []byte, count int) {
	p := f.part
	if p.size == 0 {
		sbc := f.options.SBC
		if !sbc.IsValid() {
			sbc = netip.IPv4Unspecified()
		}
		octets = fmt.Appendf(nil, header, sbc)
	}
	for _, call := range calls {
		whole := p.size + int64(len(octets)+len(call)+len(footer))
		if p.calls+count > 0 && whole > f.limit {
			break
		}
		octets = append(octets, call...)
		count++
	}
	return octets, count
}

// extend appends calls to the part and makes them last.
func (f *Files) extend(octets []byte, calls int) error {
	p := f.part
	sum := crc32.Update(p.sum, castagnoli, octets)
	octets = appendMark(octets, sum)
	room, err := f.measure()
	if err != nil {
		return err
	}
	if need := p.size + 2*int64(len(octets)+len(footer)); need > room { // its copy will need room, too
		return errRoom
	}
	first := p.file == nil
	if first {
		if p.file, err = f.dir.Open(p.name+partSuffix, os.O_WRONLY|os.O_CREATE|os.O_EXCL); err != nil {
			return fmt.Errorf("begin %s: %w", p.name, err)
		}
	}
	if _, err = p.file.Write(octets); err == nil {
		err = p.file.Datasync()
	}
	if err == nil && first {
		err = f.dir.Sync()
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", p.name, err)
	}
	p.sum = sum
	p.size += int64(len(octets))
	p.calls += calls
	f.mu.Lock()
	f.status.Calls += int64(calls)
	f.mu.Unlock()
	return nil
}

// roll finishes the part.
func (f *Files) roll() error {
	p := f.part
	if p.file == nil { // its first calls found no room
		f.part = nil
		return nil
	}
	if err := f.finish(p, false); err != nil {
		return err
	}
	if err := p.file.Close(); err != nil {
		f.options.Log.Warn("close a CDR file", "name", p.name, "error", err)
	}
	f.part = nil
	return nil
}

// finish makes a finished file of what is whole of a part. Then the part goes; a
// damaged one is kept aside.
func (f *Files) finish(p *part, damaged bool) error {
	sum, err := f.copyPart(p)
	if err != nil {
		return fmt.Errorf("finish %s: %w", p.name, err)
	}
	if err := f.endPart(p.name, damaged); err != nil {
		return err
	}
	if err := f.logs.add(f.dir, p.name, sum); err != nil {
		return fmt.Errorf("log the checksum of %s: %w", p.name, err)
	}
	f.options.Log.Info("CDR file finished", "name", p.name, "calls", p.calls, "md5", sum)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status.Files++
	f.status.LastFile, f.status.LastMD5 = p.name, sum
	return nil
}

// endPart deletes a part; a damaged one is kept aside.
func (f *Files) endPart(name string, damaged bool) error {
	var err error
	if damaged {
		err = f.dir.Rename(name+partSuffix, name+badSuffix)
	} else {
		err = f.dir.Remove(name + partSuffix)
	}
	if err == nil {
		err = f.dir.Sync()
	}
	if err != nil {
		return fmt.Errorf("finish %s: %w", name, err)
	}
	return nil
}

// copyPart makes the finished file last beside its part. Who looks for finished
// files sees it when it is whole, but on FAT.
func (f *Files) copyPart(p *part) (md5Sum string, err error) {
	in, err := f.dir.Open(p.name+partSuffix, os.O_RDONLY)
	if err != nil {
		return "", err
	}
	defer in.Close()
	name := p.name
	if f.dir.Renames() {
		name += copySuffix
	}
	out, err := f.dir.Open(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	hash := md5.New()
	both := bufio.NewWriterSize(io.MultiWriter(out, hash), 64<<10)
	sum := checksum(p.name)
	err = eachLine(io.LimitReader(in, p.size), func(line []byte) error {
		if isMark(line) {
			return nil
		}
		sum = crc32.Update(sum, castagnoli, line)
		_, err := both.Write(line)
		return err
	})
	if err == nil && sum != p.sum {
		err = errors.New("the disk does not give back what was written")
	}
	if err == nil {
		both.WriteString(footer)
		err = both.Flush()
	}
	if err == nil {
		err = out.Datasync()
	}
	if err != nil {
		return "", err
	}
	if name != p.name {
		if err := f.dir.Rename(name, p.name); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(hash.Sum(nil)), f.dir.Sync()
}

// leave lets go of the directory. What is not certain in the part is sorted out
// when it is opened again.
func (f *Files) leave() {
	if p := f.part; p != nil && p.file != nil {
		p.file.Close()
	}
	f.part = nil
	if f.dir != nil {
		f.dir.Close()
		f.dir = nil
	}
}
