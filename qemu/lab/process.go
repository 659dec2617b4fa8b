package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"sync"
	"syscall"
	"time"
)

// Process is a program that runs in a lab until it is stopped. It ends with
// this process, too.
type Process struct {
	name    string
	command *exec.Cmd
	output  *lockedBuffer
	exited  chan struct{}
	status  error // set before exited is closed
}

// Run starts the command inside.
func (n *Namespace) Run(name string, command *exec.Cmd) (*Process, error) {
	return n.run(name, command, &lockedBuffer{})
}

// run has it print to output.
func (n *Namespace) run(name string, command *exec.Cmd, output *lockedBuffer) (*Process, error) {
	p := &Process{name: name, command: command, output: output, exited: make(chan struct{})}
	command.Stdout, command.Stderr = p.output, p.output
	if command.SysProcAttr == nil {
		command.SysProcAttr = &syscall.SysProcAttr{}
	}
	command.SysProcAttr.Pdeathsig = syscall.SIGKILL
	if err := n.Start(command); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		p.status = command.Wait()
		close(p.exited)
	}()
	return p, nil
}

// PID is that of the program.
func (p *Process) PID() int { return p.command.Process.Pid }

// Output is what it has printed so far.
func (p *Process) Output() string { return p.output.String() }

// Kill ends it at once (SIGKILL) and returns when it is gone.
func (p *Process) Kill() {
	p.command.Process.Kill()
	<-p.exited
}

// Stop ends it (SIGTERM). It fails when the program had ended before.
func (p *Process) Stop() error {
	select {
	case <-p.exited:
		return fmt.Errorf("%s ended by itself: %w: %s", p.name, errors.Join(p.status), p.Output())
	default:
	}
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("end %s: %w", p.name, err)
	}
	<-p.exited
	return nil
}

// Await waits until what it has printed matches the pattern (package regexp;
// ^ and $ match at lines). It fails when the program ends first.
func (p *Process) Await(ctx context.Context, pattern string) ([]string, error) {
	expression, err := regexp.Compile("(?m:" + pattern + ")")
	if err != nil {
		return nil, fmt.Errorf("await a line of %s: %w", p.name, err)
	}
	for {
		ended := false
		select {
		case <-p.exited: // and all that it printed is there
			ended = true
		default:
		}
		if match := expression.FindStringSubmatch(p.Output()); match != nil {
			return match, nil
		}
		if ended {
			return nil, fmt.Errorf("%s ended before it printed %q: %w: %s", p.name, pattern, errors.Join(p.status), p.Output())
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%s has not printed %q: %w: %s", p.name, pattern, context.Cause(ctx), p.Output())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// lockedBuffer is a buffer that two goroutines may use.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(data []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(data)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}
