package normalization

import (
	"bytes"
	"iter"
	"math"

	"causeway/appliance/model"
	"causeway/appliance/sip/message"
)

// part finds a component of the URI that stands at all.
type part func(raw []byte, uri message.URI, all message.Span) message.Span

// parts are the components that can be updated, by CUSP's words. They are what
// package field reads under these words.
var parts = map[string]part{
	"":          func(_ []byte, _ message.URI, all message.Span) message.Span { return all },
	"uri":       func(_ []byte, _ message.URI, all message.Span) message.Span { return all },
	"user":      func(_ []byte, uri message.URI, _ message.Span) message.Span { return uri.User },
	"phone":     func(raw []byte, uri message.URI, _ message.Span) message.Span { return uri.Number(raw) },
	"host":      func(_ []byte, uri message.URI, _ message.Span) message.Span { return uri.Host },
	"host-port": func(_ []byte, uri message.URI, _ message.Span) message.Span { return uri.HostPort },
	"domain": func(raw []byte, uri message.URI, _ message.Span) message.Span {
		if _, literal := uri.Addr(raw); literal {
			return message.Span{}
		}
		return uri.Host
	},
}

// change is what a step does to a URI: the octets at leave for with. Then the
// step must read want in the place it is about, or nothing if it is gone.
type change struct {
	at   message.Span
	with []byte
	want []byte
	gone bool
}

// editURIs changes the Request-URI, or the URI of the first or all elements of
// the header fields.
func editURIs(s *step, w *work, m *message.Message) {
	if s.header == "" {
		if !m.IsResponse {
			s.editURI(w, m.Raw, m.URI, true)
		}
		return
	}
	for element := range s.elements(m) {
		s.editURI(w, m.Raw, element.URI, element.Enclosed(m.Raw))
	}
}

// elements iterates over the first or all elements of the header fields that
// the step is about, as far as they can be read.
func (s *step) elements(m *message.Message) iter.Seq[message.NameAddr] {
	return func(yield func(message.NameAddr) bool) {
		for index, found := s.fields.Next(m, 0); found; index, found = s.fields.Next(m, index+1) {
			for rest := m.Fields[index].Value; ; {
				element, err := message.ParseNameAddr(m.Raw, rest)
				if err != nil {
					break
				}
				if !yield(element) || !s.all {
					return
				}
				if element.Next == 0 {
					break
				}
				rest.Start = element.Next
			}
		}
	}
}

// editURI changes one URI, if it can be read and what comes out can be, too.
func (s *step) editURI(w *work, raw []byte, all message.Span, enclosed bool) {
	uri, err := message.ParseURI(raw, all)
	if err != nil {
		return
	}
	c, changed := s.changeOf(w, raw, &uri, all)
	if !changed {
		return
	}
	start := len(w.text)
	w.text = append(w.text, '<')
	w.text = append(w.text, raw[all.Start:c.at.Start]...)
	w.text = append(w.text, c.with...)
	w.text = append(w.text, raw[c.at.End:all.End]...)
	w.text = append(w.text, '>')
	bracketed := w.text[start:]
	plain := bracketed[1 : len(bracketed)-1]
	switch {
	case bytes.Equal(plain, raw[all.Start:all.End]) || !s.reads(plain, &c):
	case enclosed:
		w.replace(all, plain)
	default: // the new URI may hold what would end one without brackets
		w.replace(all, bracketed)
	}
}

// reads says whether the new URI reads as the change wants it.
func (s *step) reads(raw []byte, c *change) bool {
	if len(raw) > math.MaxUint16 {
		return false
	}
	all := message.Span{End: uint16(len(raw))}
	uri, err := message.ParseURI(raw, all)
	if err != nil {
		return false
	}
	if s.part != nil {
		return bytes.Equal(s.part(raw, uri, all).In(raw), c.want)
	}
	p, found := s.findParam(raw, uri.Parameters(raw))
	return found != c.gone && bytes.Equal(p.Value.In(raw), c.want)
}

// changeOf works out what the step does to a URI.
func (s *step) changeOf(w *work, raw []byte, uri *message.URI, all message.Span) (c change, changed bool) {
	switch {
	case s.action == model.NormalizeSIPToTel:
		return sipToTel(w, raw, uri, all)
	case s.action == model.NormalizeTelToSIP:
		return s.telToSIP(w, raw, uri, all)
	case s.part != nil:
		if c.at = s.part(raw, *uri, all); c.at.Empty() {
			return c, false
		}
		c.with, changed = s.substitute(w, c.at.In(raw))
		c.want = c.with
		return c, changed
	}
	p, found := s.findParam(raw, uri.Parameters(raw))
	end := all.End
	if !uri.Headers.Empty() {
		end = uri.Headers.Start - 1
	}
	return s.changeOfParam(w, raw, p, found, end)
}

// sipToTel makes a sip URI whose user part is a number a tel URI. A local number
// is valid in its domain (RFC 3966 §5.1.5).
func sipToTel(w *work, raw []byte, uri *message.URI, all message.Span) (c change, changed bool) {
	number := uri.Number(raw)
	if number.Empty() || uri.Host.Empty() {
		return c, false
	}
	start := len(w.text)
	w.text = append(append(w.text, "tel:"...), uri.User.In(raw)...)
	domain := parts["domain"](raw, *uri, all)
	if raw[number.Start] != '+' && !domain.Empty() && !bytes.Contains(bytes.ToLower(uri.User.In(raw)), []byte(";phone-context=")) {
		w.text = append(append(w.text, ";phone-context="...), domain.In(raw)...)
	}
	return change{at: all, with: w.text[start:], want: number.In(raw)}, true
}

// telToSIP makes a tel URI a sip URI at the host that the step names
// (RFC 3261 §19.1.6).
func (s *step) telToSIP(w *work, raw []byte, uri *message.URI, all message.Span) (c change, changed bool) {
	number := uri.Number(raw)
	if number.Empty() || !uri.Host.Empty() {
		return c, false
	}
	start := len(w.text)
	w.text = append(append(w.text, "sip:"...), raw[uri.User.Start:all.End]...)
	w.text = s.value.expand(append(w.text, '@'), nil, nil)
	w.text = append(w.text, ";user=phone"...)
	return change{at: all, with: w.text[start:], want: number.In(raw)}, true
}
