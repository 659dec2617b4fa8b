package transport

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/wneessen/go-mail"

	"causeway/appliance/callhome/message"
	"causeway/appliance/model"
)

// letter is a message as an e-mail.
type letter struct {
	from string // of the envelope
	text []byte // with its header (RFC 5322)
}

// nobody is the domain of a box that does not tell its name (RFC 2606 §2).
const nobody = "callhome.invalid"

// idForm is that of the IDs of messages.
var idForm = regexp.MustCompile(`^[A-Za-z0-9:.-]{1,128}$`)

// write makes the e-mail of a message for a destination. Whatever stands in a
// header is one line: go-mail encodes what is not (RFC 2047).
func (t *Transport) write(to Destination, m *message.Message) (letter, error) {
	if !idForm.MatchString(m.ID) {
		return letter{}, fmt.Errorf("%w: %q is not the ID of a message", ErrRefused, m.ID)
	}
	has, ok := enclosures[to.Format]
	if !ok {
		return letter{}, fmt.Errorf("%q is not a format of e-mails", to.Format)
	}
	text, err := t.form(m, has.text)
	if err != nil {
		return letter{}, err
	}
	first := to.Emails[0]
	from := cmp.Or(to.From, "callhome"+first[strings.LastIndexByte(first, '@'):])
	e := mail.NewMsg(mail.WithNoDefaultUserAgent())
	err = errors.Join(e.From(from), e.To(to.Emails...))
	if to.ReplyTo != "" && to.Mode == model.CallHomeSmart {
		err = errors.Join(err, e.ReplyTo(to.ReplyTo))
	}
	if err != nil {
		return letter{}, fmt.Errorf("write an e-mail: %w", err)
	}
	// The same message has the same ID however often it is sent: mail programs
	// show it once. A colon may not stand there (RFC 5322 §3.6.4).
	e.SetMessageIDWithValue(strings.ReplaceAll(m.ID, ":", ".") + "@" + cmp.Or(t.hostName(to.Mode), nobody))
	e.SetDateWithValue(m.Time)
	e.Subject(m.Subject())
	e.SetGenHeader(mail.HeaderUserAgent, t.program())
	e.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834 §5: no out-of-office notes
	e.SetBodyString(mail.TypeTextPlain, string(text.text))
	if has.attached != "" {
		attached, formErr := t.form(m, has.attached)
		err = errors.Join(formErr, e.AttachReader(has.name, bytes.NewReader(attached.text), mail.WithFileContentType(mail.ContentType(attached.mediaType))))
	}
	var octets bytes.Buffer
	if err == nil {
		_, err = e.WriteTo(&octets)
	}
	if err != nil {
		return letter{}, fmt.Errorf("write an e-mail: %w", err)
	}
	return letter{from: from, text: octets.Bytes()}, nil
}
