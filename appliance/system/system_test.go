package system

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"causeway/appliance/exec"
	"causeway/appliance/exec/exectest"
	"causeway/appliance/hardware"
	"causeway/appliance/model"
)

var healthy = model.SystemHealth{
	Uptime: 61500 * time.Millisecond, BootToReady: 2345 * time.Millisecond, Slot: "A", Trial: true,
	Watchdog: "i6300ESB timer", Missing: []string{"there is no LAN2"}, MemTotalKB: 250_000, MemAvailable: 168_766,
	Volumes: []model.VolumeStatus{
		{Name: "bootflash", Device: "/dev/vda3", State: "mounted", TotalKB: 1000, FreeKB: 900},
		{Name: "harddisk", Device: "memory", State: "missing"},
		{Name: "usb0", Device: "/dev/nvme0n1p4", State: "mounted read-only", TotalKB: 3_906_250_000, FreeKB: 1_953_125_000},
	},
	Services: []model.ServiceStatus{
		{Name: "proxy", PID: 312, Uptime: 61 * time.Second, Restarts: 1, LastExit: "signal: killed", LastRestart: 213 * time.Millisecond, MemoryKB: 9321},
		{Name: "billing", Restarts: 0, MemoryKB: 0},
		{Name: "console", PID: 4194304, Uptime: 400 * 24 * time.Hour, Restarts: 999, LastExit: "exit status 1", LastRestart: time.Minute, MemoryKB: 1_234_567},
	},
}

var machine = box{hardware.Machine{Files: wholeBoard()}}

// TestShow types each show command that does not wait, on a whole box, on one
// of whose hardware nothing is known, and on one that is down.
func TestShow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // its clock begins in 2000
		for _, line := range []string{
			"show system", "show uptime", "show inventory", "show environment", "show watchdog", "show memory",
			"show processes", "show processes memory", "show security",
		} {
			name := strings.ReplaceAll(line, " ", "-")
			s := exectest.Session{Answers: map[string]any{
				"init.health":      healthy,
				"init.protections": []model.Protection{{Name: "Kernel modules", State: "loading ended", Holds: true}, {Name: "Secure Boot", State: "not on"}},
				"control.tpm":      model.TPM{Manufacturer: "IFX", Model: "SLB9670", Firmware: "7.85.4555.0", Revision: "1.38"},
			}}
			exectest.Golden(t, name, s.Type(t.Context(), t, machine.commands(), line))
			bare := box{hardware.Machine{Files: files(map[string]string{"proc/meminfo": ""})}}
			s.Answers = nil
			exectest.Golden(t, name+"-bare", s.Type(t.Context(), t, bare.commands(), line))
		}
	})
}

// TestShowSampled types the commands that measure for a second.
func TestShowSampled(t *testing.T) {
	for _, line := range []string{"show cpu", "show processes cpu"} {
		synctest.Test(t, func(t *testing.T) {
			later := wholeBoard()
			later["proc/stat"] = &fstest.MapFile{Data: []byte(
				"cpu  1050 0 525 8125 199 50 50 200 0 0\ncpu0 650 0 325 4025 0 0 0 100 0 0\ncpu1 400 0 200 4100 199 50 50 100 0 0\n")}
			later["proc/1/stat"] = &fstest.MapFile{Data: []byte("1 (init) S 0 1 1 0 -1 4194560 1 2 3 4 100 51 0 0 20 0 9 0 1 1 1\n")}
			later["proc/312/stat"] = &fstest.MapFile{Data: []byte("312 (app) (x) R 1 1 1 0 -1 4194560 1 2 3 4 12420 678 0 0 20 0 12 0 1 1 1\n")}
			b := box{hardware.Machine{Files: changing{wholeBoard(), later, time.Now().Add(sampleTime)}}}
			s := exectest.Session{Answers: map[string]any{"init.health": healthy}}
			exectest.Golden(t, strings.ReplaceAll(line, " ", "-"), s.Type(t.Context(), t, b.commands(), line))

			ended, cancel := context.WithCancel(t.Context())
			cancel()
			s.Answers = nil
			if got := s.Type(ended, t, b.commands(), line); !strings.HasSuffix(got, "% context canceled\n") {
				t.Errorf("%s after Ctrl-C printed %q; want it to end at once", line, got)
			}
		})
	}
}

