package radius

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

const (
	// identifiers is how many requests one line carries at the same time.
	identifiers = 256
	// holdOff is how long an identifier rests whose request was given up, if there
	// are others: a late answer would meet another request and count as forged, and
	// a server that tells requests by their identifiers alone would take the new one
	// for the old (RFC 2865 §3; RFC 5080 §2.2.2 has it compare authenticators, too).
	holdOff = 10 * time.Second
	// writeTimeout is how long a TLS connection may take no octet.
	writeTimeout = 10 * time.Second
	// receiveBuffer is asked for in octets: answers to thousands of requests
	// may come at once.
	receiveBuffer = 1 << 20
)

// exchange is one request under way, from the first try with one server to its
// answer. One goroutine owns it; the line's reader sends it its result.
type exchange struct {
	packet []byte      // as sent
	probe  bool        // a Status-Server request, which the counters leave out
	sent   time.Time   // last
	line   *line       // that it waits on; nil: on none
	id     byte        // on that line
	result chan bool   // holds one: true, answered; false, the line is gone
	timer  *time.Timer // of the try
}

func newExchange() *exchange {
	e := &exchange{result: make(chan bool, 1), timer: time.NewTimer(time.Hour)}
	e.timer.Stop()
	return e
}

// line is one socket or connection to a server. Identifiers are its own (RFC
// 2865 §3, RFC 6613 §2.6.5).
type line struct {
	server *server
	conn   net.Conn

	mu    sync.Mutex
	gone  bool
	heard time.Time // when the last packet came, or the line was opened
	next  byte      // where the search for a free identifier starts
	slots [identifiers]slot
}

// slot is the state of one identifier.
type slot struct {
	taken   bool
	waiting *exchange // for an answer
	rests   time.Time // it is not to be taken before
}

// take reserves an identifier that does not rest.
func (l *line) take(now time.Time) (id byte, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for range identifiers {
		id = l.next
		l.next++
		if s := &l.slots[id]; !s.taken && !now.Before(s.rests) {
			s.taken = true
			return id, true
		}
	}
	return 0, false
}

// longestRested gives the free identifier that rests for the longest time.
func (l *line) longestRested() (id byte, until time.Time, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.slots {
		if s := &l.slots[i]; !s.taken && (!ok || s.rests.Before(until)) {
			id, until, ok = byte(i), s.rests, true
		}
	}
	return id, until, ok
}

// expect has the answer to e's packet go to e; false: the line is gone.
func (l *line) expect(e *exchange) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		return false
	}
	l.slots[e.id].waiting = e
	if !e.probe {
		l.server.pending.Add(1)
	}
	return true
}

// settle ends the wait in a slot with its result. The lock is held.
func (l *line) settle(s *slot, result bool) {
	e := s.waiting
	s.waiting, s.taken = nil, false
	if !e.probe {
		l.server.pending.Add(-1)
	}
	e.result <- result
}

// abandon ends e's wait without an answer, and lets its identifier rest. True:
// the answer has come meanwhile.
func (l *line) abandon(e *exchange) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &l.slots[e.id]
	if s.waiting == e {
		l.settle(s, false)
		s.rests = time.Now().Add(holdOff)
	}
	return <-e.result
}

// send sends e's packet. A fault is that of a try that is not answered: it is
// noted, nothing else.
func (l *line) send(e *exchange) {
	e.sent = time.Now()
	if l.server.secure {
		l.conn.SetWriteDeadline(e.sent.Add(writeTimeout))
	}
	_, err := l.conn.Write(e.packet)
	if errors.Is(err, syscall.ECONNREFUSED) {
		// What an earlier datagram met is reported instead of sending this one.
		_, err = l.conn.Write(e.packet)
	}
	if err == nil {
		return
	}
	l.server.note(err)
	if l.server.secure || lostAddress(err) {
		l.close() // a part of the packet may be out; or the next line has another address
	}
}

// lostAddress reports whether err is what a socket meets whose own address the
// box has no more: it keeps it for life.
func lostAddress(err error) bool {
	return errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.EADDRNOTAVAIL)
}

// read takes answers from the line until it is closed.
func (l *line) read() {
	if l.server.secure {
		err := l.readStream()
		if left := l.close(); left > 0 || !errors.Is(err, errEnded) {
			l.server.note(err)
		}
		return
	}
	b := make([]byte, maxPacket)
	for {
		n, err := l.conn.Read(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			err = l.receive(b[:n])
		} else {
			time.Sleep(time.Millisecond) // a fault that stays must not take a whole core
		}
		if err != nil && !errors.Is(err, errUnmatched) {
			l.server.note(err)
		}
	}
}

var errEnded = errors.New("the server closed the connection")

// readStream takes answers from a connection until it ends or what comes is
// none: then one cannot know where the next packet starts (RFC 6613 §2.6.4).
func (l *line) readStream() error {
	in, b := bufio.NewReader(l.conn), make([]byte, maxPacket)
	for {
		packet, err := readPacket(in, b)
		if errors.Is(err, io.EOF) {
			return errEnded
		}
		if err != nil {
			return err
		}
		if err := l.receive(packet); err != nil && !errors.Is(err, errUnmatched) {
			return err
		}
	}
}

// readPacket reads one packet into b, which has room for the longest.
func readPacket(in io.Reader, b []byte) ([]byte, error) {
	if _, err := io.ReadFull(in, b[:authenticatorAt]); err != nil {
		return nil, err
	}
	length := int(binary.BigEndian.Uint16(b[lengthAt:]))
	if length < attributesAt || length > maxPacket {
		return nil, fmt.Errorf("packet of %d octets: %w", length, errMalformed)
	}
	if _, err := io.ReadFull(in, b[authenticatorAt:length]); err != nil {
		return nil, err
	}
	return b[:length], nil
}

// receive gives an answer to the request that waits for it, and counts it.
func (l *line) receive(b []byte) error {
	answer, err := parseAnswer(b)
	if err == nil {
		err = l.match(answer)
	}
	c := &l.server.counters
	switch err {
	case errMalformed:
		c.malformed.Add(1)
	case errUnknownType:
		c.unknownTypes.Add(1)
	case errBadAuthenticator:
		c.badAuthenticators.Add(1)
	case errUnmatched:
		c.dropped.Add(1)
	default:
		return nil
	}
	c.responses.Add(1)
	return err
}

// match settles the request that a parsed answer is to.
func (l *line) match(answer []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard = time.Now()
	s := &l.slots[answer[1]]
	if s.waiting == nil {
		return errUnmatched
	}
	if !authentic(answer, s.waiting.packet, l.server.secret) {
		return errBadAuthenticator
	}
	if !s.waiting.probe {
		l.server.responses.Add(1)
	}
	l.settle(s, true)
	return nil
}

// quietSince says whether nothing came since then.
func (l *line) quietSince(then time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.heard.After(then)
}

// close ends the line, and the wait of those that are left on it.
func (l *line) close() (left int) {
	l.server.forget(l)
	l.conn.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gone = true
	for i := range l.slots {
		if s := &l.slots[i]; s.waiting != nil {
			l.settle(s, false)
			left++
		}
	}
	return left
}
