package licensed

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"causeway/appliance/license/ela"
)

// TestFaultsOfAnswers has each fault that spoils an answer, and then the right
// answer to the same request.
func TestFaultsOfAnswers(t *testing.T) {
	for _, row := range []struct {
		kind  FaultKind
		check func(t *testing.T, b *box, ask ela.Authorize, text, before []byte)
	}{
		{BadSignature, func(t *testing.T, b *box, _ ela.Authorize, text, _ []byte) {
			if err := b.open(text, "2", &ela.Authorized{}); !errors.Is(err, jose.ErrCryptoFailure) {
				t.Errorf("verify: %v; want a failure of the signature", err)
			}
		}},
		{UnknownSigner, func(t *testing.T, b *box, _ ela.Authorize, text, _ []byte) {
			if err := b.open(text, "2", &ela.Authorized{}); err == nil || !strings.Contains(err.Error(), "signed by 4") {
				t.Errorf("open: %v; want an answer that is signed by 4", err)
			}
		}},
		{OldReply, func(t *testing.T, b *box, _ ela.Authorize, text, before []byte) {
			if !bytes.Equal(text, before) {
				t.Errorf("answer = %s; want %s", text, before)
			}
		}},
		{WrongNonce, func(t *testing.T, b *box, ask ela.Authorize, text, _ []byte) {
			if a := opened(t, b, text); a.CNonce == ask.CNonce || a.Seq != ask.Seq {
				t.Errorf("answer has cnonce %s, seq %d; want another cnonce, seq %d", a.CNonce, a.Seq, ask.Seq)
			}
		}},
		{ClockSkew, func(t *testing.T, b *box, ask ela.Authorize, text, _ []byte) {
			if a := opened(t, b, text); a.Time.Sub(ask.Time) > -time.Hour+time.Minute || !a.Start.Equal(a.Time) {
				t.Errorf("ts %v, start_date %v; want an hour before %v", a.Time, a.Start, ask.Time)
			}
		}},
		{InvalidTag, func(t *testing.T, b *box, _ ela.Authorize, text, _ []byte) {
			if a := opened(t, b, text); a.Compliance != ela.InvalidTag || a.Entitlements[0].Status != ela.InvalidTag {
				t.Errorf("answer = %s, %v; want INVALID_TAG", a.Compliance, a.Entitlements)
			}
		}},
	} {
		t.Run(string(row.kind), func(t *testing.T) {
			b := newBox(newWorld(t, Options{}), "FHK1234ABcd")
			b.register()
			before, err := b.send(ela.PathAuthorize, b.mayI(0))
			if err != nil {
				t.Fatal(err)
			}
			if err := b.SetFaults(Fault{Kind: row.kind, On: ela.TypeAuthorize, Times: 1, Skew: -3600}); err != nil {
				t.Fatal(err)
			}
			ask := b.mayI(0)
			text, err := b.send(ela.PathAuthorize, ask)
			if err != nil {
				t.Fatal(err)
			}
			row.check(t, b, ask, text, before)
			if err := b.SetFaults(Fault{Kind: row.kind, On: ela.TypeAuthorize, Skew: -3600}); err != nil {
				t.Fatal(err)
			}
			if text, err = b.send(ela.PathAuthorize, ask); err != nil { // also an answer that is repeated
				t.Fatal(err)
			}
			row.check(t, b, ask, text, before)
			if err := b.SetFaults(); err != nil {
				t.Fatal(err)
			}
			if text, err = b.send(ela.PathAuthorize, ask); err != nil {
				t.Fatal(err)
			}
			if a := opened(t, b, text); a.Compliance != ela.InCompliance || a.CNonce != ask.CNonce {
				t.Errorf("after the fault: %+v; want the right answer", a)
			}
		})
	}
}

