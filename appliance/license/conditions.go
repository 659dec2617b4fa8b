package license

import (
	"fmt"

	"causeway/appliance/alarm"
	"causeway/appliance/model"
)

// When the end of something is told.
const (
	evaluationEnding = 7 * day  // before the end of the evaluation
	idExpiring       = 30 * day // before that of the ID certificate
)

// situation is what rules of alarms look at.
type situation struct {
	moment
	*Agent   // its mu is held
	tampered string
}

// rules of alarms; a rule without text does not hold.
var rules = []struct {
	model.Condition
	text func(situation) string
}{
	{model.Condition{Name: alarm.LicenseUnconfigured}, func(s situation) string {
		return s.in("licensing is off (no license smart enable): all calls are refused", Unconfigured)
	}},
	{model.Condition{Name: alarm.LicenseEvaluation}, func(s situation) string {
		left := s.facts.Evaluation.left(s.moment)
		if left <= evaluationEnding {
			return ""
		}
		return s.in(fmt.Sprintf("the evaluation ends after %d more days of running time", daysLeft(left)), Unidentified, Registered)
	}},
	{model.Condition{Name: alarm.LicenseEvaluationEnding}, func(s situation) string {
		left := s.facts.Evaluation.left(s.moment)
		if left > evaluationEnding {
			return ""
		}
		return s.in(fmt.Sprintf("the evaluation ends after %d more days of running time, then all calls are refused", daysLeft(left)), Unidentified, Registered)
	}},
	{model.Condition{Name: alarm.LicenseEvaluationExpired}, func(s situation) string {
		return s.in("the 90 days of the evaluation are over: all calls are refused", EvalExpired)
	}},
	{model.Condition{Name: alarm.LicenseOutOfCompliance}, func(s situation) string {
		return s.in(fmt.Sprintf("%d licences for %d calls per second are more than there are; calls go on", s.config.Licenses(), s.config.LimitCPS()), OutOfCompliance)
	}},
	{model.Condition{Name: alarm.LicenseRenewalFailing}, func(s situation) string {
		f := &s.facts
		for _, row := range []struct {
			what string
			attempts
		}{{"authorisation", f.Authorizing}, {"ID certificate", f.Renewing}} {
			if row.Failures > 0 && !row.Clock && f.registered(s.moment) {
				return fmt.Sprintf("the renewal of the %s has failed %d times since %s: %s", row.what, row.Failures, instant(row.Since), f.Failure)
			}
		}
		return ""
	}},
	{model.Condition{Name: alarm.LicenseAuthorizationExpired}, func(s situation) string {
		calls := "all calls are refused"
		if s.facts.State.effect(s.config.Profile).calls {
			calls = "calls go on"
		}
		return s.in("the authorisation has expired: "+calls+" (license profile "+profile(s.config)+")", AuthorizationExpired)
	}},
	{model.Condition{Name: alarm.LicenseIDExpiring}, func(s situation) string {
		r := s.facts.Registration
		if r == nil || s.expired() || r.id.NotAfter.Sub(s.now) > idExpiring {
			return ""
		}
		return "the ID certificate ends " + instant(r.id.NotAfter) + " and is not renewed yet"
	}},
	{model.Condition{Name: alarm.LicenseIDExpired}, func(s situation) string {
		if !s.expired() {
			return ""
		}
		return "the ID certificate has ended " + instant(s.facts.Registration.id.NotAfter)
	}},
	{model.Condition{Name: alarm.LicenseCopied}, func(s situation) string { return s.copied }},
	{model.Condition{Name: alarm.LicenseState}, func(s situation) string {
		if s.problem != "" {
			return s.problem
		}
		return s.unsaved
	}},
	{model.Condition{Name: alarm.LicenseClock}, func(s situation) string { return s.tampered }},
}

// in gives the text if the state is one of these.
func (s situation) in(text string, states ...State) string {
	for _, state := range states {
		if s.facts.State == state {
			return text
		}
	}
	return ""
}

// expired says whether the ID certificate has ended.
func (s situation) expired() bool {
	return s.facts.Registration != nil && !s.facts.registered(s.moment)
}

// Conditions are what should not be.
func (a *Agent) Conditions() (list []model.Condition) {
	tampered := a.options.Clock.Tampered()
	a.update(func(m moment) {
		if !a.applied {
			return
		}
		for _, rule := range rules {
			if a.rests() && rule.Name != alarm.LicenseClock { // which subscriptions go by as well
				continue
			}
			if rule.Text = rule.text(situation{m, a, tampered}); rule.Text != "" {
				list = append(list, rule.Condition)
			}
		}
	})
	return list
}
