//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"causeway/appliance/model"
	"causeway/qemu/lab/callhomed"
)

// monthly are the kinds of what is due on the first of every month.
var monthly = []string{model.GroupInventory, model.GroupTelemetry, model.GroupConfiguration}

// count counts messages to the vendor by kind, and fails where one came twice.
func (b *callingBox) count() map[string]int {
	counts := map[string]int{}
	for _, d := range b.home.Deliveries() {
		if d.Repeated > 0 {
			b.t.Errorf("%s %s came %d times", d.Message.Kind, d.Message.ID, 1+d.Repeated)
		}
		counts[d.Message.Kind]++
	}
	return counts
}

// waits waits until that many messages of a name, or of a group where it is empty,
// wait for the vendor.
func (b *callingBox) waits(what string, want int) {
	b.t.Helper()
	b.eventually(func() error {
		state, got := b.state(), 0
		for _, e := range state.Waiting {
			if e.Name == what || e.Name == "" && e.Group == what {
				got++
			}
		}
		if got != want {
			return fmt.Errorf("%d of %s wait in %+v; want %d", got, what, state.Waiting, want)
		}
		return nil
	})
}

// TestCallHomeAway: nobody is at home for a week in which a month begins and
// something else crashes every day. Then alerts younger than 48 hours come, and
// what is due of the month, each once; what was dropped is counted (CH-14, CH-27,
// CH-37).
func TestCallHomeAway(t *testing.T) {
	t.Parallel()
	b := newCallingBox(t, callhomed.Options{})
	b.commit(b.callHomeLines(""))
	b.came(monthly...)
	before := b.count()
	const week, day = 7, 24 * time.Hour
	began := b.state().Next.Add(-3*day - 12*time.Hour) // the month begins in the middle of it
	if wait := time.Until(began); wait > 0 {
		b.advance(wait)
	}
	for _, group := range monthly {
		b.waits(group, 0)
	}
	dropped := b.state().Dropped
	b.check(b.home.Stop())
	for n := range week {
		b.crash(fmt.Sprintf("part%d", n), "panic\n")
		b.advance(time.Second) // control looks
		b.waits("Coredumpfilefound", min(n+1, 2))
		b.advance(day) // with the second, what came two days before is older than 48 hours
	}
	for _, group := range monthly {
		b.waits(group, 1)
	}
	b.waits("Coredumpfilefound", 1) // that before is 48 h old now
	if got := b.crashed(); len(got) > 0 {
		t.Errorf("nobody was at home, and alerts about %q came", got)
	}
	b.check(b.home.Start())
	b.advance(2 * time.Hour) // longer than it ever waits
	b.eventually(func() error {
		if waiting := b.state().Waiting; len(waiting) > 0 {
			return fmt.Errorf("%+v wait yet", waiting)
		}
		return nil
	})
	if got, want := b.crashed(), []string{"part6"}; !slices.Equal(got, want) {
		t.Errorf("alerts came about %q; want %q", got, want)
	}
	after := b.count()
	for _, kind := range monthly {
		if after[kind] != before[kind]+1 {
			t.Errorf("%d %s came after the week; want one", after[kind]-before[kind], kind)
		}
	}
	state := b.state()
	if got := state.Dropped["expired"] - dropped["expired"]; got < week-1 {
		t.Errorf("%d messages were dropped as too old; want %d or more: %+v", got, week-1, state.Dropped)
	}
	expired := slices.DeleteFunc(state.Recent, func(e model.CallHomeEntry) bool { return e.Name != "Coredumpfilefound" || e.Outcome != "expired" })
	if len(expired) != week-1 {
		t.Errorf("expired are %+v; want %d crashes", expired, week-1)
	}
}

// TestCallHomeRestart: control is killed while a message is on its way, taken and
// not. The next life sends what was not taken, and what nobody has acknowledged
// again with its ID; nothing else comes twice, and no crash is told again (CH-24,
// CH-45).
func TestCallHomeRestart(t *testing.T) {
	t.Parallel()
	b := newCallingBox(t, callhomed.Options{})
	ctx := within(t, 4*comLimit)
	b.check(b.home.SetFaults(callhomed.Fault{Kind: callhomed.Silence}))
	b.commit(b.callHomeLines(""))
	b.struck(callhomed.Silence)
	for _, group := range monthly {
		b.waits(group, 1)
	}
	b.Control.Kill()
	b.check(b.home.SetFaults())
	b.check(b.Restart(ctx))
	b.came(monthly...)
	for _, group := range monthly {
		b.waits(group, 0)
		if n := b.count()[group]; n != 1 {
			t.Errorf("%d %s came; want one", n, group)
		}
	}

	const forever = 3600
	b.check(b.home.SetFaults(callhomed.Fault{Kind: callhomed.Slow, Seconds: forever}))
	b.crash("proxy", "panic\n")
	b.advance(time.Second)
	b.struck(callhomed.Slow)
	b.Control.Kill()
	b.check(b.home.SetFaults())
	b.check(b.Restart(ctx))
	b.waits("Coredumpfilefound", 0)
	b.eventually(func() error {
		if got := b.crashed(); !slices.Equal(got, []string{"proxy", "proxy"}) { // once taken, once counted
			return fmt.Errorf("alerts came about %q; want the one that nobody acknowledged twice", got)
		}
		return nil
	})
	b.check(b.Restart(ctx))
	b.sendAll()
	if got := b.crashed(); len(got) != 2 {
		t.Errorf("after one more life alerts came about %q; want none more", got)
	}
	ids := map[string]int{}
	for _, d := range b.home.Deliveries() {
		ids[d.Message.ID]++
		if ids[d.Message.ID] > 1 {
			t.Errorf("ID %s is of two messages", d.Message.ID)
		}
	}
}

// struck waits until a fault has befallen a message.
func (b *callingBox) struck(kind callhomed.FaultKind) {
	b.t.Helper()
	b.eventually(func() error {
		if !slices.ContainsFunc(b.home.Arrivals(), func(a callhomed.Arrival) bool { return a.Fault == kind }) {
			return errors.New("nothing has come yet")
		}
		return nil
	})
}
