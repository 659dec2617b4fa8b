package licensed

import (
	"bytes"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"causeway/appliance/license/ela"
)

// TestRegister holds an identity against L-38 to L-40.
func TestRegister(t *testing.T) {
	w := newWorld(t, Options{})
	b := newBox(w, "FHK1234ABcd")
	before := w.Now()
	answer := b.register()
	after := w.Now()

	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AppendCertsFromPEM(w.Root())
	between.AppendCertsFromPEM([]byte(answer.Chain))
	id := b.certificate
	if _, err := id.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Errorf("verify the ID certificate: %v", err)
	}
	if id.Subject.CommonName != answer.Instance || id.Subject.SerialNumber != "PID:CAUSEWAY,SN:FHK1234ABcd" {
		t.Errorf("subject = %s; want CN %s and PID:CAUSEWAY,SN:FHK1234ABcd", id.Subject, answer.Instance)
	}
	domain := ""
	for _, name := range id.Subject.Names {
		if name.Type.Equal(domainComponent) {
			domain, _ = name.Value.(string)
		}
	}
	if want := hexSHA256([]byte(FirstAccount))[:32]; domain != want {
		t.Errorf("DC = %q; want %s", domain, want)
	}
	if got := id.NotAfter.Sub(id.NotBefore); got != 360*24*time.Hour {
		t.Errorf("ID certificate is valid for %v; want 360 days", got)
	}
	if made := id.NotBefore.Add(time.Hour); made.Before(before.Truncate(time.Second)) || made.After(after) {
		t.Errorf("ID certificate begins at %v; want an hour before it was made, between %v and %v", id.NotBefore, before, after)
	}
	if !b.key.PublicKey.Equal(id.PublicKey) {
		t.Error("the ID certificate has another key")
	}
	if answer.RenewInterval != 15552000 || answer.IDSerial != id.SerialNumber.Text(16) || !answer.NotAfter.Equal(id.NotAfter) || answer.SignatureType != "SHA256" {
		t.Errorf("renew_interval, id_cert_sn, not_after, signature_type = %d, %s, %v, %s", answer.RenewInterval, answer.IDSerial, answer.NotAfter, answer.SignatureType)
	}
	if answer.SmartAccount != "Example" || answer.VirtualAccount != FirstAccount {
		t.Errorf("accounts = %s, %s", answer.SmartAccount, answer.VirtualAccount)
	}
	// More than one signing certificate is told, each leads to the root (L-48).
	signing := parsePEM(t, answer.SigningPEM)
	if len(signing) != 2 || signing[0].SerialNumber.Int64() != 2 || signing[1].SerialNumber.Int64() != 3 {
		t.Errorf("signing certificates = %v; want those with serial numbers 2 and 3", signing)
	}
	for _, c := range signing {
		if _, err := c.Verify(x509.VerifyOptions{Roots: roots}); err != nil {
			t.Errorf("verify the signing certificate %s: %v", c.SerialNumber, err)
		}
	}
}

