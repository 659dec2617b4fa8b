package callhome

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/alarm"
	"causeway/appliance/callhome/message"
	"causeway/appliance/callhome/transport"
	"causeway/appliance/model"
)

// world is where destinations are: what they got, and what is wrong with them.
type world struct {
	mu     sync.Mutex
	fail   func(to transport.Destination, m *message.Message) error // nil: nothing
	took   time.Duration                                            // until they answer
	got    []arrival
	starts int // attempts
}

type arrival struct {
	at time.Time
	to transport.Destination
	m  *message.Message
}

func (w *world) Send(ctx context.Context, to transport.Destination, m *message.Message) error {
	w.mu.Lock()
	w.starts++
	took := w.took
	w.mu.Unlock()
	if took > 0 && !pause(ctx, took, nil) {
		return ctx.Err()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fail != nil {
		if err := w.fail(to, m); err != nil {
			return err
		}
	}
	w.got = append(w.got, arrival{time.Now(), to, m})
	return nil
}

// attempts counts those that were begun.
func (w *world) attempts() int {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.starts
}

// set has destinations fail, or not any more.
func (w *world) set(fail func(transport.Destination, *message.Message) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fail = fail
}

var errDown = errors.New("connection refused")

func down(transport.Destination, *message.Message) error { return errDown }

// groups are those of what a profile got, in their order, since the last time.
func (w *world) take(profile string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []string
	for _, a := range w.got {
		if a.to.Profile == profile {
			list = append(list, group(a.m))
		}
	}
	w.got = nil
	return strings.Join(list, " ")
}

// quiet are alarms to which nothing happens.
type quiet struct{}

func (quiet) Events(uint64, int) alarm.Page                  { return alarm.Page{} }
func (quiet) Cursor(string) uint64                           { return 0 }
func (quiet) Advance(string, uint64) error                   { return nil }
func (quiet) Subscribe() (wake <-chan struct{}, stop func()) { return nil, func() {} }

// box is one with Call Home, in a bubble of synctest.
type box struct {
	*CallHome
	t       testing.TB
	options Options
	world   *world
	config  model.CallHome
	boot    time.Time
	ahead   time.Duration // of the trusted time
	zone    *time.Location
	right   bool // the clock
	stop    func()
}

// ready are settings that nothing is missing of.
func ready() model.CallHome {
	return model.CallHome{Accepted: true, ContactEmail: "noc@example.com", URL: "https://vendor.example/callhome"}
}

// newBox makes a box that is switched off.
func newBox(t testing.TB) *box {
	t.Helper()
	dir := t.TempDir()
	serial := filepath.Join(dir, "serial")
	if err := os.WriteFile(serial, []byte("4L3H0000001\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := &box{t: t, world: &world{}, config: ready(), zone: time.UTC, right: true}
	b.options = Options{
		File: filepath.Join(dir, "callhome", "queue.db"), Serial: serial, Version: "1.0",
		Now:          func() time.Time { return time.Now().Add(b.ahead) },
		Zone:         func() *time.Location { return b.zone },
		Synchronised: func() bool { return b.right },
		Uptime:       func() time.Duration { return time.Since(b.boot) },
		Facts:        func(context.Context) message.Facts { return message.Facts{HostName: "box", Serial: "4L3H0000001"} },
		Alarms:       quiet{},
		Sender:       b.world, Log: slog.New(slog.DiscardHandler),
	}
	return b
}

// start boots the box.
func (b *box) start() {
	b.t.Helper()
	b.boot = time.Now()
	b.CallHome = Open(b.options)
	b.jitter = func() float64 { return 0.5 }
	b.CallHome.Apply(&model.Config{CallHome: b.config})
	ctx, end := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- b.Run(ctx) }()
	b.stop = func() {
		end()
		if err := <-done; err != nil {
			b.t.Errorf("Run = %v", err)
		}
		if err := b.Close(); err != nil {
			b.t.Errorf("Close = %v", err)
		}
	}
}

// set commits settings.
func (b *box) set(change func(*model.CallHome)) {
	b.config.Profiles = slices.Clone(b.config.Profiles) // the one in force does not change
	change(&b.config)
	b.CallHome.Apply(&model.Config{CallHome: b.config})
}

// alert has the box tell of something.
func (b *box) alert(name string, severity model.Severity) error {
	b.t.Helper()
	settings, err := b.settings()
	if err != nil {
		return err
	}
	event := &message.Event{Name: name, Group: model.GroupCrash, Severity: severity}
	m, err := message.New(message.Alert, b.newID(), b.now(), &settings, message.Facts{}, event)
	if err != nil {
		return err
	}
	return b.put(m, b.subscribers(event.Group, severity), &model.CallHomeSeen{Name: name, At: b.now()})
}

// mustAlert is alert, which must be put.
func (b *box) mustAlert(name string, severity model.Severity) {
	b.t.Helper()
	if err := b.alert(name, severity); err != nil {
		b.t.Fatalf("alert %s = %v", name, err)
	}
}

// live runs a box in a bubble.
func live(t *testing.T, do func(b *box)) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t)
		do(b)
		if b.stop != nil {
			b.stop()
		}
	})
}

const allGroups = "inventory telemetry configuration"

func TestFirstMessages(t *testing.T) {
	live(t, func(b *box) {
		b.config = model.CallHome{}
		b.start()
		time.Sleep(40 * 24 * time.Hour)
		if got := b.world.take(model.ProfileVendor); got != "" || b.Status().Next != (time.Time{}) {
			t.Fatalf("a new box sent %q, next at %s; want nothing, never", got, b.Status().Next)
		}
		b.set(func(c *model.CallHome) { *c = ready() })
		synctest.Wait()
		if got := b.world.take(model.ProfileVendor); got != allGroups {
			t.Errorf("after a commit that ends pending the vendor got %q; want %q", got, allGroups)
		}
		next := b.Status().Next
		if next.Day() != 1 || next.Before(time.Now()) {
			t.Errorf("the next are due at %s; want the first of next month", next)
		}
		time.Sleep(time.Until(next) + lookEvery)
		synctest.Wait()
		if got := b.world.take(model.ProfileVendor); got != allGroups {
			t.Errorf("on the first of the month the vendor got %q; want %q", got, allGroups)
		}
	})
}

// What waits, and what was seen, is there after a restart, and waits for as long
// as before; it goes with the same ID when the vendor can be reached.
func TestRestart(t *testing.T) {
	live(t, func(b *box) {
		b.world.set(down)
		b.start()
		if err := b.alert("Coredumpfilefound", model.Major); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		before := b.Status()
		b.stop()
		b.start()
		after := b.Status()
		if len(after.Waiting) != 4 || after.Waiting[0].Name != "Coredumpfilefound" || !reflect.DeepEqual(after.Waiting, before.Waiting) {
			t.Errorf("after a restart\n%+v wait; want the alert and the three of the month, as before:\n%+v", after.Waiting, before.Waiting)
		}
		if seen, young := b.seen("Coredumpfilefound", "", b.now()); !young || seen.Name == "" {
			t.Errorf("seen = %+v, %t; want the alert", seen, young)
		}
		b.world.set(nil)
		time.Sleep(2 * time.Hour)
		if got := b.world.take(model.ProfileVendor); got != "crash "+allGroups {
			t.Errorf("the vendor got %q; want the alert and the three of the month, once", got)
		}
		if s := b.Status(); len(s.Waiting) != 0 || len(s.Recent) != 4 || s.Recent[0].ID != before.Waiting[3].ID || s.Problem != "" {
			t.Errorf("Status = %+v; want nothing waiting, and four sent", s)
		}
	})
}
