package halfcall

import (
	"net/netip"
	"strconv"

	"causeway/appliance/model"
	"causeway/appliance/sip/message"
)

// addressOf is the URI in the value of a From or To header field, empty if it
// has none that can be read.
func addressOf(field []byte) []byte {
	address, err := message.ParseNameAddr(field, whole(field))
	if err != nil {
		return nil
	}
	return address.URI.In(field)
}

func whole(b []byte) message.Span { return message.Span{End: uint16(min(len(b), 0xFFFF))} }

// numberOf is the telephone number that a URI names, without plus sign and
// visual separators (RFC 3966 §5.1.1). Where the user part is no number it
// stands as it is, for want of a better name of that party. It is empty for a
// URI without user part and for the anonymous user (RFC 3323 §4.1.1.3).
func numberOf(text []byte) []byte {
	uri, err := message.ParseURI(text, whole(text))
	if err != nil {
		return nil
	}
	number := uri.Number(text).In(text)
	if len(number) == 0 {
		if user := uri.User.In(text); string(user) != "anonymous" {
			return user
		}
		return nil
	}
	digits := make([]byte, 0, len(number))
	for _, c := range number {
		switch c {
		case '+', '-', '.', '(', ')':
		default:
			digits = append(digits, c)
		}
	}
	return digits
}

// hostOf is the host that a URI names, or empty.
func hostOf(text string) string {
	raw := []byte(text)
	uri, err := message.ParseURI(raw, whole(raw))
	if err != nil {
		return ""
	}
	return string(uri.Host.In(raw))
}

// endpoint is the neighbour on one side of a call. Its names are interned.
type endpoint struct {
	adjacency string // the network's name where no adjacency takes the neighbour
	account   string
	transport string // "UDP"
	peer      netip.AddrPort
}

// unnamed is what MTA_Endpoint_Name says without endpoint information.
const unnamed = "MTA Endpoint"

// name is the endpoint as MTA_Endpoint_Name has it with "cdr endpoint-info".
func (e *endpoint) name(info model.EndpointInfo) string {
	if info != model.EndpointAddressing {
		return e.adjacency
	}
	b := make([]byte, 0, 64)
	if e.peer.IsValid() {
		b = e.peer.Addr().AppendTo(b)
	}
	b = append(b, ',')
	b = strconv.AppendUint(b, uint64(e.peer.Port()), 10)
	b = append(append(b, ','), e.transport...)
	b = append(append(b, ','), e.adjacency...)
	return string(b)
}

// endpointOf is the neighbour that an event tells of.
func (m *Manager) endpointOf(e *model.CallEvent) endpoint {
	name := e.Adjacency
	if len(name) == 0 {
		name = e.Network
	}
	peer, _ := netip.ParseAddrPort(string(e.Peer)) // one that is no address is not known
	return endpoint{
		adjacency: m.intern(name),
		account:   m.intern(e.Account),
		transport: m.intern(e.Transport),
		peer:      netip.AddrPortFrom(peer.Addr().Unmap().WithZone(""), peer.Port()),
	}
}

// namesKept bounds the table of names; when it is full a new one is begun.
const namesKept = 10_000

// intern gives the one copy of a name that many calls have.
func (m *Manager) intern(name []byte) string {
	if known, ok := m.names[string(name)]; ok {
		return known
	}
	if len(m.names) >= namesKept {
		clear(m.names)
	}
	text := string(name)
	m.names[text] = text
	return text
}
