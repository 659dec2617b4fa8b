package mux

import (
	"encoding/binary"
	"errors"
	"time"
)

// ErrPings means that the other side pings without end.
var ErrPings = errors.New("more pings than a line needs")

// At once as many pings are answered as pingBurst, and in the long run one each
// pingEvery. The box sends one in 25 seconds, and few more when it tests the
// line.
const (
	pingBurst = 100
	pingEvery = time.Second
)

// Of a frame of yamux (its specification, "Framing"): version, type, flags,
// stream, and the length of what follows in a frame of data.
const (
	frameHeader = 12 // octets
	frameData   = 0
	framePing   = 2
	frameSYN    = 1 // of a ping: it wants an answer
)

// pings counts the pings in what is received. yamux answers each in a goroutine of
// its own, which waits as long as nothing can be sent: who pings and reads nothing
// could have as many of them as he likes.
type pings struct {
	header  [frameHeader]byte
	have    int       // octets of header
	follows uint32    // octets of the frame that are still to come
	full    time.Time // when as many pings have come as may, were each of them on time
}

// pass follows the frames in octets that came. Its error is ErrPings.
func (p *pings) pass(octets []byte, now time.Time) error {
	for len(octets) > 0 {
		if p.follows > 0 {
			n := min(len(octets), int(p.follows))
			p.follows, octets = p.follows-uint32(n), octets[n:]
			continue
		}
		n := copy(p.header[p.have:], octets)
		octets = octets[n:]
		if p.have += n; p.have < frameHeader {
			return nil
		}
		p.have = 0
		switch p.header[1] {
		case frameData:
			p.follows = binary.BigEndian.Uint32(p.header[8:])
		case framePing:
			if binary.BigEndian.Uint16(p.header[2:])&frameSYN != 0 && !p.take(now) {
				return ErrPings
			}
		}
	}
	return nil
}

// take counts a ping that wants an answer, or says that it is one too many.
func (p *pings) take(now time.Time) bool {
	if p.full.Before(now) {
		p.full = now
	}
	p.full = p.full.Add(pingEvery)
	return p.full.Sub(now) <= pingBurst*pingEvery
}
