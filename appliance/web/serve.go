package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"html/template"
	"io"
	"mime"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/web/shown"
)

// showTime is how long a part may take to find out what it shows.
const showTime = 12 * time.Second

// liveHeader stands in requests that nobody made by hand.
const liveHeader = "X-Causeway-Live"

// screen is what all pages have.
type screen struct {
	Title, Intro, HostName string
	Style, Script, Icon    string
	User                   string // empty: nobody has logged in
	Logout                 form
	Menu                   []entry
	Notices                []string
	Bar, Reminder          template.HTML
	Parts                  []piece
}

// piece is a part as it stands on a page.
type piece struct {
	Name  string
	Every int // seconds; 0: it is not fetched again
	HTML  template.HTML
}

// routes are what answers requests.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/static/", s.serveAsset)
	mux.HandleFunc(loginPath, s.small(s.serveLogin))
	mux.HandleFunc("POST "+logoutPath, s.small(s.serveLogout))
	mux.HandleFunc("/", s.servePage)
	return s.guard(mux)
}

// small reads a form of a few fields.
func (s *Server) small(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, doorOctets)
		if err := r.ParseForm(); err != nil {
			s.refuse(w, statusOf(err), errors.New("the form cannot be read"))
			return
		}
		next(w, r)
	}
}

// statusOf is the status of an answer to a body that cannot be read.
func statusOf(err error) int {
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusBadRequest
}

