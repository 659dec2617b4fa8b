package message

import (
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
	mode := settings.Does()
	switch {
	case !May(kind, mode):
		return nil, fmt.Errorf("mode %s of Call Home sends no %s messages", mode, kind)
	case (kind == Alert || kind == Test) != (event != nil):
		return nil, fmt.Errorf("%s message: alerts and tests have an event, and nothing else", kind)
	case len(attachments) > 0 && (kind != Alert || !settings.Traces):
		return nil, fmt.Errorf("%s message: only alerts have attachments, and only with include-traces", kind)
	}
	facts.Contact = Contact{
		Email: settings.ContactEmail, Phone: settings.Phone, Name: settings.ContactName,
		Company: settings.Company, StreetAddress: settings.StreetAddress,
		ContractUser: settings.ContractUser, CustomerID: settings.CustomerID,
		ContractID: settings.ContractID, SiteID: settings.SiteID,
	}
	m := &Message{
		ID: id, Kind: kind, Mode: mode, Time: at.Truncate(time.Second),
		Device: line(facts.Model + "@C@" + facts.Serial),
		Fields: take(kind, mode == model.CallHomeAnonymous, &facts),
	}
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
	for _, a := range attachments {
		a.Name, a.Type, a.Path, a.Text = line(a.Name), line(a.Type), line(a.Path), lines(a.Text)
		m.Attachments = append(m.Attachments, a)
	}
	return m, nil
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
