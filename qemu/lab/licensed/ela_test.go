package licensed

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"testing"
	"time"

	"causeway/appliance/license/ela"
)

// elaBox is a box that speaks by package ela.
type elaBox struct {
	*box
	client *ela.Client
	trust  ela.Trust
}

// newELABox makes one that has registered.
func newELABox(t *testing.T) *elaBox {
	t.Helper()
	b := newBox(newWorld(t, Options{}), "FHK1234ABcd")
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(b.Root())
	e := &elaBox{b, &ela.Client{URL: b.url, Roots: roots, Now: b.Now}, ela.Trust{Roots: roots, Now: b.Now()}}
	answer, o, err := e.ask(b.registration(b.token()))
	if err != nil {
		t.Fatal(err)
	}
	e.believe(answer, o)
	return e
}

// ask sends a message and gives the answer with what it must fit to.
func (e *elaBox) ask(m ela.Message) ([]byte, ela.Outstanding, error) {
	e.t.Helper()
	r, err := ela.NewRequest(m)
	if err != nil {
		e.t.Fatal(err)
	}
	answer, err := e.client.Send(e.t.Context(), r, ela.Signer{Key: e.key, Certificate: e.certificate})
	return answer, r.Outstanding, err
}

// believe takes the identity in an answer.
func (e *elaBox) believe(answer []byte, o ela.Outstanding) {
	e.t.Helper()
	r, _, err := e.trust.OpenRegistered(answer, o)
	if err != nil {
		e.t.Fatal(err)
	}
	e.takeIdentity(r)
	e.trust.Signing = parsePEM(e.t, r.SigningPEM)
}

// TestELA has the box's side of the protocol and this one meet, which have been
// made apart.
func TestELA(t *testing.T) {
	e := newELABox(t)
	if err := e.SetQuantity(FirstAccount, "CUSP-5", 2); err != nil {
		t.Fatal(err)
	}
	last := ela.Last{}
	for range 3 { // by two signing certificates
		answer, o, err := e.ask(e.mayI(2))
		if err != nil {
			t.Fatal(err)
		}
		a, by, err := e.trust.OpenAuthorized(answer, o, last)
		if err != nil || a.Compliance != ela.InCompliance {
			t.Fatalf("OpenAuthorized = %s, %v; want IC", a.Compliance, err)
		}
		if log := e.Exchanges(); by.Serial != log[len(log)-1].Signer {
			t.Errorf("verified by %s; want %s", by.Serial, log[len(log)-1].Signer)
		}
		last = ela.Last{Seq: a.Seq, Start: a.Start}
		if err := e.RotateSigning(); err != nil {
			t.Fatal(err)
		}
	}
	key := newKey(t)
	answer, o, err := e.ask(ela.RenewID{Common: e.common(ela.TypeRenewID), Instance: e.instance, UDI: e.udi, CSR: e.csr(key)})
	if err != nil {
		t.Fatal(err)
	}
	e.believe(answer, o)
	e.key = key
	answer, o, err = e.ask(ela.Deregister{Common: e.common(ela.TypeDeregister), Instance: e.instance, UDI: e.udi})
	if err != nil {
		t.Fatal(err)
	}
	if _, by, err := e.trust.OpenGone(answer, o); err != nil || by.Serial != "5" {
		t.Errorf("OpenGone = %s, %v; want 5, which signs by now", by.Serial, err)
	}
	_, _, err = e.ask(e.mayI(1))
	var problem *ela.ProblemError
	if !errors.As(err, &problem) || problem.Type != ela.UnknownInstance {
		t.Errorf("after the deregistration: %v; want unknown-instance", err)
	}
}

// TestELAFile is an exchange without a network.
func TestELAFile(t *testing.T) {
	e := newELABox(t)
	r, err := ela.NewRequest(e.mayI(0))
	if err != nil {
		t.Fatal(err)
	}
	request, err := r.File(ela.Signer{Key: e.key, Certificate: e.certificate})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := e.AnswerFile(request)
	if err == nil {
		answer, err = ela.ReadFile(answer, r.Outstanding, e.Now())
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := e.trust.OpenAuthorized(answer, r.Outstanding, ela.Last{}); err != nil {
		t.Error(err)
	}
}

// TestELAFaults has the box's side refuse each spoilt answer, and say why.
func TestELAFaults(t *testing.T) {
	for kind, want := range map[FaultKind]error{
		BadSignature:  ela.ErrSignature,
		UnknownSigner: ela.ErrUnknownSigner,
		OldReply:      ela.ErrNonce,
		WrongNonce:    ela.ErrNonce,
		ClockSkew:     ela.ErrStart,
	} {
		e := newELABox(t)
		answer, o, err := e.ask(e.mayI(0))
		if err != nil {
			t.Fatal(err)
		}
		before, _, err := e.trust.OpenAuthorized(answer, o, ela.Last{})
		if err != nil {
			t.Fatal(err)
		}
		if err := e.SetFaults(Fault{Kind: kind, Skew: -3600, On: ela.TypeAuthorize}); err != nil {
			t.Fatal(err)
		}
		if answer, o, err = e.ask(e.mayI(0)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := e.trust.OpenAuthorized(answer, o, ela.Last{Seq: before.Seq, Start: before.Start}); !errors.Is(err, want) {
			t.Errorf("%s: %v; want %v", kind, err, want)
		}
	}
}

// TestELAWay has the box's side see what goes wrong on the way.
func TestELAWay(t *testing.T) {
	e := newELABox(t)
	if err := e.SetFaults(Fault{Kind: Refuse, On: ela.TypeAuthorize, Status: http.StatusServiceUnavailable, RetryAfter: 7200}); err != nil {
		t.Fatal(err)
	}
	_, _, err := e.ask(e.mayI(0))
	var problem *ela.ProblemError
	if !errors.As(err, &problem) || problem.Type != ela.ServerFault || problem.RetryAfter != 2*time.Hour {
		t.Errorf("503: %v; want a problem with Retry-After of 2 h", err)
	}
	if err := e.SetFaults(); err != nil {
		t.Fatal(err)
	}
	e.client.Now = func() time.Time { return e.Now().Add(-longAgo - time.Hour) }
	if _, _, err := e.ask(e.mayI(0)); !errors.Is(err, ela.ErrTime) {
		t.Errorf("a box whose clock is ten years slow: %v; want %v", err, ela.ErrTime)
	}
	block, _ := pem.Decode(newWorld(t, Options{}).Root())
	other, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	e.client.Now, e.client.Roots = e.Now, x509.NewCertPool()
	e.client.Roots.AddCert(other)
	var unknown x509.UnknownAuthorityError
	if _, _, err := e.ask(e.mayI(0)); !errors.As(err, &unknown) {
		t.Errorf("a server of another authority: %v; want that it is not trusted", err)
	}
}
