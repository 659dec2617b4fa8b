package kmsg

import (
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// Device is the open ring: reads give a record each, from the oldest after
// Rewind.
type Device interface {
	// Read gives EAGAIN at the end, and EPIPE when what was next is gone.
	Read(record []byte) (int, error)
	Rewind() error
}

// Reader reads the ring from any place on. It may be used by several
// goroutines.
type Reader struct {
	mu     sync.Mutex
	device Device
	next   uint64 // the least sequence number that the device may give next
}

// NewReader makes a reader of a device that was just opened.
func NewReader(device Device) *Reader { return &Reader{device: device} }

// longestRecord is more than the kernel's longest, in octets
// (kernel/printk/internal.h, PRINTK_MESSAGE_MAX).
const longestRecord = 8 << 10

// From gives at most limit records whose number is at least from, the oldest
// first, and the number to ask for next time. Records that the ring has lost
// are left out. Who asks for what is yet to come, as one does whose numbers
// are of an earlier boot, gets nothing and the true next number.
func (r *Reader) From(from uint64, limit int) (records []Record, next uint64, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if from < r.next {
		if err := r.device.Rewind(); err != nil {
			return nil, from, fmt.Errorf("go to the start of the kernel log: %w", err)
		}
		r.next = 0
	}
	buffer := make([]byte, longestRecord)
	for len(records) < limit {
		n, err := r.device.Read(buffer)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return records, r.next, nil
		case errors.Is(err, unix.EPIPE), errors.Is(err, unix.EINTR):
			continue // it stands at the oldest record that is left
		case err != nil:
			return records, r.next, fmt.Errorf("read the kernel log: %w", err)
		}
		seq, err := sequence(buffer[:n])
		if err != nil {
			continue // who asks again would be stuck there for ever
		}
		r.next = seq + 1
		if seq < from {
			continue
		}
		if record, err := Parse(buffer[:n]); err == nil {
			records = append(records, record)
		}
	}
	return records, r.next, nil
}

// device is the real ring.
type device int

// Open opens the ring at path, /dev/kmsg.
func Open(path string) (Device, error) {
	// Not an os.File: its reads would wait at the end of the ring.
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open the kernel log: %w", err)
	}
	return device(fd), nil
}

func (d device) Read(record []byte) (int, error) { return unix.Read(int(d), record) }

func (d device) Rewind() error {
	_, err := unix.Seek(int(d), 0, unix.SEEK_SET)
	return err
}
