package clock

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"causeway/appliance/exec/exectest"
	"causeway/appliance/model"
)

// followed is a kernel whose clock is followed.
func followed(t *unix.Timex) (int, error) {
	if t.Modes != 0 {
		return 0, errors.New("a show command sets the clock")
	}
	t.Freq, t.Esterror, t.Maxerror = -3<<15, 1500, 16000
	return unix.TIME_OK, nil
}

// TestShow types the commands on a clock with servers of every kind.
func TestShow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // its clock begins in 2000
		w := newWorld(t, 0, map[string]*server{
			first.String(): {ahead: 3 * time.Millisecond}, "192.0.2.2": {kiss: "DENY"}, "192.0.2.3": {ahead: -2 * day},
			"2001:db8::123": {rtt: 80 * time.Millisecond, distance: 20 * time.Millisecond},
		})
		w.names["time.example.com"] = []netip.Addr{first}
		c := w.clock()
		commands := kernelClock(followed).commands()
		transcript := func(name string, lines ...string) {
			var text strings.Builder
			for _, line := range lines {
				s := exectest.Session{Answers: map[string]any{
					"control.status": model.ControlStatus{Clock: c.Status()},
					"control.ntp":    func(string) (any, error) { return c.synchronisation(), nil },
				}}
				fmt.Fprintf(&text, "# %s\n%s", line, s.Type(t.Context(), t, commands, line))
			}
			exectest.Golden(t, name, text.String())
		}
		c.Apply(&model.Config{Time: model.Time{Disabled: true}})
		transcript("show-off", "show clock detail", "show ntp")

		defer w.run(t, c)()
		c.Apply(&model.Config{
			TimeServers: []string{"time.example.com", "192.0.2.2", "192.0.2.3", "2001:db8::123", "192.0.2.5"},
			Time:        model.Time{Prefer: "2001:db8::123"},
		})
		pass(90 * time.Second)
		transcript("show-followed", "show clock", "show clock detail", "show ntp status", "show ntp associations")
		for address := range w.servers {
			w.set(address, func(s *server) { s.ahead += 3 * time.Hour })
		}
		pass(time.Hour)
		transcript("show-refused", "show ntp")
	})
}

// The kernel's part is there without control.
func TestShowWithoutControl(t *testing.T) {
	const kernel = "Kernel synchronised: yes\nFrequency correction (ppm): -1.500\nEstimated error (ms): 1.500\nMaximum error (ms): 16.000\n"
	const now = "Time: 2000-01-01 01:00:00 CET (UTC+01:00)\nUTC: 2000-01-01T00:00:00Z\n"
	for line, want := range map[string]string{
		"show ntp associations": "% control does not answer\n",
		"show ntp status":       kernel + "% control does not answer\n",
		"show clock detail":     now + "Time zone: CET\nDaylight saving: off, no change ahead\n" + kernel + "% control does not answer\n",
		"show clock":            now + "% control does not answer\n",
	} {
		synctest.Test(t, func(t *testing.T) {
			var s exectest.Session
			if got := s.Type(t.Context(), t, kernelClock(followed).commands(), line); got != want {
				t.Errorf("%s printed %q; want %q", line, got, want)
			}
		})
	}
}

func TestDaylightSaving(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for want, at := range map[string]time.Time{
		"on until 2026-10-25 01:00 UTC, then CET (UTC+01:00)":   time.Date(2026, 7, 1, 0, 0, 0, 0, zone),
		"off until 2026-03-29 01:00 UTC, then CEST (UTC+02:00)": time.Date(2026, 1, 1, 0, 0, 0, 0, zone),
		"off, no change ahead":                                  time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		if got := daylightSaving(at); got != want {
			t.Errorf("daylightSaving(%s) = %q; want %q", at, got, want)
		}
	}
}

