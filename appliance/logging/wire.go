package logging

import (
	"context"
	"net"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// How long a server may keep us waiting.
const (
	dialLimit = 10 * time.Second // for a connection and its TLS handshake
	// silence is for octets that TCP does not acknowledge, or a server that
	// does not read.
	silence = 30 * time.Second
)

// breaking is the option that has a connection break when the other side is
// gone. By itself TCP tries for a quarter of an hour (tcp(7)), and UDP tells of
// a closed port only: not of a host that is switched off, nor of a link that is
// down (IP_RECVERR of ip(7)).
var breaking = map[string]struct{ level, name, value int }{
	"tcp4": {unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(silence / time.Millisecond)},
	"tcp6": {unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(silence / time.Millisecond)},
	"udp4": {unix.IPPROTO_IP, unix.IP_RECVERR, 1},
	"udp6": {unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 1},
}

// dial opens a connection that breaks when the other side is gone.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{Control: func(network, _ string, raw syscall.RawConn) (err error) {
		option := breaking[network]
		if failed := raw.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), option.level, option.name, option.value)
		}); failed != nil {
			return failed
		}
		return err
	}}
	return dialer.DialContext(ctx, network, address)
}

// wire is a connection that knows how many of its octets have arrived.
type wire struct {
	net.Conn
	written atomic.Int64
}

// Write counts what the connection takes.
func (w *wire) Write(b []byte) (int, error) {
	n, err := w.Conn.Write(b)
	w.written.Add(int64(n))
	return n, err
}

// arrived gives how many octets the other side's TCP has acknowledged; all,
// where nothing is acknowledged.
func (w *wire) arrived() int64 {
	written := w.written.Load()
	tcp, ok := w.Conn.(*net.TCPConn)
	if !ok {
		return written
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return 0
	}
	waiting := written // unless the kernel says better
	_ = raw.Control(func(fd uintptr) {
		if n, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ); err == nil {
			waiting = int64(n)
		}
	})
	return written - waiting
}

// frame puts its length before a message (RFC 6587 §3.4.1, RFC 5425 §4.3).
func frame(b, message []byte) []byte {
	b = strconv.AppendInt(b, int64(len(message)), 10)
	b = append(b, ' ')
	return append(b, message...)
}
