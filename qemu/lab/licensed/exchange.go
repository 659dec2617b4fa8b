package licensed

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"causeway/appliance/license/ela"
)

const (
	repeatable  = 24 * time.Hour // the same request gets the same answer
	mostReplies = 100            // that are kept of an instance
	mostLogged  = 1000           // exchanges
)

// Exchange is one request and what became of it.
type Exchange struct {
	Time     time.Time `json:"time"`
	From     string    `json:"from"` // "address:port", or "file"
	Type     string    `json:"type"` // of the request
	Instance string    `json:"product_instance_id,omitempty"`
	Seq      uint64    `json:"seq,omitempty"`
	Result   string    `json:"result"` // "ok", "repeated", "not done", or the type of a problem and why
	Fault    FaultKind `json:"fault,omitempty"`
	Signer   string    `json:"signing_cert_sn,omitempty"` // of the answer
}

// turn is a request while it is done.
type turn struct {
	*request
	server   *Server
	now      time.Time
	instance *instance // who asks; nil: one that is new
	signer   *issuer   // of the answer
}

// opening opens the answer.
func (t *turn) opening() ela.Answered {
	c := t.message.common()
	return ela.Answered{Type: t.replyType, CNonce: c.CNonce, Seq: c.Seq, RequestSHA256: t.sha256, Time: t.now}
}

// do does what the request asks for. The fault changes what the box gets,
// not what the server does and keeps. s.mu is held.
func (s *Server) do(r *request, fault *Fault, log *Exchange) ([]byte, error) {
	t := &turn{request: r, server: s, now: s.now()}
	log.Instance, log.Seq = r.message.instanceID(), r.message.common().Seq
	err := t.identify()
	if err != nil {
		return nil, err
	}
	t.signer = s.state.Authority.signerFor(t.instance)
	var jws []byte
	if t.instance != nil {
		log.Instance = t.instance.ID
		jws = t.repeated()
	}
	if jws != nil {
		log.Result = "repeated"
	} else if jws, err = t.first(); err != nil {
		return nil, err
	}
	log.Instance, log.Signer = t.instance.ID, t.signer.serial()
	return fault.alter(t, jws)
}

// first does a request that has not come before.
func (t *turn) first() ([]byte, error) {
	if t.instance != nil {
		if err := t.admit(); err != nil {
			return nil, err
		}
	}
	answer, err := t.message.answer(t)
	if err != nil {
		return nil, err
	}
	jws, err := t.signer.sign(answer)
	if err != nil {
		return nil, err
	}
	t.instance.Seq, t.instance.LastContact = t.message.common().Seq, t.now
	t.instance.keepReply(reply{t.now, t.replyType, t.sha256, jws})
	return jws, t.server.save()
}

// identify finds who has signed the request. A registration is signed by the
// key that it brings, all others by an ID certificate.
func (t *turn) identify() error {
	id := t.message.instanceID()
	if id == "" {
		if t.jwk == nil {
			return refuse(ela.BadRequest, "a registration has its key in the header jwk")
		}
		if err := t.verify(t.jwk); err != nil {
			return refuse(ela.BadSignature, err.Error())
		}
		t.instance = t.server.state.registered(t.message.(*register))
		return nil
	}
	instance, err := t.server.state.instance(id)
	if err != nil {
		return refuse(ela.UnknownInstance, id)
	}
	certificate := instance.certificate(t.header.KeyID)
	switch {
	case certificate == nil:
		return refuse(ela.BadSignature, "kid "+t.header.KeyID+" is no ID certificate of the instance")
	case t.header.Thumbprint != thumbprint(certificate):
		return refuse(ela.BadSignature, "x5t#S256 is not that of ID certificate "+t.header.KeyID)
	case t.now.After(certificate.NotAfter):
		return refuse(ela.BadSignature, "ID certificate "+t.header.KeyID+" has expired at "+certificate.NotAfter.String())
	}
	if err := t.verify(certificate.PublicKey); err != nil {
		return refuse(ela.BadSignature, err.Error())
	}
	t.instance = instance
	return nil
}

// repeated is the answer that the same request has got before; nil: none, or too
// long ago.
func (t *turn) repeated() []byte {
	for _, r := range t.instance.Replies {
		if r.Request == t.sha256 && t.now.Sub(r.Time) <= repeatable {
			return r.JWS
		}
	}
	return nil
}

// admit refuses who may not ask, or is a copy of who has asked.
func (t *turn) admit() error {
	switch t.instance.Status {
	case Gone:
		return refuse(ela.UnknownInstance, t.instance.ID+" was deregistered")
	case Revoked, Replaced:
		return refuse(ela.Revoked, t.instance.ID+" was "+string(t.instance.Status))
	}
	if seq := t.message.common().Seq; seq <= t.instance.Seq {
		return refuse(ela.BadSeq, fmt.Sprintf("seq %d, after %d: the box or a copy of it has gone on since", seq, t.instance.Seq))
	}
	return nil
}

// signerFor is who signs answers to an instance: the signing certificate in use,
// or the latest before it that the instance has heard of.
func (a *hierarchy) signerFor(i *instance) *issuer {
	if i != nil {
		for _, signer := range slices.Backward(a.Signing[:len(a.Signing)-1]) {
			if slices.Contains(i.Knows, signer.serial()) {
				return signer
			}
		}
	}
	return a.current()
}

// sign makes a JWS of an answer.
func (i *issuer) sign(answer any) ([]byte, error) {
	payload, err := json.Marshal(answer)
	if err != nil {
		return nil, err
	}
	options := (&jose.SignerOptions{}).WithType(ela.JWSType).
		WithHeader("kid", i.serial()).WithHeader("x5t#S256", thumbprint(i.Certificate))
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: i.Key}, options)
	if err != nil {
		return nil, err
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return nil, fmt.Errorf("sign an answer: %w", err)
	}
	return []byte(jws.FullSerialize()), nil
}

// record logs an exchange. s.mu is held.
func (s *Server) record(e Exchange, err error) {
	e.Time = s.now()
	switch {
	case err != nil:
		problem := problemOf(err)
		e.Result = problem.Type + ": " + problem.Detail
	case e.Result == "":
		e.Result = "ok"
	}
	if len(s.exchanges) >= mostLogged {
		s.exchanges = slices.Delete(s.exchanges, 0, len(s.exchanges)-mostLogged+1)
	}
	s.exchanges = append(s.exchanges, e)
}

// Exchanges are the last ones, oldest first.
func (s *Server) Exchanges() []Exchange {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Exchange{}, s.exchanges...)
}

// problemOf is what the box is told about an error.
func problemOf(err error) ela.Problem {
	var r *refusal
	if !errors.As(err, &r) {
		r = &refusal{ela.ServerFault, err.Error()}
	}
	p := problems[r.problem]
	return ela.Problem{Type: r.problem, Title: p.title, Detail: r.detail, Status: p.status}
}
