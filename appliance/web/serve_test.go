package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// TestLogin: the first look leads to the login page, and that to the page that was
// asked for; a wrong password does not.
func TestLogin(t *testing.T) {
	b := newBox(t, nil)
	w := b.browser(t)
	answer, _ := w.do(w.request(http.MethodGet, "/?at=a", ""))
	if to := answer.Header.Get("Location"); answer.StatusCode != http.StatusSeeOther || to != "/login?to=%2F%3Fat%3Da" {
		t.Fatalf("GET / without a session = %d to %s; want 303 to the login page", answer.StatusCode, to)
	}
	_, page := w.get(answer.Header.Get("Location"))
	form := url.Values{"token": {tokenOf(t, page)}, "to": {"/?at=a"}, "user": {user}, "password": {"wrong"}}
	if status, text, _ := w.post("/login", form); status != http.StatusUnprocessableEntity || !strings.Contains(text, "Login invalid.") || !strings.Contains(text, `value="alice"`) {
		t.Errorf("a wrong password = %d %s; want 422, the page again with the user", status, text)
	}
	form.Set("password", password)
	if status, _, to := w.post("/login", form); status != http.StatusSeeOther || to != "/?at=a" {
		t.Errorf("the right password = %d to %s; want 303 to /?at=a", status, to)
	}
	status, text := w.get("/")
	for _, want := range []string{"<h1>Dashboard</h1>", "1.2.3", "alice", `aria-current="page"`} {
		if status != http.StatusOK || !strings.Contains(text, want) {
			t.Errorf("GET / = %d %s; want %q in it", status, text, want)
		}
	}
	if status, _, to := w.post("/logout", url.Values{"token": {tokenOf(t, text)}}); status != http.StatusSeeOther || to != "/login" {
		t.Errorf("log out = %d to %s; want 303 to /login", status, to)
	}
	if status, _ := w.get("/"); status != http.StatusSeeOther {
		t.Errorf("GET / after the logout = %d; want 303", status)
	}
	want := []string{"refused web 127.0.0.1", "login alice web 127.0.0.1", "logout exit"}
	b.server.sessions.endAll()
	if got := b.people.noted(); !slices.Equal(got, want) {
		t.Errorf("noted %q; want %q", got, want)
	}
}
