package supervise

import (
	"bytes"
	"slices"
	"sync"
)

// ringSize is how much of a service's output is kept, in octets.
const ringSize = 64 << 10

// ring keeps the last ringSize octets written to it.
type ring struct {
	mu   sync.Mutex
	text []byte // at most twice ringSize: cut down now and then, not at every line
}

func (r *ring) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.text = append(r.text, p[max(0, len(p)-ringSize):]...)
	if len(r.text) > 2*ringSize {
		r.text = append(r.text[:0], r.text[len(r.text)-ringSize:]...)
	}
	return len(p), nil
}

// tail gives a copy of the last octets, from the start of a line if any were
// dropped.
func (r *ring) tail() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.text) <= ringSize {
		return slices.Clone(r.text)
	}
	last := r.text[len(r.text)-ringSize:]
	if _, whole, ok := bytes.Cut(last, []byte("\n")); ok {
		last = whole
	}
	return slices.Clone(last)
}
