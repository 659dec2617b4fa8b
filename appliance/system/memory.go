package system

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"text/tabwriter"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/hardware"
)

// memoryLines are the lines of show memory and what they are called in
// /proc/meminfo (proc(5)).
var memoryLines = []struct{ name, kernel string }{
	{"Memory total (kB)", "MemTotal"},
	{"Memory available (kB)", "MemAvailable"},
	{"Memory free (kB)", "MemFree"},
	{"Cached files (kB)", "Cached"},
	{"Of these in memory only (kB)", "Shmem"},
	{"Kernel objects (kB)", "Slab"},
	{"Waiting to be written (kB)", "Dirty"},
}

func (b box) showMemory(_ context.Context, s exec.Session, _ config.Args) error {
	text, err := fs.ReadFile(b.Files, "proc/meminfo")
	if err != nil {
		return fmt.Errorf("read the use of memory: %w", err)
	}
	values := hardware.Fields(string(text))
	for _, line := range memoryLines {
		if value, known := values[line.kernel]; known {
			exec.Field(s, line.name, hardware.Number(value))
		}
	}
	table := tabwriter.NewWriter(s, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "Service\tUsed (kB)\tPeak (kB)\tLimit (kB)\tUsed of limit (%)\tKilled for memory")
	for _, current := range b.Matches("sys/fs/cgroup/*/memory.current") { // a group is a service
		group := path.Dir(current)
		used, limit := kilobytes(b.Line(current)), kilobytes(b.Line(group+"/memory.max"))
		share := "-"
		if limit > 0 {
			share = strconv.FormatUint(100*used/limit, 10)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", path.Base(group), dash(used),
			dash(kilobytes(b.Line(group+"/memory.peak"))), dash(limit), share, kills(b.Line(group+"/memory.events")))
	}
	return table.Flush()
}

// kilobytes reads an amount of memory in octets; "max" is none.
func kilobytes(text string) uint64 { return hardware.Number(text) >> 10 }

// dash prints an amount, or a dash for one that is not known.
func dash(amount uint64) string {
	if amount == 0 {
		return "-"
	}
	return strconv.FormatUint(amount, 10)
}

// kills finds in a control group's memory.events how many of its processes
// were killed because memory ran out.
func kills(events string) string {
	for line := range strings.Lines(events) {
		if n, ok := strings.CutPrefix(line, "oom_kill "); ok {
			return strings.TrimSpace(n)
		}
	}
	return "-"
}
