package message

import (
	"bytes"
	"iter"
)

// NameAddr is one element of Contact, Route, Record-Route, From or To: an
// address and its parameters (RFC 3261 §20.10). Without angle brackets all
// parameters are the element's, none the URI's.
type NameAddr struct {
	URI     Span   // what ParseURI reads
	Params  Span   // of the element, after the first semicolon; empty when there are none
	Element Span   // all of it, without the white space around it
	Next    uint16 // offset of the next element in the field; 0 when this is the last
}

// ParseNameAddr reads the element that begins at.Start in a field value that
// goes on to at.End. It does not look into the URI.
func ParseNameAddr(raw []byte, at Span) (NameAddr, error) {
	var address NameAddr
	end := int(at.End)
	start := skip(lwsClass, raw, int(at.Start), end)
	last, err := address.scanURI(raw, start, end)
	if err != nil {
		return address, err
	}
	next := skip(lwsClass, raw, last, end)
	if next < end && raw[next] == ';' {
		first := next + 1
		for next < end && raw[next] == ';' {
			if _, last, next, err = scanParameter(raw, next+1, end); err != nil {
				return address, err
			}
		}
		address.Params = span(first, last)
	}
	if !address.Enclosed(raw) && bytes.IndexByte(address.Params.In(raw), '@') >= 0 {
		return address, errEnclose // the semicolon could belong to the user part
	}
	address.Element = span(start, last)
	following, err := scanComma(raw, next, end)
	address.Next = uint16(following)
	return address, err
}

// scanURI finds the URI behind the display name, if any, and gives the offset
// after it and its bracket.
func (n *NameAddr) scanURI(raw []byte, at, end int) (next int, err error) {
	open := at
	if at < end && raw[at] == '"' {
		if open, err = skipQuoted(raw, at, end); err != nil {
			return open, err
		}
		open = skip(lwsClass, raw, open, end)
		if open == end || raw[open] != '<' {
			return open, errEnclose
		}
	} else {
		// Whatever could begin another element, a parameter, a quoted string
		// or a URI may not stand in a display name without quotes.
		for open < end && raw[open] != '<' && bytes.IndexByte([]byte(`,;:">`), raw[open]) < 0 {
			open++
		}
	}
	if open < end && raw[open] == '<' {
		length := bytes.IndexByte(raw[open:end], '>')
		if length < 0 {
			return open, errBracket
		}
		n.URI = span(open+1, open+length)
		if n.URI.Empty() {
			return open, errEmpty
		}
		return open + length + 1, nil
	}
	next = at
	for next < end && is(uriClass, raw[next]) && raw[next] != ',' && raw[next] != ';' {
		if raw[next] == '?' {
			return next, errEnclose
		}
		next++
	}
	if n.URI = span(at, next); n.URI.Empty() {
		return next, errEmpty
	}
	return next, nil
}

// Enclosed says whether the URI stands in angle brackets.
func (n *NameAddr) Enclosed(raw []byte) bool {
	return n.URI.Start > 0 && raw[n.URI.Start-1] == '<'
}

// Parameters iterates over the element's parameters.
func (n *NameAddr) Parameters(raw []byte) iter.Seq[Parameter] {
	return func(yield func(Parameter) bool) {
		for next, end := int(n.Params.Start), int(n.Params.End); next < end; next++ {
			p, _, after, err := scanParameter(raw, next, end)
			if err != nil || !yield(p) {
				return
			}
			next = after
		}
	}
}

// Param finds a parameter of the element by its name in lower case. The value
// is empty when the parameter has none, and keeps its quotes when it is quoted.
func (n *NameAddr) Param(raw []byte, name string) (value Span, found bool) {
	for p := range n.Parameters(raw) {
		if equalFold(p.Name.In(raw), name) {
			return p.Value, true
		}
	}
	return Span{}, false
}

// tag gives the tag, which may be given only once.
func (n *NameAddr) tag(raw []byte) (tag Span, err error) {
	for p := range n.Parameters(raw) {
		if equalFold(p.Name.In(raw), "tag") {
			if err := setOnce(&tag, p.Value); err != nil {
				return tag, err
			}
		}
	}
	return tag, nil
}

// Q gives the q-value of the element in thousandths, 0–1000; 1000 when it has
// none or one that RFC 3261 §25.1 does not allow.
func (n *NameAddr) Q(raw []byte) int {
	const highest = 1000
	value, _ := n.Param(raw, "q")
	text := value.In(raw)
	if len(text) == 0 || len(text) > len("0.000") || len(text) > 1 && text[1] != '.' {
		return highest
	}
	q, scale := 0, highest
	for i, c := range text {
		if i == 1 {
			continue
		}
		if !is(digitClass, c) {
			return highest
		}
		q += int(c-'0') * scale
		scale /= 10
	}
	return min(q, highest)
}

// Addresses iterates over the elements of all fields with that id, in their
// order, with their index from 0. It ends at the first one that cannot be read.
func (m *Message) Addresses(id HeaderID) iter.Seq2[int, NameAddr] {
	return func(yield func(int, NameAddr) bool) {
		index := 0
		for i := range m.Fields {
			if m.Fields[i].ID != id {
				continue
			}
			for rest := m.Fields[i].Value; ; index++ {
				element, err := ParseNameAddr(m.Raw, rest)
				if err != nil || !yield(index, element) {
					return
				}
				if element.Next == 0 {
					index++
					break
				}
				rest.Start = element.Next
			}
		}
	}
}

// Contacts iterates over the Contact elements. That of "Contact: *" has the
// URI "*", which is none to ParseURI.
func (m *Message) Contacts() iter.Seq2[int, NameAddr] { return m.Addresses(HeaderContact) }
