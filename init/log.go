package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// logger writes PID 1's lines to the console and the kernel log, and the
// services' lines to the kernel log alone. A console that is stopped (Ctrl-S)
// loses lines rather than hold PID 1 up.
type logger struct {
	console io.Writer
	queue   chan string
	written chan struct{} // closed when the queue is closed and written out

	mu      sync.Mutex
	kmsg    io.Writer // nil until /dev is there
	closed  bool
	budgets map[string]*budget
}

// kmsgPriority is daemon.debug (RFC 5424 §6.2.1): in the kernel log, but not
// printed to the console, where it would stand twice.
const kmsgPriority = "<31>"

// kmsgLine is the most that the kernel takes as one line, less its prefix.
const kmsgLine = 900

func newLogger(console io.Writer) *logger {
	l := &logger{
		console: console,
		queue:   make(chan string, 256),
		written: make(chan struct{}),
		budgets: map[string]*budget{},
	}
	go func() {
		defer close(l.written)
		for line := range l.queue {
			io.WriteString(l.console, line)
		}
	}()
	return l
}

// Printf says something to whoever watches the console.
func (l *logger) Printf(format string, args ...any) {
	text := strings.TrimRight(fmt.Sprintf(format, args...), "\n")
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(text) {
		line = "init: " + strings.TrimRight(line, "\n")
		l.toKernel(line)
		if l.closed {
			continue
		}
		select {
		case l.queue <- line + "\n":
		default:
		}
	}
}

// Debugf writes to the kernel log only.
func (l *logger) Debugf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.toKernel("init: " + fmt.Sprintf(format, args...))
}

// Service writes a service's line to the kernel log. A service that floods it
// loses lines there; its ring has them.
func (l *logger) Service(name, line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.budgets[name] == nil {
		l.budgets[name] = &budget{}
	}
	lost, fits := l.budgets[name].take(time.Now())
	if lost > 0 {
		l.toKernel(fmt.Sprintf("init: lines of %s missing here: %d", name, lost))
	}
	if fits {
		l.toKernel(name + ": " + line)
	}
}

// toKernel writes one line with l.mu held.
func (l *logger) toKernel(line string) {
	if l.kmsg != nil {
		io.WriteString(l.kmsg, kmsgPriority+line[:min(len(line), kmsgLine)]+"\n")
	}
}

// useKernelLog also writes to kmsg from now on.
func (l *logger) useKernelLog(kmsg io.Writer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kmsg = kmsg
}

// Flush writes the queue out, waiting no longer than limit, and ends the
// console; the kernel log goes on.
func (l *logger) Flush(limit time.Duration) {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		close(l.queue)
	}
	l.mu.Unlock()
	select {
	case <-l.written:
	case <-time.After(limit):
	}
}

// budget allows so many lines a second.
type budget struct {
	second time.Time
	used   int
}

const linesPerSecond = 100

// take says whether one more fits, and how many did not before this second.
func (b *budget) take(now time.Time) (lost int, fits bool) {
	if second := now.Truncate(time.Second); !second.Equal(b.second) {
		lost = max(0, b.used-linesPerSecond)
		b.second, b.used = second, 0
	}
	b.used++
	return lost, b.used <= linesPerSecond
}
