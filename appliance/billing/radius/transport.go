package radius

import (
	"context"
	"errors"
	"net"
	"slices"
	"syscall"
	"time"
)

const (
	// probeInterval is how often silent servers are probed (seed 003: 10 s).
	probeInterval = 10 * time.Second
	// probeWait is how long the answer to a probe may take.
	probeWait = 5 * time.Second
	// idleTime is how long a client must have had nothing to send before it goes
	// back to a server of a better rank: calls in progress keep their server.
	idleTime = time.Minute
	// keepAlive is the silence after which a TLS connection is tried: servers are
	// known to close it after 30 s.
	keepAlive = 15 * time.Second
	// maxSilentProbes is how many Status-Server requests in a row may stay
	// unanswered before a record is sent again although the server once answered
	// them: it may have been configured not to.
	maxSilentProbes = 6
)

// condition is what is known of a server. The client's lock guards it.
type condition struct {
	dead         bool      // silent; not asked while others are not
	acknowledged time.Time // when it last acknowledged a record
	problem      string    // the last fault since then
	// watch is how many further Status-Server requests may stay unanswered before
	// records are sent as probes too; 0: they are, the server has never answered one.
	watch int
	// revived: it came back with a Status-Server answer and has not acknowledged
	// a record since. If it fails now it answers Status-Server only.
	revived bool
	hollow  bool // so it did: its Status-Server answers do not count
}

// choose says which server to ask for a record that those in tried were silent
// about: the one in use, then those that answer, then those thought dead, in
// order. When all were tried the transport is down, unless some server answered
// others meanwhile: then the record starts again, as accounting never gives up
// (RFC 5080 §2.2.1).
func (c *Client) choose(tried *[]*server, r *record) (*server, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.used = time.Now()
	if !c.down {
		if s := c.untried(*tried); s != nil {
			return s, nil
		}
		if slices.ContainsFunc(c.servers, func(s *server) bool { return !s.dead }) {
			*tried = nil
			return c.current, nil
		}
		c.setDown(true)
	}
	c.refused = record{session: r.session, attributes: slices.Clone(r.attributes)}
	return nil, ErrDown
}

func (c *Client) untried(tried []*server) *server {
	if !slices.Contains(tried, c.current) {
		return c.current
	}
	for _, dead := range []bool{false, true} {
		for _, s := range c.servers {
			if s.dead == dead && !slices.Contains(tried, s) {
				return s
			}
		}
	}
	return nil
}

func (c *Client) setDown(down bool) {
	c.down = down
	if down {
		c.options.Log.Error("no RADIUS server answers", "client", c.options.Client.Name)
	} else {
		c.upSince = time.Now()
		c.refused = record{}
		c.options.Log.Info("RADIUS is up", "client", c.options.Client.Name)
	}
	close(c.changed)
	c.changed = make(chan struct{})
}

// acknowledged notes that a server acknowledged a record.
func (c *Client) acknowledged(s *server) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.acknowledged, s.problem = time.Now(), ""
	s.revived, s.hollow = false, false
	c.revive(s)
}

// revive notes that a server answers.
func (c *Client) revive(s *server) {
	if s.dead {
		s.dead = false
		c.options.Log.Info("RADIUS server answers", "client", c.options.Client.Name, "server", s.name)
	}
	switch {
	case c.current.dead, c.down:
		c.current = s
	case time.Since(c.upSince) < probeInterval && c.before(s, c.current):
		// After an outage of all the best one may be the second to answer.
		c.current = s
	}
	if c.down {
		c.setDown(false)
	}
}

func (c *Client) before(a, b *server) bool {
	return slices.Index(c.servers, a) < slices.Index(c.servers, b)
}

// silent notes that a server answered no try of a request that began then. It
// is dead if it acknowledged nothing else meanwhile.
func (c *Client) silent(s *server, began time.Time) {
	if s.secure {
		s.closeLines(began)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.acknowledged.After(began) {
		return
	}
	if !s.dead {
		s.dead = true
		if s.revived {
			s.hollow, s.watch = true, 0
		}
		if s.problem == "" {
			s.problem = errSilent.Error()
		}
		c.options.Log.Warn("RADIUS server does not answer", "client", c.options.Client.Name, "server", s.name, "problem", s.problem)
	}
	if s != c.current {
		return
	}
	if next := slices.IndexFunc(c.servers, func(s *server) bool { return !s.dead }); next >= 0 {
		c.current = c.servers[next]
	}
}

// note keeps a fault for the operator to see. That we closed a line is none.
func (s *server) note(err error) {
	if errors.Is(err, context.Canceled) || errors.Is(err, net.ErrClosed) {
		return
	}
	problem := err.Error()
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		problem = errno.Error()
	}
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	s.problem = problem
}

// preferBetter goes back to the best server after an idle time, if it answers
// or does not answer Status-Server, so that only a record can tell.
func (c *Client) preferBetter(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down || len(c.exchanges) < cap(c.exchanges) || now.Sub(c.used) < idleTime {
		return
	}
	for _, s := range c.servers {
		if s == c.current {
			return
		}
		if !s.dead || s.watch == 0 {
			c.current = s
			return
		}
	}
}

// probeAll probes the servers that are dead, and tries TLS connections that
// were silent for long.
func (c *Client) probeAll(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.servers {
		if s.dead {
			c.running.Go(func() { c.probe(s) })
			if r := c.refused; c.down && s.watch == 0 {
				c.running.Go(func() { c.probeWith(s, r) })
			}
		} else if s.secure {
			c.running.Go(func() { c.keepAlive(s, now) })
		}
	}
}

// probe asks a dead server with Status-Server (RFC 5997). Such a request is
// not sent twice.
func (c *Client) probe(s *server) {
	err := s.ask(c.life, newExchange(), &record{probe: true}, 1, probeWait)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err != nil:
		s.watch = max(0, s.watch-1)
	case !s.hollow:
		s.watch, s.revived = maxSilentProbes, s.dead
		c.revive(s)
	}
}

// probeWith sends a dead server a record that none took. Its owner, who does
// not hear of it, sends it again: records arrive at least once.
func (c *Client) probeWith(s *server, r record) {
	if err := s.ask(c.life, newExchange(), &r, 1, probeWait); err == nil {
		c.acknowledged(s)
	}
}

// keepAlive closes the connections to a server that were silent for long and
// on which Status-Server is not answered either (RFC 6613 §2.4).
func (c *Client) keepAlive(s *server, now time.Time) {
	for _, l := range s.list() {
		if l.quietSince(now.Add(-keepAlive)) && s.ask(c.life, newExchange(), &record{probe: true}, 1, probeWait) != nil {
			s.closeLines(now)
			return
		}
	}
}
