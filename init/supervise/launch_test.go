package supervise

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The test binary plays the services: roles that TestMain turns to when the
// environment names one.
const roleVariable = "SUPERVISE_TEST_ROLE"

var roles = map[string]func(){
	"crash": func() {
		os.Stdout.WriteString(strings.Repeat("a word before the last\n", 2500)) // fits in the pipe
		panic("this is the last word of a crash")
	},
	"status": printStatus,
	"hang":   hang,
	"orphan": leaveOrphans,
	"exit 3": func() { os.Exit(3) },
	"torrent": func() {
		for i := range 20000 {
			fmt.Printf("line %d of the torrent\n", i)
		}
	},
}

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		roles[role]()
		return
	}
	// Orphans come to this process, as they come to PID 1.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		fmt.Fprintln(os.Stderr, "become a subreaper:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func hang() {
	fmt.Println("hanging")
	time.Sleep(time.Hour)
}

func printStatus() {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		fmt.Println(err)
	}
	os.Stdout.Write(status)
	score, _ := os.ReadFile("/proc/self/oom_score_adj")
	fmt.Printf("OOMScoreAdj: %s", score)
	group, _ := os.ReadFile("/proc/self/cgroup")
	fmt.Printf("%s", group)
	time.Sleep(time.Hour)
}

// leaveOrphans starts a child in its own group and one in a session of its
// own, then ends.
func leaveOrphans() {
	for _, session := range []bool{false, true} {
		_, err := syscall.ForkExec("/proc/self/exe", []string{"orphan"}, &syscall.ProcAttr{
			Env:   []string{roleVariable + "=hang"},
			Files: []uintptr{0, 1, 2},
			Sys:   &syscall.SysProcAttr{Setsid: session},
		})
		if err != nil {
			fmt.Println(err)
		}
	}
}

// launch makes a launcher that reaps, and collects what services print.
func launch(t *testing.T, cgroups string) (l *Launcher, output func() string) {
	t.Helper()
	var mu sync.Mutex
	var lines strings.Builder
	l = NewLauncher(cgroups, func(service, line string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(&lines, "%s: %s\n", service, line)
	}, t.Logf)
	ctx, cancel := context.WithCancel(context.Background())
	reaped := make(chan struct{})
	go func() { l.Reap(ctx); close(reaped) }()
	t.Cleanup(func() { cancel(); <-reaped })
	return l, func() string {
		mu.Lock()
		defer mu.Unlock()
		return lines.String()
	}
}

// role is a service that plays a role as the user nobody.
func role(name string) Service {
	return Service{
		Name:      "actor",
		Argv:      []string{"/proc/self/exe"},
		Env:       []string{roleVariable + "=" + name},
		UID:       65534,
		GID:       65533,
		Groups:    []uint32{110, 120},
		CPUWeight: 100,
	}
}

func waitFor(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited a minute for %s", what)
		}
	}
}

func waitExit(t *testing.T, l *Launcher, pid int) Exit {
	t.Helper()
	select {
	case exit := <-l.Exits():
		if exit.PID != pid {
			t.Fatalf("process %d ended; want %d", exit.PID, pid)
		}
		return exit
	case <-time.After(time.Minute):
		t.Fatalf("waited a minute for the end of process %d", pid)
		return Exit{}
	}
}

func start(t *testing.T, l *Launcher, service Service) int {
	t.Helper()
	pid, err := l.Start(service)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Signal(pid, syscall.SIGKILL) })
	return pid
}

func TestStartSwitchesUser(t *testing.T) {
	l, output := launch(t, "")
	service := role("status")
	service.Capabilities = []uintptr{unix.CAP_NET_BIND_SERVICE, unix.CAP_NET_ADMIN}
	service.OOMScoreAdj = 300
	pid := start(t, l, service)
	waitFor(t, "the status of the service", func() bool { return strings.Contains(output(), "OOMScoreAdj:") })
	// The service may have looked at itself before Start had set it.
	if got, err := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid)); err != nil || string(got) != "300\n" {
		t.Errorf("oom_score_adj = %q, %v; want 300", got, err)
	}

	capabilities := fmt.Sprintf("%016x", 1<<unix.CAP_NET_BIND_SERVICE|1<<unix.CAP_NET_ADMIN)
	for _, want := range []string{
		"actor: Uid:\t65534\t65534\t65534\t65534\n",
		"actor: Gid:\t65533\t65533\t65533\t65533\n",
		"actor: Groups:\t110 120 \n",
		"actor: CapAmb:\t" + capabilities + "\n",
		"actor: CapEff:\t" + capabilities + "\n",
		"actor: CapPrm:\t" + capabilities + "\n",
	} {
		if !strings.Contains(output(), want) {
			t.Errorf("status lacks %q:\n%s", want, output())
		}
	}
	if group, err := syscall.Getpgid(pid); err != nil || group != pid {
		t.Errorf("process group = %d, %v; want its own, %d", group, err, pid)
	}
	if err := l.Signal(pid, syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if exit := waitExit(t, l, pid); !exit.crashed() || exit.Status.Signal() != syscall.SIGTERM {
		t.Errorf("exit = %+v; want signal SIGTERM", exit)
	}
	if err := l.Signal(pid, syscall.SIGTERM); err != nil {
		t.Errorf("Signal of a reaped process = %v; want nil: nobody is there", err)
	}
}

