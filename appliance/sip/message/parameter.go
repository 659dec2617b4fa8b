package message

// Parameter is one generic-param of a header field (RFC 3261 §25.1).
type Parameter struct {
	Name  Span
	Value Span // quotes of a quoted one included; empty when there is none
	Cut   Span // what to remove to remove the parameter: its text and the semicolon before
}

// scanParameter reads the parameter that follows the semicolon before at.
// last is the end of its text, next the offset of what follows the white space
// after it: a semicolon, a comma, or end.
func scanParameter(raw []byte, at, end int) (p Parameter, last, next int, err error) {
	p.Cut.Start = uint16(at - 1)
	at = skip(lwsClass, raw, at, end)
	last = skip(tokenClass, raw, at, end)
	if last == at {
		return p, last, last, errParameter
	}
	p.Name = span(at, last)
	next = skip(lwsClass, raw, last, end)
	if next < end && raw[next] == '=' {
		at = skip(lwsClass, raw, next+1, end)
		if at < end && raw[at] == '"' {
			if last, err = skipQuoted(raw, at, end); err != nil {
				return p, last, last, err
			}
		} else if last = skip(valueClass, raw, at, end); last == at {
			return p, last, last, errParameter
		}
		p.Value = span(at, last)
		next = skip(lwsClass, raw, last, end)
	}
	if next < end && raw[next] != ';' && raw[next] != ',' {
		return p, last, next, errSeparator
	}
	p.Cut.End = uint16(last)
	return p, last, next, nil
}

// scanComma reads the comma between two elements of a field and gives the
// offset of the next element, or 0 at the end of the field.
func scanComma(raw []byte, at, end int) (next int, err error) {
	if at == end {
		return 0, nil
	}
	if raw[at] != ',' {
		return 0, errSeparator
	}
	if next = skip(lwsClass, raw, at+1, end); next == end {
		return 0, errEmpty
	}
	return next, nil
}

// setOnce notes the value of a parameter that must have one and may be given
// only once.
func setOnce(target *Span, value Span) error {
	switch {
	case value.Empty():
		return errParameter
	case !target.Empty():
		return errRepeated
	}
	*target = value
	return nil
}
