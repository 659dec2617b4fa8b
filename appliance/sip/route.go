package sip

import (
	"cmp"
	"encoding/hex"
	"net/netip"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
	"causeway/appliance/sip/message"
)

// ownPath is what the topmost Route elements say that are ours: one, or two
// where the request crosses from one listen point to another (RFC 5658).
type ownPath struct {
	count int
	out   *listenPoint // the last of ours: where the request leaves
	token []byte       // the signed call key, nil if there was none
	peer  []byte       // where the side it leaves to really is, as text; nil: where its Contact says
	next  message.Span // URI of the first Route element that is not ours; empty if there is none
	// strict says that next is a strict router, which has no ;lr (§16.6 step 6).
	strict bool
	// last says that the sender is a strict router: our Record-Route stands in
	// the Request-URI and the real one is uri, the last Route element (§16.4).
	last bool
	uri  message.Span
}

// ownRoutes reads the Route header fields (§16.4).
func (w *worker) ownRoutes() (ownPath, *message.Fault) {
	m := &w.msg
	var path ownPath
	if _, found := m.First(message.HeaderRoute); !found {
		return path, nil
	}
	var last message.Span
	for _, route := range m.Routes() {
		uri, err := message.ParseURI(m.Raw, route.URI)
		if err != nil {
			return path, &message.Fault{Status: 400, Reason: "Bad Route"}
		}
		last = route.URI
		if !path.next.Empty() {
			continue
		}
		own := w.config.ownURI(m.Raw, &uri)
		if own == nil && w.in.MidDialog {
			own = w.formerly(&uri)
		}
		if own == nil || path.count == 2 {
			path.next, path.strict = route.URI, !uri.Loose
			continue
		}
		path.count++
		path.take(own, m.Raw, &uri)
	}
	return w.fromStrictRouter(path, last), nil
}

// formerly gives a listen point in place of one that a commit took away and
// dialogs still have in their route sets; nil if the URI never was ours: the
// signature tells. It is one of the same address, or the one in hand.
func (w *worker) formerly(uri *message.URI) *listenPoint {
	raw := w.msg.Raw
	var path ownPath
	if path.take(w.at, raw, uri); path.token == nil {
		return nil
	}
	if _, _, ok := w.dialog(&path); !ok {
		return nil
	}
	address, _ := uri.Addr(raw)
	transport, _ := transportOf(raw, uri)
	for place, l := range w.config.own {
		if place.Transport == transport && place.Address.Addr() == address {
			return l
		}
	}
	return w.at
}

// take notes one element of ours.
func (p *ownPath) take(own *listenPoint, raw []byte, uri *message.URI) {
	p.out = own
	if token, found := uri.Param(raw, "cw"); found {
		p.token = token
	}
	p.peer, _ = uri.Param(raw, "at")
}

// fromStrictRouter undoes what a strict router did: our Record-Route URI in
// the Request-URI, the real one at the end of the Route.
func (w *worker) fromStrictRouter(path ownPath, last message.Span) ownPath {
	m, uri := &w.msg, &w.in.URI
	if !w.in.MidDialog || !uri.Loose { // before a dialog nobody has a Record-Route of ours
		return path
	}
	_, found := uri.Param(m.Raw, "cw")
	own := w.config.ownURI(m.Raw, uri)
	if !found || own == nil {
		return path
	}
	if path.out == nil {
		path.take(own, m.Raw, uri)
	}
	path.last, path.uri = true, last
	if path.next == last {
		path.next, path.strict = message.Span{}, false
	}
	return path
}

// cutRoutes adds the edits that remove our Route elements to those that are
// prepared, and what strict routers want.
func (w *worker) cutRoutes(path *ownPath) {
	m := &w.msg
	switch {
	case path.strict && w.in.MidDialog:
		w.prepared = w.towardsStrictRouter(m.CutRoutes(w.prepared, path.count+1), path)
	case path.last:
		w.prepared = w.fromLastRoute(w.prepared, path)
	default:
		w.prepared = m.CutRoutes(w.prepared, path.count)
	}
	sortEdits(w.prepared)
}

