package web

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/appliance/model"
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

// fake is a part of every kind.
type fake struct {
	rights  string // command that one must have the right to
	taken   *[]string
	failing *error
}

func (fake) name() string         { return "fake" }
func (fake) every() time.Duration { return 5 * time.Second }
func (fake) most() int64          { return 1 << 20 }

func (f fake) permits(r model.Rights) error {
	if !r.May(model.RuleExec, f.rights) {
		return errors.New("no right")
	}
	return nil
}

func (f fake) show(_ context.Context, v *visit) (view, error) {
	return view{template: "hidden-test", data: v.form(f)}, *f.failing
}

func (f fake) take(_ context.Context, v *visit) (answer, error) {
	text := v.request.PostForm.Get("do")
	if v.file != nil {
		content, err := io.ReadAll(v.file)
		if err != nil {
			return answer{}, err
		}
		text = fmt.Sprint(v.file.name, " ", len(content))
	}
	switch text {
	case "fail":
		return answer{}, errors.New("it fails")
	case "again":
		return answer{instead: view{template: "fault", data: "instead"}}, nil
	case "panic":
		panic("on purpose")
	}
	*f.taken = append(*f.taken, text)
	return answer{notice: "done " + text}, nil
}

func (f fake) list(context.Context, *visit) ([]string, [][]string, error) {
	return []string{"a", "b"}, [][]string{{"=1+1", "-5"}, {"x,\"y\"", "@sum"}, {"+49", "plain"}}, *f.failing
}

func (f fake) download(context.Context, *visit) (download, error) {
	return download{name: "fähre \"1\".txt", octets: 4, write: func(w io.Writer) error {
		_, err := io.WriteString(w, "text")
		return err
	}}, *f.failing
}

// addTest adds the page /test with a part of every kind, and gives what it takes.
func (b *box) addTest() (taken *[]string) {
	one := fake{"show test", new([]string), new(error)}
	b.addPage("/test", one)
	return one.taken
}

func (b *box) addPage(path string, parts ...part) {
	p := &page{path: path, title: "Test", parts: parts}
	b.server.pages[path] = p
	b.server.menu = append(b.server.menu, section{"Test", []*page{p}})
	template.Must(b.server.templates.New("hidden-test.html").Parse(`<h2>Fake</h2><form method="post">{{template "hidden" .}}</form>`))
}

// TestQuestionPanics: what a part asks beside itself does not take control with it.
func TestQuestionPanics(t *testing.T) {
	b := newBox(t, wellAnswers(), func(o *Options) {
		o.Sources.CallRate = func(context.Context) (CallRate, error) { panic("the rate") }
	})
	status, page := b.login(t, user).get("/")
	if status != http.StatusOK || !strings.Contains(page, "This part of the page has failed") {
		t.Errorf("%d %s; want 200 and that the part has failed", status, page)
	}
}
