package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/u-root/u-root/pkg/efivarfs"

	"causeway/init/volume"
)

// fakeKernel writes down what it is asked, and fails as it is told.
type fakeKernel struct {
	root string
	now  time.Duration // CLOCK_BOOTTIME

	variables efivarfs.EFIVar

	mu    sync.Mutex
	calls []string
	fail  map[string]error         // by call
	slow  map[string]time.Duration // by call: how long it takes
}

func (k *fakeKernel) did(format string, args ...any) error {
	call := strings.ReplaceAll(fmt.Sprintf(format, args...), k.root, "")
	k.mu.Lock()
	k.calls = append(k.calls, call)
	err, wait := k.fail[call], k.slow[call]
	k.mu.Unlock()
	time.Sleep(wait)
	return err
}

func (k *fakeKernel) all() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.calls)
}

func (k *fakeKernel) Mount(source, target, fstype string, flags uintptr, data string) error {
	return k.did("mount %s %s", fstype, target)
}
func (k *fakeKernel) Unmount(target string, flags int) error { return k.did("unmount %s", target) }
func (k *fakeKernel) Space(string) (volume.Space, error) {
	return volume.Space{TotalKB: 1000, FreeKB: 500}, nil
}
func (k *fakeKernel) LimitFiles(n uint64) error                 { return k.did("files %d", n) }
func (k *fakeKernel) Grow(string, int64) error                  { return nil }
func (k *fakeKernel) RereadPartitions(device string) error      { return k.did("reread %s", device) }
func (k *fakeKernel) LoadModule(path, _ string) error           { return k.did("load %s", path) }
func (k *fakeKernel) SetHostname(name string) error             { return k.did("hostname %s", name) }
func (k *fakeKernel) SetTime(now time.Time) error               { return k.did("time %d", now.Year()) }
func (k *fakeKernel) Uptime() time.Duration                     { return k.now }
func (k *fakeKernel) RawUptime() time.Duration                  { return k.now }
func (k *fakeKernel) NoNewPrivileges() error                    { return k.did("no new privileges") }
func (k *fakeKernel) RenameLink(from, to string) error          { return k.did("rename %s %s", from, to) }
func (k *fakeKernel) LinkUp(name string) error                  { return k.did("up %s", name) }
func (k *fakeKernel) Variables(string) (efivarfs.EFIVar, error) { return k.variables, nil }
func (k *fakeKernel) KillAll() error                            { return k.did("kill all") }
func (k *fakeKernel) Sync()                                     { k.did("sync") }
func (k *fakeKernel) Reboot(mode string) error                  { return k.did("%s", mode) }

// screen is a console that can be read and stopped.
type screen struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// newTest makes a machine whose root is an empty directory.
func newTest(t *testing.T) (*machine, *fakeKernel, *screen) {
	t.Helper()
	root := t.TempDir()
	k := &fakeKernel{root: root, now: 3 * time.Second, fail: map[string]error{}, slow: map[string]time.Duration{}}
	console := &screen{}
	m := newMachine(root, k, console)
	t.Cleanup(func() {
		m.cancel()
		m.log.Flush(time.Minute)
	})
	return m, k, console
}

