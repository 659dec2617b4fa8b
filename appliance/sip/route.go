package sip

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"hash"
	"net/netip"

	"causeway/appliance/model"
	"causeway/appliance/sip/message"
)

// ownPath is what the topmost Route elements say that are ours: one, or two
// where the request crosses from one listen point to another (RFC 5658).
type ownPath struct {
	count int
	out   *listenPoint // the last of ours: where the request leaves
	token []byte       // the signed call key, nil if there was none
	next  message.Span // URI of the first Route element that is not ours; empty if there is none
	// last says that the sender is a strict router: our Record-Route stands in
	// the Request-URI and the real one is uri, the last Route element (§16.4).
	last bool
	uri  message.Span
}

// realURI is the Request-URI that a strict router moved away, or nil.
func (p *ownPath) realURI(m *message.Message) []byte {
	if !p.last {
		return nil
	}
	return m.Get(p.uri)
}

// ownRoutes reads the Route header fields (§16.4).
func (w *worker) ownRoutes() (ownPath, *message.Fault) {
	m := &w.msg
	var path ownPath
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
		own := w.ownAddress(&uri)
		if own == nil || path.count == 2 {
			path.next = route.URI
			continue
		}
		path.count++
		path.out = own
		if token, found := uri.Param(m.Raw, "cw"); found {
			path.token = token
		}
	}
	if last.Empty() {
		return path, nil
	}
	return w.fromStrictRouter(path, last)
}

// fromStrictRouter undoes what a strict router did: our Record-Route URI in
// the Request-URI, the real one at the end of the Route.
func (w *worker) fromStrictRouter(path ownPath, last message.Span) (ownPath, *message.Fault) {
	m := &w.msg
	uri, err := message.ParseURI(m.Raw, m.URI)
	if err != nil || !uri.Loose {
		return path, nil
	}
	token, found := uri.Param(m.Raw, "cw")
	own := w.ownAddress(&uri)
	if !found || own == nil {
		return path, nil
	}
	path.last, path.uri, path.token = true, last, token
	if path.out == nil {
		path.out = own
	}
	if path.next == last {
		path.next = message.Span{}
	}
	return path, nil
}

// cutRoutes removes our Route elements, and the last one where it became the
// Request-URI. Cuts of neighbours would overlap.
func (w *worker) cutRoutes(edits []message.Edit, to target) []message.Edit {
	if !to.last {
		return w.msg.CutRoutes(edits, to.routes)
	}
	var last message.Route
	total := 0
	for index, route := range w.msg.Routes() {
		last, total = route, index+1
	}
	if to.routes+1 >= total {
		return w.msg.CutRoutes(edits, total)
	}
	return append(w.msg.CutRoutes(edits, to.routes), message.Edit{At: last.Cut})
}

// ownAddress gives the listen point that a URI names, or nil.
func (w *worker) ownAddress(uri *message.URI) *listenPoint {
	address, ok := literal(uri, w.msg.Raw)
	if !ok {
		return nil
	}
	return w.p.config.Load().at(address)
}

// literal gives the address of a URI whose host is an IP address.
func literal(uri *message.URI, raw []byte) (netip.AddrPort, bool) {
	address, ok := uri.Addr(raw)
	if !ok {
		return netip.AddrPort{}, false
	}
	port := uri.Port
	if port == 0 {
		port = 5060
	}
	return netip.AddrPortFrom(address, port), true
}

// inDialogTarget follows the route set of a dialog. Only dialogs we
// record-routed are served: the token says so, and nobody can make one up to
// send through us where he likes.
func (w *worker) inDialogTarget(s *shard, path ownPath) target {
	m := &w.msg
	if path.out == nil {
		return answer(481, "")
	}
	key, fromCaller, ok := w.dialog(path.token)
	if !ok {
		return answer(481, "")
	}
	to := w.destination(path)
	if m.Method == message.Bye {
		if to.call = w.hungUp(s, key, fromCaller); to.call != nil && to.status != 0 {
			w.ended(s, to.call, to.status)
		}
	}
	return to
}

