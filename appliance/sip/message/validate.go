package message

import (
	"bytes"
	"strconv"
)

// Fault is what is wrong with a request and which answer that deserves.
type Fault struct {
	Status int    // 400, 416, 505 or 513
	Reason string // the reason phrase, for the peer's eyes; holds nothing the peer sent
}

// Error gives status and reason as they stand in a status line.
func (f *Fault) Error() string { return strconv.Itoa(f.Status) + " " + f.Reason }

// Validate says which answer a request deserves that Parse took but that must
// not be forwarded (RFC 3261 §16.3 steps 1 and 2, RFC 4475). It returns nil
// for a good request and for every response. Nobody answers an ACK; a faulty
// one is dropped.
func (m *Message) Validate() *Fault {
	if m.IsResponse {
		return nil
	}
	if !equalFold(m.Get(m.Version), "sip/2.0") {
		return &Fault{505, "Version Not Supported"}
	}
	if m.fault.err == errTooMany {
		return &Fault{513, "Message Too Large"}
	}
	if m.fault.err != nil {
		return badRequest(m.fault.part, m.fault.err)
	}
	if m.repeated != HeaderOther {
		return badRequest(m.repeated.String(), errRepeated)
	}
	if !bytes.Equal(m.Get(m.CSeqMethodName), m.Get(m.MethodName)) {
		return badRequest("CSeq", errMethod)
	}
	if fault := m.validateURI(); fault != nil {
		return fault
	}
	for i := range m.Fields {
		field := &m.Fields[i]
		if check := fieldChecks[field.ID]; check != nil {
			if err := check(m, field.Value); err != nil {
				return badRequest(field.ID.String(), err)
			}
		}
	}
	return nil
}

func badRequest(part string, err error) *Fault {
	return &Fault{400, "Bad " + part + ": " + err.Error()}
}

// validateURI checks the Request-URI (RFC 3261 §16.3 step 2, §19.1.1).
func (m *Message) validateURI() *Fault {
	uri, err := ParseURI(m.Raw, m.URI)
	switch {
	case err == nil && uri.Host.Empty() && uri.User.Empty(): // neither sip, sips nor tel
		return &Fault{416, "Unsupported URI Scheme"}
	case err == nil && !uri.Headers.Empty():
		err = errHeaders
	}
	if err != nil {
		return badRequest("Request-URI", err)
	}
	return nil
}

// fieldChecks are the fields whose every occurrence is checked, as far as Parse
// has not done so.
var fieldChecks = [headerCount]func(m *Message, value Span) error{
	HeaderVia:     checkVia,
	HeaderFrom:    checkParty,
	HeaderTo:      checkParty,
	HeaderContact: checkContact,
	HeaderRoute:   checkRoute,
	HeaderDate:    checkDate,
}

// checkVia wants a list of Via elements. Parse has read the topmost.
func checkVia(m *Message, value Span) error {
	if value.Start == m.Via.Value.Start {
		if !m.Via.More {
			return nil
		}
		value.Start = m.Via.Cut.End
	}
	for {
		via, err := ParseVia(m.Raw, value)
		if err != nil || !via.More {
			return err
		}
		value.Start = via.Cut.End
	}
}

// checkParty wants a URI in From or To. Parse has read the rest.
func checkParty(m *Message, value Span) error {
	uri := m.FromURI
	if value == m.To {
		uri = m.ToURI
	}
	_, err := ParseURI(m.Raw, uri)
	return err
}

// checkContact wants a list of addresses or a star (RFC 3261 §10.2.2).
func checkContact(m *Message, value Span) error {
	if string(m.Get(value)) == "*" {
		return nil
	}
	return checkAddresses(m.Raw, value, false)
}

// checkRoute wants angle brackets: without them ;lr is the element's to one
// reader and the URI's to another.
func checkRoute(m *Message, value Span) error { return checkAddresses(m.Raw, value, true) }

// checkAddresses wants a list of addresses, all in angle brackets if enclosed.
func checkAddresses(raw []byte, value Span, enclosed bool) error {
	for {
		address, err := ParseNameAddr(raw, value)
		if err != nil {
			return err
		}
		if enclosed && !address.Enclosed(raw) {
			return errEnclose
		}
		if _, err := ParseURI(raw, address.URI); err != nil || address.Next == 0 {
			return err
		}
		value.Start = address.Next
	}
}

// checkDate wants GMT (RFC 3261 §20.17, RFC 4475 §3.1.2.12).
func checkDate(m *Message, value Span) error {
	if !bytes.HasSuffix(m.Get(value), []byte(" GMT")) {
		return errZone
	}
	return nil
}
