package web

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"causeway/appliance/entrance"
	"causeway/appliance/model"
)

// The paths that are no pages of the menu.
const (
	loginPath  = "/login"
	logoutPath = "/logout"
)

// How many may wait for an answer to their passwords, which are checked one after the
// other, and take longer when they are wrong.
const (
	loginsMost     = 8
	loginsOfSource = 3
)

// door is the login page. Its form has a token of its own, that belongs to a cookie
// of who fetched the page: no other page can log somebody in under another name.
type door struct {
	screen
	Token string
	To    string
	User  string
	Fault string
	New   bool // there is no user yet
}

// serveLogin serves the login page and takes its form.
func (s *Server) serveLogin(w http.ResponseWriter, r *http.Request) {
	cookie := doorOf(r)
	if r.Method != http.MethodPost {
		if s.sessions.of(r) != nil {
			http.Redirect(w, r, s.destination(r.Form.Get("to")), http.StatusSeeOther)
			return
		}
		if cookie == "" {
			cookie = secret()
			setCookie(w, doorCookie, cookie)
		}
		s.openDoor(w, r, http.StatusOK, door{Token: s.doorToken(cookie)})
		return
	}
	if cookie == "" || !equal(r.PostForm.Get("token"), s.doorToken(cookie)) {
		cookie = secret()
		setCookie(w, doorCookie, cookie)
		s.openDoor(w, r, http.StatusForbidden, door{Token: s.doorToken(cookie), Fault: "The login page was too old. Log in here."})
		return
	}
	again := door{Token: s.doorToken(cookie), User: r.PostForm.Get("user")}
	source := entrance.Source(addressOf(r))
	leave := s.logins.enter(source, nil)
	if leave == nil {
		again.Fault = "Too many people log in at this moment. Try again in a few seconds."
		s.openDoor(w, r, http.StatusServiceUnavailable, again)
		return
	}
	defer leave()
	login, err := s.Login.Password(r.Context(), r.PostForm.Get("user"), r.PostForm.Get("password"), "web "+peerOf(r))
	if err != nil {
		again.Fault = sentence(err)
		s.openDoor(w, r, http.StatusUnprocessableEntity, again)
		return
	}
	if before := s.sessions.of(r); before != nil { // who logs in twice leaves the first
		before.end(errExit)
	}
	value, _ := s.sessions.begin(login)
	setCookie(w, sessionCookie, value) // a new one: nobody can know it before
	setCookie(w, doorCookie, "")
	http.Redirect(w, r, s.destination(r.Form.Get("to")), http.StatusSeeOther)
}

// openDoor answers with the login page.
func (s *Server) openDoor(w http.ResponseWriter, r *http.Request, status int, d door) {
	var state model.AccessState
	if err := s.Call(r.Context(), "control", "control.access.state", nil, &state); err != nil {
		s.Log.Debug("login page", "error", err)
	}
	d.New, d.To = state.NewBox, s.destination(r.Form.Get("to"))
	d.screen = s.screen("Log in")
	s.write(w, status, view{template: "login", data: d})
}

// serveLogout ends the session.
func (s *Server) serveLogout(w http.ResponseWriter, r *http.Request) {
	if one := s.sessions.of(r); one != nil {
		if !equal(r.PostForm.Get("token"), one.token) {
			s.refuse(w, http.StatusForbidden, errToken)
			return
		}
		one.end(errExit)
	}
	setCookie(w, sessionCookie, "")
	http.Redirect(w, r, loginPath, http.StatusSeeOther)
}

// doorOf is the cookie of the login page, if it is one of ours.
func doorOf(r *http.Request) string {
	cookie, err := r.Cookie(doorCookie)
	if err != nil {
		return ""
	}
	if octets, err := base64.RawURLEncoding.DecodeString(cookie.Value); err != nil || len(octets) != secretOctets {
		return ""
	}
	return cookie.Value
}

// doorToken is the token that belongs to a cookie of the login page.
func (s *Server) doorToken(cookie string) string {
	sum := hmac.New(sha256.New, s.key)
	sum.Write([]byte(cookie))
	return base64.RawURLEncoding.EncodeToString(sum.Sum(nil))
}

// destination is where somebody goes after the login: to a page of ours, with the
// mode that it was about, and nowhere else.
func (s *Server) destination(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "" || u.Host != "" || s.pages[u.Path] == nil {
		return "/"
	}
	return address(u.Path, u.Query()["at"])
}

// address is that of a page about a mode.
func address(path string, at []string) string {
	u := url.URL{Path: path}
	if len(at) > 0 {
		u.RawQuery = url.Values{"at": at}.Encode()
	}
	return u.String()
}

// sentence prints an error as one.
func sentence(err error) string {
	first, size := utf8.DecodeRuneInString(err.Error())
	return string(unicode.ToUpper(first)) + strings.TrimSuffix(err.Error()[size:], ".") + "."
}
