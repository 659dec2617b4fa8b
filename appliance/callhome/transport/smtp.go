package transport

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/textproto"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/wneessen/go-mail/smtp"

	"causeway/appliance/callhome/message"
	"causeway/appliance/model"
)

// The ports of mail servers: submission (RFC 6409), the same with TLS from the
// beginning (RFC 8314), and relays in the clear (RFC 5321).
var mailPorts = map[string]int{model.MailSTARTTLS: 587, model.MailTLS: 465, model.MailPlain: 25}

// replyMost bounds what a mail server says in one session, in octets.
const replyMost = 256 << 10

// delivery is one message to one profile.
type delivery struct{ profile, id string }

// takenMost bounds the deliveries that a Transport remembers recipients of.
const takenMost = 1000

// mail sends a message as an e-mail, by the first mail server that takes it.
// Recipients that have it do not get it again while this process lives, when
// others have to be tried later.
func (t *Transport) mail(ctx context.Context, to Destination, m *message.Message) error {
	l, err := t.write(to, m)
	if err != nil {
		return err
	}
	of := delivery{to.Profile, m.ID}
	taken := t.takenBy(of)
	left := slices.DeleteFunc(slices.Clone(to.Emails), func(a string) bool { return slices.Contains(taken, a) })
	var refused, failed []string
	for _, server := range to.Servers {
		if len(left) == 0 {
			break
		}
		answers, err := t.hand(ctx, server, to.Mode, l, left)
		if err != nil {
			failed = append(failed, fmt.Sprintf("mail server %s: %v", server.Host, err))
			continue
		}
		var later []string
		for i, err := range answers {
			what := fmt.Sprintf("mail server %s: %s: %v", server.Host, left[i], err)
			switch {
			case err == nil:
				taken = append(taken, left[i])
			case permanent(err):
				refused = append(refused, what)
			default:
				failed = append(failed, what)
				later = append(later, left[i])
			}
		}
		left = later
	}
	switch {
	case len(left) > 0:
		t.remember(of, taken)
		return errors.New(strings.Join(failed, "; "))
	case len(taken) == 0:
		return fmt.Errorf("%w: %s", ErrRefused, strings.Join(refused, "; "))
	}
	t.remember(of, nil)
	if len(refused) > 0 {
		t.options.Log.Warn("recipients of a Call Home message were refused", "message", m.ID, "profile", to.Profile, "error", strings.Join(refused, "; "))
	}
	return nil
}

func (t *Transport) takenBy(d delivery) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.taken[d])
}

// remember notes who has a message already; nobody: it is over.
func (t *Transport) remember(d delivery, recipients []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case len(recipients) == 0:
		delete(t.taken, d)
		return
	case len(t.taken) >= takenMost: // deliveries that the queue gave up: nobody tells
		clear(t.taken)
	}
	t.taken[d] = recipients
}

// hand gives an e-mail to a mail server. What that says to each recipient is nil
// if he has it; an error means that nobody has, and that it may be tried again.
func (t *Transport) hand(ctx context.Context, server model.MailServer, mode string, l letter, recipients []string) ([]error, error) {
	ctx, cancel := context.WithTimeout(ctx, limit(l.text))
	defer cancel()
	security := cmp.Or(server.Security, model.MailSTARTTLS)
	var config *tls.Config
	if security != model.MailPlain {
		var err error
		if config, err = t.security(mode, server.Host); err != nil {
			return nil, err
		}
	}
	conn, err := t.connect(ctx, "tcp", net.JoinHostPort(server.Host, strconv.Itoa(cmp.Or(server.Port, mailPorts[security]))))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })() // nothing else ends a read
	client, err := t.session(&brief{Conn: conn, left: replyMost}, server, config, mode)
	if err != nil {
		return nil, cmp.Or(context.Cause(ctx), told(err))
	}
	answers, err := transact(client, l, recipients)
	switch err = told(err); {
	case err == nil:
		return answers, nil
	case permanent(err):
		return slices.Repeat([]error{err}, len(recipients)), nil
	}
	return nil, cmp.Or(context.Cause(ctx), err)
}

// session makes a session in which a mail server takes e-mails: TLS, as config
// wants it, unless that is nil, and a password.
func (t *Transport) session(conn net.Conn, server model.MailServer, config *tls.Config, mode string) (*smtp.Client, error) {
	name := nobody
	if mode == model.CallHomeSmart {
		name = cmp.Or(t.hostName(mode), literal(conn.LocalAddr()))
	}
	if server.Security == model.MailTLS {
		conn = tls.Client(conn, config)
	}
	client, err := smtp.NewClient(conn, server.Host)
	if err == nil {
		err = client.Hello(name)
	}
	if err == nil && config != nil && server.Security != model.MailTLS {
		err = startTLS(client, config)
	}
	if err == nil && server.User != "" {
		err = t.logIn(client, server, config != nil)
	}
	return client, err
}

// startTLS must succeed: whoever takes the offer out of the answer gets nothing
// to read.
func startTLS(client *smtp.Client, config *tls.Config) error {
	if offered, _ := client.Extension("STARTTLS"); !offered {
		return errors.New("it does not offer STARTTLS")
	}
	return client.StartTLS(config)
}