// write makes a file below the machine's root.
func (m *machine) write(t *testing.T, name, text string) {
	t.Helper()
	path := m.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestBootRunsStepsInOrder(t *testing.T) {
	m, _, console := newTest(t)
	var ran []string
	run := func(name string, err error) func(*machine) error {
		return func(*machine) error { ran = append(ran, name); return err }
	}
	err := m.boot([]step{
		{"one", run("one", nil), vital},
		{"two", run("two", errors.Join(errors.New("first"), errors.New("second"))), false},
		{"three", run("three", nil), false},
	})
	if err != nil || !slices.Equal(ran, []string{"one", "two", "three"}) {
		t.Errorf("boot = %v, ran %q; want all", err, ran)
	}
	if want := []string{"two: first", "two: second"}; !slices.Equal(m.missing, want) {
		t.Errorf("missing = %q; want %q", m.missing, want)
	}
	if !m.isReady() {
		t.Error("not ready after the boot")
	}
	m.log.Flush(time.Minute)
	if want := "init: two: first\ninit: two: second\ninit: ready\n"; console.String() != want {
		t.Errorf("console shows %q; want %q", console, want)
	}
}

func TestBootStopsAtVital(t *testing.T) {
	m, _, _ := newTest(t)
	broken := errors.New("no /proc")
	err := m.boot([]step{
		{"mount", func(*machine) error { return broken }, vital},
		{"never", func(*machine) error { t.Error("went on after a vital step"); return nil }, false},
	})
	if !errors.Is(err, broken) || err.Error() != "mount: no /proc" || m.isReady() {
		t.Errorf("boot = %v, ready %v; want the failure, not ready", err, m.isReady())
	}
}

// A crash anywhere in PID 1 ends the box in good order.
func TestCrash(t *testing.T) {
	m, _, console := newTest(t)
	m.Go(func() { panic("lost my head") })
	e := <-m.endings
	if !e.crashed || e.mode != modeReboot || e.reason != "init crashed: lost my head" {
		t.Errorf("ending = %+v; want a reboot for the crash", e)
	}
	m.log.Flush(time.Minute)
	for _, want := range []string{"init: crashed: panic: lost my head\n", "init: goroutine "} {
		if !strings.Contains(console.String(), want) {
			t.Errorf("console lacks %q:\n%s", want, console)
		}
	}
}

func TestFirstEndingCounts(t *testing.T) {
	m, _, _ := newTest(t)
	m.end(ending{reason: "first"})
	m.end(ending{reason: "second"})
	if e := <-m.endings; e.reason != "first" {
		t.Errorf("ending = %+v; want the first", e)
	}
}

func TestReadBuild(t *testing.T) {
	m, _, _ := newTest(t)
	m.readBuild()
	if m.build.Version != "unknown" || len(m.missing) != 1 {
		t.Errorf("without a file: %+v, missing %q; want that it is said", m.build, m.missing)
	}
	m.write(t, "etc/causeway/build.json", `{"version":"1.2","board":"arm64","time":"2026-03-01T00:00:00Z"}`)
	m.readBuild()
	if m.build.Version != "1.2" || m.build.Board != "arm64" || m.build.Time.Year() != 2026 {
		t.Errorf("build = %+v; want the file's", m.build)
	}
}

func TestWord(t *testing.T) {
	m, _, _ := newTest(t)
	if got := m.word("panic"); got != "" {
		t.Errorf("word without a command line = %q; want none", got)
	}
	m.write(t, "proc/cmdline", "quiet console=ttyS0,115200 causeway.lan1=52:54:00:00:00:01 causeway.lan10=x\n")
	for name, want := range map[string]string{
		"console":       "ttyS0,115200",
		"causeway.lan1": "52:54:00:00:00:01",
		"causeway.lan2": "",
		"quiet":         "",
	} {
		if got := m.word(name); got != want {
			t.Errorf("word(%q) = %q; want %q", name, got, want)
		}
	}
}

func TestLog(t *testing.T) {
	console, kmsg := &screen{}, &screen{}
	l := newLogger(console)
	l.Printf("before the kernel log\n")
	l.useKernelLog(kmsg)
	l.Printf("two\nlines")
	l.Debugf("not for the console")
	began := time.Now()
	for i := range linesPerSecond + 1000 {
		l.Service("proxy", fmt.Sprint("line ", i, strings.Repeat("x", 2000)))
	}
	l.Flush(time.Minute)
	l.Printf("after the end")
	if want := "init: before the kernel log\ninit: two\ninit: lines\n"; console.String() != want {
		t.Errorf("console = %q; want %q", console, want)
	}
	lines := strings.Split(strings.TrimSpace(kmsg.String()), "\n")
	if want := []string{"<31>init: two", "<31>init: lines", "<31>init: not for the console"}; !slices.Equal(lines[:3], want) {
		t.Errorf("kernel log = %q; want %q", lines[:3], want)
	}
	if !strings.HasPrefix(lines[3], "<31>proxy: line 0x") || len(lines[3]) > kmsgLine+len(kmsgPriority) {
		t.Errorf("a service's line has %d octets, %.20q; want at most %d", len(lines[3]), lines[3], kmsgLine)
	}
	most := linesPerSecond * (2 + int(time.Since(began)/time.Second)) // the second may have turned meanwhile
	if n := len(lines) - 4; n < linesPerSecond || n > most {
		t.Errorf("%d lines of a torrent; want %d to %d", n, linesPerSecond, most)
	}
	if last := lines[len(lines)-1]; last != "<31>init: after the end" {
		t.Errorf("last line = %q; want that the kernel log goes on", last)
	}
}

// TestLogTellsOfLostLines: a service's next line in another second comes after
// how many are not there.
func TestLogTellsOfLostLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kmsg := &screen{}
		l := newLogger(io.Discard)
		defer l.Flush(time.Minute)
		l.useKernelLog(kmsg)
		for range linesPerSecond + 7 {
			l.Service("proxy", "many")
		}
		for range 2 {
			time.Sleep(time.Second)
			l.Service("proxy", "one")
		}
		want := strings.Repeat("<31>proxy: many\n", linesPerSecond) + "<31>init: lines of proxy missing here: 7\n<31>proxy: one\n<31>proxy: one\n"
		if got := kmsg.String(); got != want {
			t.Errorf("kernel log has %d octets and ends with %q; want %q", len(got), got[max(0, len(got)-100):], want[len(want)-100:])
		}
	})
}

// A console that is stopped does not stop PID 1.
func TestLogWithStoppedConsole(t *testing.T) {
	read, write := io.Pipe() // nobody reads
	l := newLogger(write)
	for range 10000 {
		l.Printf("is anyone there?")
	}
	began := time.Now()
	l.Flush(10 * time.Millisecond)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("Flush took %v; want its limit", took)
	}
	read.Close()
	<-l.written
}
