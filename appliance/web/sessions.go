package web

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"causeway/appliance/model"
)

// How many sessions there may be. Of too many the one goes that has been idle for
// the longest time.
const (
	sessionsMost = 32
	ofUserMost   = 8
)

// The cookies. "__Host-" binds them to this host, its root and HTTPS (RFC 6265bis
// §4.1.3.2).
const (
	sessionCookie = "__Host-causeway"
	doorCookie    = "__Host-causeway-door" // of a login page
)

// secretOctets is how long what nobody may guess is.
const secretOctets = 32

// session is somebody who has logged in. It ends by its idle time, a logout, a word
// of Login, or with the server; ctx says why.
type session struct {
	login model.Login
	token string // of its forms
	ctx   context.Context
	end   context.CancelCauseFunc
	jobs  *jobs

	supports atomic.Bool // it fetches tech support

	mu      sync.Mutex
	used    time.Time // by the monotonic clock
	notices []notice
	typed   []string // lines that were run not long ago; see knows
}

// notice is what somebody is to be told at his next look at a page.
type notice struct{ path, text string }

// The reasons of an end, as access logs them.
var (
	errExit = errors.New("exit")
	errIdle = errors.New("idle")
	errRoom = errors.New("too many sessions")
	errOver = errors.New("hang up")
)

// sessions are all that are open, by the hash of their cookies: memory that somebody
// reads does not open one.
type sessions struct {
	login   Login
	left    func(model.Operator) // is told of an operator whose last session is over
	running sync.WaitGroup

	mu   sync.Mutex
	open map[[sha256.Size]byte]*session
	over bool // nobody may come any more
}

func newSessions(login Login, left func(model.Operator)) *sessions {
	return &sessions{login: login, left: left, open: map[[sha256.Size]byte]*session{}}
}

// begin opens a session and gives the value of its cookie.
func (s *sessions) begin(login model.Login) (cookie string, opened *session) {
	cookie = secret()
	opened = &session{login: login, token: secret(), used: time.Now(), jobs: newJobs()}
	opened.ctx, opened.end = context.WithCancelCause(context.Background())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		opened.end(errOver)
	}
	s.makeRoom(login.Operator.User)
	key := sha256.Sum256([]byte(cookie))
	s.open[key] = opened
	s.running.Go(func() {
		s.watch(opened)
		opened.jobs.end()
		s.mu.Lock()
		delete(s.open, key)
		last := true
		for _, one := range s.open {
			last = last && one.login.Operator != login.Operator
		}
		s.mu.Unlock()
		if last {
			s.left(login.Operator)
		}
		s.login.Logout(login.Session, context.Cause(opened.ctx).Error())
	})
	return cookie, opened
}

// makeRoom ends the session that one more of a user has no room beside. s.mu is held.
func (s *sessions) makeRoom(user string) {
	var all, his []*session
	for _, one := range s.open {
		if one.ctx.Err() != nil {
			continue
		}
		all = append(all, one)
		if one.login.Operator.User == user {
			his = append(his, one)
		}
	}
	idlest := func(list []*session) *session {
		return slices.MinFunc(list, func(a, b *session) int { return a.last().Compare(b.last()) })
	}
	switch {
	case len(his) >= ofUserMost:
		idlest(his).end(errRoom)
	case len(all) >= sessionsMost:
		idlest(all).end(errRoom)
	}
}

// watch waits for the end of a session, and ends one that is idle for too long.
func (s *sessions) watch(one *session) {
	idle := time.Duration(one.login.IdleMinutes) * time.Minute
	for {
		var look <-chan time.Time // never, if it may be idle for ever
		if idle > 0 {
			left := time.Until(one.last().Add(idle))
			if left <= 0 {
				one.end(errIdle)
			}
			look = time.After(left)
		}
		select {
		case <-one.ctx.Done():
			return
		case <-s.login.Ended(one.login.Session):
			one.end(errOver)
		case <-look:
		}
	}
}

// of gives the session that a request belongs to, or nil.
func (s *sessions) of(r *http.Request) *session {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.open[sha256.Sum256([]byte(cookie.Value))]
	if one == nil || one.ctx.Err() != nil {
		return nil
	}
	select {
	case <-s.login.Ended(one.login.Session): // at once, not when watch comes to it
		one.end(errOver)
		return nil
	default:
		return one
	}
}

// start lets people in, again where they were all sent away.
func (s *sessions) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = false
}

// endAll ends all sessions, lets nobody in any more, and waits until they are over.
func (s *sessions) endAll() {
	s.mu.Lock()
	s.over = true
	for _, one := range s.open {
		one.end(errOver)
	}
	s.mu.Unlock()
	s.running.Wait()
}

// last is when somebody did something in the session.
func (s *session) last() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used
}

// active notes that somebody does something.
func (s *session) active() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used = time.Now()
}

// typedMost is how many lines are known: more than a page has.
const typedMost = 32

// knows reports whether the session has run a line not long ago, and keeps it: a
// browser only says that it fetches something again, and may lie.
func (s *session) knows(line string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.typed, line) {
		return true
	}
	s.typed = append(s.typed[max(0, len(s.typed)+1-typedMost):], line)
	return false
}

// noticesMost is how many sentences wait for somebody who does not look.
const noticesMost = 8

// tell has a sentence stand on a page when somebody looks at it next.
func (s *session) tell(path, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.notices) < noticesMost {
		s.notices = append(s.notices, notice{path, text})
	}
}

// told gives the sentences that wait for a look at a page.
func (s *session) told(path string) (texts []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var left []notice
	for _, n := range s.notices {
		if n.path == path {
			texts = append(texts, n.text)
		} else {
			left = append(left, n)
		}
	}
	s.notices = left
	return texts
}

// secret is one that nobody guesses.
func secret() string {
	var octets [secretOctets]byte
	rand.Read(octets[:]) // it never fails
	return base64.RawURLEncoding.EncodeToString(octets[:])
}

// equal compares secrets in a time that says nothing about them.
func equal(a, b string) bool { return hmac.Equal([]byte(a), []byte(b)) }

// setCookie sets a cookie that lasts as long as the browser runs.
func setCookie(w http.ResponseWriter, name, value string) {
	cookie := &http.Cookie{Name: name, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode}
	if value == "" {
		cookie.MaxAge = -1
	}
	http.SetCookie(w, cookie)
}
