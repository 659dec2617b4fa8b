package license

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"causeway/appliance/license/ela"
	"causeway/appliance/model"
)

// profile is the one in force.
func profile(c model.License) string { return cmp.Or(c.Profile, model.LicenseContinuity) }

// Status tells all that show commands show.
func (a *Agent) Status() Status {
	roots, _ := a.options.Identity.Roots() // show certificates tells what is wrong with them
	udi, _ := a.udi()                      // it is empty then
	inTPM, tampered := a.options.Identity.InTPM(), a.options.Clock.Tampered()
	var s Status
	var signing []string
	a.update(func(m moment) {
		f, c := &a.facts, a.config
		calls := a.prospect(m).Now
		s = Status{
			State: f.State, Profile: profile(c), Requested: c.Licenses(),
			Listening: a.listens(), Now: m.now,

			Source: c.Governor(), Calls: calls.Calls, LimitCPS: calls.LimitCPS, Licensed: a.licensed(m).Now, Subscribed: a.subscription.Now,

			PID: productID, Serial: udi.SN, SoftwareTag: softwareTag, EntitlementTag: entitlementTag,
			EntitlementName: entitlementName, Version: entitlementVersion, Agent: agentVersion,

			URL: c.URL, Offline: c.Offline, HostName: !c.HideHostName, SendsVersion: !c.HideVersion, Roots: len(roots),

			Evaluation:    Evaluation{Running: f.Evaluation.Running, Consumed: f.Evaluation.at(m), Left: f.Evaluation.left(m)},
			Registration:  f.registrationStatus(m),
			Authorization: f.authorizationStatus(m),

			Failure: f.Failure, Tampered: cmp.Or(tampered, a.problem, a.unsaved),
			Exchanges: slices.Clone(a.exchanges), Counters: maps.Clone(a.counters),
		}
		signing = f.Signing
		s.Registration.KeyInTPM = inTPM && f.Registration != nil
		if c.ProxyHost != "" {
			s.Proxy = proxyAddress(c)
		}
		s.Registration.NextAttempt, s.Authorization.NextAttempt = a.nextAttempts(m)
	})
	s.SigningSerials = signingSerials(signing)
	return s
}

// listens says whether operators are told again and again (L-23, L-26, L-28).
// a.mu is held.
func (a *Agent) listens() bool {
	e := a.facts.State.effect(a.config.Profile)
	if a.rests() {
		return false
	}
	return e.listens || a.facts.State == Authorized && a.facts.Authorizing.Failures > 0 && profile(a.config) == model.LicenseContinuity
}

// nextAttempts are when the ID certificate is renewed and Mother May I is asked
// by the agent itself; zero: never. a.mu is held.
func (a *Agent) nextAttempts(m moment) (renewal, authorization time.Time) {
	if !a.facts.asks(a.config) {
		return
	}
	notBefore := func(at time.Time, ok bool) time.Time {
		switch {
		case !ok:
			return time.Time{}
		case at.Before(m.now):
			return m.now
		}
		return at
	}
	return notBefore(a.facts.renewAt(m)), notBefore(a.facts.authorizeAt(a.config, m))
}

func (f *facts) registrationStatus(m moment) Registration {
	s := Registration{LastAttempt: f.Renewing.Last, LastFailed: f.Renewing.Failures > 0}
	r := f.Registration
	if r == nil {
		return s
	}
	s.Registered = f.registered(m)
	s.Instance, s.SmartAccount, s.VirtualAccount = r.is.Instance, r.is.SmartAccount, r.is.VirtualAccount
	s.Initial, s.Expires = r.Initial, r.id.NotAfter
	s.IDSerial, s.SigningSerial = r.is.IDSerial, r.by
	return s
}

func (f *facts) authorizationStatus(m moment) Authorization {
	s := Authorization{Since: f.Since, LastAttempt: f.Authorizing.Last, LastFailed: f.Authorizing.Failures > 0, Failures: f.Authorizing.Failures}
	k := f.Authorization
	if k == nil {
		return s
	}
	s.Compliance, s.Start, s.Deadline, s.Count = k.is.Compliance, k.is.Start, k.deadline(), k.Asked.Count
	s.DaysLeft = daysLeft(k.deadline().Sub(m.now))
	return s
}

// signingSerials are those of signing certificates (facts.Signing), oldest first.
func signingSerials(signing []string) (list []string) {
	for _, text := range signing {
		known, err := ela.ParseCertificates(text)
		if err != nil || len(known) == 0 {
			continue // nothing is verified by it
		}
		if serial := ela.Serial(known[0]); !slices.Contains(list, serial) {
			list = append(list, serial)
		}
	}
	return list
}
