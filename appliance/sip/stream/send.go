package stream

import (
	"context"
	"unicode/utf8"

	"github.com/coder/websocket"
)

// The most that waits for one connection, in octets and messages, beside what
// is being written. A message that does not fit fails.
const (
	maxQueue    = 256 << 10
	maxMessages = 512
)

// Send queues a copy of payload and flushes.
func (c *Conn) Send(payload []byte) {
	c.Queue(payload)
	c.Flush()
}

// Queue queues a copy of payload, one whole message, for the next Flush.
func (c *Conn) Queue(payload []byte) {
	c.mu.Lock()
	if c.buried || !c.fits(len(payload)) {
		buried := c.buried
		c.mu.Unlock()
		if !buried {
			c.pool.counters.add(queueFull)
		}
		c.pool.refuse(c, payload)
		return
	}
	if c.queue == nil {
		c.queue = c.pool.buffers.get()
	}
	c.queue.add(payload)
	c.pool.waiting.Add(int64(len(payload)))
	c.mu.Unlock()
}

// fits says whether a message of that many octets may wait. Where all connections
// together have too much waiting, it is those to blame that get no more: whose
// peer does not read.
func (c *Conn) fits(octets int) bool {
	if c.queue != nil && (len(c.queue.octets)+octets > maxQueue || len(c.queue.messages) == maxMessages) {
		return false
	}
	return c.stalled.Load() == 0 || c.pool.waiting.Load()+int64(octets) <= int64(c.pool.options.Memory)
}

// answerPing queues what says that the connection lives.
func (c *Conn) answerPing() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	if c.queue == nil {
		c.queue = c.pool.buffers.get()
	}
	if len(c.queue.octets) < maxQueue { // else it is alive, or soon no more
		c.queue.octets = append(c.queue.octets, pong...)
		c.pool.waiting.Add(int64(len(pong)))
	}
}

// Flush writes what is queued, as far as the kernel takes it; the rest follows
// when it does. Nothing is written while another goroutine does: that one then
// writes ours as well.
func (c *Conn) Flush() {
	c.mu.Lock()
	if c.writing || c.closed {
		c.mu.Unlock()
		return
	}
	c.writing = true
	for !c.closed && c.queue != nil {
		c.sending, c.queue = c.queue, nil
		c.mu.Unlock()
		drained, err := c.transmit(c.sending)
		switch {
		case err != nil:
			c.fail(err)
			return
		case !drained:
			c.await()
			return
		}
		c.sent()
		c.mu.Lock()
	}
	c.writing = false // before anyone else can queue and find us writing
	closed := c.closed
	c.mu.Unlock()
	if closed {
		c.bury()
	}
}

// transmit gives b to the layers below. drained says that the kernel has taken
// all of it.
func (c *Conn) transmit(b *buffer) (drained bool, err error) {
	if !c.layered() {
		_, err = c.wire.Write(b.octets)
		return c.wire.unsent() == 0, err
	}
	c.wire.cork()
	if c.websocket != nil {
		err = c.writeFrames(b)
	} else {
		_, err = c.secure.Write(b.octets)
	}
	drained, failed := c.wire.uncork()
	if err == nil {
		err = failed
	}
	return drained, err
}

// layered says that what the kernel gets is not what is sent.
func (c *Conn) layered() bool { return c.secure != nil || c.websocket != nil }

// writeFrames sends each message as one WebSocket message: text where it can
// be, as browsers want it (RFC 7118 §5).
func (c *Conn) writeFrames(b *buffer) error {
	for _, m := range b.messages {
		payload, kind := b.octets[m.start:m.end], websocket.MessageText
		if !utf8.Valid(payload) {
			kind = websocket.MessageBinary
		}
		if err := c.websocket.Write(context.Background(), kind, payload); err != nil {
			return err
		}
	}
	return nil
}

// sent ends what transmit began, by who writes.
func (c *Conn) sent() {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.sending
	c.sending = nil
	c.active.Store(int64(c.pool.now()))
	c.messagesOut.Add(int64(len(b.messages)))
	c.octetsOut.Add(int64(len(b.octets)))
	c.pool.waiting.Add(-int64(len(b.octets)))
	switch {
	case !c.outbound:
	case c.unheard == nil:
		c.unheard = b
		return
	case len(c.unheard.octets)+len(b.octets) <= maxQueue:
		c.unheard.join(b)
	}
	c.pool.buffers.put(b)
}

// hear notes that the peer is there: what was written has not gone nowhere.
func (c *Conn) hear() {
	c.active.Store(int64(c.pool.now()))
	if !c.outbound {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = true
	if c.unheard != nil {
		c.pool.buffers.put(c.unheard)
		c.unheard = nil
	}
}

// await leaves the writing to a goroutine that waits for the kernel.
func (c *Conn) await() {
	c.mu.Lock()
	closed := c.closed
	if !closed {
		c.stalled.Store(int64(c.pool.now()))
		c.pool.running.Go(c.drain)
	}
	c.mu.Unlock()
	if closed {
		c.release()
	}
}

func (c *Conn) drain() {
	if err := c.wire.drain(); err != nil {
		c.fail(err)
		return
	}
	c.stalled.Store(0)
	c.sent()
	c.release()
	c.Flush()
}

// release gives up writing. If the connection has ended meanwhile, what is
// left fails.
func (c *Conn) release() {
	c.mu.Lock()
	c.writing = false
	closed := c.closed
	c.mu.Unlock()
	if closed {
		c.bury()
	}
}

// bury reports what was not written of a connection that has ended and that
// nobody writes to.
func (c *Conn) bury() {
	c.mu.Lock()
	defer c.mu.Unlock() // whatever is sent from now on is reported after these
	unheard, sending, queue := c.unheard, c.sending, c.queue
	c.unheard, c.sending, c.queue = nil, nil, nil
	nobody := c.reset || !c.heard
	c.buried = true
	if unheard != nil && nobody {
		c.pool.report(c, unheard)
	}
	for _, b := range []*buffer{sending, queue} {
		if b != nil {
			c.pool.waiting.Add(-int64(len(b.octets)))
		}
	}
	if sending != nil {
		if !nobody || !c.outbound {
			c.keepUnsent(sending)
		}
		c.pool.report(c, sending)
	}
	if queue != nil {
		c.pool.report(c, queue)
	}
}

// keepUnsent takes those messages out of b that the kernel has whole. Over TLS
// and WebSocket nobody can tell which these are, and none is taken out.
func (c *Conn) keepUnsent(b *buffer) {
	if c.layered() {
		return
	}
	written := len(b.octets) - c.wire.unsent()
	for len(b.messages) > 0 && b.messages[0].end <= written {
		b.messages = b.messages[1:]
	}
}
