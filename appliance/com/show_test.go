package com

import (
	"strings"
	"testing"
	"time"

	"causeway/appliance/com/gate"
	"causeway/appliance/com/line"
	"causeway/appliance/com/outbox"
	"causeway/appliance/com/subscription"
	"causeway/appliance/com/wire"
	"causeway/appliance/exec/exectest"
	"causeway/appliance/model"
)

// now is the moment of the goldens.
var now = time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)

const day = 24 * time.Hour

// box is what control answers about a box.
type box struct {
	link          Status
	subscriptions subscription.Status
	services      gate.Status
	sessions      gate.SessionsStatus
	outbox        outbox.Status
}

func (b box) session() *exectest.Session {
	return &exectest.Session{Answers: map[string]any{
		"control.com.status": b.link, "control.com.subscriptions": b.subscriptions, "control.com.services": b.services,
		"control.com.sessions": b.sessions, "control.com.outbox": b.outbox,
	}}
}

// newBox is one on which nobody has set up anything.
func newBox() box {
	b := box{link: Status{State: Unset, Serial: "aB3dE6gH9jK"}}
	b.subscriptions = subscription.Status{
		Source: model.SourceSmart, GraceEnd: model.GraceEndsFeatures,
		Functions: []subscription.Function{{Feature: wire.FeatureManagement, Reason: "there is no subscription"}},
	}
	b.services.Group = model.GroupPrivileged
	for _, name := range model.COMServices() {
		b.services.Services = append(b.services.Services, gate.ServiceStatus{Name: name})
	}
	b.outbox = outbox.Status{MostEntries: 2000, MostOctets: 1 << 20}
	return b
}

// connected is one that is in use.
func connected() box {
	b := newBox()
	b.link = Status{
		State: Connected, Since: now.Add(-time.Hour), Serial: "aB3dE6gH9jK", Customer: "AB-12", Server: "com.example.com", Proxy: "proxy.example.com:3128",
		Address: "192.0.2.1:8443", Identity: "com", Trusts: "authorities of com", Session: 3, ID: "Jq0tD7pEF2xv3kQ4m9bJmF2b4gk1c0i8yUeqvQvF3mA",
		TLS: "TLS 1.2, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", Protocol: wire.Mux, Peer: "CN=com.example.com", Heartbeat: 30 * time.Second, Beats: 120,
		Line:     line.Status{RoundTrip: 45 * time.Millisecond, Bandwidth: 2_400_000, Measured: now},
		Counters: map[string]int64{"sessions": 3, "tries": 5},
	}
	b.subscriptions = subscription.Status{
		Source: model.SourceBoth, Checked: now.Add(-time.Minute), GraceEnd: model.GraceEndsCalls,
		Wanted: []wire.Wanted{{Feature: wire.FeatureCalls, Count: 100}, {Feature: wire.FeatureManagement, Count: 1}},
		Subscriptions: []subscription.Owned{
			{Subscription: wire.Subscription{Feature: wire.FeatureCalls, Count: 100, Expires: now.Add(10 * day)}},
			{Subscription: wire.Subscription{Feature: wire.FeatureManagement, Count: 1}},
			{Subscription: wire.Subscription{Feature: wire.FeatureCalls, Count: 20, Expires: now.Add(-day)}, Expired: true},
		},
		Functions: []subscription.Function{{Feature: wire.FeatureCalls, Allowed: true}, {Feature: wire.FeatureManagement, Allowed: true}},
		Prospect:  model.Prospect{Now: model.Allowance{Calls: true, LimitCPS: 100}, Changes: true, Left: 10 * day},
	}
	b.services.Operators = []string{"anna", "bert"}
	b.services.Support = gate.SupportStatus{Left: 3*time.Hour + 20*time.Second, By: "admin on ttyS0"}
	for i := range b.services.Services {
		switch service := &b.services.Services[i]; service.Name {
		case model.COMAlarms, model.COMConfig:
			service.On, service.Done, service.Refused, service.Last = true, 17, 2, now
		case model.COMCLI:
			service.Support = true
		}
	}
	b.sessions.Sessions = []wire.SessionInfo{
		{Number: 7, Actor: "anna@partner.example", Operator: "anna", What: "cli", Since: now.Format(time.RFC3339), In: 120, Out: 4096},
		{Number: 9, Actor: "bert@partner.example", What: "file log:syslog", Since: now.Format(time.RFC3339), Out: 65536},
	}
	b.outbox = outbox.Status{
		Sends: true, Entries: 3, Octets: 812, MostEntries: 2000, MostOctets: 1 << 20, Newest: 40, Acknowledged: 37, Oldest: now.Add(-time.Second), Dropped: 4,
		Classes: map[string]int{wire.ClassAlarm: 2, wire.ClassInformational: 1},
	}
	return b
}

