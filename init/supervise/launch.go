package supervise

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Launcher starts processes and reaps them, and every orphan besides. There
// may be only one in a process, and nothing beside it may wait for children:
// os/exec would race it for their status.
type Launcher struct {
	// Cgroups is where cgroup v2 is mounted; empty: no control groups.
	Cgroups string
	// Output is given each line a service prints, without its newline; lines
	// beyond lineSize come in pieces. It is called from several goroutines.
	Output func(service, line string)
	// Log says what went wrong but did not hinder a start.
	Log func(format string, args ...any)

	exits chan Exit

	mu       sync.Mutex // held from fork until the child is known, and while reaping
	children map[int]child
	rings    map[string]*ring
}

// child is a process that Start started.
type child struct {
	service string
	output  chan struct{} // closed when all that it printed was read; nil on a terminal
}

// lastWords is how long an exit waits for the last output of the process.
const lastWords = 500 * time.Millisecond

// lineSize bounds a line of output, in octets.
const lineSize = 900

// NewLauncher makes a launcher. Reap must run for exits to be seen.
func NewLauncher(cgroups string, output func(service, line string), log func(string, ...any)) *Launcher {
	return &Launcher{
		Cgroups:  cgroups,
		Output:   output,
		Log:      log,
		exits:    make(chan Exit, 16),
		children: map[int]child{},
		rings:    map[string]*ring{},
	}
}

// Exits gives the ends of the processes that Start started.
func (l *Launcher) Exits() <-chan Exit { return l.exits }

// Tail gives the last output of a service, over all its lives.
func (l *Launcher) Tail(service string) []byte { return l.ring(service).tail() }

// MemoryKB gives the memory a service uses; 0 if it cannot be known.
func (l *Launcher) MemoryKB(service string) uint64 { return memoryKB(l.Cgroups, service) }

func (l *Launcher) ring(service string) *ring {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rings[service] == nil {
		l.rings[service] = &ring{}
	}
	return l.rings[service]
}

// Start starts the service's process in a session of its own and gives its
// process id, which is also that of its process group.
func (l *Launcher) Start(service Service) (pid int, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("start %s: %w", service.Name, err)
		}
	}()
	attr := &syscall.ProcAttr{
		Dir: "/",
		Env: service.Env,
		Sys: &syscall.SysProcAttr{
			Setsid:      true,
			Setctty:     service.Terminal != "",
			Credential:  &syscall.Credential{Uid: service.UID, Gid: service.GID, Groups: service.Groups},
			AmbientCaps: service.Capabilities,
		},
	}
	if l.Cgroups != "" {
		path, err := makeCgroup(l.Cgroups, service)
		if err != nil {
			l.Log("%v", err)
		}
		if group, err := os.Open(path); err == nil {
			defer group.Close()
			attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, int(group.Fd())
		}
	}
	stdio, output, err := openStdio(service)
	if err != nil {
		return 0, err
	}
	defer stdio.Close()
	attr.Files = stdio.fds

	started := child{service: service.Name}
	if output != nil {
		started.output = make(chan struct{})
	}
	l.mu.Lock()
	pid, err = syscall.ForkExec(service.Argv[0], service.Argv, attr)
	if err == nil {
		l.children[pid] = started
	}
	l.mu.Unlock()
	if err != nil {
		if output != nil {
			output.Close()
		}
		return 0, fmt.Errorf("run %s: %w", service.Argv[0], err)
	}
	if output != nil {
		go func() {
			defer close(started.output)
			l.collect(service.Name, output)
		}()
	}
	score := filepath.Join("/proc", strconv.Itoa(pid), "oom_score_adj")
	if err := os.WriteFile(score, []byte(strconv.Itoa(service.OOMScoreAdj)), 0); err != nil && !errors.Is(err, os.ErrNotExist) {
		l.Log("set the OOM score of %s: %v", service.Name, err)
	}
	return pid, nil
}

// stdio is what a child is born with; the parent closes its own side at once.
type stdio struct {
	files []*os.File
	fds   []uintptr
}

func (s *stdio) Close() {
	for _, file := range s.files {
		file.Close()
	}
}

// openStdio opens the three standard files of a service. output is the end to
// read from, nil for a service on a terminal.
func openStdio(service Service) (s *stdio, output *os.File, err error) {
	if service.Terminal != "" {
		terminal, err := os.OpenFile(service.Terminal, os.O_RDWR|unix.O_NOCTTY, 0)
		if err != nil {
			return nil, nil, fmt.Errorf("open its terminal: %w", err)
		}
		fd := terminal.Fd()
		return &stdio{[]*os.File{terminal}, []uintptr{fd, fd, fd}}, nil, nil
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, nil, err
	}
	output, write, err := os.Pipe()
	if err != nil {
		null.Close()
		return nil, nil, fmt.Errorf("make a pipe for its output: %w", err)
	}
	return &stdio{[]*os.File{null, write}, []uintptr{null.Fd(), write.Fd(), write.Fd()}}, output, nil
}

// collect reads what a service prints until all who could print have ended.
func (l *Launcher) collect(service string, output io.ReadCloser) {
	defer output.Close()
	last := l.ring(service)
	lines := bufio.NewReaderSize(io.TeeReader(output, last), lineSize)
	for {
		line, _, err := lines.ReadLine()
		if err != nil {
			return
		}
		l.Output(service, string(line))
	}
}

// Signal sends a signal to the whole group of a process that Start started.
func (l *Launcher) Signal(pid int, signal syscall.Signal) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ours := l.children[pid]; !ours {
		return nil // reaped meanwhile: the number may already be another's
	}
	if err := syscall.Kill(-pid, signal); err != nil {
		return fmt.Errorf("send %v to process group %d: %w", signal, pid, err)
	}
	return nil
}

// Reap collects ended children, ours and inherited ones, until ctx ends. When
// an exit is given out, Tail has what the process said last.
func (l *Launcher) Reap(ctx context.Context) {
	died := make(chan os.Signal, 1) // signals coalesce, so each one means: reap all there are
	signal.Notify(died, syscall.SIGCHLD)
	defer signal.Stop(died)
	for {
		for _, ended := range l.reap() {
			if ended.output != nil {
				select {
				case <-ended.output:
				case <-time.After(lastWords): // somebody else still holds the pipe
				}
			}
			select {
			case l.exits <- ended.Exit:
			case <-ctx.Done():
				return
			}
		}
		select {
		case <-died:
		case <-ctx.Done():
			return
		}
	}
}

// ended is the exit of a child.
type ended struct {
	Exit
	child
}

// reap collects all children that have ended and gives those that Start
// started. What is left of their groups dies with them.
func (l *Launcher) reap() []ended {
	l.mu.Lock()
	defer l.mu.Unlock()
	var exits []ended
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return exits
		}
		child, ours := l.children[pid]
		if !ours {
			continue
		}
		delete(l.children, pid)
		syscall.Kill(-pid, syscall.SIGKILL) // ESRCH: it was alone
		if l.Cgroups != "" {
			// Reaches even those that made a session of their own.
			os.WriteFile(filepath.Join(l.Cgroups, child.service, "cgroup.kill"), []byte("1"), 0)
		}
		exits = append(exits, ended{Exit{PID: pid, Status: status}, child})
	}
}
