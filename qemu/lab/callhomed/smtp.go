package callhomed

import (
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// mostRecipients bounds those of an e-mail.
const mostRecipients = 100

// session is one of SMTP (RFC 5321).
type session struct {
	server   *Server
	conn     *smtp.Conn
	loggedIn bool
	head     strings.Builder // what was said before the e-mail
	to       []string
}

// mailSession begins a session.
func (s *Server) mailSession(conn *smtp.Conn) (smtp.Session, error) {
	return &session{server: s, conn: conn}, nil
}

// Reset implements smtp.Session.
func (s *session) Reset() {
	s.head.Reset()
	s.to = nil
}

// Logout implements smtp.Session.
func (s *session) Logout() error { return nil }

// AuthMechanisms implements smtp.AuthSession.
func (s *session) AuthMechanisms() []string {
	if len(s.server.options.Users) == 0 {
		return nil
	}
	return []string{sasl.Plain}
}

// Auth implements smtp.AuthSession.
func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		want, known := s.server.options.Users[user]
		if !known || subtle.ConstantTimeCompare([]byte(want), []byte(password)) != 1 {
			return smtp.ErrAuthFailed
		}
		s.loggedIn = true
		return nil
	}), nil
}

// Mail implements smtp.Session.
func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if len(s.server.options.Users) > 0 && !s.loggedIn {
		return answer(530, "Authentication required") // RFC 4954 §6
	}
	fmt.Fprintf(&s.head, "EHLO %s\nMAIL FROM:<%s>\n", s.conn.Hostname(), from)
	return nil
}

// Rcpt implements smtp.Session.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	fmt.Fprintf(&s.head, "RCPT TO:<%s>\n", to)
	s.to = append(s.to, to)
	return nil
}

// Data implements smtp.Session.
func (s *session) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	from := s.conn.Conn().RemoteAddr().String()
	slices.Sort(s.to)
	d := &Delivery{Over: OverMail, To: strings.Join(s.to, ", "), From: from, Head: s.head.String(), Raw: text}
	if state, encrypted := s.conn.TLSConnectionState(); encrypted {
		d.TLS, d.Certificate = tls.VersionName(state.Version), subject(&state)
	}
	f := s.server.strike(inMessage, OverMail)
	a := Arrival{Over: OverMail, From: from, Fault: f.Kind, Octets: append([]byte(d.Head), text...)}
	switch f.Kind {
	case Refuse, Silence, HangUp:
		a.Result = notTaken
		s.server.log(a)
		if f.Kind == Silence {
			s.conn.Conn().SetReadDeadline(time.Time{})
			s.conn.Conn().Read(make([]byte, 1)) // until the box gives up: it has nothing to say
		}
		if f.Kind != Refuse {
			s.conn.Close()
		}
		return answer(f.status(OverMail), "as the lab wants it")
	}
	d.Message, d.Format, err = s.server.readMail(text)
	if err = s.server.conclude(d, a, err); err != nil {
		if errors.Is(err, errNotKept) {
			return answer(451, err.Error())
		}
		return answer(554, err.Error())
	}
	switch f.Kind {
	case LostAnswer:
		s.conn.Close()
	case Slow:
		time.Sleep(time.Duration(f.Seconds) * time.Second)
	}
	return nil
}

// answer is one of SMTP. It is one line.
func answer(code int, text string) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCodeNotSet, Message: strings.Join(strings.Fields(text), " ")}
}
