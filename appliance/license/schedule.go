package license

import (
	"time"

	"causeway/appliance/model"
)

// attempts is how it goes with requests of one kind.
type attempts struct {
	Last     time.Time     `json:"last"`     // when one was made; zero: never
	Failures int           `json:"failures"` // in a row
	Since    time.Time     `json:"since"`    // of the first of these
	Wait     time.Duration `json:"wait"`     // after Last until the next try; without failures: what is added to the interval
	Clock    bool          `json:"clock"`    // the clock was to blame (ErrTime): tried again once it is right
}

// fail notes a failure. wait is as long as the server asks for; zero: the
// ladder of the state says. part is how much of what may be added is.
func (a *attempts) fail(now time.Time, s State, wait time.Duration, clock bool, part float64) {
	if a.Failures == 0 {
		a.Since = now
	}
	a.Last, a.Clock = now, clock
	if a.Wait = min(max(wait, shortestWait), longestWait); wait <= 0 {
		a.Wait = ladder(s, a.Failures, now.Sub(a.Since))
	}
	a.Wait += spread(a.Wait, part)
	a.Failures++
}

// spread is what is added to an interval, so that the boxes of a fleet whose power
// or server came back at the same time do not ask in the same second. part is
// from 0 to 1.
func spread(interval time.Duration, part float64) time.Duration {
	return time.Duration(part * float64(min(interval/10, spreadMost)))
}

// The intervals of requests.
const (
	authorizeEvery = 30 * day       // (L-22), where the server says nothing
	reaskEvery     = 12 * time.Hour // out of compliance (L-65), likewise
	soonest        = 15 * time.Minute
	latest         = 4 * time.Hour
	// outOfComplianceSoon is how long failures out of compliance are followed
	// by another try soonest (L-27).
	outOfComplianceSoon = 2 * time.Hour
	// What a server, or somebody on the way, may ask for (Retry-After).
	shortestWait, longestWait = time.Minute, 24 * time.Hour
	spreadMost                = 15 * time.Minute // or a tenth of the interval, if that is less
)

// ladder is how long to wait after a failure: before is how many came before
// it, for how long.
func ladder(s State, before int, failing time.Duration) time.Duration {
	switch s {
	case AuthorizationExpired: // L-28
		return latest
	case OutOfCompliance: // L-27
		if failing < outOfComplianceSoon {
			return soonest
		}
		return latest
	}
	return min(soonest<<min(before, 10), latest)
}

// authorizeAt is when Mother May I is asked next; ok is false if it is not.
// The zero time is at once.
func (f *facts) authorizeAt(c model.License, m moment) (at time.Time, ok bool) {
	switch {
	case !f.registered(m):
		return at, false
	case f.Authorizing.Failures > 0:
		return f.Authorizing.Last.Add(f.Authorizing.Wait), true
	case f.Authorization == nil, f.Authorization.Asked.Count != c.Licenses(), f.Authorization.Arrived.Before(f.Registration.Initial), !f.Leaving.IsZero():
		return at, true
	}
	interval := orDefault(f.Authorization.is.RenewInterval, authorizeEvery)
	if f.State == OutOfCompliance {
		interval = orDefault(f.Authorization.is.RetryInterval, reaskEvery)
	}
	return f.Authorization.Arrived.Add(interval + f.Authorizing.Wait), true
}

// orDefault is an interval that the server has named, within reason.
func orDefault(named int64, usual time.Duration) time.Duration {
	if named <= 0 {
		return usual
	}
	return min(max(seconds(named), soonest), authorizeEvery)
}

// renewAt is when the ID certificate is renewed: in the middle of its life, or
// as the server says if that is before.
func (f *facts) renewAt(m moment) (at time.Time, ok bool) {
	switch {
	case !f.registered(m):
		return at, false
	case f.Renewing.Failures > 0:
		return f.Renewing.Last.Add(f.Renewing.Wait), true
	}
	r := f.Registration
	at = r.id.NotBefore.Add(r.id.NotAfter.Sub(r.id.NotBefore) / 2)
	if named := r.Arrived.Add(seconds(r.is.RenewInterval)); r.is.RenewInterval > 0 && named.Before(at) {
		at = named
	}
	if first := r.Arrived.Add(soonest); at.Before(first) { // whatever the server has issued
		at = first
	}
	return at, true
}

// asks says whether the agent asks the server by itself.
func (f *facts) asks(c model.License) bool {
	return f.State != Unconfigured && c.Governor() != model.SourceCOM && !c.Offline && c.URL != ""
}

// due is the exchange whose time has come; empty: none. synchronised is whether
// the clock is right, which failures may have waited for.
func (f *facts) due(c model.License, m moment, synchronised bool) string {
	if !f.asks(c) {
		return ""
	}
	for _, row := range []struct {
		kind string
		at   func() (time.Time, bool)
		past attempts
	}{
		{KindAuthorize, func() (time.Time, bool) { return f.authorizeAt(c, m) }, f.Authorizing},
		{KindRenewID, func() (time.Time, bool) { return f.renewAt(m) }, f.Renewing},
	} {
		if at, ok := row.at(); ok && (!m.now.Before(at) || row.past.Clock && synchronised) {
			return row.kind
		}
	}
	return ""
}
