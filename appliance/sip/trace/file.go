package trace

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Bounds of a file.
const (
	fileMax     = 64 << 20 // octets
	fileReserve = 16       // a sixteenth of the volume stays free: the journal of calls has the first claim
	fileMode    = 0o644    // control shows and copies it
	chunkSize   = 256 << 10
)

// Why a file ends before its tracing.
var (
	errFileFull   = fmt.Errorf("the file has %d MiB, which is the most", fileMax>>20)
	errVolumeFull = errors.New("a sixteenth of the volume stays free")
)

// pcapFile is a file that is being written.
type pcapFile struct {
	file    *os.File
	written int64 // octets
	number  int   // of the newest message in it
}

// createPcap makes a file of that name in a directory. One that is there is
// not replaced.
func createPcap(dir, name string) (*pcapFile, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("trace to a file: %w", err)
	}
	defer root.Close()
	file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return nil, fmt.Errorf("trace to a file: %w", err)
	}
	f := &pcapFile{file: file}
	if err := f.write(appendPcapHeader(nil)); err != nil {
		return nil, errors.Join(err, file.Close(), os.Remove(file.Name()))
	}
	return f, nil
}

// write appends whole packets, if the bounds allow.
func (f *pcapFile) write(packets []byte) error {
	if f.written+int64(len(packets)) > fileMax {
		return errFileFull
	}
	var volume unix.Statfs_t
	if err := unix.Fstatfs(int(f.file.Fd()), &volume); err != nil {
		return fmt.Errorf("trace to %s: %w", f.file.Name(), err)
	}
	if volume.Bavail < volume.Blocks/fileReserve {
		return errVolumeFull
	}
	n, err := f.file.Write(packets)
	f.written += int64(n)
	if err != nil {
		return fmt.Errorf("trace to a file: %w", err)
	}
	return nil
}

// flush writes what was traced since the last time, and closes the file when
// it can go no further or the tracing is over. b.writing is held.
func (b *Buffer) flush() {
	for more := true; more && b.file != nil; {
		b.mu.Lock()
		packets, lost := b.packets(b.file)
		b.last.Lost += lost
		over := b.job.Load() == nil
		b.mu.Unlock()
		more = len(packets) > 0
		var err error
		if more {
			err = b.file.write(packets)
		}
		b.mu.Lock()
		b.last.Written = b.file.written
		if err != nil {
			b.last.Problem = err.Error()
		}
		b.mu.Unlock()
		if err != nil || over && !more {
			b.close()
		}
	}
}

// packets encodes messages that are not in the file yet, about chunkSize of
// them, and gives how many the ring has lost before them. b.mu is held.
func (b *Buffer) packets(f *pcapFile) (packets []byte, lost int) {
	for i := b.kept.after(f.number); i < b.kept.count && len(packets) < chunkSize; i++ {
		r := b.kept.record(i)
		lost += r.number - f.number - 1
		f.number = r.number
		packets = appendPacket(packets, r, b.kept.octetsOf(r))
	}
	return packets, lost
}

// close ends the file. b.writing is held.
func (b *Buffer) close() {
	if err := b.file.file.Close(); err != nil {
		b.mu.Lock()
		b.last.Problem = err.Error()
		b.mu.Unlock()
	}
	b.file = nil
}
