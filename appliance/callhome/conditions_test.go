package callhome

import (
	"slices"
	"testing"
	"time"

	"causeway/appliance/alarm"
	"causeway/appliance/model"
)

func TestConditions(t *testing.T) {
	now := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	ended := func(profile, outcome string, before time.Duration) model.CallHomeEntry {
		return model.CallHomeEntry{Group: "test", Profile: profile, Outcome: outcome, Ended: now.Add(-before)}
	}
	waits := func(since time.Duration) []model.CallHomeEntry {
		return []model.CallHomeEntry{{Group: "inventory", Profile: "vendor", Outcome: "waiting", Made: now.Add(-since)}}
	}
	const day = 24 * time.Hour
	for _, test := range []struct {
		name   string
		status model.CallHomeStatus
		want   []string
	}{
		{"nothing", model.CallHomeStatus{}, nil},
		{"the file is damaged", model.CallHomeStatus{Problem: "damaged"}, []string{alarm.CallHomeStore}},
		{"waits a little", model.CallHomeStatus{Waiting: waits(day - 1)}, nil},
		{"waits a day", model.CallHomeStatus{Waiting: waits(day)}, []string{alarm.CallHomeUndelivered}},
		{"sent", model.CallHomeStatus{Recent: []model.CallHomeEntry{ended("vendor", "sent", 0)}}, nil},
		{"refused", model.CallHomeStatus{Recent: []model.CallHomeEntry{ended("vendor", "refused", time.Hour)}}, []string{alarm.CallHomeUndelivered}},
		{"refused a day ago", model.CallHomeStatus{Recent: []model.CallHomeEntry{ended("vendor", "refused", day)}}, nil},
		{"another was sent since", model.CallHomeStatus{Recent: []model.CallHomeEntry{ended("vendor", "sent", 0), ended("vendor", "expired", 1)}}, nil},
		{"one was sent before", model.CallHomeStatus{Recent: []model.CallHomeEntry{ended("vendor", "full", 0), ended("vendor", "sent", 1)}}, []string{alarm.CallHomeUndelivered}},
		{"one was sent to somebody else", model.CallHomeStatus{Recent: []model.CallHomeEntry{ended("copies", "sent", 0), ended("vendor", "expired", 1)}}, []string{alarm.CallHomeUndelivered}},
		{"dropped on purpose", model.CallHomeStatus{Recent: []model.CallHomeEntry{
			ended("vendor", "mode", 0), ended("vendor", "profile", 0), ended("vendor", "replaced", 0)}}, nil},
	} {
		var got []string
		for _, c := range conditions(test.status, now) {
			got = append(got, c.Name)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %q; want %q", test.name, got, test.want)
		}
	}
}
