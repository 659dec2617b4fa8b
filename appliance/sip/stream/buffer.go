package stream

import "sync"

// The sizes of buffers, in octets. One that grew beyond keptBuffer is not
// used again.
const (
	smallBuffer = 4 << 10
	keptBuffer  = 64 << 10
)

// buffer holds octets that are read or to be written.
type buffer struct {
	octets   []byte
	messages []span // those to be written, in order
}

// span is where a message is in a buffer.
type span struct{ start, end int }

// add appends a message.
func (b *buffer) add(payload []byte) {
	start := len(b.octets)
	b.octets = append(b.octets, payload...)
	b.messages = append(b.messages, span{start, len(b.octets)})
}

// join appends the messages of another one.
func (b *buffer) join(other *buffer) {
	for _, m := range other.messages {
		b.add(other.octets[m.start:m.end])
	}
}

// buffers are those that no connection uses now.
type buffers struct{ pool sync.Pool }

func (p *buffers) get() *buffer {
	if b, ok := p.pool.Get().(*buffer); ok {
		return b
	}
	return &buffer{octets: make([]byte, 0, smallBuffer)}
}

func (p *buffers) put(b *buffer) {
	if cap(b.octets) > keptBuffer {
		return
	}
	b.octets, b.messages = b.octets[:0], b.messages[:0]
	p.pool.Put(b)
}
