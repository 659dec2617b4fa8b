package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Used is what a group of processes has used so far.
type Used struct {
	CPU      time.Duration // user and system time of the living
	MemoryKB int           // resident, pages shared within the group once
}

// tick is the unit of times in /proc (USER_HZ, 100 on every Linux board).
const tick = 10 * time.Millisecond

// Usage adds up a process and the group it leads, if it leads one.
func Usage(leader int) (Used, error) {
	var total Used
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return Used{}, err
	}
	members := 0
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended since the folder was read
		}
		s, err := parseStat(string(text))
		if err != nil {
			return Used{}, fmt.Errorf("%s: %w", path, err)
		}
		if s.group != leader && s.pid != leader {
			continue
		}
		memory, err := proportionalKB(filepath.Dir(path))
		if err != nil {
			return Used{}, err
		}
		members++
		total.CPU += s.cpu
		total.MemoryKB += memory
	}
	if members == 0 {
		return Used{}, fmt.Errorf("process %d is gone", leader)
	}
	return total, nil
}

// stat is the part of /proc/PID/stat that is added up.
type stat struct {
	pid, group int
	cpu        time.Duration
}

// parseStat reads /proc/PID/stat (proc(5)): fields 1, 5, 14 and 15. The name,
// field 2, is in parentheses and may hold anything.
func parseStat(text string) (stat, error) {
	open, end := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return stat{}, errors.New("no process name")
	}
	fields := strings.Fields(text[end+1:])
	if len(fields) < 13 {
		return stat{}, fmt.Errorf("%d fields after the name; want at least 13", len(fields))
	}
	var numbers [4]int
	for i, field := range []string{strings.TrimSpace(text[:open]), fields[2], fields[11], fields[12]} {
		n, err := strconv.Atoi(field)
		if err != nil {
			return stat{}, err
		}
		numbers[i] = n
	}
	return stat{pid: numbers[0], group: numbers[1], cpu: time.Duration(numbers[2]+numbers[3]) * tick}, nil
}

// proportionalKB is a process's share of the memory it has resident: a page
// that two processes share counts half for each (Pss of smaps_rollup).
func proportionalKB(proc string) (int, error) {
	text, err := os.ReadFile(filepath.Join(proc, "smaps_rollup"))
	if err != nil {
		return 0, fmt.Errorf("measure memory: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "Pss:"); ok {
			return strconv.Atoi(strings.Fields(value)[0])
		}
	}
	return 0, fmt.Errorf("measure memory: %s/smaps_rollup has no Pss", proc)
}