// TestAnswerNamesItsRequest checks what lets a box tell an answer from others.
func TestAnswerNamesItsRequest(t *testing.T) {
	b := newBox(newWorld(t, Options{}), "FHK1234ABcd")
	b.register()
	ask := b.mayI(1)
	jws := b.sign(b.header(b.url+ela.PathAuthorize, b.nonce()), ask)
	text, err := b.post(ela.PathAuthorize, jws)
	if err != nil {
		t.Fatal(err)
	}
	var answer ela.Authorized
	if err := b.open(text, "2", &answer); err != nil {
		t.Fatal(err)
	}
	sent, err := jose.ParseSignedJSON(string(jws), []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	want := ela.Answered{Type: ela.TypeAuthorized, CNonce: ask.CNonce, Seq: ask.Seq,
		RequestSHA256: hexSHA256(sent.UnsafePayloadWithoutVerification()), Time: answer.Time}
	if answer.Answered != want {
		t.Errorf("the answer opens with %+v; want %+v", answer.Answered, want)
	}
	if answer.Expiry != 90*86400 || answer.RenewInterval != 30*86400 || answer.RetryInterval != 43200 || !answer.Start.Equal(answer.Time) {
		t.Errorf("expiry, renew_interval, retry_interval = %d, %d, %d from %v; want 90 days, 30 days, 12 h", answer.Expiry, answer.RenewInterval, answer.RetryInterval, answer.Start)
	}
}

// TestCompliance has two boxes share what an account has bought (L-30).
func TestCompliance(t *testing.T) {
	w := newWorld(t, Options{})
	if err := w.SetQuantity(FirstAccount, "CUSP-5", 30); err != nil {
		t.Fatal(err)
	}
	first, second := newBox(w, "FHK1234AAAA"), newBox(w, "FHK1234BBBB")
	first.register()
	second.register()
	for _, step := range []struct {
		box   *box
		count int
		want  string
	}{
		{first, 30, ela.InCompliance},
		{second, 186, ela.OutOfCompliance}, // and it stands in the inventory
		{first, 30, ela.OutOfCompliance},   // all boxes of the account are
		{second, 0, ela.InCompliance},
		{first, 31, ela.OutOfCompliance},
		{first, 29, ela.InCompliance},
	} {
		if got := step.box.authorize(step.count); got != step.want {
			t.Errorf("%s asks for %d: %s; want %s", step.box.udi, step.count, got, step.want)
		}
	}
	if _, err := first.send(ela.PathDeregister, ela.Deregister{Common: first.common(ela.TypeDeregister), Instance: first.instance, UDI: first.udi}); err != nil {
		t.Fatal(err)
	}
	if got := second.authorize(30); got != ela.InCompliance {
		t.Errorf("after the other has gone: %s; want IC", got)
	}
}

// TestInvalidTag asks for what there are no licences of.
func TestInvalidTag(t *testing.T) {
	b := newBox(newWorld(t, Options{}), "FHK1234ABcd")
	b.register()
	ask := b.mayI(0)
	ask.Entitlements = append(ask.Entitlements, ela.Entitlement{Tag: "regid.2026-11.com.example.NONE,1.0_0", Count: 1})
	text, err := b.send(ela.PathAuthorize, ask)
	var answer ela.Authorized
	if err == nil {
		err = b.open(text, "2", &answer)
	}
	if err != nil {
		t.Fatal(err)
	}
	if answer.Compliance != ela.InvalidTag || answer.Entitlements[0].Status != ela.InCompliance || answer.Entitlements[1].Status != ela.InvalidTag {
		t.Errorf("answer = %s, %v; want INVALID_TAG for the second", answer.Compliance, answer.Entitlements)
	}
}

// TestSameRequest sends the same payload again, with a new nonce: the answer was
// lost on the way. For 24 h the answer is the same, octet by octet.
func TestSameRequest(t *testing.T) {
	b := newBox(newWorld(t, Options{}), "FHK1234ABcd")
	b.register()
	ask := b.mayI(3)
	first, err := b.send(ela.PathAuthorize, ask)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		later time.Duration
		same  bool
	}{{0, true}, {24*time.Hour - time.Minute, true}, {time.Minute + time.Second, false}} {
		if err := b.AdvanceClock(row.later); err != nil {
			t.Fatal(err)
		}
		again, err := b.send(ela.PathAuthorize, ask)
		if row.same && !bytes.Equal(again, first) {
			t.Errorf("%v later: %s, %v; want the same answer again", row.later, again, err)
		}
		var refused *refusal
		if !row.same && (!errors.As(err, &refused) || refused.problem != ela.BadSeq) {
			t.Errorf("%v later: %s, %v; want bad-seq", row.later, again, err)
		}
	}
	if got := b.Instances()[0].Seq; got != ask.Seq {
		t.Errorf("seq = %d; want %d", got, ask.Seq)
	}
}

