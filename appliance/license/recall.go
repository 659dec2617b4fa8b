package license

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"causeway/appliance/license/ela"
	"causeway/appliance/storage"
)

// recall takes up what an earlier life has kept. Nothing of it is believed
// because it is there: answers are verified as when they came. What cannot be
// believed falls away and is told.
func (a *Agent) recall() {
	_ = storage.RemoveTemporary(filepath.Dir(a.options.File)) // where that fails they harm nobody
	k := a.readKept()
	a.take(moment{a.options.Clock.Now(), a.options.Clock.Elapsed()}, k)
}

// kept is what the files have.
type kept struct {
	facts
	found   bool
	problem error     // with the files
	read    time.Time // trusted, before that of the facts counted
	doubt   error     // why an answer among the facts cannot be believed; nil: all can
	brings  event     // what follows from that
}

// readKept reads and verifies what was kept, and has the trusted time not be before
// it. Disks are waited for.
func (a *Agent) readKept() (k kept) {
	k.facts, k.found, k.problem = a.store.Load()
	if !k.found {
		return k
	}
	k.read = a.options.Clock.Now()
	if err := a.options.Clock.Raise(k.Time); err != nil {
		a.options.Log.Warn("the time of the licence state does not serve", "error", err)
	}
	k.brings, k.doubt = k.verify(a)
	return k
}

// reread tries again to read what the disk did not give.
func (a *Agent) reread() {
	k := a.readKept()
	if k.unread() {
		return // that is told
	}
	a.update(func(m moment) {
		a.problem = ""
		a.take(m, k)
		a.options.Log.Info("the licence state could be read at last", "state", a.facts.State)
		if a.applied {
			a.configure(m)
		}
	})
}

// unread says that the files may well be there, and the disk does not give them.
func (k kept) unread() bool { return !k.found && errors.Is(k.problem, storage.ErrUnread) }

// take takes up what was read. a.mu is held, or nobody else there yet.
func (a *Agent) take(m moment, k kept) {
	a.unread = k.unread()
	if k.problem != nil {
		a.tell(k.problem)
		a.dirty = true
	}
	if !k.found {
		// A new box has run for no time yet. On any other the state was wiped or
		// destroyed, and the evaluation is as good as consumed by all that it ran.
		a.facts = facts{Since: m.now, Evaluation: consumed{Before: min(m.elapsed, evaluationPeriod), At: m.elapsed}}
		a.dirty = true
		return
	}
	a.facts = k.facts
	if m.elapsed < k.Evaluation.At || k.read.Before(k.Time) { // which cannot be
		a.tell(fmt.Errorf("the box had run for %s at %s, and comes up with %s at %s: the record of that was lost",
			k.Evaluation.At, instant(k.Time), m.elapsed, instant(k.read)))
		a.facts.Evaluation.unknown(saveEvery, m)
		a.dirty = true
	}
	switch {
	case k.doubt != nil:
		a.lose(m, k.brings, k.doubt)
	case a.facts.State == Unidentified: // a cut may have come right behind the answer
		a.resume(m, "the server had answered")
	}
}

// reconsider has another look at what could not be read or verified at the start.
func (a *Agent) reconsider(ctx context.Context) {
	var doubted *doubted
	var ahead facts
	var unread bool
	a.update(func(moment) { doubted, ahead, unread = a.facts.Doubted, a.facts, a.unread })
	if doubted == nil && !unread || a.begin(ctx) != nil {
		return
	}
	defer a.end()
	if unread {
		a.reread()
		return
	}
	ahead.Registration, ahead.Authorization, ahead.Signing = doubted.Registration, doubted.Authorization, doubted.Signing
	if _, err := ahead.verify(a); err != nil {
		return // that is told
	}
	a.update(func(m moment) {
		if a.facts.Doubted != doubted { // the box was registered anew
			return
		}
		a.facts.Registration, a.facts.Authorization, a.facts.Signing = ahead.Registration, ahead.Authorization, ahead.Signing
		a.facts.Doubted, a.problem, a.dirty = nil, "", true
		a.resume(m, "what was kept can be verified again")
	})
}

// tell notes that the stored state is not as it should be.
func (a *Agent) tell(problem error) {
	a.problem = problem.Error()
	a.options.Log.Error("the licence state is not as it was kept", "error", problem)
}

// lose gives up what cannot be believed.
func (a *Agent) lose(m moment, e event, why error) {
	a.tell(why)
	var kept *doubted
	if f := &a.facts; f.Registration != nil {
		kept = &doubted{f.Registration, f.Authorization, f.Signing}
	}
	leaving := a.facts.Leaving
	a.facts.Authorization, a.facts.Authorizing, a.dirty = nil, attempts{}, true
	a.fire(m, e, why.Error())
	a.facts.Doubted, a.facts.Leaving = kept, leaving // which goes on when that is believed again
}

// verify verifies the answers that are kept. Where one cannot be believed, it says
// what that brings.
func (f *facts) verify(a *Agent) (brings event, err error) {
	if err := f.verifyRegistration(a); err != nil {
		return deregistered, err
	}
	return unauthorized, f.verifyAuthorization(a)
}

// verifyRegistration verifies the kept answer to a registration, and that its
// certificate is in force. A cut between the two is mended.
func (f *facts) verifyRegistration(a *Agent) error {
	r := f.Registration
	if r == nil {
		return f.needs("registration", Registered, Authorized, OutOfCompliance, AuthorizationExpired)
	}
	trust, err := a.trust(f.Signing, r.Opened)
	if err != nil {
		return fmt.Errorf("verify the registration: %w", err)
	}
	if err := r.open(trust); err != nil {
		return fmt.Errorf("verify the registration: %w", err)
	}
	return a.adoptID(r)
}

// needs says what is missing in the state.
func (f *facts) needs(what string, states ...State) error {
	for _, s := range states {
		if f.State == s {
			return fmt.Errorf("the state is %v, and there is no %s", s, what)
		}
	}
	return nil
}

// open verifies and reads the answer.
func (r *registration) open(trust ela.Trust) error {
	is, by, err := trust.OpenRegistered(r.Answer, r.Asked.Fits)
	if err != nil {
		return err
	}
	id, err := ela.ParseCertificates(is.IDCertificate)
	if err != nil {
		return err
	}
	r.is, r.by, r.id = is, by.Serial, id[0]
	return nil
}

// adoptID puts the ID certificate of a registration in force, unless it is.
func (a *Agent) adoptID(r *registration) error {
	current, err := a.options.Identity.Certificate()
	if err == nil && current != nil && current.Leaf.Equal(r.id) {
		return nil
	}
	if err := a.options.Identity.Import([]byte(r.is.IDCertificate + "\n" + r.is.Chain)); err != nil {
		return fmt.Errorf("put the ID certificate %s in force: %w", r.is.IDSerial, err)
	}
	return nil
}

// verifyAuthorization verifies the kept answer to Mother May I.
func (f *facts) verifyAuthorization(a *Agent) error {
	k := f.Authorization
	if k == nil {
		return f.needs("authorisation", Authorized, OutOfCompliance) // cusp-9 comes to AuthorizationExpired without one, too
	}
	trust, err := a.trust(f.Signing, k.Opened)
	if err != nil {
		return fmt.Errorf("verify the authorisation: %w", err)
	}
	if err := k.open(trust, ela.Last{}); err != nil {
		return fmt.Errorf("verify the authorisation: %w", err)
	}
	return nil
}
