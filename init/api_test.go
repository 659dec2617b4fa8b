package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"causeway/appliance/link"
	"causeway/appliance/model"
	"causeway/init/kmsg"
	"causeway/init/slot"
)

// callVariable makes the test binary call a method as another user and print
// the error: SOCKET METHOD PARAMS.
const callVariable = "INIT_TEST_CALL"

func TestMain(tm *testing.M) {
	if call := os.Getenv(callVariable); call != "" {
		words := strings.SplitN(call, " ", 3)
		if err := link.Call(context.Background(), words[0], words[1], json.RawMessage(words[2]), nil); err != nil {
			fmt.Print(err)
		}
		return
	}
	os.Exit(tm.Run())
}

// serve answers the methods of a machine on a socket that everyone reaches.
func serve(t *testing.T, m *machine) (socket string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "init-api-") // the test's own directory is closed to others
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket = filepath.Join(dir, "link.sock")
	listener, err := link.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	for path, mode := range map[string]os.FileMode{dir: 0o755, socket: 0o666} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	ended := make(chan error)
	go func() { ended <- link.ServeListener(m.ctx, listener, m.methods()) }()
	t.Cleanup(func() {
		m.cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return socket
}

// callAs calls a method as a user and gives the error's text.
func callAs(t *testing.T, uid uint32, socket, method, params string) string {
	t.Helper()
	call := exec.Command("/proc/self/exe")
	call.Env = []string{callVariable + "=" + socket + " " + method + " " + params}
	call.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: model.GIDCauseway}}
	out, err := call.CombinedOutput()
	if err != nil {
		t.Fatalf("call %s as user %d: %v: %s", method, uid, err, out)
	}
	return string(out)
}

func TestPermissions(t *testing.T) {
	m, _, _ := newRunning(t)
	socket := serve(t, m)
	for method, params := range map[string]string{
		"init.health":   "{}",
		"init.firmware": "{}",
		"init.activate": `{"bundle":"nothing"}`,
		"init.bless":    "{}",
		"init.fallback": "{}",
		"init.reboot":   `{"mode":"sideways"}`, // refused, but only after who asks was
		"init.restart":  `{"service":"nobody"}`,
		"init.mount":    `{"volume":"nothing"}`,
		"init.unmount":  `{"volume":"nothing"}`,
		"init.format":   `{"volume":"nothing"}`,
		"init.clock":    "{}",
		"init.log":      "{}",
		"init.erase":    `{"parts":["nothing"]}`,
		"init.choose":   `{"configuration":"nothing"}`,
	} {
		for uid, may := range map[uint32]bool{0: true, model.UIDControl: true, model.UIDConsole: true, model.UIDProxy: false, model.UIDBilling: false, 65534: false} {
			refusal := fmt.Sprintf("user %d may not do this", uid)
			refused := callAs(t, uid, socket, method, params) == refusal
			if want := !may && !slices.Contains([]string{"init.health", "init.firmware", "init.log"}, method); refused != want {
				t.Errorf("%s by user %d is refused: %v; want %v", method, uid, refused, want)
			}
		}
	}
}

func TestArguments(t *testing.T) {
	m, _, _ := newRunning(t)
	socket := serve(t, m)
	for _, tt := range []struct{ method, params, want string }{
		{"init.reboot", `{"mode":"sideways"}`, `mode "sideways" is neither reboot nor poweroff`},
		{"init.restart", `{"service":"sshd"}`, `there is no service "sshd"`},
		{"init.mount", `{"volume":"floppy"}`, `there is no volume "floppy": bootflash, harddisk, usb0 are the volumes`},
		{"init.unmount", `{"volume":"usb0"}`, `usb0: is not mounted`},
		{"init.mount", `{"volume":"usb0","write":true}`, `usb0: no stick is plugged in`},
		{"init.erase", `{"parts":["configuration","nothing"]}`, `"nothing" is none of the parts that can be erased`},
		{"init.choose", `{"configuration":"nothing"}`, `configuration "nothing" is none of ["last good" "built-in"]`},
		{"init.format", `{"volume":"usb0","erase":true}`, `usb0: sticks are not formatted here`},
		{"init.format", `{"volume":"harddisk"}`, `harddisk: ` + m.path("dev/vda2") + ` holds ext4, which formatting would erase`},
		{"init.activate", `{"bundle":"harddisk:/x"}`, `this box was not started by UEFI firmware: it has no slots`},
		{"init.bless", `{}`, `what runs is not on trial`},
		{"init.fallback", `{"reason":"x"}`, `what runs is not on trial`},
		{"init.clock", `{}`, ``},
		{"init.clock", `null`, ``},
		{"init.restart", `{"service":"proxy","force":true}`, ``},
	} {
		if got := callAs(t, model.UIDConsole, socket, tt.method, tt.params); got != tt.want {
			t.Errorf("%s %s = %q; want %q", tt.method, tt.params, got, tt.want)
		}
	}
}

