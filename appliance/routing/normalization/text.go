package normalization

import "bytes"

// substitute makes the new text of a part: all of old, or what the expression
// matches in it, leaves for the value. changed is false when the expression
// does not match, or the text could break a line.
func (s *step) substitute(w *work, old []byte) (fresh []byte, changed bool) {
	start := len(w.text)
	switch {
	case s.match == nil:
		w.text = s.value.expand(w.text, nil, nil)
	case !s.match.Match(old):
		return nil, false
	default:
		last := 0
		for _, places := range s.match.FindAllSubmatchIndex(old, -1) {
			w.text = s.value.expand(append(w.text, old[last:places[0]]...), old, places)
			last = places[1]
		}
		w.text = append(w.text, old[last:]...)
	}
	fresh = w.text[start:]
	return fresh, bytes.IndexFunc(fresh, isControl) < 0
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// matches says whether a step that removes is about this value.
func (s *step) matches(value []byte) bool { return s.match == nil || s.match.Match(value) }

// unfold gives value on one line: each fold is a blank (RFC 3261 §7.3.1).
func (w *work) unfold(value []byte) []byte {
	if bytes.IndexByte(value, '\n') < 0 {
		return value
	}
	start := len(w.text)
	for len(value) > 0 {
		line, rest, folded := bytes.Cut(value, []byte("\r\n"))
		w.text = append(w.text, line...)
		if value = bytes.TrimLeft(rest, " \t"); folded {
			w.text = append(w.text, ' ')
		}
	}
	return w.text[start:]
}

// balanced says whether each quoted string in text ends and each angle bracket
// outside of them has its other half: text that has not could take in what
// stands behind it.
func balanced(text []byte) bool {
	quoted, bracketed := false, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case quoted:
		case c == '<' || c == '>':
			if bracketed == (c == '<') {
				return false
			}
			bracketed = !bracketed
		}
	}
	return !quoted && !bracketed
}

// appendQuoted appends the value of a header field's parameter, as a quoted
// string unless it needs no quotes or has them.
func appendQuoted(b, value []byte) []byte {
	if !bytes.ContainsAny(value, " \",;<>\\@=?") || isQuoted(value) {
		return append(b, value...)
	}
	b = append(b, '"')
	for _, c := range value {
		if c == '"' || c == '\\' {
			b = append(b, '\\')
		}
		b = append(b, c)
	}
	return append(b, '"')
}

// isQuoted says whether text is one quoted string.
func isQuoted(text []byte) bool {
	if len(text) < 2 || text[0] != '"' {
		return false
	}
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i == len(text)-1
		}
	}
	return false
}
