package normalization

import (
	"bytes"

	"causeway/appliance/sip/hop"
	"causeway/appliance/sip/message"
)

// identities are the header fields that say who somebody is (RFC 3325 §9).
var identities = [...]message.HeaderID{message.HeaderPAssertedIdentity, message.HeaderPPreferredIdentity}

// Privacy appends the message in hand without asserted and preferred identities
// to b, and gives that, if its sender asked for "Privacy: id" and it leaves for a
// network that is not trusted (RFC 3325 §7); nil when it may leave as it is. out
// nil means that nobody knows where it goes, so that it goes to strangers.
func (e *Engine) Privacy(b []byte, in *hop.Incoming, out *hop.Target) []byte {
	m := in.Message
	if !e.private || out != nil && e.trusted[out.Network] || !wantsPrivacy(m) {
		return nil
	}
	var few [4]message.Edit
	edits := few[:0]
	for i := range m.Fields {
		for _, id := range identities {
			if m.Fields[i].ID == id {
				edits = append(edits, message.Edit{At: m.Fields[i].Line})
			}
		}
	}
	if len(edits) == 0 {
		return nil
	}
	return message.Splice(b, m.Raw, edits)
}

// wantsPrivacy says whether a Privacy field has the value "id" (RFC 3323 §4.2).
func wantsPrivacy(m *message.Message) bool {
	if _, found := m.First(message.HeaderPrivacy); !found {
		return false
	}
	for i := range m.Fields {
		if m.Fields[i].ID != message.HeaderPrivacy {
			continue
		}
		for value := range bytes.FieldsFuncSeq(m.Get(m.Fields[i].Value), isPrivacySeparator) {
			if bytes.EqualFold(value, []byte("id")) {
				return true
			}
		}
	}
	return false
}

// isPrivacySeparator takes the comma too, which some senders write for the
// semicolon.
func isPrivacySeparator(r rune) bool {
	switch r {
	case ';', ',', ' ', '\t', '\r', '\n':
		return true
	}
	return false
}
