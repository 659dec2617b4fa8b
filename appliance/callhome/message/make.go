package message

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"causeway/appliance/model"
)

// May says whether a mode sends messages of a kind. Anonymous sends what is due
// every month but the configuration, and nothing else (CH-11).
func May(kind Kind, mode string) bool {
	switch mode {
	case model.CallHomeSmart:
		return slices.Contains(all, kind)
	case model.CallHomeAnonymous:
		return kind == Inventory || kind == Telemetry
	}
	return false
}

// New makes a message of what the table gives it of the facts, in the mode of
// the settings; the contact is that of the settings, too. Alerts and tests have an
// event, and no other message has; alerts may have attachments where the settings
// want traces. Whatever the mode does not send is an error. No text of the message
// has control characters, but for the line ends and tabs of attachments.
func New(kind Kind, id string, at time.Time, settings *model.CallHome, facts Facts, event *Event, attachments ...Attachment) (*Message, error) {
	m := &Message{ID: id, Kind: kind, Mode: settings.Does(), Time: at.Truncate(time.Second), Event: event, Attachments: attachments}
	if err := m.check(); err != nil {
		return nil, err
	}
	if len(attachments) > 0 && !settings.Traces {
		return nil, errors.New("attachments need include-traces")
	}
	facts.Contact = Contact{
		Email: settings.ContactEmail, Phone: settings.Phone, Name: settings.ContactName,
		Company: settings.Company, StreetAddress: settings.StreetAddress,
		ContractUser: settings.ContractUser, CustomerID: settings.CustomerID,
		ContractID: settings.ContractID, SiteID: settings.SiteID,
	}
	m.Device = line(facts.Model + "@C@" + facts.Serial)
	m.Fields = take(kind, m.Mode == model.CallHomeAnonymous, &facts)
	for i := range m.Fields {
		f := &m.Fields[i]
		f.Text = line(f.Text)
		for _, item := range f.Items {
			for j := range item {
				item[j].Text = line(item[j].Text)
			}
		}
	}
	if event != nil {
		e := *event
		for _, text := range []*string{&e.Name, &e.Type, &e.Group, &e.Object, &e.Description, &e.Impact, &e.Remedy, &e.Node} {
			*text = line(*text)
		}
		m.Event = &e
	}
	m.Attachments = slices.Clone(attachments)
	for i := range m.Attachments {
		a := &m.Attachments[i]
		a.Name, a.Type, a.Path, a.Text = line(a.Name), line(a.Type), line(a.Path), lines(a.Text)
	}
	return m, nil
}

// UnmarshalJSON implements json.Unmarshaler. A message that New does not make is
// an error: not every octet of what comes back from a disk is what went there.
func (m *Message) UnmarshalJSON(text []byte) error {
	type plain Message // without this method
	if err := json.Unmarshal(text, (*plain)(m)); err != nil {
		return err
	}
	return m.check()
}

// check says what of a message its mode does not send, or its kind does not have.
func (m *Message) check() error {
	switch {
	case !May(m.Kind, m.Mode):
		return fmt.Errorf("mode %s of Call Home sends no %s messages", m.Mode, m.Kind)
	case (m.Kind == Alert || m.Kind == Test) != (m.Event != nil):
		return fmt.Errorf("%s message: alerts and tests have an event, and nothing else", m.Kind)
	case len(m.Attachments) > 0 && m.Kind != Alert:
		return fmt.Errorf("%s message: only alerts have attachments", m.Kind)
	}
	return nil
}

// line is a text without anything that XML forbids, or that is more than
// characters where text is read: headers of e-mails, screens.
func line(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
}

// lines is the same for a text of several lines.
func lines(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
}