// servePage answers with a page, or a part of one, to those who have logged in.
func (s *Server) servePage(w http.ResponseWriter, r *http.Request) {
	p, one := s.pages[r.URL.Path], s.sessions.of(r)
	switch {
	case one == nil && (r.Header.Get(liveHeader) != "" || r.Method == http.MethodPost):
		s.ended(w, address(r.URL.Path, r.URL.Query()["at"]))
		return
	case one == nil:
		to := "/"
		if p != nil {
			to = address(p.path, r.URL.Query()["at"])
		}
		http.Redirect(w, r, loginPath+"?"+url.Values{"to": {to}}.Encode(), http.StatusSeeOther)
		return
	case p == nil:
		s.refuse(w, http.StatusNotFound, errors.New("there is no such page"))
		return
	}
	v := &visit{Server: s, request: r, login: one.login, session: one, page: p}
	if r.Header.Get(liveHeader) == "" {
		v.active()
	}
	if r.Method == http.MethodPost {
		// What is begun is brought to its end, even if it ends the session, or takes
		// the way to the box away.
		v.receive(context.WithoutCancel(r.Context()), w)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(one.ctx, cancel)() // what a session asks for ends with it
	if err := r.ParseForm(); err != nil {
		s.refuse(w, http.StatusBadRequest, errors.New("the address cannot be read"))
		return
	}
	if p.place != nil && len(v.at()) == 0 {
		v.goToPlace(ctx, w)
		return
	}
	if name := r.Form.Get("part"); name != "" {
		v.servePart(ctx, w, name)
		return
	}
	v.writePage(ctx, w, http.StatusOK, outcome{})
}

// outcome is what stands in the place of a part that has taken a form, or above it.
type outcome struct {
	part    string
	instead view
	fault   error
}

// writePage answers with the whole page.
func (v *visit) writePage(ctx context.Context, w http.ResponseWriter, status int, after outcome) {
	parts := v.page.permitted(v.login.Rights)
	if len(parts) == 0 {
		v.refuse(w, http.StatusForbidden, errors.New("your groups have no right to this page"))
		return
	}
	v.heard = &heard{answers: map[string]any{}}
	page := v.screen(v.page.title)
	page.Intro, page.User = v.page.intro, v.operator().User
	page.Logout = form{Token: v.session.token}
	page.Menu = v.menuFor(v.login.Rights, v.page)
	page.Notices = v.session.told(v.page.path)
	page.Parts = make([]piece, len(parts))
	var running sync.WaitGroup
	running.Go(func() { page.Bar = v.piece(ctx, bar{}).HTML })
	running.Go(func() { page.Reminder = v.piece(ctx, reminder{}).HTML })
	for i, p := range parts {
		running.Go(func() {
			switch {
			case p.name() != after.part:
				page.Parts[i] = v.piece(ctx, p)
			case after.instead.template != "":
				page.Parts[i] = v.filled(p, after.instead)
			default:
				page.Parts[i] = v.piece(ctx, p)
				page.Parts[i].HTML = v.fault(after.fault) + page.Parts[i].HTML
			}
		})
	}
	running.Wait()
	v.write(w, status, view{template: "page", data: page})
}

// piece shows a part. What fails stands in its place.
func (v *visit) piece(ctx context.Context, p part) piece {
	content, err := v.shows(ctx, p)
	if err != nil {
		return piece{Name: p.name(), Every: everyOf(p, content), HTML: v.fault(err)}
	}
	return v.filled(p, content)
}

// shows asks a part what it shows.
func (v *visit) shows(ctx context.Context, p part) (content view, err error) {
	ctx, cancel := context.WithTimeout(ctx, showTime)
	defer cancel()
	defer v.survive(&err, "this part of the page", "page", v.page.path, "part", p.name())
	return p.show(ctx, v)
}

// survive, deferred, makes an error of a panic, which says what has failed: a page does
// not take control with it. where is for the log.
func (s *Server) survive(err *error, what string, where ...any) {
	if reason := recover(); reason != nil {
		*err = fmt.Errorf("%s has failed: the log says why", what)
		s.Log.With(where...).Error(what+" has failed", "reason", reason, "stack", string(debug.Stack()))
	}
}

// filled is a part with its content.
func (v *visit) filled(p part, content view) piece {
	one := piece{Name: p.name(), Every: everyOf(p, content)}
	if content.template == "" { // there is nothing to show
		return one
	}
	html, err := v.fill(content)
	if err != nil {
		v.Log.Error("a part of a page cannot be shown", "page", v.page.path, "error", err)
		html = v.fault(errors.New("this part of the page cannot be shown: the log says why"))
	}
	one.HTML = html
	return one
}

// everyOf is after how many seconds a part is fetched again; 0: never.
func everyOf(p part, content view) int {
	every := content.every
	if l, is := p.(live); is && every == 0 {
		every = l.every()
	}
	return int(every.Round(time.Second) / time.Second)
}

// fault prints an error where a part would be, or above it.
func (s *Server) fault(err error) template.HTML {
	html, filling := s.fill(view{template: "fault", data: sentence(err)})
	if filling != nil {
		return template.HTML(template.HTMLEscapeString(err.Error()))
	}
	return html
}

// servePart answers with a part alone, as HTML, CSV or a file.
func (v *visit) servePart(ctx context.Context, w http.ResponseWriter, name string) {
	p := v.page.part(name, v.login.Rights)
	if p == nil {
		v.refuse(w, http.StatusNotFound, errors.New("the page has no such part"))
		return
	}
	list, lists := p.(lister)
	file, gives := p.(downloader)
	switch as := v.request.Form.Get("as"); {
	case as == "":
		one := v.piece(ctx, p)
		w.Header().Set("X-Causeway-Every", strconv.Itoa(one.Every))
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, string(one.HTML))
	case as == "csv" && lists:
		v.serveList(ctx, w, list)
	case as == "file" && gives:
		v.serveFile(ctx, w, file)
	default:
		v.refuse(w, http.StatusNotFound, fmt.Errorf("the part is not to be had as %q", as))
	}
}

// serveList answers with a table as CSV (RFC 4180).
func (v *visit) serveList(ctx context.Context, w http.ResponseWriter, l lister) {
	heading, rows, err := l.list(ctx, v)
	if err != nil {
		v.refuse(w, http.StatusInternalServerError, err)
		return
	}
	v.attach(w, "text/csv; charset=utf-8", cmp.Or(v.HostName(), "box")+strings.ReplaceAll(strings.TrimSuffix(v.page.path, "/"), "/", "-")+"-"+l.name()+".csv")
	if err := shown.WriteCSV(w, heading, rows); err != nil {
		v.Log.Info("a table was cut off", "part", l.name(), "error", err)
	}
}

