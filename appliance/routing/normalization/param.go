package normalization

import (
	"bytes"
	"iter"

	"causeway/appliance/model"
	"causeway/appliance/sip/message"
)

// editParams changes a parameter of the first or all elements of the header
// fields.
func editParams(s *step, w *work, m *message.Message) {
	for element := range s.elements(m) {
		p, found := s.findParam(m.Raw, element.Parameters(m.Raw))
		c, changed := s.changeOfParam(w, m.Raw, p, found, element.Element.End)
		if changed && !bytes.Equal(c.with, c.at.In(m.Raw)) {
			w.replace(c.at, c.with)
		}
	}
}

// findParam finds the parameter that the step is about.
func (s *step) findParam(raw []byte, all iter.Seq[message.Parameter]) (p message.Parameter, found bool) {
	for p = range all {
		if bytes.EqualFold(p.Name.In(raw), s.param) {
			return p, true
		}
	}
	return message.Parameter{}, false
}

// changeOfParam works out what the step does to the parameter p, if it was
// found, in a list that ends at end.
func (s *step) changeOfParam(w *work, raw []byte, p message.Parameter, found bool, end uint16) (c change, changed bool) {
	switch {
	case s.action == model.NormalizeAdd && !found:
		c.at, changed = message.Span{Start: end, End: end}, true
		c.want, _ = s.substitute(w, nil)
	case s.action == model.NormalizeUpdate && found:
		c.at = message.Span{Start: p.Name.End, End: p.Cut.End}
		c.want, changed = s.substitute(w, p.Value.In(raw))
	case s.action == model.NormalizeRemove && found && s.matches(p.Value.In(raw)):
		return change{at: p.Cut, gone: true}, true
	}
	if !changed {
		return c, false
	}
	start := len(w.text)
	if !found {
		w.text = append(append(w.text, ';'), s.param...)
	}
	if len(c.want) > 0 {
		w.text = append(w.text, '=')
		if s.quotes {
			w.text = appendQuoted(w.text, c.want)
		} else {
			w.text = append(w.text, c.want...)
		}
	}
	c.with = w.text[start:]
	return c, true
}
