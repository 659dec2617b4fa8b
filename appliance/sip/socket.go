package sip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batchSize is the most datagrams one system call reads or writes.
const batchSize = 32

// maxDatagram is the largest datagram read: the limit of UDP.
const maxDatagram = 65535

// sockaddrSize holds the larger of the two families.
const sockaddrSize = unix.SizeofSockaddrInet6

// socket is one UDP socket of a listen point. A listen point has one for
// every reader, bound to the same address with SO_REUSEPORT. Reads block the
// reader's own thread: measured, that costs less per message than a wait in
// epoll and a second, empty read.
type socket struct {
	fd   atomic.Int32 // -1 once closed
	ipv6 bool
}

// mmsghdr is Linux's struct mmsghdr, which x/sys does not have.
type mmsghdr struct {
	header unix.Msghdr
	length uint32
	_      [4]byte
}

// bindSocket opens one UDP socket on address. IP_FREEBIND lets it bind before
// the address is there.
func bindSocket(address netip.AddrPort) (*socket, error) {
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		if controlErr := raw.Control(func(fd uintptr) { err = setSocketOptions(int(fd), address.Addr().Is6()) }); controlErr != nil {
			return controlErr
		}
		return err
	}}
	packetConn, err := config.ListenPacket(context.Background(), "udp", address.String())
	if err != nil {
		return nil, fmt.Errorf("listen on udp %s: %w", address, err)
	}
	defer packetConn.Close()
	file, err := packetConn.(*net.UDPConn).File()
	if err != nil {
		return nil, fmt.Errorf("listen on udp %s: %w", address, err)
	}
	defer file.Close()
	fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("listen on udp %s: %w", address, err)
	}
	if err := unix.SetNonblock(fd, false); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("listen on udp %s: %w", address, err)
	}
	s := &socket{ipv6: address.Addr().Is6()}
	s.fd.Store(int32(fd))
	return s, nil
}

// socketBuffer is what is asked of the kernel for each direction, in octets;
// net.core.rmem_max bounds it.
const socketBuffer = 4 << 20

func setSocketOptions(fd int, ipv6 bool) error {
	level, freebind := unix.IPPROTO_IP, unix.IP_FREEBIND
	if ipv6 {
		level, freebind = unix.IPPROTO_IPV6, unix.IPV6_FREEBIND
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
			return err
		}
	}
	for _, option := range []struct{ level, name, value int }{
		{unix.SOL_SOCKET, unix.SO_REUSEPORT, 1},
		{level, freebind, 1},
		{unix.SOL_SOCKET, unix.SO_RCVBUF, socketBuffer},
		{unix.SOL_SOCKET, unix.SO_SNDBUF, socketBuffer},
	} {
		if err := unix.SetsockoptInt(fd, option.level, option.name, option.value); err != nil {
			return err
		}
	}
	return nil
}

// stopReading wakes a reader blocked on the socket for good.
func (s *socket) stopReading() {
	if fd := s.fd.Load(); fd >= 0 {
		// ENOTCONN is what Linux says of an unconnected socket, having woken its readers.
		unix.Shutdown(int(fd), unix.SHUT_RD)
	}
}

func (s *socket) close() {
	if fd := s.fd.Swap(-1); fd >= 0 {
		unix.Close(int(fd))
	}
}

// inbox is the memory one reader reads batches into.
type inbox struct {
	headers [batchSize]mmsghdr
	vectors [batchSize]unix.Iovec
	names   [batchSize][sockaddrSize]byte
	buffers [batchSize][]byte
}

func newInbox() *inbox {
	b := &inbox{}
	for i := range b.headers {
		b.buffers[i] = make([]byte, maxDatagram)
		b.vectors[i].Base = &b.buffers[i][0]
		b.vectors[i].SetLen(maxDatagram)
		b.headers[i].header.Iov = &b.vectors[i]
		b.headers[i].header.SetIovlen(1)
		b.headers[i].header.Name = &b.names[i][0]
	}
	return b
}

// errClosed says that the socket was closed or told to stop.
var errClosed = errors.New("socket closed")

// receive waits for datagrams and gives how many came, at least one.
func (b *inbox) receive(s *socket) (int, error) {
	for i := range b.headers {
		b.headers[i].header.Namelen = sockaddrSize
	}
	fd := s.fd.Load()
	if fd < 0 {
		return 0, errClosed
	}
	n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.headers[0])),
		batchSize, unix.MSG_WAITFORONE, 0, 0)
	switch {
	case errno == unix.EINTR:
		return 0, nil
	case errno != 0:
		return 0, fmt.Errorf("receive: %w", errno)
	}
	return int(n), nil
}