func opened(t *testing.T, b *box, text []byte) (a ela.Authorized) {
	t.Helper()
	if err := b.open(text, "2", &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// TestFaultsOfTheWay has each fault that lets no answer come.
func TestFaultsOfTheWay(t *testing.T) {
	for _, row := range []struct {
		kind FaultKind
		done bool
	}{{HangUp, false}, {LostReply, true}} {
		b := newBox(newWorld(t, Options{}), "FHK1234ABcd")
		b.register()
		if err := b.SetFaults(Fault{Kind: row.kind, On: ela.TypeAuthorize}); err != nil {
			t.Fatal(err)
		}
		ask := b.mayI(1)
		text, err := b.send(ela.PathAuthorize, ask)
		var refused *refusal
		if err == nil || errors.As(err, &refused) {
			t.Errorf("%s: %s, %v; want no answer", row.kind, text, err)
		}
		if done := b.Instances()[0].Seq == ask.Seq; done != row.done {
			t.Errorf("%s: the request was done: %v; want %v", row.kind, done, row.done)
		}
	}
}

// TestSilence sees that a request hangs until the box has had enough.
func TestSilence(t *testing.T) {
	b := newBox(newWorld(t, Options{}), "FHK1234ABcd")
	if err := b.SetFaults(Fault{Kind: Silence}); err != nil {
		t.Fatal(err)
	}
	patience, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	request, err := http.NewRequestWithContext(patience, "GET", b.url+ela.PathNonce, nil)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		answer, err := b.http.Do(request)
		if err == nil {
			answer.Body.Close()
		}
		ended <- err
	}()
	for len(b.Exchanges()) == 0 { // it has not come
		select {
		case err := <-ended:
			t.Fatalf("the request ended before it came: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	giveUp()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the request ended with %v; want that the box has given up", err)
	}
	if log := b.Exchanges(); log[0].Fault != Silence || log[0].Result != "not done" {
		t.Errorf("the log says %+v; want silence, not done", log[0])
	}
}

// TestProblem has the server say what the lab wants.
func TestProblem(t *testing.T) {
	w := newWorld(t, Options{})
	for _, row := range []struct {
		fault      Fault
		status     int
		retryAfter string
	}{
		{Fault{Kind: Refuse}, 500, ""},
		{Fault{Kind: Refuse, Status: 503, RetryAfter: 7200}, 503, "7200"},
		{Fault{Kind: Refuse, Problem: ela.RateLimited, RetryAfter: 60}, 429, "60"},
	} {
		if err := w.SetFaults(row.fault); err != nil {
			t.Fatal(err)
		}
		answer, err := w.http.Get(w.url + ela.PathNonce)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != row.status || answer.Header.Get("Retry-After") != row.retryAfter {
			t.Errorf("%+v: %d, Retry-After %q; want %d, %q", row.fault, answer.StatusCode, answer.Header.Get("Retry-After"), row.status, row.retryAfter)
		}
	}
}

// TestFaultTimes counts how often a fault befalls requests, and which.
func TestFaultTimes(t *testing.T) {
	b := newBox(newWorld(t, Options{}), "FHK1234ABcd")
	b.register()
	if err := b.SetFaults(Fault{Kind: Refuse, On: ela.TypeAuthorize, Times: 2}, Fault{Kind: Refuse, On: ela.TypeRenewID}); err != nil {
		t.Fatal(err)
	}
	for i, refused := range []bool{true, true, false} {
		if _, err := b.send(ela.PathAuthorize, b.mayI(1)); (err != nil) != refused {
			t.Errorf("request %d: %v; want refused: %v", i+1, err, refused)
		}
	}
	if left := b.Faults(); len(left) != 1 || left[0].On != ela.TypeRenewID {
		t.Errorf("faults = %v; want the other one", left)
	}
	for _, f := range []Fault{{}, {Kind: "none"}, {Kind: BadSignature, On: onNonce}, {Kind: Silence, On: "none"}, {Kind: Refuse, Problem: "none"}, {Kind: Refuse, Status: 200}, {Kind: HangUp, Times: -1}} {
		if err := b.SetFaults(f); err == nil {
			t.Errorf("SetFaults(%+v) = nil; want an error", f)
		}
	}
}
