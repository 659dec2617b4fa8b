package update

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/model"
)

var admin = model.Operator{User: "admin", Origin: "ttyS0"}

// activation is what init is asked for with the bundle on the shelf.
func activation(extra string) string {
	return `activate {"bundle":"harddisk:/firmware/causeway-x86_64-v1.2.0.causeway","operator":{"user":"admin","origin":"ttyS0"},` + extra + `}`
}

var plain = activation(`"confirm":false,"limit":0`)

// stocked is a box with a bundle on its shelf.
func stocked(t *testing.T) *box {
	t.Helper()
	b := newBox(t)
	b.put("usb0/x", bundleOf(t, manifest("v1.2.0"), releaseKey))
	if _, err := b.stage(t.Context(), StageRequest{From: place(t, "usb0:x")}); err != nil {
		t.Fatal(err)
	}
	return b
}

// lives runs control until the test ends or stop is called.
func (b *box) lives() (stop func()) {
	ctx, cancel := context.WithCancel(b.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			b.t.Errorf("Run = %v; want nil", err)
		}
	}
	b.t.Cleanup(stop)
	return stop
}

func (b *box) orders(o Order) {
	b.t.Helper()
	o.Operator = admin
	if err := b.Order(b.t.Context(), o); err != nil {
		b.t.Fatalf("Order(%+v) = %v", o, err)
	}
}

func TestOrderNow(t *testing.T) {
	b := stocked(t)
	b.orders(Order{When: Now, Trial: 3})
	if got, want := fmt.Sprint(b.calls()), "["+activation(`"confirm":false,"limit":180000000000`)+"]"; got != want {
		t.Errorf("init was asked for %s; want %s", got, want)
	}
	b.orders(Order{When: Now, Rollback: true})
	if got := fmt.Sprint(b.calls()); !strings.Contains(got, `activate {"bundle":"",`) {
		t.Errorf("a rollback asks init for %s; want the other slot as it is", got)
	}
	if err := b.Order(t.Context(), Order{When: Now, Operator: model.Operator{User: model.COMAdmin, Origin: "com anna"}}); err != nil || !strings.Contains(fmt.Sprint(b.calls()), `"confirm":true`) {
		t.Errorf("an order over COM = %v; want a trial that COM confirms", err)
	}
	if !b.hadDisks() {
		t.Error("harddisk: could be written before the trial, and that is not known")
	}
	b.set(func() { b.firmware.Trial = trial(false) })
	b.orders(Order{When: Now, Rollback: true})
	if got, want := fmt.Sprint(b.calls()), `[fallback {"reason":"admin on ttyS0 gave up the trial"}]`; got != want {
		t.Errorf("a rollback on trial asks init for %s; want %s", got, want)
	}
}

func TestOrderRefused(t *testing.T) {
	b := newBox(t)
	for _, test := range []struct {
		name string
		o    Order
		set  func()
		want string
	}{
		{"no bundle", Order{When: Now}, func() {}, "no bundle is staged"},
		{"no moment", Order{}, func() {}, "there is no moment"},
		{"no time", Order{When: At}, func() {}, "not a time of day"},
		{"a time too many", Order{When: Idle, At: "03:00"}, func() {}, "not a time of day"},
		{"within now", Order{When: Now, Within: 3}, func() {}, "only what waits for calls waits"},
		{"too long", Order{When: Idle, Within: longestWait + 1}, func() {}, "1 to 1440 minutes"},
		{"too long a trial", Order{When: Now, Trial: longestTrial + 1}, func() {}, "a trial takes 1 to 60 minutes"},
		{"a failed slot", Order{When: Now, Rollback: true}, func() { b.firmware.Slots[1].State = model.SlotFailed }, "did not prove itself"},
		{"an empty slot", Order{When: Now, Rollback: true}, func() { b.firmware.Slots[1].State = model.SlotEmpty }, "it is empty"},
		{"no slots", Order{When: Now, Rollback: true}, func() { b.firmware.Slots = nil }, "no other slot"},
		{"on trial", Order{When: At, At: "03:00"}, func() { b.firmware.Trial = trial(false) }, "is on trial"},
		{"a silent init", Order{When: Now}, func() { b.silent = true }, "init does not answer"},
	} {
		b.set(test.set)
		if err := b.Order(t.Context(), test.o); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: Order = %v; want %q", test.name, err, test.want)
		}
	}
	if got := b.calls(); len(got) > 0 {
		t.Errorf("init was asked for %q", got)
	}
}

// The clock of a bubble begins on 2000-01-01 at 00:00 UTC.
func TestOrderAt(t *testing.T) {
	for _, test := range []struct {
		name string
		then func(*box)
		want time.Duration // from the order to the trial
	}{
		{"in the night", func(*box) {}, 3 * time.Hour},
		{"the clock goes ahead", func(b *box) { b.set(func() { b.ahead = time.Hour }) }, 2 * time.Hour},
		{"the clock is set over it", func(b *box) { b.set(func() { b.ahead = 4 * time.Hour }) }, 23 * time.Hour},
		{"control was not there", func(b *box) { time.Sleep(4 * time.Hour) }, 27 * time.Hour},
		{"the box restarted", func(b *box) { b.boot, b.since = "second", time.Now() }, 3 * time.Hour},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := stocked(t)
			started := time.Now()
			b.orders(Order{When: At, At: "03:00"})
			test.then(b)
			b.Update = New(b.options()) // the next life of control
			b.lives()
			time.Sleep(test.want - time.Since(started) - 2*idleLook)
			b.expect(test.name + ": before its time")
			time.Sleep(3 * idleLook)
			b.expect(test.name, plain)
			time.Sleep(25 * time.Hour)
			b.expect(test.name + ": later")
		})
	}
}

