package sip

import (
	"time"

	"causeway/appliance/model"
)

// session is how long a call lasts that its ends must refresh (RFC 4028). One
// that nobody refreshed is over, whether a BYE came or not: its ends forget it,
// and so must we.
type session struct {
	timer
	call *call
}

// sessionGrace is how long after its end the BYE of a session may come: 64·T1.
const sessionGrace = 32 * time.Second

// renewSession takes from the 2xx in hand how long the call lasts from now on.
func (w *worker) renewSession(s *shard, c *call) {
	seconds, limited := w.msg.SessionExpires()
	if !limited {
		w.endSession(s, c)
		return
	}
	if c.session == nil {
		c.session = &session{call: c}
		c.session.owner = c.session
	}
	s.wheel.arm(&c.session.timer, w.now+time.Duration(seconds)*time.Second+sessionGrace)
}

// endSession has the call last until somebody hangs up.
func (w *worker) endSession(s *shard, c *call) {
	if c.session != nil {
		s.wheel.disarm(&c.session.timer)
		c.session = nil
	}
}

// expire implements expirer.
func (e *session) expire(w *worker, s *shard, _ time.Duration) {
	s.counted[countExpired]++
	if e.call.cause == model.EndUnknown { // else a BYE is under way
		e.call.cause = model.EndStale
	}
	w.ended(s, e.call, 0, "")
}
