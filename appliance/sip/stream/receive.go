package stream

import (
	"bytes"
	"errors"
	"syscall"

	"causeway/appliance/sip/message"
)

// The keep-alive of RFC 5626 §3.5.1 and its answer.
const (
	ping = "\r\n\r\n"
	pong = "\r\n"
)

// maxMessage is the largest message, in octets; message.Frame has that limit.
const maxMessage = 64 << 10

// maxLines is the most lines of the header of a message that is not whole yet.
// It is looked at again for each part of it that comes, which may be an octet.
const maxLines = 4 * message.MaxFields

var errLines = errors.New("a header of too many lines")

// reading is what the goroutine has that reads a connection.
type reading struct {
	in        *buffer // nil: nothing has come that is not consumed
	readError error   // why readTCP ended
	parting   bool    // the last message gets an answer, though nobody can tell where it ends
	octet     [1]byte // what readTLS waits for
}

// read receives messages until the connection ends, and says why it did.
func (c *Conn) read() error {
	switch {
	case c.websocket != nil:
		return c.readWebSocket()
	case c.secure != nil:
		return c.readTLS()
	}
	err := c.wire.raw.Read(c.readTCP)
	if c.readError != nil {
		return c.readError
	}
	return err
}

// readTCP reads what there is. It stays within one RawConn.Read for the life
// of the connection, and has a buffer only while there is something in it.
func (c *Conn) readTCP(fd uintptr) (done bool) {
	for !c.ended.Load() {
		n, err := readFD(fd, c.free())
		if err == syscall.EAGAIN {
			c.pause()
			return false
		}
		if err == nil {
			err = c.consume(n)
		}
		if err != nil {
			c.readError = err
			return true
		}
	}
	return true
}

// readTLS reads records. It waits for the first octet without a buffer.
func (c *Conn) readTLS() error {
	for {
		into := c.octet[:]
		if c.in != nil {
			into = c.free()
		}
		n, err := c.secure.Read(into)
		if c.in == nil && n > 0 {
			copy(c.free(), into)
		}
		if n > 0 {
			if err := c.consume(n); err != nil {
				return err
			}
			c.pause()
		}
		if err != nil {
			return err
		}
	}
}

// free gives room for more octets behind those that are not consumed.
func (c *Conn) free() []byte {
	if c.in == nil {
		c.in = c.pool.buffers.get()
	}
	b := c.in.octets
	if len(b) == cap(b) {
		b = append(make([]byte, 0, min(4*cap(b), maxMessage)), b...)
		c.in.octets = b
	}
	return b[len(b):cap(b)]
}

// pause is called when there is nothing to read: the buffer goes back if there
// is nothing in it.
func (c *Conn) pause() {
	if c.in != nil && len(c.in.octets) == 0 {
		c.pool.buffers.put(c.in)
		c.in = nil
	}
}

// consume takes n octets that were read behind the others, and delivers the
// messages that are complete.
func (c *Conn) consume(n int) error {
	b := c.in.octets[:len(c.in.octets)+n]
	c.hear()
	rest, err := c.deliverAll(b)
	if err != nil {
		return err
	}
	c.in.octets = b[:copy(b, rest)]
	switch begun := len(rest) > 0 && string(rest) != pong; {
	case !begun:
		c.begun.Store(0)
	case len(rest) < len(b) || c.begun.Load() == 0:
		c.begun.Store(c.active.Load())
	}
	c.octetsIn.Add(int64(n))
	return nil
}

// deliverAll delivers what is complete in b, and gives what is not.
func (c *Conn) deliverAll(b []byte) (rest []byte, err error) {
	n, err := message.Frame(b)
	for n > 0 {
		frame := b[:n]
		b = b[n:]
		if c.parting = err != nil; c.parting {
			n = 0
		} else {
			n, err = message.Frame(b)
		}
		if string(frame) == ping {
			c.answerPing()
		} else {
			c.deliver(frame, n > 0)
		}
	}
	c.Flush()
	if header, _, _ := bytes.Cut(b, []byte("\r\n\r\n")); err == nil && bytes.Count(header, []byte("\n")) > maxLines {
		err = errLines
	}
	if err != nil {
		c.pool.counters.add(unframed)
		return nil, err
	}
	return b, nil
}

// deliver hands one message to who receives them.
func (c *Conn) deliver(payload []byte, more bool) {
	c.messagesIn.Add(1)
	c.pool.options.Receive(c, payload, more)
}

// linger waits until the peer has ended its side, or its time is over. Would
// the connection be closed with octets unread, it were reset, and the last
// answer perhaps lost with it.
func (c *Conn) linger() {
	c.ended.Store(true)
	c.begun.Store(int64(c.pool.now()))
	c.wire.CloseWrite()
	c.in.octets = c.in.octets[:0]
	for {
		if _, err := c.wire.Read(c.free()); err != nil {
			return
		}
	}
}
