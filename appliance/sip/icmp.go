package sip

import (
	"encoding/binary"
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// isICMP says whether an error of a socket call may be one that an ICMP
// message brought, about an earlier datagram (udp(7)).
func isICMP(errno syscall.Errno) bool {
	switch errno {
	case unix.ECONNREFUSED, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EHOSTDOWN, unix.ENOPROTOOPT, unix.EPROTO, unix.EACCES, unix.EMSGSIZE:
		return true
	}
	return false
}

// errorBuffer holds the begin of a datagram: more than our Via, which tells
// whose it is.
const errorBuffer = 1024

// readErrors empties the socket's error queue, and tells of the datagrams that
// did not get there (RFC 3261 §18.4).
func (b *inbox) readErrors(fd int) {
	payload, control := make([]byte, errorBuffer), make([]byte, 512)
	for {
		n, controlled, _, _, err := unix.Recvmsg(fd, payload, control, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return
		}
		if unreachable(control[:controlled]) {
			b.undelivered(payload[:n])
		}
	}
}

// unreachable says whether the control messages that came with an error say
// that nobody is there. A path that carries less than was thought is another
// matter: the kernel fragments from then on.
func unreachable(control []byte) bool {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return false
	}
	const ( // struct sock_extended_err: ee_errno u32, ee_origin u8, …
		originAt   = 4
		originICMP = 2
		originICM6 = 3
	)
	for _, m := range messages {
		extended := m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_RECVERR ||
			m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_RECVERR
		if !extended || len(m.Data) <= originAt {
			continue
		}
		errno := syscall.Errno(binary.NativeEndian.Uint32(m.Data))
		origin := m.Data[originAt]
		return (origin == originICMP || origin == originICM6) && isICMP(errno) && errno != unix.EMSGSIZE
	}
	return false
}
