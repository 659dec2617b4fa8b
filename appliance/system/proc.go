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

	"causeway/appliance/hardware"
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
	entries, err := fs.ReadDir(b.Files, "proc")
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
	status, err := fs.ReadFile(b.Files, dir+"/status")
	if err != nil {
		return p, err
	}
	p.readStatus(string(status))
	stat, err := fs.ReadFile(b.Files, dir+"/stat")
	if err != nil {
		return p, err
	}
	if p.user, p.system, err = processorTime(string(stat)); err != nil {
		return p, err
	}
	if info, err := fs.Stat(b.Files, dir+"/fd"); err == nil {
		p.files = int(info.Size())
	}
	return p, nil
}

// readStatus takes what it knows from /proc/PID/status.
func (p *process) readStatus(text string) {
	values := hardware.Fields(text)
	p.name = values["Name"]
	if _, state, ok := strings.Cut(values["State"], "("); ok {
		p.state = strings.TrimSuffix(state, ")")
	}
	p.threads = int(hardware.Number(values["Threads"]))
	p.residentKB = hardware.Number(values["VmRSS"])
	p.peakKB = hardware.Number(values["VmHWM"])
	p.virtualKB = hardware.Number(values["VmSize"])
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
func ticks(word string) time.Duration { return time.Duration(hardware.Number(word)) * tick }
