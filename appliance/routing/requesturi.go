package routing

import (
	"bytes"
	"net/netip"
	"slices"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
	"causeway/appliance/sip/message"
)

// byPass adds the host that the request names itself: in its first Route that
// is not ours, else in its Request-URI. It leaves by the network that the
// address belongs to, else by the one it came in on.
func (w *walk) byPass() {
	m := w.in.Message
	for _, route := range m.Routes() {
		uri, err := message.ParseURI(m.Raw, route.URI)
		if err != nil {
			break
		}
		if !w.plan.isOwn(m.Raw, &uri) {
			w.host("", &uri)
			return
		}
	}
	w.host("", &w.in.URI)
}

// requestURI adds the host of the Request-URI.
func (w *walk) requestURI(network string) { w.host(network, &w.in.URI) }

// host adds the host of a URI as a target. An empty network is the one that
// reaches it.
func (w *walk) host(network string, uri *message.URI) {
	raw := w.in.Message.Raw
	switch {
	case uri.Host.Empty():
		w.refuse(416, "request-uri without host")
		return
	case w.plan.isOwn(raw, uri):
		w.refuse(404, "request-uri of the box itself")
		return
	}
	t := hop.Target{Network: network, Query: queryOf(raw, uri)}
	address, literal := uri.Addr(raw)
	if network == "" {
		t.Network = w.in.Network
		if literal {
			t.Network = w.plan.reaches(address, t.Transport, w.in.Network)
		}
	}
	if literal {
		w.plan.aim(&t, address)
	} else {
		t.Host = string(raw[uri.Host.Start:uri.Host.End])
	}
	w.add(&t)
}

// queryOf is all that a URI says about its host, but for its name (RFC 3263
// §4.1).
func queryOf(raw []byte, uri *message.URI) hop.Query {
	q := hop.Query{Port: uri.Port, Secure: uri.Secure}
	if uri.Secure {
		q.Transport = model.TLS
	}
	name, found := uri.Param(raw, "transport")
	for _, t := range model.Transports {
		if found && bytes.EqualFold(name, []byte(t.String())) {
			q.Transport, q.Fixed = t, true
		}
	}
	switch { // RFC 3261 §26.2.2: sips is TLS whatever the transport is
	case uri.Secure && q.Transport == model.WS:
		q.Transport = model.WSS
	case uri.Secure && !q.Transport.Secure():
		q.Transport = model.TLS
	}
	return q
}

// isOwn says whether a URI names the box: a listen point or an alias.
func (p *Plan) isOwn(raw []byte, uri *message.URI) bool {
	address, literal := uri.Addr(raw)
	if !literal {
		return slices.ContainsFunc(p.aliases, func(alias []byte) bool { return bytes.EqualFold(uri.Host.In(raw), alias) })
	}
	port := uri.Port
	if port == 0 {
		port = queryOf(raw, uri).Transport.DefaultPort()
	}
	return p.own[netip.AddrPortFrom(address, port)]
}

// reaches gives the network of the adjacency whose prefix of an address is the
// longest; the network by default unless another's is longer.
func (p *Plan) reaches(address netip.Addr, t model.Transport, byDefault string) string {
	network, longest := byDefault, 0
	if n := p.neighbours[byDefault]; n != nil {
		_, length := n.at(t, address)
		longest = max(longest, length)
	}
	for _, n := range p.neighbours {
		if _, length := n.at(t, address); length > longest {
			network, longest = n.unknown.Name, length
		}
	}
	return network
}
