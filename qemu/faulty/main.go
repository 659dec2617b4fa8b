// Command faulty is a first process that starts the real one, /init, and does it
// harm: it makes of a good image one whose init hangs, whose kernel panics or
// whose proxy crashes. Package edition puts it into images beside all that a good
// one has.
//
// Its one argument is the fault, see faults. What it does it says in the kernel's
// log, and so on the console.
package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// fault is something bad that happens when its time has come.
type fault struct {
	name  string
	begun func() bool // its time has come
	harm  func() error
	again bool // and it happens again and again
}

var faults = []fault{
	{name: "hang-early", begun: watchdogArmed, harm: freezeInit},
	{name: "hang", begun: proxyRuns, harm: freezeInit},
	{name: "hang-stopping", begun: after(proxyRuns, proxyGone), harm: freezeInit},
	{name: "panic", begun: proxyRuns, harm: crashKernel},
	{name: "crash", begun: proxyRuns, harm: killProxy, again: true},
}

// pace is how often it looks.
const pace = 10 * time.Millisecond

// child is what the process is told that does the harm.
const child = "harm"

func main() {
	if len(os.Args) == 3 && os.Args[1] == child {
		harm(os.Args[2])
		return
	}
	if os.Getpid() != 1 || len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "faulty: want to be process 1, and a fault")
		os.Exit(1)
	}
	command := exec.Command(os.Args[0], child, os.Args[1])
	if err := command.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "faulty:", err)
	}
	// The process that is to be harmed is the real one, from its first line on.
	fmt.Fprintln(os.Stderr, "faulty:", unix.Exec("/init", []string{"/init"}, os.Environ()))
}

// harm waits for a fault's time and does it.
func harm(name string) {
	at := slices.IndexFunc(faults, func(f fault) bool { return f.name == name })
	if at < 0 {
		say("there is no fault %q", name)
		return
	}
	for {
		for !faults[at].begun() {
			time.Sleep(pace)
		}
		if err := faults[at].harm(); err != nil {
			say("%s: %v", name, err)
		} else if !faults[at].again {
			say("%s: done", name)
		}
		if !faults[at].again {
			return
		}
	}
}

// say writes to the kernel's log, as an error, which consoles show.
func say(format string, args ...any) {
	file, err := os.OpenFile("/dev/kmsg", os.O_WRONLY, 0)
	if err != nil {
		return
	}
	defer file.Close()
	fmt.Fprintf(file, "<3>faulty: "+format+"\n", args...)
}

// after gives what is begun when first was, and then was.
func after(first, then func() bool) func() bool {
	met := false
	return func() bool {
		met = met || first()
		return met && then()
	}
}

func watchdogArmed() bool {
	state, err := os.ReadFile("/sys/class/watchdog/watchdog0/state")
	return err == nil && strings.TrimSpace(string(state)) == "active"
}

func proxyRuns() bool { return proxy() != 0 }

func proxyGone() bool { return proxy() == 0 }

// proxy gives the process of the proxy; 0 if there is none.
func proxy() int {
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return 0
	}
	for _, line := range lines {
		if text, err := os.ReadFile(line); err == nil && isProxy(text) {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(line)))
			if err == nil {
				return pid
			}
		}
	}
	return 0
}

// isProxy says whether a command line, as /proc has it, is that of the proxy; what
// else init tells it does not matter.
func isProxy(line []byte) bool { return bytes.HasPrefix(line, []byte("/bin/appliance\x00proxy\x00")) }

// freezeInit stops all threads of the first process where they are. The kernel and
// all other processes go on.
func freezeInit() error {
	const group = "/sys/fs/cgroup/faulty"
	if err := os.MkdirAll(group, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(group+"/cgroup.procs", []byte("1"), 0); err != nil {
		return err
	}
	return os.WriteFile(group+"/cgroup.freeze", []byte("1"), 0)
}

func crashKernel() error { return os.WriteFile("/proc/sysrq-trigger", []byte("c"), 0) }

func killProxy() error { return unix.Kill(proxy(), unix.SIGKILL) }