// cutOff is one that has no link any more.
func cutOff() box {
	b := connected()
	b.link = Status{
		State: Waiting, Since: now.Add(-50 * time.Hour), Serial: "aB3dE6gH9jK", Customer: "AB-12", Server: "com.example.com", Address: "192.0.2.1:443", Identity: "com",
		Trusts: "authority of the image", Tries: 200, Next: now.Add(15 * time.Minute), Failure: "dial tcp 192.0.2.1:443: i/o timeout",
		Line: line.Status{RoundTrip: 250 * time.Millisecond, Bandwidth: 64_000, Measured: now.Add(-50 * time.Hour)},
	}
	b.subscriptions.Grace = subscription.GraceStatus{Running: true, Day: 3, Left: 28*day - 2*time.Hour}
	b.outbox.Sends, b.outbox.Problem = false, "write /bootflash/com/outbox.db: no space left on device"
	return b
}

// ended is one whose grace is over.
func ended() box {
	b := cutOff()
	b.subscriptions.Grace = subscription.GraceStatus{Running: true, Over: true, Day: 30}
	for i := range b.subscriptions.Functions {
		f := &b.subscriptions.Functions[i]
		f.Allowed, f.Reason = false, "the grace is over"
	}
	b.subscriptions.Prospect = model.Prospect{}
	b.subscriptions.Problem = "the file of the subscriptions cannot be written"
	return b
}

// untrusting is one that was told where COM is and not whom to believe.
func untrusting() box {
	b := newBox()
	b.link.State, b.link.Since, b.link.Customer, b.link.Server = Untrusted, now, "AB-12", "com.example.com"
	return b
}

// pending is one that nobody has approved yet.
func pending() box {
	b := connected()
	b.link.State, b.link.Identity = Pending, "com, self-signed"
	b.subscriptions.Pending, b.subscriptions.Subscriptions = true, nil
	return b
}

func TestShowCOM(t *testing.T) {
	for name, test := range map[string]struct {
		box   box
		shown []string
	}{
		"new":        {newBox(), []string{"", " services", " sessions", " subscriptions", " outbox"}},
		"connected":  {connected(), []string{"", " services", " sessions", " subscriptions", " outbox"}},
		"untrusting": {untrusting(), []string{""}},
		"pending":    {pending(), []string{"", " subscriptions"}},
		"cut-off":    {cutOff(), []string{"", " subscriptions", " outbox"}},
		"grace-over": {ended(), []string{" subscriptions"}},
	} {
		s := test.box.session()
		for _, what := range test.shown {
			exectest.Golden(t, "show-com"+strings.ReplaceAll(what, " ", "-")+"-"+name, s.Type(t.Context(), t, ExecCommands(), "show com"+what))
		}
	}
	down := exectest.Session{}
	if got, want := down.Type(t.Context(), t, ExecCommands(), "show com"), "% control does not answer\n"; got != want {
		t.Errorf("show com without control prints %q; want %q", got, want)
	}
}
