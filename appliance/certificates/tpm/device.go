package tpm

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/google/go-tpm/tpm2/transport"
)

// device is a connection to the resource manager, which gives each its own room in
// the TPM and takes it back at the end.
type device struct{ *os.File }

// openDevice connects, without blocking: the kernel then works in a thread of its
// own, and no signal to one of ours makes it give up a command half-way.
func openDevice(path string) (transport.TPMCloser, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return device{os.NewFile(uintptr(fd), path)}, nil
}

// responseMax is the longest response, in octets: the kernel's buffer.
const responseMax = 4096

// Send gives the TPM a command and waits for its response. How long it may take
// is the kernel's to say. A read without a response yet is of no octets, which
// os.File takes for the end of a file.
func (d device) Send(command []byte) ([]byte, error) {
	if _, err := d.Write(command); err != nil {
		return nil, err
	}
	connection, err := d.SyscallConn()
	if err != nil {
		return nil, err
	}
	response, n := make([]byte, responseMax), 0
	waitErr := connection.Read(func(fd uintptr) (done bool) {
		n, err = unix.Read(int(fd), response)
		return n > 0 || err != nil && err != unix.EINTR
	})
	if waitErr != nil {
		err = waitErr
	}
	if err != nil {
		return nil, fmt.Errorf("read the response of %s: %w", d.Name(), err)
	}
	return response[:n], nil
}
