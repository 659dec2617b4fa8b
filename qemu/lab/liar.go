package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// Liar is an NTP server that is wrong and looks good: it claims to be a primary
// server a tenth of a millisecond from the truth. chrony could be made to lie
// only by way of this machine's clock.
type Liar struct {
	conn   *net.UDPConn
	offset time.Duration
}

// The parts of an NTP packet (RFC 5905 §7.3).
const (
	ntpPort      = 123
	ntpLength    = 48
	ntpTransmit  = 40
	ntpServer    = 4<<3 | 4 // version 4, mode server, no leap second announced
	secondsTo70s = 2208988800
)

// Lie starts a liar in the namespace that is ahead of this machine's clock by
// offset.
func (n *Namespace) Lie(at netip.Addr, offset time.Duration) (*Liar, error) {
	conn, err := n.ListenUDP(netip.AddrPortFrom(at, ntpPort))
	if err != nil {
		return nil, fmt.Errorf("start the lying NTP server: %w", err)
	}
	l := &Liar{conn, offset}
	go l.serve()
	return l, nil
}

// Close ends it.
func (l *Liar) Close() error { return l.conn.Close() }

func (l *Liar) serve() {
	buffer := make([]byte, 512)
	for {
		n, from, err := l.conn.ReadFromUDPAddrPort(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil && n >= ntpLength {
			l.conn.WriteToUDPAddrPort(l.answer(buffer[:ntpLength], time.Now()), from)
		}
	}
}

// answer makes the answer to a request that came at received.
func (l *Liar) answer(request []byte, received time.Time) []byte {
	const poll, precision = 6, 0xec // 64 s, 2^-20 s
	stamp := ntpTime(received.Add(l.offset))
	answer := []byte{ntpServer, 1, poll, precision}
	answer = binary.BigEndian.AppendUint32(answer, 0) // root delay
	answer = binary.BigEndian.AppendUint32(answer, 6) // root dispersion, in 2^-16 s
	answer = append(answer, "GPS\x00"...)
	answer = binary.BigEndian.AppendUint64(answer, stamp)                           // reference
	answer = append(answer, request[ntpTransmit:ntpLength]...)                      // origin
	answer = binary.BigEndian.AppendUint64(answer, stamp)                           // received
	return binary.BigEndian.AppendUint64(answer, ntpTime(time.Now().Add(l.offset))) // transmitted
}

// ntpTime is a time in seconds since 1900, with 32 bits of fraction.
func ntpTime(t time.Time) uint64 {
	seconds := uint64(t.Unix() + secondsTo70s)
	return seconds<<32 | uint64(t.Nanosecond())<<32/uint64(time.Second)
}
