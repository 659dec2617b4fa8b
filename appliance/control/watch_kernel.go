package control

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"causeway/appliance/model"
)

// kernelFiles are the directories in which the kernel tells how the box is.
// What cannot be read is zero, and nothing follows from it.
type kernelFiles struct {
	proc   string // "/proc"
	cgroup string // "/sys/fs/cgroup"
}

// cpuTime is how long the processors worked and how long there were any, in
// ticks since boot.
type cpuTime struct{ busy, total uint64 }

// cpu reads the first line of /proc/stat (proc(5)): "cpu" and the ticks spent
// as user, nice, system, idle, iowait, irq, softirq and steal.
func (k kernelFiles) cpu() cpuTime {
	text, _ := os.ReadFile(filepath.Join(k.proc, "stat"))
	line, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return cpuTime{}
	}
	var t cpuTime
	for i, field := range fields[1:9] {
		ticks, err := strconv.ParseUint(field, 10, 64)
		if err != nil {
			return cpuTime{}
		}
		t.total += ticks
		if i != 3 && i != 4 { // idle, iowait
			t.busy += ticks
		}
	}
	return t
}

// serviceTicks reads how long the processors worked for a service since its
// control group was made, in ticks as cpu has them: the group's cpu.stat has
// microseconds.
func (k kernelFiles) serviceTicks(service string) uint64 {
	const tick = 10_000 // of 100 a second (USER_HZ), which the kernel never changes
	return readFields(filepath.Join(k.cgroup, service, "cpu.stat"), "usage_usec") / tick
}

// serviceMemory is what a service uses of the memory that it may take, in octets.
type serviceMemory struct{ used, limit uint64 }

// memory reads the control groups of the services. File contents that the
// kernel keeps for a group count against its limit too, but are given up
// before anything is refused: they are not what the service uses.
func (k kernelFiles) memory(services []model.ServiceStatus) map[string]serviceMemory {
	found := map[string]serviceMemory{}
	for _, s := range services {
		group := filepath.Join(k.cgroup, s.Name)
		limit, err := readNumber(filepath.Join(group, "memory.max"))
		if err != nil || limit == 0 {
			continue // "max": there is none
		}
		current, err := readNumber(filepath.Join(group, "memory.current"))
		if err != nil {
			continue
		}
		given := readFields(filepath.Join(group, "memory.stat"), "active_file", "inactive_file", "slab_reclaimable")
		found[s.Name] = serviceMemory{current - min(current, given), limit}
	}
	return found
}

func readNumber(path string) (uint64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
}

// readFields adds up the values of some names in a file of "name value" lines.
func readFields(path string, names ...string) (sum uint64) {
	text, _ := os.ReadFile(path)
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		for _, wanted := range names {
			if n, err := strconv.ParseUint(value, 10, 64); err == nil && name == wanted {
				sum += n
			}
		}
	}
	return sum
}

// crashFiles gives the names of the crash files, oldest first. No directory has
// none.
func crashFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), ".txt") {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}
