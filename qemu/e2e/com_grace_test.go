//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"causeway/appliance/alarm"
	"causeway/appliance/com/subscription"
	"causeway/appliance/com/wire"
	"causeway/appliance/license"
	"causeway/qemu/lab/comd"
)

// TestCOMGrace: a subscribed box is cut off, and its time is put ahead day by day:
// an alarm a day and no other, everything works. It comes back on the 29th day and
// has 30 days again; after them what com grace-end says stops (COM-12 to COM-15, COM-22).
func TestCOMGrace(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		graceEnd string
		calls    bool // go on after the grace
	}{{"features", true}, {"calls", false}} {
		t.Run(test.graceEnd, func(t *testing.T) {
			t.Parallel()
			b := newSubscribedBox(t, "license source com\ncom grace-end "+test.graceEnd, nil, comd.Options{})
			b.subscribe(wire.FeatureCalls, 20, time.Time{})
			b.allows(true, true)

			b.cutOff()
			b.advance(5 * time.Minute)
			for n := 1; n < 29; n++ {
				b.raised(n)
				if n == 15 {
					b.check(b.Restart(within(t, comLimit)))
				}
				b.advance(24 * time.Hour)
			}
			b.raised(29)
			b.allows(true, true)
			b.check(b.LAN1.DropTCP())
			b.check(b.Redial(t.Context()))
			b.connected("com")
			b.eventually(func() error {
				if active := b.alarms(false); len(active) > 0 {
					return fmt.Errorf("with the link back the alarms are %q", active)
				}
				return nil
			})

			b.cutOff()
			b.advance(30*24*time.Hour - time.Minute)
			b.allows(true, true)
			b.advance(time.Minute)
			b.allows(false, test.calls)
			b.check(b.LAN1.DropTCP())
			b.check(b.Redial(t.Context()))
			b.allows(true, true)
		})
	}
}

// cutOff drops both ports of COM.
func (b *managedBox) cutOff() {
	b.t.Helper()
	b.check(b.LAN1.DropTCP(443, 8443))
	b.check(b.Redial(b.t.Context()))
	b.eventually(func() error {
		if s := b.subscriptions(); !s.Grace.Running {
			return fmt.Errorf("cut off, the grace is %+v", s.Grace)
		}
		return nil
	})
}

// advance puts the trusted time of the box ahead.
func (b *managedBox) advance(by time.Duration) {
	b.t.Helper()
	b.check(b.Control.Call(b.t.Context(), "license.advance", map[string]int64{"by": int64(by / time.Second)}, nil))
}

// allows waits until remote management and calls are allowed or not.
func (b *managedBox) allows(management, calls bool) {
	b.t.Helper()
	b.eventually(func() error {
		s := b.subscriptions()
		var l license.Status
		b.check(b.Control.Call(b.t.Context(), "license.status", nil, &l))
		functions := []subscription.Function{{Feature: wire.FeatureManagement, Allowed: management}, {Feature: wire.FeatureCalls, Allowed: calls}}
		for i, f := range s.Functions {
			if f.Feature != functions[i].Feature || f.Allowed != functions[i].Allowed || l.Calls != calls {
				return fmt.Errorf("functions %+v, calls %t; want %+v", s.Functions, l.Calls, functions)
			}
		}
		return nil
	})
}

// raised waits for the alarm of a day. Of each before there is one as well, and no
// other alarm of the link.
func (b *managedBox) raised(n int) {
	b.t.Helper()
	var want []string
	for day := range n {
		want = append(want, fmt.Sprintf("%s day %d", alarm.COMGrace, day+1))
	}
	b.eventually(func() error {
		if got := b.alarms(true); !slices.Equal(got, want) {
			return fmt.Errorf("the alarms are %q; want %q", got, want)
		}
		return nil
	})
}

// alarms are those of the link and the subscription that were ever raised, or
// that are active, in their order.
func (b *managedBox) alarms(ever bool) (names []string) {
	b.t.Helper()
	about := []string{alarm.COMGrace, alarm.COMGraceOver, alarm.COMLinkDown}
	if ever {
		var page alarm.Page
		b.check(b.Control.Call(b.t.Context(), "alarm-history", alarm.HistoryRequest{}, &page))
		for _, e := range page.Events {
			if e.Kind == "raise" && slices.Contains(about, e.Name) {
				names = append(names, e.Name+" "+e.Object)
			}
		}
		return names
	}
	var active alarm.ActiveAlarms
	b.check(b.Control.Call(b.t.Context(), "alarms", nil, &active))
	for _, a := range active.Active {
		if slices.Contains(about, a.Name) {
			names = append(names, a.Name+" "+a.Object)
		}
	}
	return names
}
