package message

import (
	"bytes"
	"iter"
	"net/netip"
	"strings"
)

// URI is a SIP, SIPS or tel URI (RFC 3261 §19.1, RFC 3966) or one of another
// scheme. Of a tel URI, User is the number and Params its parameters; of
// another scheme only Scheme is set.
type URI struct {
	Scheme   Span // as written
	User     Span // without the password
	Host     Span // brackets of an IPv6 address included
	HostPort Span // with the port, if there is one
	Params   Span // after the first semicolon
	Headers  Span // after the question mark
	Port     uint16
	Secure   bool // sips
	Loose    bool // ;lr
}

// ParseURI reads the URI that is exactly the span at.
func ParseURI(raw []byte, at Span) (uri URI, err error) {
	start, end := int(at.Start), int(at.End)
	colon := skip(tokenClass, raw, start, end)
	if colon == start || colon >= end-1 || raw[colon] != ':' {
		return uri, errScheme
	}
	uri.Scheme = span(start, colon)
	switch scheme := raw[start:colon]; {
	case equalFold(scheme, "sip"):
		err = uri.scanSIP(raw, colon+1, end)
	case equalFold(scheme, "sips"):
		uri.Secure = true
		err = uri.scanSIP(raw, colon+1, end)
	case skip(uriClass, raw, colon+1, end) != end:
		err = errOctet
	case equalFold(scheme, "tel"):
		err = uri.scanTel(raw, colon+1, end)
	}
	return uri, err
}

// scanSIP reads [user [":" password] "@"] host [":" port] *(";" parameter)
// ["?" headers]. The user part may hold semicolons and question marks; an at
// sign may stand only behind it, a colon only before the password.
func (u *URI) scanSIP(raw []byte, at, end int) error {
	if sign := skip(restClass, raw, at, end); sign < end {
		if raw[sign] != '@' {
			return errOctet
		}
		last := sign
		if colon := bytes.IndexByte(raw[at:sign], ':'); colon >= 0 {
			last = at + colon
			if bytes.IndexByte(raw[last+1:sign], ':') >= 0 {
				return errOctet
			}
		}
		if bytes.IndexByte(raw[at:sign], '[') >= 0 {
			return errOctet // some look there for the host
		}
		if u.User = span(at, last); u.User.Empty() {
			return errEmpty
		}
		at = sign + 1
		if skip(restClass, raw, at, end) != end {
			return errOctet
		}
	}
	host, at, ok := scanHost(raw, at, end)
	if !ok {
		return errHost
	}
	u.Host = host
	if at < end && raw[at] == ':' {
		if u.Port, at, ok = scanPort(raw, at+1, end); !ok {
			return errPort
		}
	}
	u.HostPort = span(int(host.Start), at)
	if at < end && raw[at] == ';' {
		start := at + 1
		if at = end; start < end {
			if mark := bytes.IndexByte(raw[start:end], '?'); mark >= 0 {
				at = start + mark
			}
		}
		u.Params = span(start, at)
		_, u.Loose = u.Param(raw, "lr")
	}
	if at < end {
		if raw[at] != '?' {
			return errOctet
		}
		u.Headers = span(at+1, end)
	}
	return nil
}

// scanTel reads number *(";" parameter).
func (u *URI) scanTel(raw []byte, at, end int) error {
	last := end
	if semicolon := bytes.IndexByte(raw[at:end], ';'); semicolon >= 0 {
		last = at + semicolon
		u.Params = span(last+1, end)
	}
	if u.User = span(at, last); u.User.Empty() {
		return errEmpty
	}
	return nil
}

// PlainURI gives the URI that is exactly the span at without its password,
// parameters and headers, and of user and host at most so many octets each; empty
// when it cannot be read. Of schemes that we do not know there is no saying where
// a secret would stand, but in urn there is none.
func PlainURI(raw []byte, at Span, most int) string {
	uri, err := ParseURI(raw, at)
	if err != nil {
		return ""
	}
	text := func(part Span) string { return string(part.In(raw)[:min(part.Len(), most)]) }
	scheme := string(uri.Scheme.In(raw))
	switch {
	case strings.EqualFold(scheme, "urn"):
		return text(at)
	case uri.User.Empty() || uri.Host.Empty():
		return scheme + ":" + text(uri.User) + text(uri.Host)
	}
	return scheme + ":" + text(uri.User) + "@" + text(uri.Host)
}

// Number gives the telephone number of a tel URI, or that which the user part
// of a SIP URI is, without its parameters (RFC 3966 §3, RFC 3261 §19.1.6); empty
// when it is something else.
func (u *URI) Number(raw []byte) Span {
	end := skip(phoneClass, raw, int(u.User.Start), int(u.User.End))
	number := span(int(u.User.Start), end)
	if end < int(u.User.End) && raw[end] != ';' || !bytes.ContainsAny(number.In(raw), "0123456789*#") {
		return Span{}
	}
	if bytes.LastIndexByte(number.In(raw), '+') > 0 {
		return Span{}
	}
	return number
}

// Parameters iterates over the URI's parameters. An empty value stands at its
// place behind the equals sign if there is one.
func (u *URI) Parameters(raw []byte) iter.Seq[Parameter] {
	return func(yield func(Parameter) bool) {
		end := int(u.Params.End)
		for at, last := int(u.Params.Start), 0; at < end; at = last + 1 {
			last = end
			if semicolon := bytes.IndexByte(raw[at:end], ';'); semicolon >= 0 {
				last = at + semicolon
			}
			p := Parameter{Name: span(at, last), Cut: span(at-1, last)}
			if equals := bytes.IndexByte(raw[at:last], '='); equals >= 0 {
				p.Name.End, p.Value = uint16(at+equals), span(at+equals+1, last)
			}
			if !yield(p) {
				return
			}
		}
	}
}

// Param finds a parameter by its name in lower case. The value is empty when
// the parameter has none.
func (u *URI) Param(raw []byte, name string) (value []byte, found bool) {
	for p := range u.Parameters(raw) {
		if equalFold(p.Name.In(raw), name) {
			return p.Value.In(raw), true
		}
	}
	return nil, false
}

// Addr gives the host's address when it is written as one.
func (u *URI) Addr(raw []byte) (netip.Addr, bool) { return hostAddr(u.Host.In(raw)) }

// Addr gives the address of sent-by when it is written as one.
func (v *Via) Addr(raw []byte) (netip.Addr, bool) { return hostAddr(v.Host.In(raw)) }

// hostAddr reads a dotted IPv4 address or an IPv6 address in brackets.
func hostAddr(host []byte) (netip.Addr, bool) {
	if len(host) > 2 && host[0] == '[' {
		addr, err := netip.ParseAddr(string(host[1 : len(host)-1]))
		return addr, err == nil && addr.Is6()
	}
	return addr4(host)
}

// addr4 reads a dotted IPv4 address. (netip.ParseAddr wants a string and so an
// allocation for each hop of each request.)
func addr4(text []byte) (netip.Addr, bool) {
	var octets [4]byte
	for i := range octets {
		part := text
		if i < 3 {
			dot := bytes.IndexByte(text, '.')
			if dot < 0 {
				return netip.Addr{}, false
			}
			part, text = text[:dot], text[dot+1:]
		}
		n, ok := number(part, 255)
		if !ok || len(part) > 1 && part[0] == '0' { // 010 is 10 to one reader, 8 to another
			return netip.Addr{}, false
		}
		octets[i] = byte(n)
	}
	return netip.AddrFrom4(octets), true
}