// towardsStrictRouter has the next Route element become the Request-URI, and
// that the last Route element: it is there already if we had it from one.
func (w *worker) towardsStrictRouter(edits []message.Edit, path *ownPath) []message.Edit {
	m := &w.msg
	edits = append(edits, message.Edit{At: m.URI, With: m.Get(path.next)})
	if path.last {
		return edits
	}
	var end uint16 // of the last Route line
	for _, field := range m.Fields {
		if field.ID == message.HeaderRoute {
			end = field.Line.End
		}
	}
	mark := len(w.scratch)
	w.scratch = append(append(append(w.scratch, "Route: <"...), m.Get(m.URI)...), ">\r\n"...)
	return append(edits, message.Edit{At: message.Span{Start: end, End: end}, With: w.scratch[mark:]})
}

// fromLastRoute has the last Route element become the Request-URI again. Cuts
// of neighbours would overlap.
func (w *worker) fromLastRoute(edits []message.Edit, path *ownPath) []message.Edit {
	m := &w.msg
	edits = append(edits, message.Edit{At: m.URI, With: m.Get(path.uri)})
	var last message.Route
	total := 0
	for index, route := range m.Routes() {
		last, total = route, index+1
	}
	if path.count+1 >= total {
		return m.CutRoutes(edits, total)
	}
	return append(m.CutRoutes(edits, path.count), message.Edit{At: last.Cut})
}

// inDialogTarget follows the route set of a dialog. Only dialogs we
// record-routed are served: the token says so, and nobody can make one up to
// send through us where he likes.
func (w *worker) inDialogTarget(s *shard, path ownPath) target {
	m := &w.msg
	if path.out == nil {
		return answer(481, "")
	}
	key, fromCaller, ok := w.dialog(&path)
	if !ok {
		return answer(481, "")
	}
	w.cutRoutes(&path)
	one, refusal := w.destination(&path)
	w.targets = append(w.targets[:0], one)
	to := target{Refusal: refusal}
	w.touch(s, key, fromCaller)
	if m.Method == message.Bye {
		if to.call = w.hungUp(s, key, fromCaller, path.last); to.call != nil && refusal.Status != 0 {
			w.ended(s, to.call, refusal.Status, "")
		}
	}
	return to
}

// destination is where a request goes that is done with our Route elements.
func (w *worker) destination(path *ownPath) (attempt, hop.Refusal) {
	m := &w.msg
	if path.peer != nil && path.next.Empty() {
		if place, ok := parsePlace(path.peer); ok {
			one := attempt{Target: hop.Target{Network: path.out.network.name, Query: hop.Query{Transport: place.Transport}, Address: place.Address}}
			one.leaveBy(path.out)
			return one, hop.Refusal{}
		}
	}
	span := path.next
	if span.Empty() {
		span = m.URI
		if path.last {
			span = path.uri
		}
	}
	uri, err := message.ParseURI(m.Raw, span)
	if err != nil {
		return attempt{}, hop.Refusal{Status: 400, Reason: "Bad Destination"}
	}
	one, refusal := w.targetOf(m, &uri, path.out.network)
	one.leaveBy(path.out)
	return one, refusal
}

// leaveBy has the request leave from l if that reaches the target.
func (a *attempt) leaveBy(l *listenPoint) {
	if a.Address.IsValid() && a.Transport == l.Transport && a.Address.Addr().Is4() == l.Address.Addr().Is4() {
		a.listen = l
	}
}

// targetOf is the target that a URI names, out of a network.
func (w *worker) targetOf(m *message.Message, uri *message.URI, out *network) (attempt, hop.Refusal) {
	transport, ok := transportOf(m.Raw, uri)
	if !ok || uri.Host.Empty() {
		return attempt{}, hop.Refusal{Status: 500, Reason: "Transport Not Available"}
	}
	switch { // sips is TLS whatever the transport is (§26.2.2)
	case uri.Secure && transport == model.WS:
		transport = model.WSS
	case uri.Secure && !transport.Secure():
		transport = model.TLS
	}
	one := attempt{Target: hop.Target{Network: out.name, Query: hop.Query{Transport: transport, Secure: uri.Secure}}}
	address, ok := uri.Addr(m.Raw)
	if !ok {
		_, one.Fixed = uri.Param(m.Raw, "transport")
		one.Host, one.Port = string(uri.Host.In(m.Raw)), uri.Port
		return one, hop.Refusal{}
	}
	one.Address = netip.AddrPortFrom(address, cmp.Or(uri.Port, transport.DefaultPort()))
	return one, hop.Refusal{}
}

