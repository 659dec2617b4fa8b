package stream

import "sync/atomic"

// counter is what a pool counts since it was made.
type counter uint8

const (
	accepted counter = iota
	refusedNetwork
	refusedRoom
	refusedAddress
	evicted
	acceptFailed
	connectFailed
	handshakeFailed
	endedIdle
	endedSlowWriter
	endedSlowReader
	unframed
	queueFull
	unwritten
	lost
	counterCount
)

var counterNames = [counterCount]string{
	accepted:        "connections accepted",
	refusedNetwork:  "connections refused: network",
	refusedRoom:     "connections refused: too many",
	refusedAddress:  "connections refused: too many of one address",
	evicted:         "connections closed: room for others",
	acceptFailed:    "accept failed",
	connectFailed:   "connect failed",
	handshakeFailed: "handshake failed",
	endedIdle:       "connections closed: idle",
	endedSlowWriter: "connections closed: message not finished",
	endedSlowReader: "connections closed: peer does not read",
	unframed:        "connections closed: no SIP",
	queueFull:       "messages failed: queue full",
	unwritten:       "messages failed",
	lost:            "messages failed unreported",
}

type counters [counterCount]atomic.Int64

func (c *counters) add(which counter) { c[which].Add(1) }

// Counters adds what the pool has counted to m.
func (p *Pool) Counters(m map[string]int64) {
	for i, name := range counterNames {
		m[name] += p.counters[i].Load()
	}
}
