package system

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// tick is the unit of processor time in /proc (USER_HZ of proc(5)).
const tick = time.Second / 100

// process is a running program as /proc shows it to anyone.
type process struct {
	pid     int
	name    string // of the program, at most 15 characters
	state   string // "sleeping"
	threads int
	files   int // open ones; 0 where the kernel does not tell (before Linux 6.2)

	user, system time.Duration // processor time since it started

	residentKB, peakKB, virtualKB uint64
}

func (p *process) cpu() time.Duration { return p.user + p.system }

// processes lists the running programs by number, without the kernel's own
// threads. One that ends meanwhile is left out.
func (b box) processes() ([]process, error) {
	entries, err := fs.ReadDir(b.files, "proc")
	if err != nil {
		return nil, fmt.Errorf("list the processes: %w", err)
	}
	var all []process
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue // not a process
		}
		p, err := b.process(pid)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ESRCH): // it has ended
		case err != nil:
			return nil, fmt.Errorf("read process %d: %w", pid, err)
		case p.virtualKB > 0: // else it has no memory of its own
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b process) int { return a.pid - b.pid })
	return all, nil
}

func (b box) process(pid int) (process, error) {
	p := process{pid: pid}
	dir := "proc/" + strconv.Itoa(pid)
	status, err := fs.ReadFile(b.files, dir+"/status")
	if err != nil {
		return p, err
	}
	p.readStatus(string(status))
	stat, err := fs.ReadFile(b.files, dir+"/stat")
	if err != nil {
		return p, err
	}
	if p.user, p.system, err = processorTime(string(stat)); err != nil {
		return p, err
	}
	if info, err := fs.Stat(b.files, dir+"/fd"); err == nil {
		p.files = int(info.Size())
	}
	return p, nil
}

// readStatus takes what it knows from /proc/PID/status.
func (p *process) readStatus(text string) {
	values := fields(text)
	p.name = values["Name"]
	if _, state, ok := strings.Cut(values["State"], "("); ok {
		p.state = strings.TrimSuffix(state, ")")
	}
	p.threads = int(number(values["Threads"]))
	p.residentKB = number(values["VmRSS"])
	p.peakKB = number(values["VmHWM"])
	p.virtualKB = number(values["VmSize"])
}

// processorTime reads the times in /proc/PID/stat. The name, in parentheses,
// may hold anything.
func processorTime(stat string) (user, system time.Duration, err error) {
	const userField, systemField = 14 - 3, 15 - 3 // numbered from the state, which is field 3 of proc(5)
	columns := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(columns) <= systemField {
		return 0, 0, fmt.Errorf("stat has no processor time: %q", stat)
	}
	return ticks(columns[userField]), ticks(columns[systemField]), nil
}

// ticks reads a processor time in ticks.
func ticks(word string) time.Duration { return time.Duration(number(word)) * tick }

// fields reads lines such as "MemTotal:  250000 kB" of /proc.
func fields(text string) map[string]string {
	values := make(map[string]string)
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(line, ":"); ok {
			values[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	return values
}

// number reads the number at the beginning of a value of the kernel's, which
// may have a unit after it; 0 if there is none or it is beyond an int64.
func number(value string) uint64 {
	word, _, _ := strings.Cut(strings.TrimSpace(value), " ")
	n, err := strconv.ParseInt(word, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return uint64(n)
}

// line reads a file of one line, empty where there is none.
func (b box) line(name string) string {
	text, err := fs.ReadFile(b.files, name)
	if err != nil {
		return ""
	}
	return strings.TrimRight(string(text), "\n\x00 ")
}

// matches gives the files that fit the pattern, those of a shorter name first,
// so that cpu10 comes after cpu9.
func (b box) matches(pattern string) []string {
	names, err := fs.Glob(b.files, pattern)
	if err != nil {
		panic("system: " + err.Error()) // a pattern is a constant
	}
	slices.SortStableFunc(names, func(a, b string) int { return len(a) - len(b) })
	return names
}
