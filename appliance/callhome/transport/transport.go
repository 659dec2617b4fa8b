// Package transport brings Call Home messages to where they are wanted: by
// HTTPS, through a proxy or not, or by e-mail.
package transport

import (
	"errors"
	"time"

	"causeway/appliance/model"
)

// Destination is where one message goes.
type Destination struct {
	Profile string // its name: model.ProfileVendor, model.ProfileCopies, or another
	Format  string // model.CallHomeXML, …
	Mode    string // of Call Home: in Anonymous nothing on the way tells who the box is

	URL   string // https; empty: by e-mail
	Proxy string // "host:port"; empty: none

	Emails        []string
	Servers       []model.MailServer // in the order in which they are tried
	From, ReplyTo string
}

// ErrRefused means that the other end has taken a look and will never take the
// message.
var ErrRefused = errors.New("refused")

// Later is an error of a destination that says when it wants to be asked again.
type Later struct {
	After time.Duration
	Err   error
}

// Error implements error.
func (l *Later) Error() string { return l.Err.Error() }

// Unwrap gives what went wrong.
func (l *Later) Unwrap() error { return l.Err }