// TestShowHere types all commands on the machine that runs the test: whatever
// it is, they print something and no error.
func TestShowHere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range ExecCommands() {
			if !strings.HasPrefix(c.Syntax, "show ") || c.Syntax == "show version" {
				continue // that one is of an image
			}
			s := exectest.Session{Answers: map[string]any{
				"init.health":           model.SystemHealth{Services: []model.ServiceStatus{{Name: "here", PID: os.Getpid()}}},
				"init.protections":      []model.Protection{{Name: "Secure Boot", State: "on", Holds: true}},
				"control.reload-status": ReloadStatus{},
			}}
			got := s.Type(t.Context(), t, ExecCommands(), c.Syntax)
			if got == "" || strings.Contains(got, "%!") || strings.HasPrefix(got, "% ") || strings.Contains(got, "\n% ") {
				t.Errorf("%s printed\n%s\nwant no error", c.Syntax, got)
			}
		}
	})
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
	if got := s.Type(t.Context(), t, box{hardware.Machine{Files: fstest.MapFS{}}}.commands(), "show version"); got != want {
		t.Errorf("show version of an unknown image printed %q; want %q", got, want)
	}
}

func TestInWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                               "0 seconds",
		time.Second:                     "1 second",
		59*time.Second + 999999999:      "59 seconds",
		time.Minute:                     "1 minute",
		26*time.Hour + 61*time.Minute:   "1 day, 3 hours, 1 minute",
		48*time.Hour + 2*time.Second:    "2 days",
		1000*time.Hour + 30*time.Minute: "41 days, 16 hours, 30 minutes",
	} {
		if got := inWords(d); got != want {
			t.Errorf("inWords(%v) = %q; want %q", d, got, want)
		}
	}
}

// FuzzProc reads what no kernel writes.
func FuzzProc(f *testing.F) {
	board := wholeBoard()
	for _, name := range []string{"proc/1/status", "proc/312/stat", "proc/meminfo", "sys/block/sda/device/vpd_pg80"} {
		f.Add(string(board[name].Data))
	}
	f.Add("1 (a) S 0 1 1 0 -1 0 0 0 0 0 18446744073709551615 -1")
	f.Fuzz(func(t *testing.T, text string) {
		names := []string{"proc/1/status", "proc/1/stat", "proc/cpuinfo", "proc/meminfo", "sys/fs/cgroup/proxy/memory.events"}
		content := make(map[string]string)
		for _, name := range names {
			content[name] = text
		}
		b := box{hardware.Machine{Files: files(content)}}
		if all, err := b.processes(); err == nil && len(all) > 0 && all[0].cpu() < 0 {
			t.Errorf("processes of %q = %+v; want no negative time", text, all)
		}
		if got := serialPage(text); len(got) > len(text) {
			t.Errorf("serialPage(%q) = %q", text, got)
		}
		kills(text)
		b.chassis()
		b.processor()
		b.memory()
	})
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
		{
			"reload now reason new image", true, `init.reboot {"mode":"reboot","reason":"console on ttyS0: new image"}`,
			"The system is going down\n",
		},
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

// A TPM that does not answer is told, and why.
func TestInventorySilentTPM(t *testing.T) {
	s := exectest.Session{Answers: map[string]any{"control.tpm": errors.New("the TPM refused: it is disabled")}}
	got := s.Type(t.Context(), t, machine.commands(), "show inventory")
	if want := `NAME: "TPM", DESCR: "TPM 2.0, not to be asked: control refused: the TPM refused: it is disabled"`; !strings.Contains(got, want) {
		t.Errorf("show inventory =\n%s\nwant %s", got, want)
	}
}
