package field

import (
	"bytes"
	"iter"

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
		return r.among(raw, uri.Parameters(raw))
	}
	switch r.component {
	case whole, uriItself:
		at = all
	case user:
		at = uri.User
	case phone:
		at = uri.Number(raw)
	case host:
		at = uri.Host
	case domain:
		if _, literal := uri.Addr(raw); !literal {
			at = uri.Host
		}
	case hostPort:
		at = uri.HostPort
	case scheme:
		at = uri.Scheme
	}
	return at, !at.Empty()
}

// among finds the parameter's value.
func (r *Reader) among(raw []byte, all iter.Seq[message.Parameter]) (value message.Span, ok bool) {
	for p := range all {
		if bytes.EqualFold(p.Name.In(raw), r.param) {
			return p.Value, true
		}
	}
	return message.Span{}, false
}
