package sip

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"
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
// every reader, bound to the same address with SO_REUSEPORT.
//
// It never blocks: Go's poller says when to read, and the system calls are raw
// ones. A call that the scheduler is told about costs more than itself here:
// it wakes the runtime's monitor thread, which then looks for blocked threads
// up to a thousand times a second (measured: half of the proxy's time).
type socket struct {
	conn *net.UDPConn
	raw  syscall.RawConn
	// told says that the kernel reported an ICMP error to somebody who sent:
	// it waits in the error queue.
	told atomic.Bool
	// emptied is when a reader last came to the end of what waited: Proxy.now.
	emptied atomic.Int64
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
	conn := packetConn.(*net.UDPConn)
	raw, err := conn.SyscallConn()
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("listen on udp %s: %w", address, err)
	}
	return &socket{conn: conn, raw: raw}, nil
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

// setDSCP marks what is sent from now on: DSCP is the upper six bits of the
// octet that IPv4 calls type of service and IPv6 traffic class (RFC 2474 §3).
func (s *socket) setDSCP(dscp int, ipv6 bool) error {
	level, name := unix.IPPROTO_IP, unix.IP_TOS
	if ipv6 {
		level, name = unix.IPPROTO_IPV6, unix.IPV6_TCLASS
	}
	var err error
	if controlErr := s.raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), level, name, dscp<<2) }); controlErr != nil {
		return controlErr
	}
	return err
}

// setICMP asks the kernel to keep ICMP errors, with what they are about, for
// socket.read (ip(7), IP_RECVERR), or not to.
func (s *socket) setICMP(wanted, ipv6 bool) error {
	level, name := unix.IPPROTO_IP, unix.IP_RECVERR
	if ipv6 {
		level, name = unix.IPPROTO_IPV6, unix.IPV6_RECVERR
	}
	value := 0
	if wanted {
		value = 1
	}
	var err error
	if controlErr := s.raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), level, name, value) }); controlErr != nil {
		return controlErr
	}
	return err
}

// fill says how full the receive queue is, 0 to 1.
func (s *socket) fill() float64 {
	fill, _ := s.queue()
	return fill
}

// queue says how full the receive queue is, 0 to 1, and how many datagrams have
// found no room in it since the socket was made.
func (s *socket) queue() (fill float64, dropped uint32) {
	s.raw.Control(func(fd uintptr) {
		var memory [9]uint32 // SK_MEMINFO_…: the first is what is taken, the second what may be, the last the drops
		size := uint32(unsafe.Sizeof(memory))
		_, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&memory)), uintptr(unsafe.Pointer(&size)), 0)
		if errno == 0 && memory[1] > 0 {
			fill, dropped = min(1, float64(memory[0])/float64(memory[1])), memory[8]
		}
	})
	return fill, dropped
}

// stopReading ends read; the socket can still send.
func (s *socket) stopReading() { s.conn.SetReadDeadline(time.Unix(1, 0)) }

func (s *socket) close() { s.conn.Close() }

// read gives handle every batch of datagrams, n of them in b, until handle
// says no more, stopReading or close.
//
// It stays within one RawConn.Read for all of its life. A batch that was not
// full has emptied the socket, and the poller is edge-triggered: the next
// datagram wakes us without a read that finds nothing.
func (s *socket) read(b *inbox, handle func(n int) (more bool)) error {
	var failed error
	err := s.raw.Read(func(fd uintptr) (done bool) {
		for {
			n, errno := b.receive(fd, batchSize)
			switch {
			case errno == unix.EAGAIN:
				if !s.told.Swap(false) {
					return false
				}
				b.readErrors(int(fd))
			case errno == unix.EINTR:
			case isICMP(errno):
				b.readErrors(int(fd))
			case errno != 0:
				failed = fmt.Errorf("receive: %w", errno)
				return true
			case !handle(n):
				return true
			case n < batchSize:
				return false
			}
		}
	})
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return errors.Join(err, failed)
}

// inbox is the memory one reader reads batches into.
type inbox struct {
	// undelivered gets the begin of a datagram that an ICMP error is about.
	undelivered func(payload []byte)

	headers [batchSize]mmsghdr
	vectors [batchSize]unix.Iovec
	names   [batchSize][sockaddrSize]byte
	buffers [batchSize][]byte
	used    int // headers that the last receive has written to
}

func newInbox() *inbox {
	b := &inbox{used: batchSize}
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

// receive reads what has come, at most that many datagrams of batchSize.
func (b *inbox) receive(fd uintptr, most int) (n int, errno syscall.Errno) {
	for i := range b.used {
		b.headers[i].header.Namelen = sockaddrSize
	}
	count, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&b.headers[0])),
		uintptr(most), unix.MSG_DONTWAIT, 0, 0)
	n = int(count)
	b.used = max(n, 0) // on an error it is -1
	return n, errno
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
	failed  int64    // datagrams the kernel refused
	unsent  [][]byte // copies of them, a few

	first, last int              // the run being sent
	sendRun     func(fd uintptr) // sendMMsg, bound once
	// capture, in tests, takes the datagrams instead of the kernel.
	capture func(s *socket, to netip.AddrPort, payload []byte)
}

func newOutbox() *outbox {
	b := &outbox{}
	b.sendRun = b.sendMMsg
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

// flush sends what is queued. Runs of datagrams for one socket go out in one
// call. A datagram that the kernel refuses is dropped and counted: UDP's
// retransmissions are there for that.
func (b *outbox) flush() {
	for b.first = 0; b.first < b.count; {
		b.last = b.first + 1
		for b.last < b.count && b.sockets[b.last] == b.sockets[b.first] {
			b.last++
		}
		if b.sockets[b.first].raw.Control(b.sendRun) != nil { // closed
			b.failed += int64(b.last - b.first)
			b.first = b.last
		}
	}
	b.count = 0
}

// sendMMsg sends the datagrams first to last, all of the socket fd, and moves
// first past those that are done with: sent or refused.
func (b *outbox) sendMMsg(fd uintptr) {
	again := false // the kernel has told of one ICMP error for the datagram at first
	for b.first < b.last {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&b.headers[b.first])),
			uintptr(b.last-b.first), unix.MSG_DONTWAIT, 0, 0)
		switch {
		case errno == unix.EINTR:
		case isICMP(errno) && !again: // it is about a datagram that was sent before
			b.sockets[b.first].told.Store(true)
			again = true
			continue
		case errno != 0:
			b.refuse(errno)
		default:
			b.first += int(n)
		}
		again = false
	}
}

// unsentMost bounds the refused datagrams that are kept until somebody looks.
const unsentMost = 32

// refuse gives up the datagram at first. Where the kernel has no room just now,
// somebody may yet be there.
func (b *outbox) refuse(errno syscall.Errno) {
	b.failed++
	noRoom := errno == unix.EAGAIN || errno == unix.ENOBUFS || errno == unix.ENOMEM
	if !noRoom && len(b.unsent) < unsentMost {
		b.unsent = append(b.unsent, bytes.Clone(b.buffers[b.first]))
	}
	b.first++
}
