package stream

import (
	"testing"

	"causeway/appliance/model"
)

// Peers that do not read take bounded memory together, and nobody else suffers.
func TestManyPeersStopReading(t *testing.T) {
	const memory, message, peers = 100_000, 8000, 8
	r := newRig(t)
	r.options.Memory = memory
	l := r.serve(model.TCP, ListenOptions{})
	for range peers {
		r.write(r.dialTCP(l), request("a", ""))
		c := r.next(r.received).conn
		for before := r.count(queueFull); r.count(queueFull) == before; {
			c.Send(make([]byte, message))
		}
	}
	if got := r.waiting.Load(); got > memory+peers*message {
		t.Errorf("%d octets wait; want at most %d", got, memory+peers*message)
	}
	other := r.dialTCP(l)
	r.write(other, request("b", ""))
	r.next(r.received).conn.Send([]byte("hello"))
	r.expect(other, "hello")

	r.sweep(r.now() + writeTimeout)
	r.until("nothing waits for those that are gone", func() bool { return r.waiting.Load() == 0 })
}
