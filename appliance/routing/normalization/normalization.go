// Package normalization changes messages as policies say (CUSP's "policy
// normalization": header, header-param, uri-component, uri-param, sip-to-tel,
// tel-to-sip), and takes out asserted identities where a caller wants privacy
// (RFC 3323, RFC 3325).
//
// In comes model.SIP, once, at a commit; out comes an Engine that any number of
// threads use. It works on spans of the message in hand: what no step names
// leaves as it came, octet by octet. Each step sees what the ones before it
// have made. A step whose result would not be a good message, or would be
// another one (another call, transaction, dialog or body), or would not read as
// the step has written it, changes nothing.
package normalization

import (
	"bytes"
	"fmt"
	"sync"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
	"causeway/appliance/sip/message"
)

// Engine is all normalization policies and the privacy rule of one
// configuration. Make it with New; it never changes.
type Engine struct {
	policies map[string][]step
	private  bool            // asserted identities are removed where privacy is wanted
	trusted  map[string]bool // but not for these networks
	works    sync.Pool       // of *work
}

// New compiles the policies of s. The error names the policy and the step.
func New(s *model.SIP) (*Engine, error) {
	e := &Engine{
		policies: make(map[string][]step, len(s.Routing.Normalizers)),
		private:  s.Privacy.Service,
		trusted:  make(map[string]bool, len(s.Privacy.Trusted)),
		works:    sync.Pool{New: func() any { return new(work) }},
	}
	for _, network := range s.Privacy.Trusted {
		e.trusted[network] = true
	}
	for i := range s.Routing.Normalizers {
		policy := &s.Routing.Normalizers[i]
		steps := make([]step, len(policy.Steps))
		for j := range policy.Steps {
			var err error
			if steps[j], err = compile(&policy.Steps[j]); err != nil {
				return nil, fmt.Errorf("policy normalization %s, sequence %d: %w", policy.Name, policy.Steps[j].Sequence, err)
			}
		}
		e.policies[policy.Name] = steps
	}
	return e, nil
}

// Apply appends the message in hand as the policy changes it to b, and gives
// that; nil when nothing changes or there is no such policy. It allocates only
// for expressions that match.
func (e *Engine) Apply(b []byte, policy string, in *hop.Incoming, _ *hop.Target) []byte {
	steps := e.policies[policy]
	if len(steps) == 0 {
		return nil
	}
	w := e.works.Get().(*work)
	defer e.works.Put(w)
	m := in.Message
	for i := range steps {
		m = w.take(&steps[i], m)
	}
	if m == in.Message {
		return nil
	}
	return append(b, m.Raw...)
}

// work is what one thread needs to apply a policy.
type work struct {
	drafts [2]draft       // the message as it is so far, and as the next step makes it
	edits  []message.Edit // of one step, in ascending order
	text   []byte         // what they put in
}

// draft is a message between two steps.
type draft struct {
	octets []byte
	msg    message.Message
}

// take gives the message that the step makes of m: m itself when it changes
// nothing.
func (w *work) take(s *step, m *message.Message) *message.Message {
	w.edits, w.text = w.edits[:0], w.text[:0]
	s.edit(s, w, m)
	if len(w.edits) == 0 {
		return m
	}
	next := &w.drafts[0]
	if m == &next.msg {
		next = &w.drafts[1]
	}
	next.octets = message.Splice(next.octets[:0], m.Raw, w.edits)
	if next.msg.Parse(next.octets) != nil || next.msg.Validate() != nil || !sameIdentity(&next.msg, m) {
		return m
	}
	return &next.msg
}

// replace notes that the octets at leave for with, which is part of w.text.
func (w *work) replace(at message.Span, with []byte) {
	w.edits = append(w.edits, message.Edit{At: at, With: with})
}

// sameIdentity says whether two messages are of the same call, dialog and
// transaction and have the same body.
func sameIdentity(a, b *message.Message) bool {
	if a.CSeq != b.CSeq || a.Status != b.Status || a.MaxForwards != b.MaxForwards || a.ContentLength != b.ContentLength {
		return false
	}
	for _, pair := range [...][2]message.Span{
		{a.MethodName, b.MethodName}, {a.CallID, b.CallID}, {a.FromTag, b.FromTag}, {a.ToTag, b.ToTag},
		{a.Via.Value, b.Via.Value}, {a.Body, b.Body},
	} {
		if !bytes.Equal(a.Get(pair[0]), b.Get(pair[1])) {
			return false
		}
	}
	return true
}