// forbidden refuses places that no neighbour can be at, whoever named them and
// whatever DNS said: services of the box itself listen there.
func (w *worker) forbidden(place hop.Place) hop.Refusal {
	ip := place.Address.Addr().Unmap()
	own := w.config.hosts[ip]
	switch {
	case own && w.config.at(place) != nil:
		return hop.Refusal{Status: 482, Reason: "Next Hop Is This Box"}
	case ip.IsLoopback() && w.at.Address.Addr().IsLoopback(): // all of the network is this box
		return hop.Refusal{}
	case own, ip.IsLoopback(), ip.IsUnspecified(), ip.IsMulticast():
		return hop.Refusal{Status: 403, Reason: "Destination Not Allowed"}
	}
	return hop.Refusal{}
}

// appendRecordRoute puts us in the path of the dialog: one element for each
// side, the outgoing on top, or one where both sides are the same. to is where
// the request goes.
func (w *worker) appendRecordRoute(b []byte, server *serverTransaction, out *listenPoint, to netip.AddrPort) []byte {
	m := &w.msg
	var key model.CallKey
	if server.call != nil {
		key = server.call.key
	} else {
		w.randomBytes(key[:])
	}
	callerAt := w.at.pinned(nil, hop.Place{Transport: w.at.Transport, Address: w.from})
	secure := w.in.URI.Secure
	if out == w.at && callerAt == nil {
		return w.appendToken(out.appendRecordRoute(b, secure), key, m, nil)
	}
	calleeAt := out.pinned(nil, hop.Place{Transport: out.Transport, Address: to})
	b = w.appendToken(out.appendRecordRoute(b, secure), key, m, calleeAt)
	return w.appendToken(w.at.appendRecordRoute(b, secure), key, m, callerAt)
}

// appendRecordRoute appends a Record-Route line of l up to the token; it is a
// sips URI where the Request-URI is one (§16.6 step 4).
func (l *listenPoint) appendRecordRoute(b []byte, secure bool) []byte {
	if !secure || !l.Transport.Secure() {
		return append(b, l.recordRoute...)
	}
	const begin = "Record-Route: <sip"
	return append(append(append(b, begin...), 's'), l.recordRoute[len(begin):]...)
}

// appendToken appends the rest of a Record-Route element of ours.
func (w *worker) appendToken(b []byte, key model.CallKey, m *message.Message, peer []byte) []byte {
	b = w.signer.token(b, key, m.Get(m.CallID), m.Get(m.FromTag), peer)
	if peer != nil {
		b = append(append(b, ";at="...), peer...)
	}
	return append(b, ">\r\n"...)
}

// pinned appends the text of a neighbour's place where only the way its
// packets come from leads back to it: behind NAT, and in a WebSocket, whose
// client has no address of its own (RFC 7118 §5). Else it gives nil.
func (l *listenPoint) pinned(b []byte, place hop.Place) []byte {
	if l.network.kind != model.NetworkNAT && l.Transport != model.WS && l.Transport != model.WSS {
		return nil
	}
	return appendPlace(b, place)
}

// appendPlace appends a place as hex digits: transport, address, port.
func appendPlace(b []byte, place hop.Place) []byte {
	var raw [1 + 16 + 2]byte
	n := 1 + copy(raw[1:], place.Address.Addr().AsSlice())
	raw[0] = byte(place.Transport)
	raw[n], raw[n+1] = byte(place.Address.Port()>>8), byte(place.Address.Port())
	return hex.AppendEncode(b, raw[:n+2])
}

// parsePlace reads what appendPlace wrote.
func parsePlace(text []byte) (hop.Place, bool) {
	var raw [1 + 16 + 2]byte
	if len(text) != 2*(1+4+2) && len(text) != 2*len(raw) {
		return hop.Place{}, false
	}
	n, err := hex.Decode(raw[:], text)
	if err != nil || int(raw[0]) >= len(model.Transports) {
		return hop.Place{}, false
	}
	ip, _ := netip.AddrFromSlice(raw[1 : n-2])
	return hop.Place{
		Transport: model.Transport(raw[0]),
		Address:   netip.AddrPortFrom(ip, uint16(raw[n-2])<<8|uint16(raw[n-1])),
	}, true
}
