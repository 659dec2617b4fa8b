package web

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/model"
)

// entries are sessions of tests, and the cookies of some who have logged in.
type entries struct {
	*sessions
	people *people
}

func newEntries(idle int) *entries {
	p := &people{rights: map[string]model.Rights{user: everything, "bob": everything, "carol": everything, "dave": everything, "eve": everything}, idle: idle, open: map[uint64]chan struct{}{}}
	return &entries{newSessions(p, func(model.Operator) {}), p}
}

// enter logs somebody in and gives the cookie.
func (e *entries) enter(t *testing.T, user string) string {
	t.Helper()
	login, err := e.people.Password(t.Context(), user, password, "web 192.0.2.7")
	if err != nil {
		t.Fatal(err)
	}
	cookie, _ := e.begin(login)
	return cookie
}

// in gives the session of a cookie.
func (e *entries) in(cookie string) *session {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.AddCookie(&http.Cookie{Name: sessionCookie, Value: cookie})
	return e.of(r)
}

// TestIdle: a session ends when nobody does anything for its time, and not before.
func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEntries(10)
		cookie := e.enter(t, user)
		for range 3 {
			time.Sleep(9 * time.Minute)
			e.in(cookie).active()
		}
		time.Sleep(10*time.Minute - time.Second)
		if e.in(cookie) == nil {
			t.Error("the session is over before its time")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if e.in(cookie) != nil || len(e.open) != 0 {
			t.Error("the session is not over after its time")
		}
		if got := e.people.noted(); got[len(got)-1] != "logout idle" {
			t.Errorf("noted %q; want logout idle at its end", got)
		}
		e.people.idle = 0
		cookie = e.enter(t, user)
		time.Sleep(1000 * time.Hour)
		if e.in(cookie) == nil {
			t.Error("a session that may be idle for ever is over")
		}
		e.endAll()
	})
}

// TestLive: what a page fetches by itself keeps no session from timing out, and after
// that it is told so. Nobody is led to a login page that he does not see.
func TestLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEntries(10)
		s := New(Options{
			Login: e.people, HostName: func() string { return "box" }, Zone: func() *time.Location { return time.UTC },
			Certificate: noCertificate, Call: noCall, Log: slog.New(slog.DiscardHandler),
		})
		s.sessions = e.sessions
		one := fake{"show test", new([]string), new(error)}
		(&box{server: s}).addPage("/test", one)
		cookie := e.enter(t, user)
		get := func(live bool) int {
			r := httptest.NewRequest(http.MethodGet, "https://box/test?part=fake", nil)
			r.AddCookie(&http.Cookie{Name: sessionCookie, Value: cookie})
			if live {
				r.Header.Set(liveHeader, "1")
			}
			w := httptest.NewRecorder()
			s.handler.ServeHTTP(w, r)
			return w.Code
		}
		for range 9 {
			time.Sleep(time.Minute)
			if got := get(true); got != http.StatusOK {
				t.Fatalf("a live part = %d; want 200", got)
			}
		}
		if got := get(false); got != http.StatusOK {
			t.Errorf("a part = %d; want 200", got)
		}
		for range 9 {
			time.Sleep(time.Minute)
			get(true)
		}
		if got := get(true); got != http.StatusOK {
			t.Errorf("a live part 9 minutes after the last look = %d; want 200", got)
		}
		time.Sleep(2 * time.Minute)
		if live, look := get(true), get(false); live != http.StatusUnauthorized || look != http.StatusSeeOther {
			t.Errorf("after 11 minutes: %d and %d; want 401 and 303", live, look)
		}
		e.endAll()
	})
}

// TestSessionsMost: of too many sessions the one goes that has been idle for longest,
// of a user his own.
func TestSessionsMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEntries(0)
		var his []string
		for i := range ofUserMost {
			his = append(his, e.enter(t, user))
			time.Sleep(time.Second)
			e.in(his[0]).active()
			if e.in(his[i]) == nil {
				t.Fatalf("session %d is over at once", i)
			}
		}
		others := e.enter(t, "bob")
		his = append(his, e.enter(t, user))
		synctest.Wait()
		for i, cookie := range his {
			if got, want := e.in(cookie) != nil, i != 1; got != want {
				t.Errorf("session %d is there: %t; want %t", i, got, want)
			}
		}
		if e.in(others) == nil {
			t.Error("bob's session is over for one of alice")
		}
		for _, user := range []string{"bob", "carol", "dave", "eve"} {
			for range ofUserMost {
				time.Sleep(time.Second)
				e.enter(t, user)
			}
		}
		synctest.Wait()
		if len(e.open) != sessionsMost {
			t.Errorf("%d sessions are open; want %d", len(e.open), sessionsMost)
		}
		if e.in(his[2]) != nil {
			t.Error("the session that was idle for longest is there")
		}
		e.endAll()
		if got := e.people.noted(); len(e.open) != 0 || !slices.Contains(got, "logout "+errRoom.Error()) {
			t.Errorf("%d sessions are open after the end, noted %q", len(e.open), got)
		}
	})
}

// TestCleared: a session that an operator clears is over at once, and so is what goes
// on in it; after the end of all nobody gets in, until they are let in again.
func TestCleared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEntries(10)
		cookie := e.enter(t, user)
		one := e.in(cookie)
		e.people.clear(one.login.Session)
		if e.in(cookie) != nil {
			t.Error("a cleared session is there")
		}
		synctest.Wait()
		if one.ctx.Err() == nil || context.Cause(one.ctx) != errOver {
			t.Errorf("its context = %v; want it ended", context.Cause(one.ctx))
		}
		e.endAll()
		if cookie := e.enter(t, user); e.in(cookie) != nil {
			t.Error("somebody got in after the end")
		}
		e.start()
		if cookie := e.enter(t, user); e.in(cookie) == nil {
			t.Error("nobody gets in after the beginning")
		}
		e.endAll()
	})
}

// TestNotices: each is told once, on its page.
func TestNotices(t *testing.T) {
	var s session
	for i := range noticesMost + 1 {
		s.tell("/a", fmt.Sprint(i))
	}
	s.tell("/b", "none: there are too many")
	if got := s.told("/b"); got != nil {
		t.Errorf("told %q; want nothing", got)
	}
	if got := s.told("/a"); len(got) != noticesMost || got[0] != "0" {
		t.Errorf("told %q; want %d", got, noticesMost)
	}
	s.tell("/b", "b")
	if got, again := s.told("/b"), s.told("/b"); !slices.Equal(got, []string{"b"}) || again != nil {
		t.Errorf("told %q and %q; want b once", got, again)
	}
}