// TestRegisterAgain registers again with the same token and key.
func TestRegisterAgain(t *testing.T) {
	b := newBox(newWorld(t, Options{}), "FHK1234ABcd")
	token, ids := b.token(), map[string]bool{}
	for range 2 {
		text, err := b.send(ela.PathRegister, b.registration(token))
		var answer ela.Registered
		if err == nil {
			err = b.open(text, "2", &answer)
		}
		if err != nil {
			t.Fatal(err)
		}
		ids[answer.Instance] = true
	}
	if len(ids) != 1 || len(b.Instances()) != 1 {
		t.Errorf("instances = %v; want one", ids)
	}
}

// TestRenewID takes a new key into use; the certificate before is good as well,
// as the answer might have been lost.
func TestRenewID(t *testing.T) {
	b := newBox(newWorld(t, Options{}), "FHK1234ABcd")
	was := b.register()
	old, key := *b, newKey(t)
	text, err := b.send(ela.PathRenewID, ela.RenewID{Common: b.common(ela.TypeRenewID), Instance: b.instance, UDI: b.udi, CSR: b.csr(key)})
	var answer ela.Registered
	if err == nil {
		err = b.open(text, "2", &answer)
	}
	if err != nil {
		t.Fatal(err)
	}
	if answer.Instance != was.Instance || answer.IDSerial == was.IDSerial || answer.Type != ela.TypeRenewedID {
		t.Errorf("renewed: %s of %s with %s; want another serial number, the instance as it was", answer.Type, answer.Instance, answer.IDSerial)
	}
	old.seq = b.seq
	old.authorize(1)
	b.seq = old.seq
	b.key = key
	b.takeIdentity(answer)
	b.authorize(1)
}

// TestRotateSigning has a box meet several signing certificates (L-48).
func TestRotateSigning(t *testing.T) {
	b := newBox(newWorld(t, Options{}), "FHK1234ABcd")
	b.register()
	signer := func(path string, ask any) string {
		t.Helper()
		if _, err := b.send(path, ask); err != nil {
			t.Fatal(err)
		}
		log := b.Exchanges()
		return log[len(log)-1].Signer
	}
	rotate := func() {
		t.Helper()
		if err := b.RotateSigning(); err != nil {
			t.Fatal(err)
		}
	}
	rotate()
	if got := signer(ela.PathAuthorize, b.mayI(1)); got != "3" {
		t.Errorf("after a rotation the signer is %s; want 3, which was announced", got)
	}
	rotate()
	if got := signer(ela.PathAuthorize, b.mayI(1)); got != "3" {
		t.Errorf("after two the signer is %s; want 3: the box was not told of 4", got)
	}
	signer(ela.PathRenewID, ela.RenewID{Common: b.common(ela.TypeRenewID), Instance: b.instance, UDI: b.udi, CSR: b.csr(b.key)})
	if got := signer(ela.PathAuthorize, b.mayI(1)); got != "4" {
		t.Errorf("after a renewal the signer is %s; want 4", got)
	}
	if other := newBox(b.world, "FHK0000OTHR"); true {
		text, err := other.send(ela.PathRegister, other.registration(other.token()))
		if err == nil {
			err = other.open(text, "4", &ela.Registered{})
		}
		if err != nil {
			t.Errorf("register after two rotations: %v", err)
		}
	}
}

// TestClock moves the clock: all dates follow.
func TestClock(t *testing.T) {
	start := time.Date(2017, 5, 9, 13, 46, 22, 0, time.UTC)
	w := newWorld(t, Options{Now: func() time.Time { return start }})
	b := newBox(w, "FHK1234ABcd")
	for _, row := range []struct{ by, sum time.Duration }{{0, 0}, {400 * day, 400 * day}, {-500 * day, -100 * day}} {
		if err := w.AdvanceClock(row.by); err != nil {
			t.Fatal(err)
		}
		b.certificate = nil
		answer := b.register()
		want := start.Add(row.sum)
		if !answer.Time.Equal(want) || !b.certificate.NotBefore.Equal(want.Add(-time.Hour)) {
			t.Errorf("clock moved by %v: ts %v, certificate from %v; want %v and an hour before", row.sum, answer.Time, b.certificate.NotBefore, want)
		}
	}
}