func TestOrderIdle(t *testing.T) {
	for _, drains := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := stocked(t)
			b.talking = 2
			b.lives()
			o := Order{When: Idle}
			if drains {
				o.When = Drain
			}
			b.orders(o)
			time.Sleep(time.Minute)
			b.expect("while there are calls")
			b.set(func() { b.talking = 0 })
			time.Sleep(quietTime / 2)
			b.set(func() { b.talking = 1 })
			time.Sleep(2 * quietTime)
			b.set(func() { b.talking = 0 })
			time.Sleep(quietTime - scheduleLook)
			b.expect("before it has been quiet for long")
			if got := b.drained > 60; got != drains {
				t.Errorf("new calls were kept out %d times; want them so: %v", b.drained, drains)
			}
			b.set(func() { b.firmware.Writing = &model.SlotWriting{Slot: "B", Version: "v1.2.0"} })
			time.Sleep(3 * scheduleLook)
			b.expect("when it is quiet", plain)
			b.set(func() { b.drained = 0 })
			time.Sleep(time.Minute)
			b.expect("while the slot is written")
			if got := b.drained > 30; got != drains {
				t.Errorf("while the slot is written new calls were kept out %d times; want them so: %v", b.drained, drains)
			}
			b.set(func() { b.firmware.Writing.Problem = "input/output error" })
			time.Sleep(2 * idleLook)
			b.set(func() { b.drained = 0 })
			time.Sleep(time.Minute)
			if b.drained > 0 {
				t.Error("new calls are kept out although the box stays up")
			}
		})
	}
}

func TestOrderWithin(t *testing.T) {
	for _, test := range []struct {
		o    Order
		want time.Duration
	}{
		{Order{When: Idle, Within: 5}, 5 * time.Minute},
		{Order{When: Drain, Within: 5}, 5 * time.Minute},
		{Order{When: Drain}, longestDrain * time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := stocked(t)
			b.talking = 1
			b.lives()
			b.orders(test.o)
			time.Sleep(test.want - 2*scheduleLook)
			b.expect("before it is due")
			time.Sleep(4 * scheduleLook)
			b.expect("in spite of calls", plain)
		})
	}
}

// TestOrderFails: what init refuses is told, and not tried again.
func TestOrderFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := stocked(t)
		b.refuses = errors.New("version v1.2.0 is older than v1.3.0")
		b.lives()
		b.orders(Order{When: Idle})
		time.Sleep(time.Hour)
		b.Update = New(b.options())
		s := b.Status().Scheduled
		if s == nil || s.Problem != b.refuses.Error() {
			t.Errorf("status = %+v; want why it did not come about", s)
		}
		if got := b.Conditions(); len(got) != 1 || !strings.Contains(got[0].Text, "did not come about: version v1.2.0 is older") {
			t.Errorf("conditions = %+v; want that it failed", got)
		}
		b.set(func() { b.refuses = nil })
		b.lives()
		time.Sleep(time.Hour)
		b.expect("once init would do it")
		if was := b.Cancel(admin); was == nil || b.Status().Scheduled != nil || len(b.Conditions()) > 0 {
			t.Errorf("Cancel = %+v, and %+v stays", was, b.Status().Scheduled)
		}
		if err := b.Order(t.Context(), Order{When: Now, Operator: admin}); err != nil {
			t.Errorf("another order = %v", err)
		}
	})
}

// TestStateFile: the file cut at any octet costs the order alone, and one that was
// done is not done again.
func TestStateFile(t *testing.T) {
	b := stocked(t)
	b.orders(Order{When: At, At: "03:00"})
	file := b.options().State
	whole, err := os.ReadFile(file)
	b.must(err)
	if s := New(b.options()).Status().Scheduled; s == nil || s.Version != "v1.2.0" || !strings.HasPrefix(s.When, "at ") {
		t.Errorf("the next life of control has %+v to do; want v1.2.0 at its time", s)
	}
	for length := range whole {
		b.log.Reset()
		b.must(os.WriteFile(file, whole[:length], 0o640))
		if s := New(b.options()).Status().Scheduled; s != nil || !strings.Contains(b.log.String(), "may be lost") {
			t.Errorf("%d octets of the file make %+v, and the log %q", length, s, b.log.String())
		}
	}
	b.must(os.WriteFile(file, []byte(strings.Replace(string(whole), `"fired":false`, `"fired":true`, 1)), 0o640))
	if s := New(b.options()).Status().Scheduled; s != nil {
		t.Errorf("what init was asked for by an earlier life is %+v; want nothing", s)
	}
	if _, err := b.stage(t.Context(), StageRequest{From: place(t, "usb0:x")}); err == nil || !strings.Contains(err.Error(), "upgrade cancel forgets that") {
		t.Errorf("another bundle while one waits = %v; want a refusal", err)
	}
	b.Cancel(admin)
	if _, err := b.stage(t.Context(), StageRequest{From: place(t, "usb0:x")}); err != nil {
		t.Errorf("stage once nothing waits = %v", err)
	}
}
