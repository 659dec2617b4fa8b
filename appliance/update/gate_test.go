package update

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/model"
)

var addressPort = netip.MustParseAddrPort

// TestChecks: each thing that may be wrong with a box on trial is found, and
// named.
func TestChecks(t *testing.T) {
	for _, test := range []struct {
		name  string
		spoil func(*Look)
		want  string // empty: it is healthy
	}{
		{"healthy", func(*Look) {}, ""},
		{"an older configuration", func(l *Look) {
			l.Control.ConfigSource, l.Control.Problems = "last good", []string{"revision 7 is damaged"}
		}, "the last good one, not the saved one: revision 7 is damaged"},
		{"the built-in one where one is saved", func(l *Look) { l.Control.ConfigSource = "built-in" }, "the built-in one"},
		{"the built-in one where none is", func(l *Look) { l.Control.ConfigSource, l.Saved = "built-in", false }, ""},
		{"the machine's where none is", func(l *Look) { l.Control.ConfigSource, l.Saved = "machine", false }, ""},
		{"proxy with another", func(l *Look) { l.Proxy.Revision, l.Control.Proxy = "ba9876543210", "refused by proxy: no" }, "the proxy does not run with the configuration: refused by proxy: no"},
		{"billing with none", func(l *Look) { l.Billing.Revision = "" }, "billing does not run with"},
		{"a service that is down", func(l *Look) { l.Health.Services[1].PID, l.Health.Services[1].LastExit = 0, "exit status 2" }, "billing does not run; its last end: exit status 2"},
		{"no services", func(l *Look) { l.Health.Services = nil }, "no service runs"},
		{"a listener that is not bound", func(l *Look) { l.Proxy.Listens = nil }, "does not listen at lan1 udp 192.0.2.1:5060"},
		{"silence", func(l *Look) { l.SIP = errors.New("OPTIONS to 192.0.2.1:5060: i/o timeout") }, "the proxy does not answer: OPTIONS"},
		{"bootflash in memory", func(l *Look) { l.Health.Volumes[0].Device = "memory" }, "bootflash: cannot be written"},
		{"bootflash read-only", func(l *Look) { l.Health.Volumes[0].ReadOnly = true }, "bootflash: cannot be written"},
		{"harddisk gone", func(l *Look) { l.Health.Volumes[1].State = "missing" }, "harddisk: cannot be written: missing"},
		{"harddisk that was not there before", func(l *Look) { l.Health.Volumes[1].State, l.Disks = "missing", false }, ""},
		{"no stick", func(l *Look) { l.Health.Volumes[2].State = "damaged" }, ""},
	} {
		l := clone(healthy())
		test.spoil(&l)
		var g gate
		g.look(time.Unix(1, 0), &l, nil)
		if (g.missing == "") != (test.want == "") || !strings.Contains(g.missing, test.want) {
			t.Errorf("%s: %q is missing; want %q", test.name, g.missing, test.want)
		}
	}
}

// trial is that of slot B.
func trial(confirm bool) *model.Trial {
	return &model.Trial{Slot: "B", Version: "v1.2.0", Confirm: confirm, Left: model.DefaultTrialLimit}
}

// runs starts a box on trial in a bubble; the time that is left passes.
func (b *box) runs(t *model.Trial) {
	b.t.Helper()
	started := time.Now()
	left := t.Left
	b.set(func() { b.firmware.Running, b.firmware.Trial = "B", t })
	b.Update.options.Init = func(ctx context.Context, method string, params, result any) error {
		b.set(func() { t.Left = left - time.Since(started) })
		return b.init(ctx, method, params, result)
	}
	ctx, cancel := context.WithCancel(b.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	b.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			b.t.Errorf("Run = %v; want nil", err)
		}
	})
}

// expect wants init to have been asked for these, since the last time.
func (b *box) expect(when string, want ...string) {
	b.t.Helper()
	synctest.Wait()
	got := b.calls()
	if len(got) > len(want) { // it asks again until the box restarts
		got = slices.Compact(got)
	}
	if !slices.Equal(got, want) {
		b.t.Errorf("%s: init was asked for %q; want %q", when, got, want)
	}
}

func TestGateBlesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t)
		b.runs(trial(false))
		time.Sleep(settle - time.Second/2)
		b.expect("before it has settled")
		b.set(func() { b.blind = errors.New("billing does not answer") })
		time.Sleep(2 * time.Second)
		b.set(func() { b.blind = nil })
		time.Sleep(settle - time.Second)
		b.expect("soon after an interruption")
		b.set(func() {
			b.seen = clone(b.seen)
			b.seen.Health.Services[0].Restarts++
		})
		time.Sleep(settle - 2*time.Second)
		b.expect("soon after the proxy was started again")
		time.Sleep(4 * time.Second)
		b.expect("once it is healthy for long enough", "bless null")
	})
}

func TestGateFallsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t)
		b.seen.SIP = errors.New("OPTIONS to 192.0.2.1:5060: i/o timeout")
		b.runs(trial(false))
		time.Sleep(model.DefaultTrialLimit - giveUp - 2*time.Second)
		b.expect("as long as there is time")
		time.Sleep(4 * time.Second)
		b.expect("at the end", `fallback {"reason":"the proxy does not answer: OPTIONS to 192.0.2.1:5060: i/o timeout"}`)
	})
}

func TestGateWaitsForCOM(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t)
		b.runs(trial(true))
		time.Sleep(2 * settle)
		b.expect("without the confirmation")
		if got := b.Status().Waits; got != "the confirmation over COM" {
			t.Errorf("it waits for %q; want the confirmation", got)
		}
		if err := b.Confirm(t.Context(), model.Operator{User: "admin", Origin: "ttyS0"}); err == nil {
			t.Error("the serial port confirms what COM asked for; want a refusal")
		}
		time.Sleep(settle)
		b.expect("confirmed elsewhere")
		b.set(func() { b.blind = errors.New("the proxy does not answer") })
		time.Sleep(2 * time.Second)
		if got := b.Status().Waits; got != "the proxy does not answer" {
			t.Errorf("a box that is ill by now waits for %q; want what is wrong", got)
		}
		if err := b.Confirm(t.Context(), model.Operator{User: model.COMAdmin, Origin: "com anna"}); err != nil {
			t.Errorf("confirm = %v", err)
		}
		time.Sleep(2 * time.Second)
		b.expect("confirmed while it is ill")
		b.set(func() { b.blind = nil })
		time.Sleep(2 * settle)
		b.expect("confirmed, and well again", "bless null")
	})
}

func TestGateUnconfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t)
		b.runs(trial(true))
		time.Sleep(model.DefaultTrialLimit - giveUp + 2*time.Second)
		b.expect("at the end", `fallback {"reason":"nobody confirmed it over COM in time"}`)
	})
}
