package subscription

import (
	"cmp"
	"context"
	"time"

	"causeway/appliance/com/wire"
	"causeway/appliance/link"
	"causeway/appliance/model"
)

// Status is the answer of control.com.subscriptions. Times are of the trusted clock.
type Status struct {
	Source        string         `json:"source"`  // what governs calls: model.SourceSmart …
	Pending       bool           `json:"pending"` // nobody has approved the box yet
	Checked       time.Time      `json:"checked"` // when COM answered last; zero: never
	Subscriptions []Owned        `json:"subscriptions"`
	Wanted        []wire.Wanted  `json:"wanted"` // what is asked for
	Grace         GraceStatus    `json:"grace"`
	GraceEnd      string         `json:"grace_end"` // model.GraceEndsFeatures …
	Functions     []Function     `json:"functions"`
	Prospect      model.Prospect `json:"prospect"` // for calls; means something where Source is not smart
	Problem       string         `json:"problem"`  // with the state on bootflash:; empty: none
}

// Owned is one that the customer has for this box.
type Owned struct {
	wire.Subscription
	Expired bool `json:"expired"`
}

// GraceStatus is what is left without the link (COM-12). It is counted in
// running time of the box.
type GraceStatus struct {
	Running bool          `json:"running"` // there was a subscription, and there is no link
	Over    bool          `json:"over"`
	Day     int           `json:"day"` // 1–30
	Left    time.Duration `json:"left"`
}

// Function is something that needs a subscription.
type Function struct {
	Feature string `json:"feature"` // wire.FeatureManagement …
	Allowed bool   `json:"allowed"`
	Reason  string `json:"reason"` // why not; empty: it is
}

// Methods are what sessions may ask.
func (s *Subscription) Methods() link.Methods {
	return link.Methods{
		"control.com.subscriptions": func(context.Context) (Status, error) { return s.Status(), nil },
	}
}

// Status tells all that show com subscriptions shows.
func (s *Subscription) Status() Status {
	m := s.moment()
	s.mu.Lock()
	defer s.mu.Unlock()
	f := &s.facts
	status := Status{
		Source: s.license.Governor(), Pending: f.Pending, Checked: f.Checked, Wanted: s.wanted(),
		GraceEnd: cmp.Or(s.com.GraceEnd, model.GraceEndsFeatures), Prospect: s.prospect(m), Problem: cmp.Or(s.problem, s.unsaved),
	}
	for _, one := range f.Subscriptions {
		status.Subscriptions = append(status.Subscriptions, Owned{Subscription: one, Expired: !runs(one, m.now)})
	}
	for _, function := range functions {
		why := s.refusal(function.feature, m)
		status.Functions = append(status.Functions, Function{Feature: function.feature, Allowed: why == "", Reason: why})
	}
	if g := f.Grace; g.Running {
		status.Grace = GraceStatus{Running: true, Over: g.over(m), Day: g.day(m), Left: model.COMGrace - g.passed(m)}
	}
	return status
}
