package stream

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxBacklog is the most octets that a wire keeps for a kernel that takes no
// more: a full queue, encrypted and framed, and answers to pings.
const maxBacklog = 2 * maxQueue

var errBacklog = errors.New("the peer does not read")

// wire is a TCP connection whose system calls are raw ones: one that the
// scheduler is told about costs more than itself here (see sip's socket).
//
// Read parks until there is something. Write parks as well while the
// connection is made, and never once it is established: what the kernel does
// not take stays behind, for drain.
type wire struct {
	*net.TCPConn
	raw      syscall.RawConn
	buffers  *buffers
	readRaw  func(fd uintptr) bool // bound once
	writeRaw func(fd uintptr)
	flushRaw func(fd uintptr)
	drainRaw func(fd uintptr) bool

	into      []byte // of the Read that runs
	got       int
	readError error

	mu          sync.Mutex // guards what follows
	established bool
	corked      bool
	out         *buffer // what the kernel has not taken yet, in order; nil: nothing
	rest        []byte  // of what is being written
	writeError  error
}

func newWire(conn *net.TCPConn, b *buffers) (*wire, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	w := &wire{TCPConn: conn, raw: raw, buffers: b}
	w.readRaw, w.writeRaw, w.flushRaw, w.drainRaw = w.readSome, w.writeSome, w.flushSome, w.drainSome
	return w, nil
}

// Read is for one goroutine at a time.
func (w *wire) Read(p []byte) (int, error) {
	w.into, w.got, w.readError = p, 0, nil
	err := w.raw.Read(w.readRaw)
	w.into = nil
	if err == nil {
		err = w.readError
	}
	return w.got, err
}

func (w *wire) readSome(fd uintptr) (done bool) {
	w.got, w.readError = readFD(fd, w.into)
	return w.readError != unix.EAGAIN
}

// Write takes all of p or fails.
func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.established {
		return w.writeAll(p)
	}
	w.rest = p
	if w.out == nil && !w.corked && w.writeError == nil {
		if err := w.raw.Control(w.writeRaw); err != nil && w.writeError == nil {
			w.writeError = err
		}
	}
	if len(w.rest) > 0 {
		w.keep(w.rest)
		w.rest = nil
	}
	return len(p), w.writeError
}

// writeAll writes p, however long that takes until the deadline.
func (w *wire) writeAll(p []byte) (int, error) {
	w.rest = p
	err := w.raw.Write(func(fd uintptr) bool {
		w.writeSome(fd)
		return len(w.rest) == 0 || w.writeError != nil
	})
	n := len(p) - len(w.rest)
	w.rest = nil
	return n, errors.Join(err, w.writeError)
}

// keep puts p behind what waits already. It is kept even when it cannot be
// sent any more: unsent counts it.
func (w *wire) keep(p []byte) {
	if w.out == nil {
		w.out = w.buffers.get()
	}
	if len(w.out.octets)+len(p) > maxBacklog && w.writeError == nil {
		w.writeError = errBacklog
	}
	w.out.octets = append(w.out.octets, p...)
}

// writeSome writes as much of rest as the kernel takes.
func (w *wire) writeSome(fd uintptr) {
	for len(w.rest) > 0 {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, fd, uintptr(unsafe.Pointer(&w.rest[0])), uintptr(len(w.rest)),
			unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		switch errno {
		case 0:
			w.rest = w.rest[n:]
		case unix.EINTR:
		case unix.EAGAIN:
			return
		default:
			w.writeError = fmt.Errorf("write: %w", errno)
			return
		}
	}
}

// Close ends both directions. The descriptor stays with whoever has opened it:
// closing that waits for the goroutine that reads, which may be the caller or
// wait for it.
func (w *wire) Close() error {
	var err error
	if controlErr := w.raw.Control(func(fd uintptr) { err = unix.Shutdown(int(fd), unix.SHUT_RDWR) }); controlErr != nil {
		return controlErr
	}
	return err
}

// establish ends the time in which Write may park.
func (w *wire) establish() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.established = true
}

// cork keeps what is written until uncork, so that many records or frames
// leave in one system call.
func (w *wire) cork() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.corked = true
}

// uncork writes what the kernel takes now, and says whether that was all.
func (w *wire) uncork() (drained bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.corked = false
	if w.out != nil && w.writeError == nil {
		if err := w.raw.Control(w.flushRaw); err != nil && w.writeError == nil {
			w.writeError = err
		}
	}
	return w.out == nil, w.writeError
}

// drain parks until the kernel has taken everything.
func (w *wire) drain() error {
	err := w.raw.Write(w.drainRaw)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.writeError == nil {
		w.writeError = err
	}
	return w.writeError
}

func (w *wire) drainSome(fd uintptr) (done bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flushSome(fd)
	return w.out == nil || w.writeError != nil
}

// flushSome writes what waits, with mu held.
func (w *wire) flushSome(fd uintptr) {
	if w.out == nil {
		return
	}
	w.rest = w.out.octets
	w.writeSome(fd)
	left := copy(w.out.octets, w.rest)
	w.rest = nil
	if w.out.octets = w.out.octets[:left]; left == 0 {
		w.buffers.put(w.out)
		w.out = nil
	}
}

// unsent gives how many octets were written and not taken by the kernel.
func (w *wire) unsent() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.out == nil {
		return 0
	}
	return len(w.out.octets)
}

// readFD reads once. io.EOF: the peer has ended its side; unix.EAGAIN: there
// is nothing now.
func readFD(fd uintptr, p []byte) (int, error) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), unix.MSG_DONTWAIT, 0, 0)
		switch {
		case errno == unix.EINTR:
		case errno == unix.EAGAIN:
			return 0, unix.EAGAIN
		case errno != 0:
			return 0, fmt.Errorf("read: %w", errno)
		case n == 0 && len(p) > 0:
			return 0, io.EOF
		default:
			return int(n), nil
		}
	}
}
