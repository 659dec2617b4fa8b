package supervise

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// EnableControllers lets the groups below dir, the root of cgroup v2, weigh
// processor time and limit memory.
func EnableControllers(dir string) error {
	path := filepath.Join(dir, "cgroup.subtree_control")
	if err := os.WriteFile(path, []byte("+cpu +memory"), 0); err != nil {
		return fmt.Errorf("enable the cpu and memory controllers: %w", err)
	}
	return nil
}

// makeCgroup makes the service's group below dir, or sets it right if it is
// there. A limit that the kernel refuses is reported, but the group serves.
func makeCgroup(dir string, service Service) (string, error) {
	group := filepath.Join(dir, service.Name)
	if err := os.MkdirAll(group, 0o755); err != nil {
		return "", fmt.Errorf("make control group %s: %w", group, err)
	}
	memory := "max"
	if service.MemoryMax > 0 {
		memory = strconv.FormatInt(service.MemoryMax, 10)
	}
	var errs []error
	for _, limit := range []struct{ file, value string }{
		{"cpu.weight", strconv.Itoa(service.CPUWeight)},
		{"memory.max", memory},
		{"memory.oom.group", "1"},
	} {
		if err := os.WriteFile(filepath.Join(group, limit.file), []byte(limit.value), 0); err != nil {
			errs = append(errs, fmt.Errorf("set %s of control group %s to %s: %w", limit.file, service.Name, limit.value, err))
		}
	}
	return group, errors.Join(errs...)
}

// memoryKB reads how much memory a group uses; 0 if it cannot be known.
func memoryKB(dir, name string) uint64 {
	text, err := os.ReadFile(filepath.Join(dir, name, "memory.current"))
	if err != nil {
		return 0
	}
	octets, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return 0
	}
	return octets >> 10
}
