package control

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"causeway/appliance/alarm"
	"causeway/appliance/com/gate"
	"causeway/appliance/com/wire"
	"causeway/appliance/model"
)

// subscribing is a COM that answers every question with the same.
type subscribing wire.License

func (s subscribing) Call(_ context.Context, _ string, _, result any) error {
	text, err := json.Marshal(wire.License(s))
	if err != nil {
		return err
	}
	return json.Unmarshal(text, result)
}

// TestSubscriptionGoverns: what COM answers is what the proxy is granted, and
// what the gate asks for.
func TestSubscriptionGoverns(t *testing.T) {
	b := newBox(t)
	c := build(b.options, b.pace)
	t.Cleanup(func() {
		if err := errors.Join(c.alarms.Close(), c.reports.Close(), c.outbox.Close()); err != nil {
			t.Error(err)
		}
	})
	if err := c.trusted.Raise(time.Now()); err != nil { // there is no build that would say when it was
		t.Fatal(err)
	}
	config := &model.Config{License: model.License{Source: model.SourceCOM, CPS: 50}}
	c.subscription.Apply(config)
	c.license.Apply(config)
	if got := c.license.Grant().Now; got.Calls {
		t.Errorf("the grant of a box that was never subscribed is %+v; want no calls", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- c.subscription.Connected(ctx, gate.Session{Number: 1}, subscribing{Subscriptions: []wire.Subscription{
			{Feature: wire.FeatureCalls, Count: 20, Expires: time.Now().AddDate(1, 0, 0)},
			{Feature: wire.FeatureManagement, Count: 1},
		}})
	}()
	want := model.Allowance{Calls: true, LimitCPS: 20}
	for start := time.Now(); c.license.Grant().Now != want; time.Sleep(time.Millisecond) {
		if time.Since(start) > limit {
			t.Fatalf("the grant is %+v; want %+v", c.license.Grant(), want)
		}
	}
	if grant := c.license.Grant(); grant.ChangesAt == 0 || grant.Then.Calls {
		t.Errorf("the grant is %+v; want one that knows the end of the subscription", grant)
	}
	if !c.subscription.Allows(wire.FeatureManagement) {
		t.Error("remote management is not allowed; want what COM has answered")
	}
	if c.subscription.InGrace() {
		t.Error("the box is in grace while COM answers")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Connected = %v; want nil", err)
	}
	if got := c.license.Grant().Now; got != want {
		t.Errorf("the grant after the loss of the link is %+v; want %+v", got, want)
	}
	if !c.subscription.InGrace() {
		t.Error("the box is not in grace after the loss of the link")
	}
}

// TestLinkDownIsToldOnce: of a box in its grace, which has an alarm a day, that the
// link is down is no alarm of its own.
func TestLinkDownIsToldOnce(t *testing.T) {
	for inGrace, want := range map[bool]int{false: 2, true: 1} {
		found := []model.Condition{{Name: alarm.COMLinkDown}, {Name: alarm.COMUntrusted}}
		if got := onceADay(found, inGrace); len(got) != want || got[len(got)-1].Name != alarm.COMUntrusted {
			t.Errorf("onceADay(in grace: %t) = %v; want %d conditions, and why the link is down among them", inGrace, got, want)
		}
	}
}
