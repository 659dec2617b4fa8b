package system

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/sys/unix"

	"causeway/appliance/exec"
	"causeway/appliance/exec/exectest"
	"causeway/appliance/model"
)

var healthy = model.SystemHealth{
	Uptime: 61500 * time.Millisecond, BootToReady: 2345 * time.Millisecond, Slot: "A", Trial: true,
	Watchdog: "i6300ESB timer", Missing: []string{"there is no LAN2"}, MemTotalKB: 250_000, MemAvailable: 168_766,
	Volumes: []model.VolumeStatus{
		{Name: "bootflash", Device: "/dev/vda3", State: "mounted", TotalKB: 1000, FreeKB: 900},
		{Name: "harddisk", Device: "memory", State: "missing"},
	},
	Services: []model.ServiceStatus{
		{Name: "proxy", PID: 312, Uptime: 61 * time.Second, Restarts: 1, LastExit: "signal: killed", LastRestart: 213 * time.Millisecond, MemoryKB: 9321},
		{Name: "billing", Restarts: 0, MemoryKB: 0},
	},
}

// machine is a box as its files describe it.
var machine = box{files: fstest.MapFS{
	"etc/causeway/build.json": {Data: []byte(`{"version":"v1.2","commit":"abcdef","time":"2025-01-02T03:04:05Z",` +
		`"board":"x86_64","kernel":"6.1.0","variant":"release"}`)},
}}

// TestShow types each show command on a whole box.
func TestShow(t *testing.T) {
	for _, line := range []string{"show system"} {
		s := exectest.Session{Answers: map[string]any{"init.health": healthy}}
		exectest.Golden(t, strings.ReplaceAll(line, " ", "-"), s.Type(t.Context(), t, machine.commands(), line))
	}
}

func TestShowVersion(t *testing.T) {
	var running unix.Utsname
	if err := unix.Uname(&running); err != nil {
		t.Fatal(err)
	}
	var s exectest.Session
	got := s.Type(t.Context(), t, machine.commands(), "show version")
	got = strings.Replace(got, unix.ByteSliceToString(running.Release[:]), "RELEASE", 1)
	exectest.Golden(t, "show-version", got)
	const want = "% read what image this is: open etc/causeway/build.json: file does not exist\n"
	if got := s.Type(t.Context(), t, box{files: fstest.MapFS{}}.commands(), "show version"); got != want {
		t.Errorf("show version of an unknown image printed %q; want %q", got, want)
	}
}

func TestPower(t *testing.T) {
	for _, test := range []struct {
		line    string
		refuses bool
		called  string
		want    string
	}{
		{"reload", false, `init.reboot {"mode":"reboot","reason":"console on ttyS0"}`, "Reload?\nThe system is going down\n"},
		{"reload", true, "", "Reload?\n% not confirmed\n"},
		{"reload now", true, `init.reboot {"mode":"reboot","reason":"console on ttyS0"}`, "The system is going down\n"},
		{"power-off", false, `init.reboot {"mode":"poweroff","reason":"console on ttyS0"}`, "Power off?\nThe system is going down\n"},
		{"pow n", true, `init.reboot {"mode":"poweroff","reason":"console on ttyS0"}`, "The system is going down\n"},
		{"service restart proxy force", true, `init.restart {"service":"proxy","force":true}`, "proxy is being restarted\n"},
		{"service restart control", true, `init.restart {"service":"control","force":false}`, "control is being restarted\n"},
		{
			"service restart billing", true, `init.restart {"service":"billing","force":false}`,
			"% init refused: billing is restarting already\n",
		},
	} {
		s := exectest.Session{Refuses: test.refuses, Answers: map[string]any{
			"init.reboot": nil,
			"init.restart": func(params string) (any, error) {
				if strings.Contains(params, "billing") {
					return nil, errors.New("billing is restarting already")
				}
				return nil, nil
			},
		}}
		got := s.Type(t.Context(), t, machine.commands(), test.line)
		if called := strings.Join(s.Called(), "; "); got != test.want || called != test.called {
			t.Errorf("%s printed %q and called %q; want %q and %q", test.line, got, called, test.want, test.called)
		}
	}
}

func TestPowerNeedsPrivilege(t *testing.T) {
	for _, c := range machine.commands() {
		if shows := strings.HasPrefix(c.Syntax, "show "); shows != (c.Level == exec.User) {
			t.Errorf("%q has level %d; want it for the operator who may change things alone", c.Syntax, c.Level)
		}
	}
}