func TestRebootRequest(t *testing.T) {
	m, _, _ := newRunning(t)
	socket := serve(t, m)
	reason := "caf\\u00e9\\u001b[2J" + strings.Repeat("x", 1000)
	if got := callAs(t, model.UIDConsole, socket, "init.reboot", `{"mode":"poweroff","reason":"`+reason+`"}`); got != "" {
		t.Fatal(got)
	}
	e := <-m.endings
	want := "caf[2J" + strings.Repeat("x", longestReason-6) + " (asked by user 104)"
	if e.mode != modePowerOff || e.reason != want || e.crashed {
		t.Errorf("ending = %+v; want a power-off with reason %q", e, want)
	}
}

func TestHealth(t *testing.T) {
	m, k, _ := newRunning(t)
	m.write(t, "proc/meminfo", "MemTotal: 262144 kB\nMemAvailable: 1024 kB\n")
	k.now = 90 * time.Second
	m.ready = 4 * time.Second
	m.miss("something is not there")
	socket := serve(t, m)
	var h model.SystemHealth
	if err := link.Call(t.Context(), socket, "init.health", nil, &h); err != nil {
		t.Fatal(err)
	}
	if h.Uptime != k.now || h.BootToReady != m.ready || h.Slot != "kernel" || h.MemTotalKB != 262144 || h.MemAvailable != 1024 {
		t.Errorf("health = %+v", h)
	}
	if len(h.Volumes) != 3 || h.Volumes[0].State != "mounted" || len(h.Missing) != 1 {
		t.Errorf("volumes %+v, missing %q; want bootflash: mounted, one sentence", h.Volumes, h.Missing)
	}
	if len(h.Services) != 4 || h.Services[0].Name != "proxy" || h.Services[0].PID == 0 {
		t.Errorf("services %+v; want four, proxy running", h.Services)
	}
}

// confused is a kernel log that makes us panic.
type confused struct{}

func (confused) Read([]byte) (int, error) { panic("no such record") }
func (confused) Rewind() error            { return nil }

// A call that panics ends the box in good order, not PID 1.
func TestCallPanics(t *testing.T) {
	m, _, _ := newTest(t)
	m.ring = kmsg.NewReader(confused{})
	m.readLog(model.LogQuery{})
	if e := <-m.endings; !e.crashed || e.reason != "init crashed: no such record" {
		t.Errorf("ending = %+v; want the crash", e)
	}
	socket := serve(t, m) // without a supervisor
	if got := callAs(t, 0, socket, "init.restart", `{"service":"proxy"}`); got != "" {
		t.Errorf("a call that panics = %q", got)
	}
	if e := <-m.endings; !e.crashed {
		t.Errorf("ending = %+v; want the crash", e)
	}
}

// hungDisk is one whose slots are asked for and never told.
type hungDisk struct {
	slot.Disk
	asked, answer chan struct{}
}

func (d hungDisk) OnDisk(string) bool {
	d.asked <- struct{}{}
	<-d.answer
	return false
}

// TestHealthOfHungSlots: what hangs at the slots does not keep the watchdog from
// being fed.
func TestHealthOfHungSlots(t *testing.T) {
	m, _, _ := newTest(t)
	disk := hungDisk{asked: make(chan struct{}, 9), answer: make(chan struct{})}
	m.slots = slot.New(slot.Options{Running: "A", Variables: fakeVariables{}, Disk: disk, Log: m.log.Printf})
	var done sync.WaitGroup
	done.Go(func() { m.slots.Boot("") })
	<-disk.asked
	done.Go(func() { m.health(t.Context()) })
	time.Sleep(100 * time.Millisecond) // in which it comes to wait for the slots
	free := false
	for deadline := time.Now().Add(20 * time.Second); !free && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		free = m.mu.TryLock()
	}
	if free {
		m.mu.Unlock()
	} else {
		t.Error("the machine is locked while a slot hangs")
	}
	close(disk.answer)
	done.Wait()
}
