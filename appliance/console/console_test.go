package console

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/appliance/link"
	"causeway/appliance/model"
)

// box is the processes around a session, as far as a test has them.
type box struct {
	init, proxy, billing, control bool
	status                        model.ControlStatus
	asked                         []string // what init was asked to do
}

var health = model.SystemHealth{
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

// serve starts the processes that the box has.
func (b *box) serve(t *testing.T) (runDir string) {
	runDir = t.TempDir()
	type restart struct {
		Service string `json:"service"`
		Force   bool   `json:"force"`
	}
	type reboot struct {
		Mode   string `json:"mode"`
		Reason string `json:"reason"`
	}
	for process, methods := range map[string]link.Methods{
		"init": {
			"init.health": func(context.Context) (model.SystemHealth, error) { return health, nil },
			"init.restart": func(_ context.Context, r restart) error {
				if r.Service == "billing" {
					return errors.New("billing is restarting already")
				}
				b.asked = append(b.asked, "restart "+r.Service+map[bool]string{true: " by force"}[r.Force])
				return nil
			},
			"init.reboot": func(_ context.Context, r reboot) error {
				b.asked = append(b.asked, r.Mode+" by "+r.Reason)
				return nil
			},
		},
		"proxy": {"proxy.status": func(context.Context) (model.ProxyStatus, error) {
			return model.ProxyStatus{
				Revision: "0123456789ab", Grant: model.Grant{Now: model.Allowance{Calls: true, LimitCPS: 50}},
				Listens:   []string{"lan1 udp 192.168.42.1:5060", "lan2 udp 192.168.43.1:5060"},
				OpenCalls: 3, Transactions: 7, Counters: map[string]int64{"requests": 12, "absorbed": 2},
			}, nil
		}},
		"billing": {"billing.status": func(context.Context) (model.BillingStatus, error) {
			return model.BillingStatus{
				OpenCalls: 3, Counters: map[string]int64{"answered": 9},
				Journal: model.JournalStatus{Directory: "/harddisk/billcache", Segments: 2, Bytes: 4096, FirstSeq: 5, NextSeq: 17, Repaired: 1},
			}, nil
		}},
		"control": {
			"control.status": func(context.Context) (model.ControlStatus, error) { return b.status, nil },
			"control.running": func(context.Context) (map[string]string, error) {
				return map[string]string{"text": "hostname box\n"}, nil
			},
		},
	} {
		if !map[string]bool{"init": b.init, "proxy": b.proxy, "billing": b.billing, "control": b.control}[process] {
			continue
		}
		listener, err := link.Listen(link.Socket(runDir, process))
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- link.ServeListener(t.Context(), listener, methods) }()
		t.Cleanup(func() {
			if err := <-ended; err != nil {
				t.Errorf("serve %s: %v", process, err)
			}
		})
	}
	return runDir
}