// serveFile answers with a file.
func (v *visit) serveFile(ctx context.Context, w http.ResponseWriter, d downloader) {
	file, err := d.download(ctx, v)
	switch {
	case errors.As(err, new(notHad)):
		v.refuse(w, http.StatusNotFound, err)
		return
	case errors.Is(err, errSupports):
		v.refuse(w, http.StatusConflict, err)
		return
	case err != nil:
		v.refuse(w, http.StatusInternalServerError, err)
		return
	}
	v.attach(w, "application/octet-stream", file.name)
	if file.octets > 0 {
		w.Header().Set("Content-Length", strconv.FormatInt(file.octets, 10))
	}
	if v.request.Method == http.MethodHead {
		return
	}
	if err := file.write(&patient{writer: w, control: http.NewResponseController(w), goesOn: v.goesOn}); err != nil {
		v.Log.Info("a download was cut off", "file", file.name, "error", err)
		panic(http.ErrAbortHandler) // so that the browser knows
	}
}

// attach says that what follows is a file.
func (v *visit) attach(w http.ResponseWriter, mediaType, name string) {
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
}

// receive takes a form.
func (v *visit) receive(ctx context.Context, w http.ResponseWriter) {
	p, status, err := v.readForm(w)
	if err != nil {
		v.refuse(w, status, err)
		return
	}
	a, err := v.takes(ctx, p)
	if err != nil || a.instead.template != "" {
		v.file.drain()
		status := http.StatusUnprocessableEntity
		if a.done {
			status = http.StatusOK
		}
		v.writePage(ctx, w, status, outcome{p.name(), a.instead, err})
		return
	}
	to := cmp.Or(a.to, address(v.page.path, v.at()))
	if a.notice != "" {
		path, _, _ := strings.Cut(to, "?")
		v.session.tell(path, a.notice)
	}
	http.Redirect(w, v.request, to, http.StatusSeeOther)
}

// takes has a part take the form.
func (v *visit) takes(ctx context.Context, p taker) (a answer, err error) {
	defer v.survive(&err, "the form", "page", v.page.path, "part", p.name())
	return p.take(ctx, v)
}

// refuse answers with an error.
func (s *Server) refuse(w http.ResponseWriter, status int, err error) {
	one := s.screen(http.StatusText(status))
	one.Parts = []piece{{HTML: s.fault(err)}}
	s.write(w, status, view{template: "page", data: one})
}

// ended answers that the session is over, with the way to a new one.
func (s *Server) ended(w http.ResponseWriter, to string) {
	html, err := s.fill(view{template: "ended", data: s.destination(to)})
	if err != nil {
		s.Log.Error("a page cannot be shown", "error", err)
	}
	one := s.screen("The session has ended")
	one.Parts = []piece{{HTML: html}}
	s.write(w, http.StatusUnauthorized, view{template: "page", data: one})
}

// screen begins one.
func (s *Server) screen(title string) screen {
	return screen{
		Title: title, HostName: s.HostName(),
		Style: s.assets["style.css"].URL, Script: s.assets["page.js"].URL, Icon: s.assets["icon.svg"].URL,
	}
}

// write answers with a whole page.
func (s *Server) write(w http.ResponseWriter, status int, page view) {
	html, err := s.fill(page)
	if err != nil {
		s.Log.Error("a page cannot be shown", "error", err)
		http.Error(w, "The page cannot be shown: the log says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	io.WriteString(w, string(html))
}

// bar stands on top of every page, as a part of its own.
type bar struct{}

func (bar) name() string               { return "bar" }
func (bar) permits(model.Rights) error { return nil }
