package line

import (
	"context"
	"io"
	"time"

	"causeway/appliance/com/wire"
)

const (
	// Rate is what files get of a slow line, in bit/s, all together.
	Rate = 64_000
	// Buffers on the way take that much without delay, in octets; after it the
	// line is as fast as writing is. As much again is measured at least.
	settled = 64 << 10
)

// throughput makes of the octets of a file what they are on the line: with the
// framing of yamux, WebSocket, TLS, TCP and IP they are a twentieth more.
func throughput(octets int64, took time.Duration) int64 {
	return bitsPerSecond(octets+octets/20, took)
}

// bucket lets octets pass at Rate, a Chunk ahead at most.
type bucket struct{ free time.Time }

// take gives how long to wait before n octets are sent.
func (b *bucket) take(now time.Time, n int) time.Duration {
	const ahead = wire.Chunk * 8 * time.Second / Rate
	if earliest := now.Add(-ahead); b.free.Before(earliest) {
		b.free = earliest
	}
	b.free = b.free.Add(time.Duration(n) * 8 * time.Second / Rate)
	return b.free.Sub(now)
}

// Wait waits until n octets of a file may be sent or received: at once, unless
// the line is slow. For what goes beside the link on the same line.
func (l *Line) Wait(ctx context.Context, n int) error {
	_, err := l.wait(ctx, n)
	return err
}

// wait is Wait, and says whether octets are held back.
func (l *Line) wait(ctx context.Context, n int) (slow bool, err error) {
	l.mu.Lock()
	slow = l.isSlow()
	var pause time.Duration
	if slow {
		pause = l.bucket.take(l.now(), n)
	}
	l.mu.Unlock()
	if pause <= 0 {
		return slow, ctx.Err()
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return slow, ctx.Err()
	case <-timer.C:
		return slow, nil
	}
}

// Writer gives what a file is sent through the link by: in pieces that let others
// pass, held back while the line is slow, and measured while it is not. Close says
// that the file has ended; it does not close to.
func (l *Line) Writer(ctx context.Context, to io.Writer) io.WriteCloser {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy++
	return &writer{line: l, ctx: ctx, to: to}
}

// writer is one file. It belongs to one goroutine.
type writer struct {
	line   *Line
	ctx    context.Context
	to     io.Writer
	held   bool      // it was held back, which says nothing about the line
	since  time.Time // when the buffers were full
	octets int64     // written, from then on
	judged int64     // octets at the last judgement
	closed bool
}

// Write implements io.Writer.
func (w *writer) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		piece := p[:min(len(p), wire.Chunk)]
		slow, err := w.line.wait(w.ctx, len(piece))
		if err != nil {
			return n, err
		}
		w.held = w.held || slow
		written, err := w.to.Write(piece)
		n += written
		if err != nil {
			return n, err
		}
		w.measure(int64(written))
		p = p[written:]
	}
	return n, nil
}

// measure judges the line again and again, from the time on when its buffers are
// full.
func (w *writer) measure(written int64) {
	w.octets += written
	switch {
	case w.held:
	case w.since.IsZero():
		if w.octets >= settled {
			w.since, w.octets = w.line.now(), 0
		}
	case w.octets-w.judged >= settled:
		w.judged = w.octets
		w.line.carried(throughput(w.octets, w.line.now().Sub(w.since)))
	}
}

// Close implements io.Closer.
func (w *writer) Close() error {
	w.line.mu.Lock()
	defer w.line.mu.Unlock()
	if !w.closed {
		w.closed = true
		w.line.busy--
	}
	return nil
}