// talk types the lines in a session and gives what it printed.
func (b *box) talk(t *testing.T, lines ...string) string {
	t.Helper()
	runDir := b.serve(t)
	build := filepath.Join(t.TempDir(), "build.json")
	text := `{"version":"v1.2","commit":"abcdef","time":"2025-01-02T03:04:05Z","board":"x86_64","kernel":"6.1.0","variant":"release"}`
	if err := os.WriteFile(build, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err := Run(t.Context(), Options{
		In:          strings.NewReader(strings.Join(lines, "\n") + "\n"),
		Out:         &out,
		RunDir:      runDir,
		BuildFile:   build,
		ControlWait: time.Millisecond, // the processes of a test are up before the session
	})
	if err != nil {
		t.Fatalf("Run = %v; want no error at the end of the input", err)
	}
	return strings.ReplaceAll(out.String(), runDir, "/run")
}

func wholeBox() *box {
	return &box{init: true, proxy: true, billing: true, control: true, status: model.ControlStatus{
		HostName: "box", ConfigSource: "startup", Clock: "synchronised to 192.0.2.1, offset 3 ms",
		Interfaces: []model.InterfaceStatus{
			{LAN: "LAN1", MAC: "00:00:5e:00:53:01", Link: "up", Address: "192.168.42.1/24"},
			{LAN: "LAN2", Link: "missing", Problem: "there is no such interface"},
		},
	}}
}

const greeting = "\nCauseway v1.2 on x86_64\n"

func TestTranscripts(t *testing.T) {
	for _, test := range []struct{ line, want string }{
		{"", ""},
		{"! a comment", ""},
		{"show system", `Uptime (s): 61
Boot to ready (ms): 2345
Slot: A (on trial)
Watchdog: i6300ESB timer
Memory total (kB): 250000
Memory available (kB): 168766
Memory used (kB): 81234
Missing: there is no LAN2
bootflash:  State: mounted  Device: /dev/vda3  Total (kB): 1000  Free (kB): 900
harddisk:   State: missing  Device: memory  Total (kB): 0  Free (kB): 0
proxy     PID: 312    Uptime (s): 61       Restarts: 1    Last restart (ms): 213
          Memory (kB): 9321  Last exit: signal: killed
billing   PID: none   Uptime (s): 0        Restarts: 0    Last restart (ms): 0
          Memory (kB): 0  Last exit: none
`},
		{"sh int", `LAN1 link: up
LAN1 MAC address: 00:00:5e:00:53:01
LAN1 IP address: 192.168.42.1/24
LAN1 problem: none
LAN2 link: missing
LAN2 MAC address: none
LAN2 IP address: none
LAN2 problem: there is no such interface
`},
		{"show sip status", `Revision: 0123456789ab
New calls: allowed
Limit (calls/s): 50
Listen: lan1 udp 192.168.42.1:5060
Listen: lan2 udp 192.168.43.1:5060
Open calls: 3
Transactions: 7
Counter absorbed: 2
Counter requests: 12
`},
		{"show bill stat", `Open calls: 3
Journal: /harddisk/billcache
Journal segments: 2
Journal size (bytes): 4096
Journal first record: 5
Journal next record: 17
Journal repairs: 1
Counter answered: 9
`},
		{"sh run", "hostname box\n"},
		{"service restart proxy", "proxy is being restarted\n"},
		{"service restart billing", "% init refused: billing is restarting already\n"},
		{"show sip", "             ^\n% the line is not complete: status is expected\n"},
		{"  show s", "           ^\n% s is ambiguous: system, sip\n"},
		{"service restart console", "                    ^\n% console is not one of {proxy|billing|control}\n"},
		{"frobnicate", "    ^\n% frobnicate is not a command here\n"},
	} {
		t.Run(test.line, func(t *testing.T) {
			got := wholeBox().talk(t, test.line)
			if diff := cmp.Diff(greeting+"box>"+test.want+"box>", got); diff != "" {
				t.Errorf("%q (-want +got):\n%s", test.line, diff)
			}
		})
	}
}

func TestShowVersionAndClock(t *testing.T) {
	got := wholeBox().talk(t, "show version", "show clock")
	for _, want := range []string{
		`Version: v1\.2\nCommit: abcdef\nCommit time: 2025-01-02T03:04:05Z\nVariant: release\nBoard: x86_64\nKernel package: 6\.1\.0\nKernel release: \S+\n`,
		`Time: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\nSource: synchronised to 192\.0\.2\.1, offset 3 ms\n`,
	} {
		if !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("show version, show clock printed\n%s\nwant a match of\n%s", got, want)
		}
	}
}

func TestHelpListsEveryCommand(t *testing.T) {
	for _, line := range []string{"help", "?"} {
		got := wholeBox().talk(t, line)
		for _, c := range execCommands() {
			syntax := strings.Replace(c.syntax, "SERVICE", "{proxy|billing|control}", 1)
			if !regexp.MustCompile(`(?m)` + regexp.QuoteMeta(syntax) + ` +` + regexp.QuoteMeta(c.help) + `$`).MatchString(got) {
				t.Errorf("%s does not list %q with %q:\n%s", line, syntax, c.help, got)
			}
		}
	}
}