// destination is where a request goes that is done with our Route elements.
func (w *worker) destination(path ownPath) target {
	m := &w.msg
	destination := path.next
	if destination.Empty() {
		destination = m.URI
		if path.last {
			destination = path.uri
		}
	}
	uri, err := message.ParseURI(m.Raw, destination)
	if err != nil {
		return answer(400, "Bad Destination")
	}
	if transport, found := uri.Param(m.Raw, "transport"); uri.Secure || found && !equalFold(transport, "udp") {
		return answer(500, "Transport Not Available")
	}
	address, ok := literal(&uri, m.Raw)
	if !ok {
		return answer(500, "Host Name Not Resolved")
	}
	switch ip := address.Addr(); {
	case w.p.config.Load().at(address) != nil:
		return answer(482, "")
	case ip.IsUnspecified(), ip.IsMulticast(), ip.IsLoopback() && !path.out.address.Addr().IsLoopback():
		return answer(403, "Destination Not Allowed") // services of the box itself listen there
	}
	to := target{to: address, out: path.out, routes: path.count, uri: path.realURI(m), last: path.last}
	if path.out.address.Addr().Is4() != address.Addr().Is4() {
		if to.out = path.out.network.listenFor(address); to.out == nil {
			return answer(500, "No Listen Point Reaches The Destination")
		}
	}
	return to
}

// appendRecordRoute puts us in the path of the dialog: one element for each
// side, the outgoing on top, or one where both sides are the same.
func (w *worker) appendRecordRoute(b []byte, to target) []byte {
	m := &w.msg
	var key model.CallKey
	if to.call != nil {
		key = to.call.key
	} else {
		w.randomBytes(key[:])
	}
	var token [tokenText]byte
	w.signer.token(token[:0], key, m.Get(m.CallID), m.Get(m.FromTag))
	if to.out != w.at {
		b = to.out.appendRecordRoute(b, token[:])
	}
	return w.at.appendRecordRoute(b, token[:])
}

func (l *listenPoint) appendRecordRoute(b, token []byte) []byte {
	return append(append(append(b, l.recordRoute...), token...), ">\r\n"...)
}

// dialog checks the token of an in-dialog request and gives the call's key and
// whether the request comes from the caller.
func (w *worker) dialog(token []byte) (key model.CallKey, fromCaller, ok bool) {
	m := &w.msg
	if key, ok = w.signer.verify(token, m.Get(m.CallID), m.Get(m.FromTag)); ok {
		return key, true, true
	}
	key, ok = w.signer.verify(token, m.Get(m.CallID), m.Get(m.ToTag))
	return key, false, ok
}

// A token is a call key and a signature over it, the Call-ID and the caller's
// tag, in base64url: the request that carries it tells which call it is of and,
// by the place of the tag, who sent it.
const (
	signatureSize = 8
	tokenSize     = len(model.CallKey{}) + signatureSize
	tokenText     = (tokenSize*8 + 5) / 6
)

// signer makes and checks tokens. It belongs to one worker.
type signer struct {
	mac hash.Hash
	sum [sha256.Size]byte
	raw [tokenSize]byte
}

func newSigner(key []byte) *signer { return &signer{mac: hmac.New(sha256.New, key)} }

func (g *signer) sign(key, callID, callerTag []byte) []byte {
	g.mac.Reset()
	g.mac.Write(key)
	g.mac.Write(callID)
	g.mac.Write([]byte{0})
	g.mac.Write(callerTag)
	return g.mac.Sum(g.sum[:0])[:signatureSize]
}

// token appends the token of a call to b.
func (g *signer) token(b []byte, key model.CallKey, callID, callerTag []byte) []byte {
	copy(g.raw[:], key[:])
	copy(g.raw[len(key):], g.sign(g.raw[:len(key)], callID, callerTag))
	return base64.RawURLEncoding.AppendEncode(b, g.raw[:])
}

// verify reads a token and says whether it was signed for that call and tag.
func (g *signer) verify(token, callID, callerTag []byte) (key model.CallKey, ok bool) {
	if len(token) != tokenText {
		return key, false
	}
	if _, err := base64.RawURLEncoding.Decode(g.raw[:], token); err != nil {
		return key, false
	}
	copy(key[:], g.raw[:])
	return key, subtle.ConstantTimeCompare(g.raw[len(key):], g.sign(g.raw[:len(key)], callID, callerTag)) == 1
}
