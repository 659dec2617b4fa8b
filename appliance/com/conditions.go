package com

import (
	"cmp"

	"causeway/appliance/alarm"
	"causeway/appliance/com/line"
	"causeway/appliance/model"
)

// rules of alarms about the link; one without text does not hold.
var rules = []struct {
	model.Condition
	text func(*Status) string
}{
	{model.Condition{Name: alarm.COMLinkDown}, func(s *Status) string {
		switch s.State {
		case Untrusted, Waiting, Dialling:
			return "no link to " + s.Server + ": " + cmp.Or(s.Failure, "it is being dialled")
		}
		return ""
	}},
	{model.Condition{Name: alarm.COMUntrusted}, func(s *Status) string {
		switch {
		case s.State == Untrusted:
			return "there is no authority that " + s.Server + " could be known by"
		case s.Suspect != "":
			return s.Server + " is not who it should be: " + s.Suspect
		}
		return ""
	}},
	{model.Condition{Name: alarm.COMRefused}, func(s *Status) string {
		if s.Refused == "" {
			return ""
		}
		return s.Server + " refuses the box: " + s.Refused
	}},
	{model.Condition{Name: alarm.COMPending}, func(s *Status) string {
		if s.State != Pending {
			return ""
		}
		return "the box waits to be approved: serial number " + s.Serial + ", customer ID " + s.Customer
	}},
	{model.Condition{Name: alarm.COMLineDelay}, func(s *Status) string {
		if !s.State.Up() || s.Line.RoundTrip <= line.LongestRoundTrip {
			return ""
		}
		return "a round trip takes " + roundTrip(s.Line.RoundTrip)
	}},
	{model.Condition{Name: alarm.COMLineSlow}, func(s *Status) string {
		if !s.State.Up() || s.Line.Bandwidth == 0 || s.Line.Bandwidth >= line.LeastBandwidth {
			return ""
		}
		return "the line carries " + bandwidth(s.Line.Bandwidth)
	}},
}

// Conditions are what should not be of the link.
func (s Status) Conditions() (list []model.Condition) {
	for _, rule := range rules {
		if rule.Text = rule.text(&s); rule.Text != "" {
			list = append(list, rule.Condition)
		}
	}
	return list
}
