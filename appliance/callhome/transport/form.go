package transport

import (
	"fmt"

	"causeway/appliance/callhome/message"
	"causeway/appliance/model"
)

// body is a message in one of its forms.
type body struct {
	text      []byte
	mediaType string
}

// form writes a message as a format wants it.
func (t *Transport) form(m *message.Message, format string) (b body, err error) {
	switch format {
	case model.CallHomeXML:
		b.mediaType = "application/soap+xml; charset=utf-8" // RFC 3902
		b.text, err = m.XML(t.options.Trace)
	case model.CallHomeJSON:
		b.mediaType = "application/json"
		b.text, err = m.JSON(t.options.Trace)
	case model.CallHomeLong:
		b = body{[]byte(m.Long()), plainText}
	case model.CallHomeShort:
		b = body{[]byte(m.Short()), plainText}
	default:
		err = fmt.Errorf("%q is not a format of messages", format)
	}
	if err != nil {
		return b, fmt.Errorf("write message %s: %w", m.ID, err)
	}
	return b, nil
}

const plainText = "text/plain; charset=utf-8"

// enclosures are what e-mails of a format have in text, for people, and attached,
// for programs.
var enclosures = map[string]struct{ text, attached, name string }{
	model.CallHomeXML:   {model.CallHomeShort, model.CallHomeXML, "call-home.xml"},
	model.CallHomeJSON:  {model.CallHomeShort, model.CallHomeJSON, "call-home.json"},
	model.CallHomeLong:  {model.CallHomeLong, model.CallHomeXML, "call-home.xml"},
	model.CallHomeShort: {text: model.CallHomeShort},
}
