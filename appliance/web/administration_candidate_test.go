package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// TestControlPanel: what ends a process, a session or the box needs a word more.
func TestControlPanel(t *testing.T) {
	for _, test := range []struct {
		path, part string
		fields     url.Values
		want       string // the call
	}{
		{panelPath, "service-restart", url.Values{"service-restart.0.SERVICE": {"billing"}}, `init.restart {"service":"billing","force":false}`},
		{panelPath, "reload", url.Values{"reload.0.REASON": {"moved"}}, `init.reboot {"mode":"reboot","reason":"alice on web 127.0.0.1: moved"}`},
		{panelPath, "power-off", url.Values{}, `init.reboot {"mode":"poweroff","reason":"alice on web 127.0.0.1"}`},
		{sessionsPath, "clear-user-session", url.Values{"clear-user-session.0.SESSION": {"7"}},
			`control.access.clear {"session":7,"operator":{"user":"alice","origin":"web 127.0.0.1"}}`},
	} {
		method, _, _ := strings.Cut(test.want, " ")
		s := newSite(t)
		for _, method := range []string{"init.restart", "init.reboot", "control.access.clear"} {
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
