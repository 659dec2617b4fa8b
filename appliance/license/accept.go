package license

import (
	"errors"
	"fmt"
	"time"

	"causeway/appliance/license/ela"
)

// accept believes an answer, or says why not, and does what follows from it.
// date has the trusted time go by what the answer says about it.
func (a *Agent) accept(to asked, answer []byte, date func(time.Time) error) (text string, err error) {
	text, err = a.acceptAt(a.options.Clock.Now(), to, answer, date)
	if errors.Is(err, ela.ErrTime) {
		text, err = a.acceptAt(a.options.Clock.Dates(), to, answer, date)
	}
	return text, err
}

// acceptAt is accept with certificates that must be valid at the time opened.
func (a *Agent) acceptAt(opened time.Time, to asked, answer []byte, date func(time.Time) error) (text string, err error) {
	var known facts
	a.update(func(moment) { known = a.facts })
	trust, err := a.trust(known.Signing, opened)
	if err != nil {
		return "", err
	}
	switch to.Kind {
	case KindRegister, KindRenewID:
		r := &registration{Asked: to, Answer: answer, Opened: opened}
		if err := r.open(trust); err != nil {
			return "", err
		}
		r.Arrived = a.arrived(r.is.Time, date)
		return a.takeRegistration(r, known)
	case KindAuthorize:
		k := &authorization{Asked: to, Answer: answer, Opened: opened}
		if err := k.open(trust, known.last()); err != nil {
			return "", err
		}
		k.Arrived = a.arrived(k.is.Time, date)
		return a.takeAuthorization(k)
	case KindDeregister:
		gone, by, err := trust.OpenGone(answer, to.Fits)
		if err != nil {
			return "", err
		}
		a.arrived(gone.Time, date)
		return a.takeLeave(gone, by.Serial)
	}
	return "", fmt.Errorf("an answer to a request of kind %q", to.Kind)
}

// open verifies and reads the answer. last is what was authorised before.
func (k *authorization) open(trust ela.Trust, last ela.Last) error {
	is, by, err := trust.OpenAuthorized(k.Answer, k.Asked.Fits, last)
	if err != nil {
		return err
	}
	if is.Compliance == ela.InvalidTag {
		return errInvalidTag
	}
	k.is, k.by = is, by.Serial
	return nil
}

// last is what was authorised under the present registration.
func (f *facts) last() ela.Last {
	k := f.Authorization
	if k == nil || f.Registration == nil || k.Arrived.Before(f.Registration.Initial) {
		return ela.Last{}
	}
	return ela.Last{Seq: k.is.Seq, Start: k.is.Start}
}

// arrived is the trusted time, which is not before what a verified answer says.
func (a *Agent) arrived(said time.Time, date func(time.Time) error) time.Time {
	if err := date(said); err != nil {
		a.options.Log.Warn("the time of the licence server is not kept", "error", err)
	}
	return a.options.Clock.Now()
}

// takeRegistration makes the box who the server says it is. The answer is kept
// before the certificate is in force: a cut between them is mended by recall.
func (a *Agent) takeRegistration(r *registration, before facts) (string, error) {
	r.Initial = r.Arrived
	if r.Asked.Kind == KindRenewID && before.Registration != nil {
		r.Initial = before.Registration.Initial
	}
	a.update(func(m moment) {
		a.facts.Registration, a.facts.Doubted, a.dirty = r, nil, true
		a.facts.knowSigning(r.is.SigningPEM)
	})
	a.save()
	if err := a.adoptID(r); err != nil {
		a.update(func(moment) {
			a.facts.Registration, a.facts.Signing, a.facts.Doubted, a.dirty = before.Registration, before.Signing, before.Doubted, true
		})
		return "", err
	}
	a.options.Journal.Received(r.is, r.by)
	a.update(func(m moment) {
		a.facts.Renewing, a.facts.Leaving = attempts{Last: r.Arrived}, time.Time{}
		if r.Asked.Kind == KindRegister {
			a.facts.Authorizing, a.facts.Reentitling = attempts{}, 0
			a.fire(m, registered, "instance "+r.is.Instance)
		}
		a.settle(m, r.Asked)
	})
	if r.Asked.Kind == KindRenewID {
		return fmt.Sprintf("The ID certificate was renewed and is valid until %s.", instant(r.id.NotAfter)), nil
	}
	return fmt.Sprintf("The box is registered with %s, %s, as product instance %s.", r.is.SmartAccount, r.is.VirtualAccount, r.is.Instance), nil
}

// takeAuthorization goes by the answer to Mother May I.
func (a *Agent) takeAuthorization(k *authorization) (string, error) {
	a.options.Journal.Received(k.is, k.by)
	a.update(func(m moment) {
		a.facts.Authorization, a.facts.Doubted = k, nil
		a.facts.Authorizing, a.facts.Reentitling, a.facts.Leaving = attempts{Last: k.Arrived, Wait: spread(soonest, a.options.spread())}, 0, time.Time{}
		a.fire(m, answered(k.is.Compliance), "compliance status "+k.is.Compliance)
		a.settle(m, k.Asked)
	})
	if k.is.Compliance == ela.OutOfCompliance {
		return fmt.Sprintf("Authorised until %s, but out of compliance: %d licences are more than there are.", instant(k.deadline()), k.Asked.Count), nil
	}
	return fmt.Sprintf("Authorised until %s: %d licences, in compliance.", instant(k.deadline()), k.Asked.Count), nil
}

// takeLeave has the box not registered any more.
func (a *Agent) takeLeave(gone ela.Gone, by string) (string, error) {
	a.options.Journal.Received(gone, by)
	a.update(func(m moment) {
		a.fire(m, deregistered, "the server has confirmed it")
		a.settle(m, asked{Kind: KindDeregister})
	})
	a.save()
	if err := a.options.Identity.Forget(); err != nil {
		return "", fmt.Errorf("the box is not registered any more, but its ID certificate is left: %w", err)
	}
	return "The box is not registered any more; its licences are free.", nil
}

// settle notes an exchange that did well. a.mu is held.
func (a *Agent) settle(m moment, done asked) {
	a.note(m, done.Kind, nil)
	if saved := a.facts.Saved; saved != nil && saved.Fits.CNonce == done.Fits.CNonce {
		a.facts.Saved = nil
	}
	a.wake()
}

// instant is how instants stand in answers to operators.
func instant(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }

// errNothingSaved refuses an answer to nothing.
var errNothingSaved = errors.New("no request was saved that an answer could fit to")
