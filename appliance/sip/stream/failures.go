package stream

import "sync"

// failures are messages that could not be written, until they are reported.
type failures struct {
	mu      sync.Mutex
	list    []failure
	refused int  // octets in the list that were never queued
	running bool // a goroutine reports them
	closed  bool
}

type failure struct {
	conn    *Conn
	b       *buffer
	refused int
}

// maxRefused is how many octets wait that were never queued. Beyond it they
// are counted and not reported: their transactions end by their timers.
const maxRefused = 1 << 20

// refuse reports a copy of payload.
func (p *Pool) refuse(c *Conn, payload []byte) {
	b := p.buffers.get()
	b.add(payload)
	if !p.failures.add(p, failure{conn: c, b: b, refused: len(payload)}) {
		p.counters.add(lost)
		p.buffers.put(b)
	}
}

// report reports the messages in b, which is the pool's from now on.
func (p *Pool) report(c *Conn, b *buffer) { p.failures.add(p, failure{conn: c, b: b}) }

func (f *failures) add(p *Pool, one failure) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || f.refused+one.refused > maxRefused {
		return false
	}
	f.refused += one.refused
	f.list = append(f.list, one)
	if !f.running {
		f.running = true
		p.running.Go(func() { f.run(p) })
	}
	return true
}

// close forgets those that are not reported yet.
func (f *failures) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed, f.list = true, nil
}

// run reports what there is.
func (f *failures) run(p *Pool) {
	for {
		f.mu.Lock()
		list := f.list
		f.list, f.refused = nil, 0
		f.running = len(list) > 0
		f.mu.Unlock()
		if len(list) == 0 {
			return
		}
		for _, one := range list {
			for _, m := range one.b.messages {
				p.counters.add(unwritten)
				p.options.Failed(one.conn, one.b.octets[m.start:m.end])
			}
			p.buffers.put(one.b)
		}
	}
}