// datagram gives the i-th datagram of the last receive and who sent it. A
// sender with port 0 is not an address one can answer: ok is false.
func (b *inbox) datagram(i int) (payload []byte, from netip.AddrPort, ok bool) {
	from = sockaddr(b.names[i][:b.headers[i].header.Namelen])
	return b.buffers[i][:b.headers[i].length], from, from.Port() != 0
}

// sockaddr reads a struct sockaddr_in or sockaddr_in6.
func sockaddr(raw []byte) netip.AddrPort {
	if len(raw) < unix.SizeofSockaddrInet4 {
		return netip.AddrPort{}
	}
	port := uint16(raw[2])<<8 | uint16(raw[3])
	switch *(*uint16)(unsafe.Pointer(&raw[0])) {
	case unix.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(raw[4:8])), port)
	case unix.AF_INET6:
		if len(raw) >= sockaddrSize {
			return netip.AddrPortFrom(netip.AddrFrom16([16]byte(raw[8:24])), port)
		}
	}
	return netip.AddrPort{}
}

// putSockaddr writes address as the kernel wants it and gives its length.
func putSockaddr(raw *[sockaddrSize]byte, address netip.AddrPort) uint32 {
	raw[2], raw[3] = byte(address.Port()>>8), byte(address.Port())
	if address.Addr().Is4() {
		*(*uint16)(unsafe.Pointer(&raw[0])) = unix.AF_INET
		ip := address.Addr().As4()
		copy(raw[4:8], ip[:])
		return unix.SizeofSockaddrInet4
	}
	*(*uint16)(unsafe.Pointer(&raw[0])) = unix.AF_INET6
	ip := address.Addr().As16()
	copy(raw[4:8], []byte{0, 0, 0, 0})
	copy(raw[8:24], ip[:])
	copy(raw[24:28], []byte{0, 0, 0, 0})
	return unix.SizeofSockaddrInet6
}

// outbox collects the datagrams that one worker sends after a batch, so that
// they leave in as few system calls as there are sockets.
type outbox struct {
	headers [batchSize]mmsghdr
	vectors [batchSize]unix.Iovec
	names   [batchSize][sockaddrSize]byte
	buffers [batchSize][]byte
	sockets [batchSize]*socket
	count   int
	failed  int64 // datagrams the kernel refused
	// capture, in tests, takes the datagrams instead of the kernel.
	capture func(s *socket, to netip.AddrPort, payload []byte)
}

func newOutbox() *outbox {
	b := &outbox{}
	for i := range b.headers {
		b.buffers[i] = make([]byte, 0, 4096)
		b.headers[i].header.Iov = &b.vectors[i]
		b.headers[i].header.SetIovlen(1)
		b.headers[i].header.Name = &b.names[i][0]
	}
	return b
}

// buffer gives the empty buffer of the next datagram, flushing when all are
// in use. What is appended to it goes to put.
func (b *outbox) buffer() []byte {
	if b.count == batchSize {
		b.flush()
	}
	return b.buffers[b.count][:0]
}

// put queues payload, which buffer gave, for sending.
func (b *outbox) put(s *socket, to netip.AddrPort, payload []byte) {
	if b.capture != nil {
		b.capture(s, to, payload)
		return
	}
	i := b.count
	b.buffers[i] = payload // it may have grown
	b.vectors[i].Base = &payload[0]
	b.vectors[i].SetLen(len(payload))
	b.headers[i].header.Namelen = putSockaddr(&b.names[i], to)
	b.sockets[i] = s
	b.count++
}

// send queues a copy of payload.
func (b *outbox) send(s *socket, to netip.AddrPort, payload []byte) {
	b.put(s, to, append(b.buffer(), payload...))
}

// flush sends what is queued. Runs of datagrams for one socket go out in one
// call. A datagram that the kernel refuses is dropped and counted: UDP's
// retransmissions are there for that.
func (b *outbox) flush() {
	for i := 0; i < b.count; {
		end := i + 1
		for end < b.count && b.sockets[end] == b.sockets[i] {
			end++
		}
		i += b.sendRun(i, end)
	}
	b.count = 0
}

// sendRun sends datagrams i to end, all of one socket, and gives how many are
// done with: sent or refused.
func (b *outbox) sendRun(i, end int) int {
	fd := b.sockets[i].fd.Load()
	if fd < 0 {
		b.failed += int64(end - i)
		return end - i
	}
	n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.headers[i])),
		uintptr(end-i), unix.MSG_DONTWAIT, 0, 0)
	if errno == unix.EINTR {
		return 0
	}
	if errno != 0 {
		b.failed++
		return 1
	}
	return int(n)
}
