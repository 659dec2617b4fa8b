package gateway

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"

	"github.com/creachadair/jrpc2"

	"causeway/appliance/com/wire"
	"causeway/qemu/lab/comd/bus"
	"causeway/qemu/lab/fault"
)

// FaultKind is what goes wrong.
type FaultKind string

// The faults.
const (
	// Of the TLS handshake: the certificate that the gateway shows.
	WrongAuthority FaultKind = "wrong-authority" // by another authority
	WrongName      FaultKind = "wrong-name"      // for another name
	Outdated       FaultKind = "outdated"        // its time is over
	// Of the request for a link, and of methods that boxes call.
	Refuse  FaultKind = "refuse"  // Status and RetryAfter of HTTP; of a method Code
	Silence FaultKind = "silence" // no answer comes
	// Of what boxes are called for: methods that operators sign.
	Twice    FaultKind = "twice"    // the call goes out twice
	OldCall  FaultKind = "old-call" // the signed call of before goes out in its place
	Tamper   FaultKind = "tamper"   // the parameters have a member more
	Misroute FaultKind = "misroute" // the call goes to the box To
)

// OnLink is Fault.On for requests of a link.
const OnLink = "link"

// Fault befalls links. Each kind befalls what its comment says.
type Fault struct {
	Kind       FaultKind `json:"kind"`
	On         string    `json:"on,omitempty"`          // a method, or "link"; empty: any
	Box        string    `json:"box,omitempty"`         // its serial number; empty: any. Certificates are shown before the box is known
	Times      int       `json:"times,omitempty"`       // how often; 0: always until the fault is taken away
	Status     int       `json:"status,omitempty"`      // of HTTP; 0: 503
	RetryAfter int       `json:"retry_after,omitempty"` // seconds; 0: the box is not told
	Code       int       `json:"code,omitempty"`        // of JSON-RPC; 0: wire.CodeBusy
	To         string    `json:"to,omitempty"`          // serial number of another box
}

// place is where a fault strikes.
type place int

const (
	inHandshake place = 1 << iota
	inRequest         // of a link
	inMethod          // that the box calls
	inCall            // of the box
)

// faultKinds are all of them, with their places.
var faultKinds = map[FaultKind]place{
	WrongAuthority: inHandshake, WrongName: inHandshake, Outdated: inHandshake,
	Refuse: inRequest | inMethod, Silence: inRequest | inMethod,
	Twice: inCall, OldCall: inCall, Tamper: inCall, Misroute: inCall,
}

// WrongCertificates are what the gateway shows by the faults of the handshake.
type WrongCertificates map[FaultKind]tls.Certificate

// faults are those that are to strike.
type faults struct {
	fault.List[Fault]

	mu     sync.Mutex
	signed map[string]bus.Call // the last one of each box
}

// SetFaults replaces all faults. Of those that fit the first strikes.
func (g *Gateway) SetFaults(list ...Fault) error {
	return g.faults.Set(list, func(f Fault) error {
		if _, known := faultKinds[f.Kind]; !known || f.Times < 0 || f.RetryAfter < 0 || f.Status != 0 && (f.Status < 400 || f.Status > 599) {
			return fmt.Errorf("there is no fault %+v", f)
		}
		return nil
	})
}

// Faults are those that are left.
func (g *Gateway) Faults() []Fault { return g.faults.All() }

// take is the fault that strikes there; nil: none.
func (f *faults) take(where place, on, box string) *Fault {
	return f.Strike(func(f Fault) bool {
		return faultKinds[f.Kind]&where != 0 && (f.On == on || f.On == "") && (f.Box == box || f.Box == "" || where == inHandshake)
	}, func(f *Fault) *int { return &f.Times })
}

// certificate is what the gateway shows in a handshake.
func (g *Gateway) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if f := g.faults.take(inHandshake, OnLink, ""); f != nil {
		wrong := g.options.Wrong[f.Kind]
		return &wrong, nil
	}
	return &g.options.Certificate, nil
}

// strikeAccept says whether a fault has taken care of a request for a link.
func (g *Gateway) strikeAccept(w http.ResponseWriter, r *http.Request, box string) bool {
	f := g.faults.take(inRequest, OnLink, box)
	switch {
	case f == nil:
		return false
	case f.Kind == Silence:
		<-r.Context().Done() // until the box gives up, or the server ends
		panic(http.ErrAbortHandler)
	}
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
	http.Error(w, "as the lab wants it", cmp.Or(f.Status, http.StatusServiceUnavailable))
	return true
}

// strikeMethod is the fault of a method that a box has called, if any.
func (g *Gateway) strikeMethod(ctx context.Context, l *link, r *jrpc2.Request) error {
	f := g.faults.take(inMethod, r.Method(), l.identity.Serial)
	switch {
	case f == nil:
		return nil
	case r.IsNotification(): // is not heard; to wait here would hold up what comes behind it
	case f.Kind == Silence:
		<-ctx.Done() // until the link ends
		return ctx.Err()
	}
	return &jrpc2.Error{Code: jrpc2.Code(cmp.Or(f.Code, wire.CodeBusy)), Message: "as the lab wants it"}
}

// strikeCall are the calls that go out in the place of one.
func (g *Gateway) strikeCall(call bus.Call) []bus.Call {
	f := g.faults.take(inCall, call.Method, call.Serial)
	before := g.faults.remember(call)
	if f == nil {
		return []bus.Call{call}
	}
	switch f.Kind {
	case Twice:
		return []bus.Call{call, call}
	case OldCall:
		call = before
	case Tamper:
		members := map[string]json.RawMessage{}
		json.Unmarshal(call.Params, &members) // what cannot be read is replaced
		members["tampered"] = json.RawMessage("true")
		call.Params, _ = json.Marshal(members) // of what was read as JSON
	case Misroute:
		call.Serial = f.To
	}
	return []bus.Call{call}
}

// remember keeps a signed call and gives the one before it; the call itself, if
// there was none.
func (f *faults) remember(call bus.Call) (before bus.Call) {
	meta, _, err := wire.Split(call.Params)
	if err != nil || meta.Signature == "" {
		return call
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	before, there := f.signed[call.Serial]
	f.signed[call.Serial] = call
	if !there {
		return call
	}
	return before
}
