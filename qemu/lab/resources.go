package lab

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Resources is what a proxy holds.
type Resources struct {
	HeapKB       int // reachable, after a garbage collection
	Goroutines   int
	Transactions int
	OpenCalls    int
	MemoryKB     int // resident
	Files        int // open descriptors
	Threads      int
}

// resourceFields are the names of what is held, and how much more of it than at
// the beginning is no leak: what the runtime keeps for later.
var resourceFields = []struct {
	name  string
	value func(Resources) int
	slack int
}{
	{"heap_kb", func(r Resources) int { return r.HeapKB }, 3 << 10},
	{"goroutines", func(r Resources) int { return r.Goroutines }, 2},
	{"transactions", func(r Resources) int { return r.Transactions }, 0},
	{"open_calls", func(r Resources) int { return r.OpenCalls }, 0},
	{"fds", func(r Resources) int { return r.Files }, 2},
	{"threads", func(r Resources) int { return r.Threads }, 4},
	{"rss_kb", func(r Resources) int { return r.MemoryKB }, 16 << 10},
}

// Since tells what is held now beside what was held before, one key=value a
// line, and names what has grown.
func (r Resources) Since(before Resources) (text string, grown []string) {
	var lines strings.Builder
	for _, f := range resourceFields {
		was, is := f.value(before), f.value(r)
		fmt.Fprintf(&lines, "%s_before=%d\n%s_after=%d\n", f.name, was, f.name, is)
		if is > was+f.slack {
			grown = append(grown, f.name)
		}
	}
	fmt.Fprintf(&lines, "grown=%s\n", strings.Join(grown, ","))
	return lines.String(), grown
}

// Resources asks the proxy and the kernel what it holds.
func (p *Proxy) Resources(ctx context.Context) (r Resources, err error) {
	var own struct {
		HeapOctets int `json:"heap_octets"`
		Goroutines int `json:"goroutines"`
	}
	if err := p.Call(ctx, "proxy.runtime", nil, &own); err != nil {
		return r, err
	}
	status, err := p.Status(ctx)
	if err != nil {
		return r, err
	}
	r = Resources{HeapKB: own.HeapOctets >> 10, Goroutines: own.Goroutines, Transactions: status.Transactions, OpenCalls: status.OpenCalls}
	return r, r.ofProcess(p.PID())
}

// ofProcess reads what the kernel knows.
func (r *Resources) ofProcess(pid int) error {
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return fmt.Errorf("look at process %d: %w", pid, err)
	}
	r.Files = len(files)
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return fmt.Errorf("look at process %d: %w", pid, err)
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		for field, into := range map[string]*int{"VmRSS": &r.MemoryKB, "Threads": &r.Threads} {
			if name != field {
				continue
			}
			if *into, err = strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB")); err != nil {
				return fmt.Errorf("look at process %d: %s: %w", pid, name, err)
			}
		}
	}
	return nil
}

// MemoryKB is what the proxy has resident now.
func (p *Proxy) MemoryKB() (int, error) {
	var r Resources
	err := r.ofProcess(p.PID())
	return r.MemoryKB, err
}