// TestMethods asks over link.
func TestMethods(t *testing.T) {
	var s exectest.Session
	c := newWorld(t, 0, nil).clock()
	c.Apply(&model.Config{Time: model.Time{Disabled: true}})
	s.Serve(t, "control", c.Methods())
	for _, test := range []struct{ line, want string }{
		{"show ntp status", "Status: NTP is off\nServers: none\nKernel synchronised: yes\n"},
		{"clock step", "% no step is refused now: NTP is off\n"},
		{"clock set 12:00:00 1 January 2001", "The clock was set to: 2001-01-01 13:00:00 CET\n"}, // the appliance is in UTC, this session is not
		{"show ntp status", "Status: set by hand, NTP is off\n"},
	} {
		if got := s.Type(t.Context(), t, kernelClock(followed).commands(), test.line); !strings.HasPrefix(got, test.want) {
			t.Errorf("%s printed\n%s\nwant\n%s", test.line, got, test.want)
		}
	}
}

// TestSetByHand sets the clock of a box whose NTP is off, and of one that then
// finds its servers.
func TestSetByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, -100*day, map[string]*server{"192.0.2.1": {}, "192.0.2.2": {ahead: 2 * day}})
		c := w.clock()
		c.Apply(&model.Config{Time: model.Time{Disabled: true, Zone: model.TimeZone{Name: "Europe/Berlin"}}})
		defer w.run(t, c)()
		for at, want := range map[string]string{
			"2000-03-26 02:30:00": "2000-03-26 02:30:00 does not exist in Europe/Berlin: daylight saving begins",
			"1998-01-01 00:00:00": "1998-01-01 00:00:00 is before this image was built, on 1999-01-01 01:00:00",
		} {
			if _, err := c.setTime(t.Context(), SetRequest{at}); err == nil || err.Error() != want {
				t.Errorf("set to %s = %v; want %s", at, err, want)
			}
		}
		if _, err := c.setTime(t.Context(), SetRequest{"2000-01-01 01:10:00"}); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		if wrong := w.wrong(); wrong != 10*time.Minute || c.Synchronised() || w.saves != 1 || c.Status() != "set by hand, NTP is off" {
			t.Errorf("wrong by %s, synchronised %v, saved %d times, %s; want 10m, no, once", wrong, c.Synchronised(), w.saves, c.Status())
		}
		c.Apply(&model.Config{TimeServers: []string{"192.0.2.1", "192.0.2.2"}})
		pass(time.Minute)
		if wrong := w.wrong(); wrong.Abs() > time.Millisecond {
			t.Errorf("the clock is wrong by %s; want that of the server that the hand agrees with", wrong)
		}
	})
}

// TestSetCommand: what follows servers is set only when the operator insists.
func TestSetCommand(t *testing.T) {
	for _, test := range []struct {
		line, status string
		refuses      bool
		refused      time.Duration
		called, want string
	}{
		{"clock set 09:30:00 7 mar 2027", "not synchronised: x", false, 0,
			`control.clock-set {"time":"2027-03-07 09:30:00"}`, "The clock was set to: 2027-03-07 10:30:00 CET\n"},
		{"clock set 09:30:00 7 march 2027", "synchronised to 192.0.2.1", true, 0,
			"", "The clock follows time servers, which will set it back. Set it nevertheless?\n% not confirmed\n"},
		{"clock set 09:30:00 29 february 2027", "", false, 0, "", "% February 2027 has no day 29\n"},
		{"clock step", "x", true, time.Hour, "", "Step the clock by 1h0m0s, to 2000-01-01 02:00:00 CET?\n% not confirmed\n"},
		{"clock step", "x", false, time.Hour, `control.clock-step {"offset":3600000000000}`,
			"Step the clock by 1h0m0s, to 2000-01-01 02:00:00 CET?\nThe clock was set to: 2027-03-07 10:30:00 CET\n"},
	} {
		set := Set{time.Date(2027, 3, 7, 9, 30, 0, 0, time.UTC)}
		s := exectest.Session{Refuses: test.refuses, Answers: map[string]any{
			"control.ntp":       Synchronisation{Status: test.status, Refused: test.refused},
			"control.clock-set": set, "control.clock-step": set,
		}}
		synctest.Test(t, func(t *testing.T) {
			got := s.Type(t.Context(), t, kernelClock(followed).commands(), test.line)
			if called := strings.Join(s.Called(), ","); got != test.want || called != test.called {
				t.Errorf("%s printed %q, called %s; want %q, %s", test.line, got, called, test.want, test.called)
			}
		})
	}
}
