package field

import (
	"bytes"

	"causeway/appliance/model"
	"causeway/appliance/sip/message"
)

// component is a part of a URI.
type component uint8

const (
	whole component = iota // of a header field, more than its URI
	uriItself
	user
	phone
	host
	domain
	hostPort
	scheme
)

// components are the parts of a URI by CUSP's words after "uri-component".
var components = map[string]component{
	"":          whole,
	"uri":       uriItself,
	"user":      user,     // without password
	"phone":     phone,    // the number of a tel URI, or of a user part that is one
	"host":      host,     // name or address; brackets of IPv6 included
	"domain":    domain,   // host that is a name
	"host-port": hostPort, // as written
	"scheme":    scheme,
}

// ofURI gives the component or parameter of a URI that stands at all. A part
// that the URI has not is no part.
func (r *Reader) ofURI(raw []byte, uri *message.URI, all message.Span) (at message.Span, ok bool) {
	if r.kind == model.FieldURIParam {
		return r.paramIn(raw, uri.Params)
	}
	switch r.component {
	case whole, uriItself:
		at = all
	case user:
		at = uri.User
	case phone:
		at = number(raw, uri.User)
	case host:
		at = uri.Host
	case domain:
		if _, literal := uri.Addr(raw); !literal {
			at = uri.Host
		}
	case hostPort:
		if at = uri.Host; uri.Port != 0 {
			for at.End++; int(at.End) < len(raw) && '0' <= raw[at.End] && raw[at.End] <= '9'; {
				at.End++
			}
		}
	case scheme:
		at = uri.Scheme
	}
	return at, !at.Empty()
}

// number gives the telephone number that a user part is, without its
// parameters (RFC 3966 §3, RFC 3261 §19.1.6); empty: it is something else.
func number(raw []byte, user message.Span) message.Span {
	text := user.In(raw)
	if semicolon := bytes.IndexByte(text, ';'); semicolon >= 0 {
		text = text[:semicolon]
	}
	digits := 0
	for i, c := range text {
		switch {
		case '0' <= c && c <= '9', c == '*', c == '#':
			digits++
		case c == '-', c == '.', c == '(', c == ')', c == '+' && i == 0:
		default:
			return message.Span{}
		}
	}
	if digits == 0 {
		return message.Span{}
	}
	return message.Span{Start: user.Start, End: user.Start + uint16(len(text))}
}

// paramIn finds the parameter among those that stand at params, the first one
// without its semicolon.
func (r *Reader) paramIn(raw []byte, params message.Span) (value message.Span, ok bool) {
	for at, end := int(params.Start), int(params.End); at < end; at++ {
		start, equals, quoted := at, -1, false
		for ; at < end && (quoted || raw[at] != ';'); at++ {
			switch {
			case raw[at] == '\\' && quoted:
				at++
			case raw[at] == '"':
				quoted = !quoted
			case raw[at] == '=' && equals < 0:
				equals = at
			}
		}
		at = min(at, end)
		name := raw[start:at]
		if equals >= 0 {
			name = raw[start:equals]
		}
		if !bytes.EqualFold(bytes.Trim(name, blanks), r.param) {
			continue
		}
		if equals < 0 {
			return message.Span{}, true
		}
		value := bytes.TrimLeft(raw[equals+1:at], blanks)
		first := at - len(value)
		value = bytes.TrimRight(value, blanks)
		return message.Span{Start: uint16(first), End: uint16(first + len(value))}, true
	}
	return message.Span{}, false
}

// blanks is the white space that may stand around a parameter's name and value.
const blanks = " \t\r\n"
