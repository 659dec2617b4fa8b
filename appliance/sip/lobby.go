package sip

import (
	"context"
	"time"

	"causeway/appliance/sip/hop"
)

// While the box has more to do than it can, INVITEs wait in the lobby: for each
// listen point of UDP a socket with a short queue, which gets nothing else. One
// is let in only when nothing waits at the readers' sockets. So whatever is
// offered, the calls that were let in go on, and none of their answers waits so
// long that it is asked for again.
//
// What finds no room in the lobby the kernel drops: that costs the box nothing,
// while a refusal costs a fifth of a call, and who refused everybody would do
// nothing else any more. But who is refused does not ask again. So of those in
// the lobby, admission has most refused.

// When the lobby opens and closes, and how it is looked after.
const (
	lobbyOpens  = 100 * time.Millisecond // a reader has not come to the end of its queue for that long
	lobbyCloses = 2 * time.Second        // there was room for all for that long
	lobbyLook   = 10 * time.Millisecond  // between two looks into it
	lobbyWaits  = 100 * time.Millisecond // for all else, at the longest
	lobbyQueue  = 128 << 10              // octets, of which the kernel makes room for some 100 INVITEs
	lobbyFull   = 0.5                    // of that, after a look into it
	lobbyBatch  = 4                      // INVITEs between two looks at the readers' sockets
	lobbyTurn   = 3                      // one in so many is let in, however many admission sheds
)

// invitePrefix is how INVITEs begin, and no other request or response.
const invitePrefix = "INVI"

func isInvite(payload []byte) bool {
	return len(payload) >= len(invitePrefix) && string(payload[:len(invitePrefix)]) == invitePrefix
}

// itsTurn says whether the new INVITE in hand is let in from the lobby, however
// many admission sheds.
func (w *worker) itsTurn() bool {
	if !w.attends {
		return false
	}
	w.turn++
	return w.turn%lobbyTurn == 0
}

// watchQueue tells admission how full the queue of a socket is: after a full
// batch, when more may wait, and while it was not empty the last time. It opens
// the lobby when there have been full batches only for too long.
func (w *worker) watchQueue(ctx context.Context, s *socket, more bool) {
	if !more {
		w.behind = 0
		if !w.queued {
			return
		}
	}
	fill := s.fill()
	w.queued = fill > 0
	w.p.options.Admission.Queue(fill)
	switch {
	case !more:
	case w.behind == 0:
		w.behind = w.now
	case w.now-w.behind >= lobbyOpens:
		w.behind = w.now
		w.p.openLobby(ctx)
	}
}

// openLobby opens it unless it is open. Readers call it.
func (p *Proxy) openLobby(ctx context.Context) {
	if !p.overloaded.CompareAndSwap(false, true) {
		return
	}
	p.running.Go(func() {
		defer p.overloaded.Store(false)
		l := newLobby(p)
		defer l.close()
		dropped := p.dropped.Load()
		p.options.Log.Warn("overload: INVITEs wait for all else")
		if err := l.attend(ctx); err != nil {
			p.options.Log.Error("overload: INVITEs cannot be kept apart", "error", err)
		}
		p.options.Log.Warn("overload is over", "dropped INVITEs", p.dropped.Load()-dropped)
	})
}

// lobby is the work of one goroutine, from opening to closing.
type lobby struct {
	w       *worker
	in      *inbox
	rooms   map[hop.Place]*lobbyRoom
	planned *snapshot // whose listen points have them
}

// lobbyRoom is the lobby of one listen point.
type lobbyRoom struct {
	*socket
	dropped uint32        // of it, as they were counted last
	read    time.Duration // when it was, last
}

func newLobby(p *Proxy) *lobby {
	l := &lobby{w: p.newWorker(0), in: newInbox(), rooms: make(map[hop.Place]*lobbyRoom)}
	l.w.attends = true
	return l
}

// attend lets INVITEs in until for a while there was room for all, or ctx ends.
func (l *lobby) attend(ctx context.Context) error {
	look := time.NewTicker(lobbyLook)
	defer look.Stop()
	p := l.w.p
	for crowded := p.now(); p.now()-crowded < lobbyCloses; {
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
		}
		l.w.config = p.config.Load()
		if err := l.arrange(); err != nil {
			return err
		}
		for place, r := range l.rooms {
			l.letIn(place, r)
			fill, dropped := r.queue()
			p.options.Admission.Queue(fill)
			if fill >= lobbyFull || dropped != r.dropped {
				crowded = p.now()
			}
			p.dropped.Add(int64(dropped - r.dropped))
			r.dropped = dropped
		}
	}
	return nil
}

// arrange makes a room for each listen point, and gives up those of listen
// points that are gone.
func (l *lobby) arrange() error {
	if l.planned == l.w.config {
		return nil
	}
	for place, r := range l.rooms {
		if l.w.config.at(place) == nil {
			r.socket.close()
			delete(l.rooms, place)
		}
	}
	for place, at := range l.w.config.own {
		if len(at.sockets) == 0 || l.rooms[place] != nil {
			continue
		}
		s, err := bindSocket(place.Address)
		if err != nil {
			return err
		}
		l.rooms[place] = &lobbyRoom{socket: s, read: l.w.p.now()}
		if err := s.setQueue(lobbyQueue); err != nil {
			return err
		}
		if err := s.steer(len(at.sockets), place.Address.Addr().Is6()); err != nil {
			return err
		}
	}
	l.planned = l.w.config
	return nil
}

// letIn takes INVITEs out of a room for as long as they may go first, at the
// longest until the next look.
func (l *lobby) letIn(place hop.Place, r *lobbyRoom) {
	w, at := l.w, l.w.config.at(place)
	w.now = w.p.now()
	for end := w.now + lobbyLook; w.now < end && l.goesFirst(r); w.now = w.p.now() {
		r.read = w.now
		n := 0
		r.raw.Control(func(fd uintptr) { n, _ = l.in.receive(fd, lobbyBatch) })
		if n <= 0 {
			return
		}
		for i := range n {
			if payload, from, ok := l.in.datagram(i); ok && len(payload) > 0 {
				w.receive(at, from, nil, payload)
			}
		}
		w.flush()
	}
}

// goesFirst says whether INVITEs of a room go first now: when nothing else waits,
// or nothing for long; or when they have waited for too long themselves, so that
// nobody can keep them out with a flood of something else.
func (l *lobby) goesFirst(r *lobbyRoom) bool {
	now := l.w.now
	return !l.w.config.unread(now) ||
		now-r.read >= lobbyLook && !l.w.config.unread(now-lobbyLook) ||
		now-r.read >= lobbyWaits
}

// close has INVITEs wait with all else again.
func (l *lobby) close() {
	for place, r := range l.rooms {
		if err := r.steerNoMore(); err != nil {
			l.w.p.options.Log.Error("overload is over, and INVITEs are still kept apart", "listen", place.Address.String(), "error", err)
		}
		r.socket.close()
	}
}

// unread says whether datagrams wait at a socket that no reader has come to the
// end of since then.
func (s *snapshot) unread(since time.Duration) bool {
	for _, l := range s.own {
		for _, socket := range l.sockets {
			if time.Duration(socket.emptied.Load()) < since && socket.fill() > 0 {
				return true
			}
		}
	}
	return false
}
