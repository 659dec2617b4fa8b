package web

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"causeway/appliance/exec/exectest"
	"causeway/appliance/grammar"
	"causeway/appliance/model"
)

// The user of tests, who may do all, and his password.
const user, password = "alice", "a good password"

// people knows who may log in at a box of tests.
type people struct {
	mu     sync.Mutex
	rights map[string]model.Rights // by user; all have the same password
	idle   int                     // minutes
	last   uint64
	open   map[uint64]chan struct{}
	events []string
	hold   chan struct{} // passwords are checked once it is closed; nil: at once
}

func (p *people) Password(_ context.Context, user, tried, origin string) (model.Login, error) {
	if p.hold != nil {
		<-p.hold
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	rights, known := p.rights[user]
	if !known || tried != password {
		p.events = append(p.events, "refused "+origin)
		return model.Login{}, errors.New("login invalid")
	}
	p.last++
	p.open[p.last] = make(chan struct{})
	p.events = append(p.events, "login "+user+" "+origin)
	return model.Login{Session: p.last, Operator: model.Operator{User: user, Origin: origin}, Rights: rights, IdleMinutes: p.idle}, nil
}

func (p *people) Active(uint64) {}

func (p *people) Logout(_ uint64, why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events = append(p.events, "logout "+why)
}

func (p *people) Ended(session uint64) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open[session]
}

// noted are what has happened, in order.
func (p *people) noted() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.events...)
}

// clear ends a session, as an operator does.
func (p *people) clear(session uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.open[session])
}

// everything is the right to it.
var everything = model.Rights{Rules: []model.Rule{{Permit: true, Kind: model.RuleExec}, {Permit: true, Kind: model.RuleConfigure}}, FilesRead: true, FilesWrite: true}

// box is a box of tests: what its processes answer is in Session.Answers.
type box struct {
	exectest.Session
	people *people
	server *Server
	web    *httptest.Server
}

// newBox makes one with the grammar and the commands of the real one. prepare may
// change what it is made of.
func newBox(t testing.TB, answers map[string]any, prepare ...func(*Options)) *box {
	t.Helper()
	b := &box{people: &people{
		rights: map[string]model.Rights{user: everything, "bob": {Rules: []model.Rule{{Permit: true, Kind: model.RuleExec, Words: "show"}}}},
		open:   map[uint64]chan struct{}{},
	}}
	b.Answers = map[string]any{"control.access.state": model.AccessState{}}
	for method, answer := range answers {
		b.Answers[method] = answer
	}
	o := Options{
		Certificate: func() (*tls.Certificate, error) { return &b.web.TLS.Certificates[0], nil },
		HostName:    func() string { return "box" },
		Zone:        b.Zone,
		Login:       b.people,
		Grammar:     realGrammar(),
		Commands:    grammar.Exec(),
		Call:        b.Call,
		Build:       model.BuildInfo{Version: "1.2.3"},
		Sources:     quietSources(),
		Log:         slog.New(slog.DiscardHandler),
	}
	for _, change := range prepare {
		change(&o)
	}
	b.server = New(o)
	b.web = httptest.NewUnstartedServer(nil)
	b.web.Config = b.server.http(t.Context())
	b.web.StartTLS()
	t.Cleanup(func() {
		b.web.Close()
		b.server.sessions.endAll()
	})
	return b
}

// realGrammar is that of the box: making it takes a while.
var realGrammar = sync.OnceValue(grammar.All)

// browser is somebody at a box.
type browser struct {
	*http.Client
	t    testing.TB
	base string
}

// browser opens one that nobody has logged in with. It follows no redirects.
func (b *box) browser(t testing.TB) *browser {
	t.Helper()
	client := b.web.Client()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{&http.Client{
		Transport: client.Transport, Jar: jar, Timeout: time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, t, b.web.URL}
}

// login opens a browser and logs in.
func (b *box) login(t testing.TB, user string) *browser {
	t.Helper()
	w := b.browser(t)
	_, page := w.get("/login")
	if status, text, _ := w.post("/login", url.Values{"token": {tokenOf(t, page)}, "user": {user}, "password": {password}}); status != http.StatusSeeOther {
		t.Fatalf("log in = %d %s; want 303", status, text)
	}
	return w
}

// token is that of a page.
var token = regexp.MustCompile(`name="token" value="([^"]+)"`)

func tokenOf(t testing.TB, page string) string {
	t.Helper()
	found := token.FindStringSubmatch(page)
	if found == nil {
		t.Fatalf("no token in %s", page)
	}
	return found[1]
}

// do sends a request and gives its answer, read to the end.
func (w *browser) do(r *http.Request) (*http.Response, string) {
	w.t.Helper()
	answer, err := w.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return answer, string(text)
}

// request makes one of a path.
func (w *browser) request(method, path, body string) *http.Request {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.base+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// get fetches a page.
func (w *browser) get(path string) (status int, text string) {
	w.t.Helper()
	answer, text := w.do(w.request(http.MethodGet, path, ""))
	return answer.StatusCode, text
}

// post sends a form as it is. to is where the answer leads.
func (w *browser) post(path string, form url.Values) (status int, text, to string) {
	w.t.Helper()
	r := w.request(http.MethodPost, path, form.Encode())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, text := w.do(r)
	return answer.StatusCode, text, answer.Header.Get("Location")
}

// send fills the form of a part in: the page is fetched, its token goes with the
// fields. The answer is that to the form, or the page that it leads to.
func (w *browser) send(path, part string, fields url.Values) (status int, text string) {
	w.t.Helper()
	_, page := w.get(path)
	form := url.Values{"part": {part}, "token": {tokenOf(w.t, page)}, "at": w.request(http.MethodGet, path, "").URL.Query()["at"]}
	for name, values := range fields {
		form[name] = values
	}
	status, text, to := w.post(path, form)
	if to != "" {
		return w.get(to)
	}
	return status, text
}
