package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"causeway/appliance/model"
)

// visit is one request of somebody who has logged in.
type visit struct {
	*Server
	request *http.Request // its form is read already
	login   model.Login
	session *session
	page    *page
	place   []string // of a part that has one of its own; nil: that of the page
	file    *upload  // that the form has brought; nil: none
	heard   *heard   // while a page is written; nil: else
}

// upload is a file on its way from a browser.
type upload struct {
	name string // as the browser says: for people alone
	io.Reader
}

// textSent is what somebody has pasted in a field, or the file that came instead, of
// at most so many octets.
func (v *visit) textSent(field string, most int64) (string, error) {
	text := v.request.PostForm.Get(field)
	if v.file != nil {
		if strings.TrimSpace(text) != "" {
			return "", errors.New("there is a text in the form, and a file: take one of them")
		}
		octets, err := io.ReadAll(v.file)
		if statusOf(err) == http.StatusRequestEntityTooLarge {
			err = fmt.Errorf("it has more than %d octets", most)
		}
		if err != nil {
			return "", fmt.Errorf("read %s: %w", v.file.name, err)
		}
		text = string(octets)
	}
	if strings.TrimSpace(text) == "" {
		return "", errors.New("choose a file or paste a text")
	}
	return strings.ReplaceAll(text, "\r\n", "\n"), nil // as forms have lines (HTML §4.10.22.6)
}

// active notes that somebody does something.
func (v *visit) active() {
	v.session.active()
	v.Login.Active(v.login.Session)
}

// goesOn is told that something long does. It must not when the session is over.
func (v *visit) goesOn() error {
	v.active()
	return context.Cause(v.session.ctx)
}

// operator is who looks.
func (v *visit) operator() model.Operator { return v.login.Operator }

// form is what the forms of a part have in hidden fields: {{template "hidden" .Form}}.
type form struct {
	Part  string
	Token string
	At    []string
}

// form gives that of a part.
func (v *visit) form(p part) form { return form{p.name(), v.session.token, v.at()} }

// at gives the lines that opened the mode of the configuration that the page is
// about: "?at=server-group+sip+group+a+lan1", once for each mode.
func (v *visit) at() []string {
	if v.place != nil {
		return v.place
	}
	if v.request.Method == http.MethodPost { // its address may say it, too
		return v.request.PostForm["at"]
	}
	return v.request.Form["at"]
}

// reach gives the page of a path; nil where there is none that who looks may see.
func (v *visit) reach(path string) *page {
	if p := v.pages[path]; p != nil && len(p.permitted(v.login.Rights)) > 0 {
		return p
	}
	return nil
}

// clock prints a time in the zone of the box, which it names (NET-10).
func (v *visit) clock(t time.Time) string { return clock(t, v.Zone()) }

func clock(t time.Time, zone *time.Location) string {
	return t.In(zone).Format("2006-01-02 15:04:05 MST")
}
