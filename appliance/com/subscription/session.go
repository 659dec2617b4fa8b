package subscription

import (
	"context"
	"fmt"
	"slices"
	"time"

	"causeway/appliance/com/gate"
	"causeway/appliance/com/wire"
)

// Peer is COM at the other end of the session.
type Peer interface {
	Call(ctx context.Context, method string, params, result any) error
}

// How often COM is asked.
const (
	checkEvery  = 24 * time.Hour
	checkSpread = time.Hour       // a check comes at most so much sooner or later
	pauseFirst  = time.Second     // where COM says again that something has changed, doubling:
	pauseLast   = 5 * time.Minute // each answer is written to the disk
	retryFirst  = time.Minute     // after a failure, doubling
	retryLast   = time.Hour
	answerLimit = time.Minute // for COM to answer, over a slow line
)

// Check has COM be asked again: license.changed.
func (s *Subscription) Check() {
	select {
	case s.ask <- struct{}{}:
	default: // it is about to be
	}
}

// Connected asks COM over a session until ctx ends, which is when the session
// does. It is a com.Companion. While COM answers there is no grace; it begins
// with the end of the session, or when a session lasts and COM does not answer.
func (s *Subscription) Connected(ctx context.Context, session gate.Session, com Peer) error {
	s.begin()
	defer s.end()
	timer := time.NewTimer(0)
	defer timer.Stop()
	asked, failures := time.Duration(0), 0 // when, by Elapsed; how often in vain, in a row
	pause, prompted := pauseFirst, false   // COM has said that something has changed
	due := s.options.Clock.Elapsed()
	for {
		if due <= s.options.Clock.Elapsed() {
			err := s.exchange(ctx, com)
			switch {
			case ctx.Err() != nil:
				return nil
			case err != nil:
				failures++
				s.options.Log.Warn("COM does not confirm the subscription", "session", session.Number, "error", err)
			default:
				failures = 0
			}
			if pause = min(2*pause, pauseLast); !prompted || s.options.Clock.Elapsed()-asked > pauseLast {
				pause = pauseFirst
			}
			asked, prompted = s.options.Clock.Elapsed(), false
			due = asked + s.interval(failures)
		}
		timer.Reset(min(max(due-s.options.Clock.Elapsed(), 0), lookEvery))
		select {
		case <-ctx.Done():
			return nil
		case <-s.ask:
			due, prompted = min(due, asked+pause), true
		case <-timer.C:
		}
	}
}

// begin has a session be up. It alone ends no grace: COM's answer does.
func (s *Subscription) begin() { s.update(func(moment) { s.sessions++ }) }

// end has it be lost.
func (s *Subscription) end() {
	s.update(func(moment) { s.sessions-- })
	s.save()
}

// interval is how long COM is not asked after so many failures in a row.
func (s *Subscription) interval(failures int) time.Duration {
	part := 2*s.options.spread() - 1 // -1 to 1
	if failures == 0 {
		return checkEvery + time.Duration(part*float64(checkSpread))
	}
	wait := min(retryFirst<<min(failures-1, 10), retryLast)
	return wait + time.Duration(part*float64(wait/10))
}

// exchange asks COM what is subscribed, and goes by the answer. What is wanted is
// requested when it is something else than before.
func (s *Subscription) exchange(ctx context.Context, com Peer) error {
	select {
	case <-s.ask: // which this does
	default:
	}
	s.mu.Lock()
	wanted := s.wanted()
	method, params := wire.MethodLicenseCheck, any(nil)
	if !slices.Equal(wanted, s.facts.Asked) {
		method, params = wire.MethodLicenseRequest, wire.LicenseRequest{Wanted: wanted}
	}
	s.mu.Unlock()

	answer, err := call(ctx, com, method, params)
	if err != nil {
		s.update(s.await)
		return err
	}
	s.update(func(m moment) {
		f := &s.facts
		f.Asked, f.Checked, f.Pending, f.Subscriptions, f.Grace = wanted, m.now, answer.Pending, answer.Subscriptions, grace{}
		s.dirty, s.unread, s.problem = true, false, ""
	})
	s.save()
	return nil
}

// call makes one call that COM answers with a License.
func call(ctx context.Context, com Peer, method string, params any) (answer wire.License, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	if err := com.Call(ctx, method, params, &answer); err != nil {
		return wire.License{}, fmt.Errorf("%s: %w", method, err)
	}
	if err := check(answer); err != nil {
		return wire.License{}, fmt.Errorf("the answer to %s: %w", method, err)
	}
	if answer.Pending {
		answer.Subscriptions = nil
	}
	return answer, nil
}
