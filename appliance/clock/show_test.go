package clock

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beevik/ntp"
	"golang.org/x/sys/unix"

	"causeway/appliance/exec/exectest"
	"causeway/appliance/model"
)

// trusted is a kernel whose clock is followed.
func trusted(t *unix.Timex) (int, error) {
	if t.Modes != 0 {
		return 0, errors.New("a show command sets the clock")
	}
	t.Freq, t.Esterror, t.Maxerror = -3<<15, 1500, 16000
	return unix.TIME_OK, nil
}

// TestShow types the commands on a clock that three servers are configured
// for: one is followed, one denies access, and one is silent.
func TestShow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // its clock begins in 2000
		denies := &ntp.Response{Version: 4, KissCode: "DENY"}
		w := &world{
			start: time.Now(), names: map[string][]netip.Addr{"time.example.com": {first}},
			servers: map[string]func() (*ntp.Response, error){
				first.String(): answer(off(3 * time.Millisecond)), "192.0.2.2": answer(denies),
			},
		}
		c := New(w.options())
		commands := kernelClock(trusted).commands()
		transcript := func(name string) {
			status := c.Status()
			s := exectest.Session{Answers: map[string]any{
				"control.status": model.ControlStatus{Clock: status},
				"control.ntp":    func(string) (any, error) { return c.synchronisation(), nil },
			}}
			var text strings.Builder
			for _, line := range []string{"show clock", "show clock detail", "show ntp status", "show ntp associations"} {
				fmt.Fprintf(&text, "# %s\n%s", line, s.Type(t.Context(), t, commands, line))
			}
			exectest.Golden(t, name, text.String())
		}
		transcript("show-unset")

		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- c.Run(ctx) }()
		c.Apply(&model.Config{TimeServers: []string{"time.example.com", "192.0.2.2", "192.0.2.3"}})
		time.Sleep(20 * time.Second)
		transcript("show-followed")
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
}

// The kernel's part is there without control.
func TestShowWithoutControl(t *testing.T) {
	const kernel = "Kernel synchronised: yes\nFrequency correction (ppm): -1.500\nEstimated error (ms): 1.500\nMaximum error (ms): 16.000\n"
	for line, want := range map[string]string{
		"show ntp associations": "% control does not answer\n",
		"show ntp status":       kernel + "% control does not answer\n",
		"show clock detail":     "Time: 2000-01-01T00:00:00Z\n" + kernel + "% control does not answer\n",
		"show clock":            "Time: 2000-01-01T00:00:00Z\n% control does not answer\n",
	} {
		synctest.Test(t, func(t *testing.T) {
			var s exectest.Session
			if got := s.Type(t.Context(), t, kernelClock(trusted).commands(), line); got != want {
				t.Errorf("%s printed %q; want %q", line, got, want)
			}
		})
	}
}

// TestMethod asks over link, with the kernel's own clock.
func TestMethod(t *testing.T) {
	var s exectest.Session
	s.Serve(t, "control", New(Options{}).Methods())
	got := s.Type(t.Context(), t, ExecCommands(), "show ntp status")
	for _, want := range []string{"Status: no time server configured\n", "Kernel synchronised: ", "Maximum error (ms): "} {
		if !strings.Contains(got, want) {
			t.Errorf("show ntp status printed\n%s\nwant %q in it", got, want)
		}
	}
}
