package normalization

import (
	"bytes"

	"causeway/appliance/sip/message"
)

// updateFields changes the value of the first or all header fields, or a
// component of the URIs in them.
func updateFields(s *step, w *work, m *message.Message) {
	if s.part != nil {
		editURIs(s, w, m)
		return
	}
	for index, found := s.fields.Next(m, 0); found; index, found = s.fields.Next(m, index+1) {
		value := m.Fields[index].Value
		old := w.unfold(m.Get(value))
		if fresh, changed := s.substitute(w, old); changed && balanced(fresh) && !bytes.Equal(fresh, m.Get(value)) {
			w.replace(value, fresh)
		}
		if !s.all {
			return
		}
	}
}

// addField puts a header field behind the last one of its name, or behind all
// others.
func addField(s *step, w *work, m *message.Message) {
	end := m.Fields[len(m.Fields)-1].Line.End
	for index, found := s.fields.Next(m, 0); found; index, found = s.fields.Next(m, index+1) {
		end = m.Fields[index].Line.End
	}
	start := len(w.text)
	w.text = append(append(w.text, s.header...), ": "...)
	w.text = append(s.value.expand(w.text, nil, nil), "\r\n"...)
	w.replace(message.Span{Start: end, End: end}, w.text[start:])
}

// removeFields takes out the first or all header fields whose value the
// expression matches.
func removeFields(s *step, w *work, m *message.Message) {
	for index, found := s.fields.Next(m, 0); found; index, found = s.fields.Next(m, index+1) {
		if f := &m.Fields[index]; s.matches(w.unfold(m.Get(f.Value))) {
			w.replace(f.Line, nil)
		}
		if !s.all {
			return
		}
	}
}
