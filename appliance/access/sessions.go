package access

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"causeway/appliance/model"
)

// Session is somebody who is logged in.
type Session struct {
	ID     uint64    `json:"id"`
	User   string    `json:"user"`
	Origin string    `json:"origin"` // as in model.Operator
	Method string    `json:"method"`
	Groups []string  `json:"groups"`
	Since  time.Time `json:"since"`
	Idle   int       `json:"idle"` // seconds since something was typed
}

// session is a Session while it lasts.
type session struct {
	Session
	groups []model.Group // those of them that there were
	typed  time.Duration // uptime
	over   chan struct{} // closed at the end
	why    string        // it ended; set before that
}

// sessions are all that are open. Those of the doors end them; see Ended.
type sessions struct {
	uptime func() time.Duration

	mu     sync.Mutex
	open   map[uint64]*session
	closed []*session // that were closed last, oldest first
	last   uint64     // number
}

// closedMost is how many closed sessions are remembered, for doors that ask late.
const closedMost = 100

// newSessions begins at the seconds that the box is up: small numbers, and none
// that an earlier life of the process gave to somebody else.
func newSessions(uptime func() time.Duration) *sessions {
	return &sessions{uptime: uptime, open: make(map[uint64]*session), last: uint64(uptime() / time.Second)}
}

// begin opens a session.
func (s *sessions) begin(who Session, groups []model.Group) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	who.ID = s.last
	return s.add(who, groups)
}

// add opens a session of that number. s.mu is held.
func (s *sessions) add(who Session, groups []model.Group) *session {
	who.Since = time.Now().UTC()
	s.open[who.ID] = &session{Session: who, groups: groups, typed: s.uptime(), over: make(chan struct{})}
	return s.open[who.ID]
}

// know gives a session, open or closed, or opens it again that an earlier life
// of the process has opened, with the groups that its user has now.
func (s *sessions) know(r model.SessionRequest, access *model.Access) (*session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if open := s.open[r.Session]; open != nil {
		return open, nil
	}
	if i := slices.IndexFunc(s.closed, func(c *session) bool { return c.ID == r.Session }); i >= 0 {
		return s.closed[i], nil
	}
	if r.Session > s.last || r.Operator.User == "" {
		return nil, fmt.Errorf("control does not know session %d", r.Session)
	}
	who := Session{ID: r.Session, User: r.Operator.User, Origin: r.Operator.Origin}
	if u := access.User(who.User); u != nil {
		who.Groups = u.Groups
	}
	return s.add(who, known(access, who.Groups)), nil
}

// end closes a session and gives it, or nil where it is not open.
func (s *sessions) end(id uint64, why string) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	open := s.open[id]
	if open == nil {
		return nil
	}
	delete(s.open, id)
	if s.closed = append(s.closed, open); len(s.closed) > closedMost {
		s.closed = slices.Delete(s.closed, 0, 1)
	}
	open.why = why
	close(open.over)
	return open
}

// active notes that something was typed.
func (s *sessions) active(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if open := s.open[id]; open != nil {
		open.typed = s.uptime()
	}
}

// ended is closed once the session is.
func (s *sessions) ended(id uint64) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if open := s.open[id]; open != nil {
		return open.over
	}
	over := make(chan struct{})
	close(over)
	return over
}

// list gives copies of the sessions in the order of their numbers.
func (s *sessions) list() (list []session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, open := range s.open {
		one := *open
		one.Idle = int((s.uptime() - open.typed) / time.Second)
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b session) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// outdated says why a session may not go on; empty: it may.
func (a *Access) outdated(s *session) string {
	access, _ := a.current()
	u := access.User(s.User)
	switch {
	case s.Method == methodCOM:
		u = &model.User{Groups: a.comGroups()}
	case len(access.RADIUS) > 0 && (s.Method == methodRADIUS || s.Method == "" && u == nil): // who is let in by a server need not be in access
		u = &model.User{Groups: s.Groups}
	case s.Method == methodRADIUS:
		u = nil
	}
	switch {
	case u == nil:
		return whyRemoved
	case !reflect.DeepEqual(known(&access, u.Groups), s.groups):
		return "what the user may do was changed"
	}
	return ""
}

const whyRemoved = "the user was removed"