// mechanisms are the ways to log in (RFC 4954), the first that the server knows
// too is taken. In the clear a password is not shown.
var mechanisms = []struct {
	name  string
	shows bool // the password
	make  func(user, password, host string) smtp.Auth
}{
	{"SCRAM-SHA-256", false, func(user, password, _ string) smtp.Auth { return smtp.ScramSHA256Auth(user, password) }},
	{"SCRAM-SHA-1", false, func(user, password, _ string) smtp.Auth { return smtp.ScramSHA1Auth(user, password) }},
	{"CRAM-MD5", false, func(user, password, _ string) smtp.Auth { return smtp.CRAMMD5Auth(user, password) }},
	{"PLAIN", true, func(user, password, host string) smtp.Auth { return smtp.PlainAuth("", user, password, host, false) }},
	{"LOGIN", true, func(user, password, host string) smtp.Auth { return smtp.LoginAuth(user, password, host, false) }},
}

// logIn tells a mail server who asks.
func (t *Transport) logIn(client *smtp.Client, server model.MailServer, encrypted bool) error {
	_, known := client.Extension("AUTH")
	for _, m := range mechanisms {
		if m.shows && !encrypted || !slices.Contains(strings.Fields(known), m.name) {
			continue
		}
		password, err := t.options.Open(server.Password)
		if err != nil {
			return fmt.Errorf("the password of %q: %w", server.User, err)
		}
		if err := client.Auth(frugal{m.make(server.User, password, server.Host)}); err != nil {
			return fmt.Errorf("log in as %q: %w", server.User, unechoed(err))
		}
		return nil
	}
	if !encrypted {
		return errors.New("it knows no way to log in that does not show the password in the clear")
	}
	return errors.New("it knows no way to log in that the box knows")
}

// frugal is a way to log in for which a server may not have the box count for hours.
type frugal struct{ smtp.Auth }

// iterationsMost bounds how often a password is hashed (RFC 5802 §5.1, "i="): a
// second or so.
const iterationsMost = 1_000_000

// Next implements smtp.Auth.
func (f frugal) Next(said []byte, more bool) ([]byte, error) {
	for attribute := range strings.SplitSeq(string(said), ",") {
		count, found := strings.CutPrefix(attribute, "i=")
		if n, err := strconv.Atoi(count); found && err == nil && n > iterationsMost {
			return nil, fmt.Errorf("it wants the password hashed more than %d times", iterationsMost)
		}
	}
	return f.Auth.Next(said, more)
}

// enhancedForm is that of codes that say why (RFC 3463).
var enhancedForm = regexp.MustCompile(`^[245]\.\d{1,3}\.\d{1,3}\b`)

// unechoed is why a login failed, without the words of the server: some repeat
// the line that they do not like, and the password is in it.
func unechoed(err error) error {
	var answer *reply
	switch err = told(err); {
	case errors.As(err, &answer):
		return &reply{answer.code, enhancedForm.FindString(answer.text)}
	case errors.Is(err, smtp.ErrUnexpectedServerResponse):
		return smtp.ErrUnexpectedServerResponse
	}
	return err
}

// transact is one mail transaction (RFC 5321 §3.3).
func transact(client *smtp.Client, l letter, recipients []string) ([]error, error) {
	client.SkipSMTPUTF8(ascii(l.from + strings.Join(recipients, "")))
	if err := client.Mail("<" + l.from + ">"); err != nil {
		return nil, err
	}
	answers := make([]error, len(recipients))
	for i, r := range recipients {
		answers[i] = told(client.Rcpt("<" + r + ">"))
		if _, isReply := answers[i].(*reply); answers[i] != nil && !isReply {
			return nil, answers[i] // the connection is gone
		}
	}
	if slices.Contains(answers, nil) {
		w, err := client.Data()
		if err == nil {
			_, err = w.Write(l.text)
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			return nil, err
		}
	}
	client.Quit() // it has the e-mail, whatever it says now
	return answers, nil
}

func ascii(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r >= 0x80 })
}

// reply is an answer of a mail server that is not what was hoped for.
type reply struct {
	code int
	text string // as it can be shown
}

// Error implements error.
func (r *reply) Error() string { return strings.TrimSpace(fmt.Sprintf("%d %s", r.code, r.text)) }

// told is an error as it can be shown: what the other side says may hold
// anything.
func told(err error) error {
	var answer *textproto.Error
	var garbage textproto.ProtocolError
	switch {
	case errors.As(err, &answer):
		return &reply{answer.Code, quote(answer.Msg)}
	case errors.As(err, &garbage):
		return errors.New(quote(string(garbage)))
	}
	return err
}

// permanent says whether an answer will be the same when the same is asked again
// (RFC 5321 §4.2.1). One about the login will not once that is set right
// (RFC 4954 §6).
func permanent(err error) bool {
	var answer *reply
	return errors.As(err, &answer) && answer.code/100 == 5 && !slices.Contains([]int{530, 534, 535, 538}, answer.code)
}

// literal is what a box without a name says in its place: its address (RFC 5321
// §4.1.3).
func literal(local net.Addr) string {
	address, err := netip.ParseAddrPort(local.String())
	if err != nil {
		return nobody
	}
	if ip := address.Addr().Unmap(); ip.Is4() {
		return "[" + ip.String() + "]"
	}
	return "[IPv6:" + address.Addr().WithZone("").String() + "]"
}

// brief is a connection whose other side must be brief: go-mail takes lines of
// any length.
type brief struct {
	net.Conn
	left int // octets
}

// errTalks ends a session with a server that does not.
var errTalks = errors.New("the server says more than a mail server has to")

// Read implements net.Conn.
func (b *brief) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, errTalks
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