func TestStartWithoutCapabilities(t *testing.T) {
	l, output := launch(t, "")
	pid := start(t, l, role("status"))
	waitFor(t, "the status of the service", func() bool { return strings.Contains(output(), "OOMScoreAdj:") })
	for _, set := range []string{"CapEff", "CapPrm", "CapAmb", "CapInh"} {
		if want := set + ":\t0000000000000000\n"; !strings.Contains(output(), want) {
			t.Errorf("status lacks %q", want)
		}
	}
	l.Signal(pid, syscall.SIGKILL)
	waitExit(t, l, pid)
}

func TestStartInControlGroup(t *testing.T) {
	groups := testCgroups(t)
	l, output := launch(t, groups)
	pid := start(t, l, role("status"))
	waitFor(t, "the status of the service", func() bool { return strings.Contains(output(), "0::/") })
	if want := "/" + filepath.Base(groups) + "/actor\n"; !strings.Contains(output(), want) {
		t.Errorf("control group is not …%s:\n%s", want, output())
	}
	l.Signal(pid, syscall.SIGKILL)
	waitExit(t, l, pid)
}

// The limits of a group, on files in place of the kernel's.
func TestMakeCgroup(t *testing.T) {
	dir := t.TempDir()
	service := Service{Name: "proxy", CPUWeight: 1000, MemoryMax: 150 << 20}
	group := filepath.Join(dir, "proxy")
	if err := os.MkdirAll(group, 0o755); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"cpu.weight": "1000", "memory.max": "157286400", "memory.oom.group": "1"}
	for file := range want {
		if err := os.WriteFile(filepath.Join(group, file), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := makeCgroup(dir, service); err != nil || got != group {
		t.Fatalf("makeCgroup = %s, %v; want %s", got, err, group)
	}
	for file, value := range want {
		if got, _ := os.ReadFile(filepath.Join(group, file)); string(got) != value {
			t.Errorf("%s = %q; want %q", file, got, value)
		}
	}
	if err := os.WriteFile(filepath.Join(group, "memory.current"), []byte("2048\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := memoryKB(dir, "proxy"); got != 2 {
		t.Errorf("memoryKB = %d; want 2", got)
	}
	if got := memoryKB(dir, "billing"); got != 0 {
		t.Errorf("memoryKB of no group = %d; want 0", got)
	}
}

// testCgroups gives a group of its own in the kernel's cgroup v2 hierarchy.
func testCgroups(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	if err := unix.Mount("cgroup2", root, "cgroup2", 0, ""); err != nil {
		t.Fatalf("mount cgroup v2: %v", err)
	}
	dir, err := os.MkdirTemp(root, "causeway-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		waitFor(t, "the control group to be empty", func() bool {
			err := unix.Rmdir(filepath.Join(dir, "actor"))
			return err == nil || err == unix.ENOENT
		})
		if err := unix.Rmdir(dir); err != nil {
			t.Error(err)
		}
		if err := unix.Unmount(root, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestCrashLeavesItsLastWords(t *testing.T) {
	l, _ := launch(t, "")
	pid := start(t, l, role("crash"))
	exit := waitExit(t, l, pid)
	if !exit.crashed() || describe(exit.Status) != "exit status 2" {
		t.Errorf("exit = %s; want exit status 2, a crash", describe(exit.Status))
	}
	if last := l.Tail("actor"); !bytes.Contains(last, []byte("panic: this is the last word of a crash")) {
		t.Errorf("at the exit the ring holds %d octets without the panic", len(last))
	}
}

func TestOrphansDieAndAreReaped(t *testing.T) {
	l, _ := launch(t, testCgroups(t))
	pid := start(t, l, role("orphan"))
	if exit := waitExit(t, l, pid); exit.crashed() {
		t.Errorf("exit = %s; want exit status 0", describe(exit.Status))
	}
	waitFor(t, "all children to be gone", func() bool {
		children, err := os.ReadFile(filepath.Join("/proc/self/task", strconv.Itoa(os.Getpid()), "children"))
		if err != nil {
			t.Fatal(err)
		}
		return len(bytes.TrimSpace(children)) == 0
	})
}

func TestTorrentIsBounded(t *testing.T) {
	l, output := launch(t, "")
	pid := start(t, l, role("torrent"))
	waitExit(t, l, pid)
	waitFor(t, "the last line", func() bool { return strings.Contains(output(), "line 19999 of the torrent\n") })
	tail := l.Tail("actor")
	if len(tail) > ringSize || !bytes.HasPrefix(tail, []byte("line ")) || !bytes.HasSuffix(tail, []byte("line 19999 of the torrent\n")) {
		t.Errorf("ring has %d octets, %.30q … %q; want at most %d of whole lines up to the last",
			len(tail), tail, tail[max(0, len(tail)-30):], ringSize)
	}
}

func TestStartFailures(t *testing.T) {
	l, _ := launch(t, "")
	missing := role("hang")
	missing.Argv = []string{"/nonexistent/appliance", "proxy"}
	dark := role("hang")
	dark.Terminal = "/nonexistent/tty"
	for _, tt := range []struct {
		service Service
		want    string
	}{
		{missing, "start actor: run /nonexistent/appliance: no such file or directory"},
		{dark, "start actor: open its terminal: open /nonexistent/tty: no such file or directory"},
	} {
		if pid, err := l.Start(tt.service); err == nil || err.Error() != tt.want {
			t.Errorf("Start = %d, %v; want %s", pid, err, tt.want)
		}
	}
}

// The real thing: a supervisor over a launcher, and a process killed from outside.
func TestKilledServiceComesBack(t *testing.T) {
	l, output := launch(t, "")
	s := New([]Service{role("hang")}, Options{
		Processes: l,
		Log:       t.Logf,
		Crashed:   func(string, string) {},
		GiveUp:    func(reason string) { t.Error(reason) },
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { s.Run(ctx); close(ended) }()
	defer func() { cancel(); <-ended }()

	status := func() (pid, restarts int, took time.Duration) {
		all, err := s.Status(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return all[0].PID, all[0].Restarts, all[0].LastRestart
	}
	waitFor(t, "the service to speak", func() bool { return strings.Contains(output(), "hanging") })
	first, _, _ := status()
	if first == 0 {
		t.Fatal("the service is not running") // and 0 is the test's own group
	}
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "its restart", func() bool { pid, restarts, _ := status(); return restarts == 1 && pid != 0 && pid != first })
	if _, _, took := status(); took <= 0 || took > 20*time.Second { // how soon: TestRestart, without a busy host
		t.Errorf("restarted after %v; want a moment", took)
	}
	if err := s.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// A service on a terminal owns it: controlling terminal, output, input.
func TestTerminal(t *testing.T) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	l, output := launch(t, "")
	service := role("hang")
	service.Terminal = fmt.Sprintf("/dev/pts/%d", number)
	pid := start(t, l, service)
	text := make([]byte, 100)
	n, err := master.Read(text)
	if err != nil || string(text[:n]) != "hanging\r\n" {
		t.Errorf("terminal shows %q, %v; want hanging", text[:n], err)
	}
	if session, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGSID); err != nil || session != pid {
		t.Errorf("session of the terminal = %d, %v; want %d", session, err, pid)
	}
	if output() != "" {
		t.Errorf("output beside the terminal: %q", output())
	}
	l.Signal(pid, syscall.SIGKILL)
	waitExit(t, l, pid)
}

func TestRing(t *testing.T) {
	var r ring
	if got := r.tail(); len(got) != 0 {
		t.Errorf("tail of an empty ring = %q", got)
	}
	huge := bytes.Repeat([]byte("x"), 3*ringSize)
	if n, err := r.Write(huge); n != len(huge) || err != nil {
		t.Errorf("Write = %d, %v; want %d", n, err, len(huge))
	}
	if got := len(r.tail()); got != ringSize {
		t.Errorf("tail = %d octets; want %d", got, ringSize)
	}
}
