package gateway

import (
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/creachadair/jrpc2/channel"

	"causeway/appliance/com/mux"
	"causeway/appliance/com/wire"
)

// messages are the messages of JSON-RPC of one link (channel.Channel). It closes
// the link with the code that says why.
type messages struct {
	channel.Channel
	link *link
	pace pace
}

// Recv implements channel.Channel.
func (m *messages) Recv() ([]byte, error) {
	m.pace.wait()
	message, err := m.Channel.Recv()
	switch {
	case errors.Is(err, mux.ErrTooLong):
		m.link.refuse(wire.CloseTooLong, err.Error())
	case errors.Is(err, mux.ErrUndecodable):
		m.link.refuse(wire.CloseUndecodable, err.Error())
	case err == nil && !json.Valid(message):
		m.link.refuse(wire.CloseUndecodable, mux.ErrUndecodable.Error())
		return nil, mux.ErrUndecodable
	}
	return message, err
}

// Close implements channel.Channel. JSON-RPC has ended, and so has the link: the
// server calls it whatever was the reason.
func (m *messages) Close() error {
	m.link.ended()
	return nil
}

// pace holds a sender to a rate: what comes faster waits on the line, not in
// our memory.
type pace struct {
	mu    sync.Mutex
	begun time.Time // of the second that runs
	count int       // in it
}

// fastest is how many messages a box may send a second.
const fastest = 100

// wait waits until the next message may be taken.
func (p *pace) wait() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if passed := time.Since(p.begun); passed >= time.Second {
		p.begun, p.count = time.Now(), 0
	} else if p.count == fastest {
		time.Sleep(time.Second - passed)
		p.begun, p.count = time.Now(), 0
	}
	p.count++
}
