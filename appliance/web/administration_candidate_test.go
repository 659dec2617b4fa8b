package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/appliance/access"
	"causeway/appliance/model"
)

// TestControlPanel: what ends a process or the box needs a word more.
func TestControlPanel(t *testing.T) {
	for _, test := range []struct {
		path, part string
		fields     url.Values
		want       string // the call
	}{
		{panelPath, "service-restart", url.Values{"service-restart.0.SERVICE": {"billing"}}, `init.restart {"service":"billing","force":false}`},
		{panelPath, "reload", url.Values{"reload.0.REASON": {"moved"}}, `init.reboot {"mode":"reboot","reason":"alice on web 127.0.0.1: moved"}`},
		{panelPath, "power-off", url.Values{}, `init.reboot {"mode":"poweroff","reason":"alice on web 127.0.0.1"}`},
	} {
		method, _, _ := strings.Cut(test.want, " ")
		s := newSite(t)
		for _, method := range []string{"init.restart", "init.reboot"} {
			s.Answers[method] = struct{}{}
		}
		called := func() []string {
			return slices.DeleteFunc(slices.Clone(s.Called()), func(call string) bool { return !strings.HasPrefix(call, method+" ") })
		}
		w := s.login(t, user)
		test.fields.Set("way", "0")
		if status, _ := w.send(test.path, test.part, test.fields); status != http.StatusUnprocessableEntity || len(called()) > 0 {
			t.Errorf("%s without being sure = %d, %q; want 422 and nothing", test.part, status, called())
		}
		if _, page := w.get(test.path); strings.Contains(page, `.now"`) {
			t.Errorf("%s has a field for what its box says", test.path)
		}
		test.fields.Set("sure", "yes")
		if status, page := w.send(test.path, test.part, test.fields); status != http.StatusOK || !slices.Equal(called(), []string{test.want}) {
			t.Errorf("%s = %d, %q; want 200, %q\n%s", test.part, status, called(), test.want, page)
		}
	}
}

// TestInactivityTimeout: the form stands for its line, from field to commit.
func TestInactivityTimeout(t *testing.T) {
	s := newSite(t)
	w := s.login(t, user)
	_, page := w.get(timeoutPath)
	form := fill(t, page, "save")
	for name := range form {
		if strings.HasSuffix(name, "MINUTES") {
			form.Set(name, "25")
		}
	}
	if status, text, _ := w.post(timeoutPath, form); status != http.StatusSeeOther {
		t.Fatalf("save = %d %s; want 303", status, text)
	}
	_, page = w.get(timeoutPath)
	shows(t, page, "exec-timeout 25", "Your changes are not committed.")
	_, page = w.get(candidatePath)
	shows(t, page, "&#43; exec-timeout 25")
	if status, _, _ := w.post(candidatePath, fill(t, page, "commit")); status != http.StatusSeeOther {
		t.Errorf("commit = %d; want 303", status)
	}
	if access := s.configuration.InForce().Config.Access; access.Idle() != 25 {
		t.Errorf("sessions end after %d minutes; want 25", access.Idle())
	}
}

// TestSessions: who is logged in is shown, and sent away by those who may.
func TestSessions(t *testing.T) {
	s := newSite(t)
	s.Answers["control.access.clear"] = struct{}{}
	s.Answers["control.access.users"] = access.Users{
		Sessions: []access.Session{
			{ID: 1, User: user, Origin: "web 127.0.0.1", Since: time.Unix(0, 0)}, {ID: 7, User: "carol", Origin: "ssh 192.0.2.7", Idle: 61},
		},
		Accounts: []access.Account{
			{Name: user, Groups: []string{"pfs-privusers", "nights"}, Password: true, Keys: 2}, {Name: "dan", Locked: 9}, {Name: "eve"},
			{Name: model.COMAdmin, Groups: []string{"pfs-privusers"}, BuiltIn: true},
		},
	}
	w := s.login(t, user)
	_, page := w.get(sessionsPath)
	shows(t, page, "1970-01-01 01:00:00 CET", "this one", "ssh 192.0.2.7", "1m1s", "End session 7", "!End session 1",
		"pfs-privusers, nights", "may log in", "locked out for 9 s", "in no group", "over COM only")
	status, page := w.send(sessionsPath, "sessions", url.Values{"session": {"7"}})
	shows(t, page, "Session 7 is ended.")
	s.audited(t, "alice: clear user session 7")
	want := `control.access.clear {"session":7,"operator":{"user":"alice","origin":"web 127.0.0.1"}}`
	if status != http.StatusOK || !slices.Contains(s.Called(), want) {
		t.Errorf("end of a session = %d, %q; want 200, %s", status, s.Called(), want)
	}
	for _, wrong := range []string{"", "-1", "x", "99999999999"} {
		if status, _ := w.send(sessionsPath, "sessions", url.Values{"session": {wrong}}); status != http.StatusUnprocessableEntity {
			t.Errorf("end of session %q = %d; want 422", wrong, status)
		}
	}
	looker := s.login(t, "bob")
	_, page = looker.get(sessionsPath)
	shows(t, page, "ssh 192.0.2.7", "!End session")
	if status, _ := looker.send(sessionsPath, "sessions", url.Values{"session": {"7"}}); status != http.StatusUnprocessableEntity {
		t.Errorf("end of a session by bob = %d; want 422", status)
	}
	s.audited(t)
	if _, text := w.get(sessionsPath + "?part=sessions&as=csv"); text != "Session,User,From,Since,Idle (s)\r\n1,alice,web 127.0.0.1,1970-01-01 01:00:00 CET,0\r\n7,carol,ssh 192.0.2.7,0001-01-01 01:00:00 CET,61\r\n" {
		t.Errorf("CSV = %q", text)
	}
}
