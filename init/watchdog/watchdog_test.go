package watchdog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

type fakeDevice struct {
	fed      []time.Time
	fail     error
	disarmed bool
	fired    bool
}

func (d *fakeDevice) Identity() string { return "fake watchdog" }
func (d *fakeDevice) Fired() bool      { return d.fired }
func (d *fakeDevice) Disarm() error    { d.disarmed = true; return nil }
func (d *fakeDevice) Feed() error {
	if d.fail == nil {
		d.fed = append(d.fed, time.Now())
	}
	return d.fail
}

// fixture is a feeder on a fake device that appears at a given time.
type fixture struct {
	Feeder
	hardware fakeDevice
	appears  time.Time
	sick     error
	stuck    bool
	lines    []string
}

func newFixture() *fixture {
	f := &fixture{}
	f.Open = func() (Device, error) {
		if time.Now().Before(f.appears) {
			return nil, errors.New("no such device")
		}
		return &f.hardware, nil
	}
	f.Healthy = func(ctx context.Context) error {
		f.mu.Lock()
		stuck, sick := f.stuck, f.sick
		f.mu.Unlock()
		if stuck {
			<-ctx.Done()
			return ctx.Err()
		}
		return sick
	}
	f.Log = func(format string, args ...any) { f.lines = append(f.lines, fmt.Sprintf(format, args...)) }
	return f
}

// run feeds for an hour, calling then at its half.
func (f *fixture) run(t *testing.T, then func()) {
	ctx, cancel := context.WithCancel(t.Context())
	go f.Run(ctx)
	time.Sleep(30 * time.Minute)
	synctest.Wait()
	f.mu.Lock() // the feeder's own: it guards the fixture too
	then()
	f.mu.Unlock()
	time.Sleep(30 * time.Minute)
	synctest.Wait()
	cancel()
	synctest.Wait()
}

// longestGap is the longest time without food.
func (f *fixture) longestGap(began time.Time) time.Duration {
	gap, last := time.Duration(0), began
	for _, at := range append(f.hardware.fed, time.Now()) {
		gap, last = max(gap, at.Sub(last)), at
	}
	return gap
}

func TestFedWhileHealthy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, began := newFixture(), time.Now()
		f.run(t, func() {})
		if gap := f.longestGap(began); gap > Timeout/3 {
			t.Errorf("not fed for %v; want at most a third of %v", gap, Timeout)
		}
		if f.Status() != "fake watchdog" || len(f.lines) != 1 {
			t.Errorf("Status = %q, said %q; want its name, and once that it is armed", f.Status(), f.lines)
		}
		if err := f.Disarm(); err != nil || !f.hardware.disarmed {
			t.Errorf("Disarm = %v, disarmed %v", err, f.hardware.disarmed)
		}
		if err := f.Disarm(); err != nil {
			t.Errorf("second Disarm = %v; want nil", err)
		}
	})
}

func TestStarved(t *testing.T) {
	for _, tt := range []struct {
		name   string
		damage func(*fixture)
		want   string
	}{
		{"sick", func(f *fixture) { f.sick = errors.New("supervision stands") }, "not fed: supervision stands"},
		{"stuck", func(f *fixture) { f.stuck = true }, "not fed: context deadline exceeded"},
		{"device fails", func(f *fixture) { f.hardware.fail = errors.New("I/O error") }, "not fed: I/O error"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture()
				f.run(t, func() { tt.damage(f) })
				if gap := time.Since(f.hardware.fed[len(f.hardware.fed)-1]); gap < 29*time.Minute {
					t.Errorf("fed %v ago; want nothing for half an hour", gap)
				}
				if f.Status() != tt.want {
					t.Errorf("Status = %q; want %q", f.Status(), tt.want)
				}
				if len(f.lines) != 2 {
					t.Errorf("said %q; want one line about it", f.lines)
				}
			})
		})
	}
}

func TestDeviceAppearsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		f.appears = time.Now().Add(10 * time.Minute)
		if err := f.Arm(); err == nil || f.Status() != "no such device" {
			t.Errorf("Arm = %v, Status = %q; want that there is none", err, f.Status())
		}
		f.run(t, func() {})
		if gap := f.longestGap(f.appears); gap > Timeout/3 {
			t.Errorf("not fed for %v after it appeared", gap)
		}
	})
}

// TestLast: on the way down the device is fed once more, and stays armed.
func TestLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		if f.Fired() {
			t.Error("a feeder without a device has reset the machine")
		}
		if err := f.Last(); err != nil || len(f.hardware.fed) != 0 {
			t.Errorf("Last without a device = %v, fed %d times", err, len(f.hardware.fed))
		}
		if err := f.Arm(); err != nil {
			t.Fatal(err)
		}
		if err := f.Last(); err != nil || len(f.hardware.fed) != 1 || f.hardware.disarmed {
			t.Errorf("Last = %v, fed %d times, disarmed %v; want once, armed", err, len(f.hardware.fed), f.hardware.disarmed)
		}
		f.hardware.fired = true
		if !f.Fired() {
			t.Error("what the device says of the last reset is lost")
		}
	})
}

// The real device's ioctls fail on a plain file, but it is written and closed
// as the kernel wants it.
func TestKernelDevice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "watchdog")
	if _, err := Open(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Open of no device = %v; want %v", err, os.ErrNotExist)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	device, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(device.Identity(), "with its own timeout") {
		t.Errorf("Identity = %q; want it to say that the timeout was not set", device.Identity())
	}
	if device.Fired() {
		t.Error("a plain file has reset the machine")
	}
	if err := device.Feed(); err == nil {
		t.Error("Feed of a plain file = nil; want an error")
	}
	if err := device.Disarm(); err != nil {
		t.Error(err)
	}
	if text, _ := os.ReadFile(path); string(text) != "V" {
		t.Errorf("wrote %q; want the magic V", text)
	}
}