func TestShutDownAsks(t *testing.T) {
	for _, test := range []struct {
		lines []string
		asked string // of init
		want  string
	}{
		{[]string{"reload", ""}, "reboot by console", "Reload? [confirm]The system is going down\n"},
		{[]string{"reload", "y"}, "reboot by console", "Reload? [confirm]The system is going down\n"},
		{[]string{"reload", "n"}, "", "Reload? [confirm]% not confirmed\n"},
		{[]string{"reload", "show clock"}, "", "Reload? [confirm]% not confirmed\n"},
		{[]string{"reload now"}, "reboot by console", "The system is going down\n"},
		{[]string{"power-off", "Yes"}, "poweroff by console", "Power off? [confirm]The system is going down\n"},
		{[]string{"pow n"}, "poweroff by console", "The system is going down\n"},
		{[]string{"service restart proxy force"}, "restart proxy by force", "proxy is being restarted\n"},
		{[]string{"service restart control"}, "restart control", "control is being restarted\n"},
	} {
		b := wholeBox()
		got := b.talk(t, test.lines...)
		if want := greeting + "box>" + test.want + "box>"; got != want {
			t.Errorf("%q printed %q; want %q", test.lines, got, want)
		}
		if asked := strings.Join(b.asked, ", "); asked != test.asked {
			t.Errorf("%q asked init for %q; want %q", test.lines, asked, test.asked)
		}
	}
}

// Without an answer to the question nothing is shut down.
func TestInputEndsAtTheQuestion(t *testing.T) {
	b := wholeBox()
	b.talk(t, "reload") // there is no further line
	if len(b.asked) > 0 {
		t.Errorf("init was asked for %q; want nothing", b.asked)
	}
}

func TestControlIsDown(t *testing.T) {
	b := &box{init: true, proxy: true}
	got := b.talk(t, "show running-config", "show sip status", "show system", "show clock", "show billing status")
	for _, want := range []string{
		"% control does not answer: call control.status: dial unix /run/control/link.sock: connect: no such file or directory\n",
		"% Without control: calls go on; show system, show sip status, service restart and reload work\ncauseway>",
		"causeway>% control does not answer: call control.running: ",
		"causeway>Revision: 0123456789ab\n",
		"Memory used (kB): 81234\n",
		"causeway>% billing does not answer: call billing.status: ",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the session printed\n%s\nwant %q in it", got, want)
		}
	}
	if strings.Count(got, "Without control") != 1 {
		t.Errorf("the session printed\n%s\nwant it to say once what goes without control", got)
	}
}

func TestConfigurationProblemIsShownOnce(t *testing.T) {
	b := wholeBox()
	b.status.ConfigSource = "built-in"
	b.status.ConfigProblem = `line 7: "hostname -": - is not a host name`
	got := b.talk(t, "", "")
	want := greeting + "% The saved configuration was refused: line 7: \"hostname -\": - is not a host name\n" +
		"% Running the built-in configuration\nbox>box>box>"
	if got != want {
		t.Errorf("the session printed %q; want %q", got, want)
	}
}

func TestUnknownImage(t *testing.T) {
	var out bytes.Buffer
	err := Run(t.Context(), Options{
		In: strings.NewReader("show version\n"), Out: &out, RunDir: t.TempDir(),
		BuildFile: filepath.Join(t.TempDir(), "none"), ControlWait: time.Millisecond,
	})
	if err != nil || !strings.Contains(out.String(), "Causeway (unknown version) on an unknown board\n") ||
		!strings.Contains(out.String(), "% read what image this is: open ") {
		t.Errorf("Run = %v, printed %q; want it to say that the image is unknown", err, out.String())
	}
}
