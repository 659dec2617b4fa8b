package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"causeway/appliance/model"
	"causeway/init/supervise"
)

// appliance is the binary of all services.
const appliance = "/bin/appliance"

// The services, in the order they start: calls first.
const (
	proxy   = "proxy"
	billing = "billing"
	control = "control"
	console = "console"
)

// usesVolumes are those that may have files open on bootflash: or harddisk:.
var usesVolumes = []string{proxy, billing, control}

// service is a row of the table in docs/architecture.md.
type service struct {
	name          string
	uid           uint32
	groups        []uint32
	capabilities  []uintptr
	oomScoreAdj   int
	cpuWeight     int
	memoryPercent int // of the machine's memory
}

var services = []service{
	{proxy, model.UIDProxy, []uint32{model.GIDJournal, model.GIDProxyTLS}, []uintptr{unix.CAP_NET_BIND_SERVICE}, -900, 1000, 60},
	{billing, model.UIDBilling, []uint32{model.GIDJournal, model.GIDKeys}, []uintptr{unix.CAP_NET_BIND_SERVICE}, -700, 200, 20},
	{control, model.UIDControl, nil,
		[]uintptr{unix.CAP_NET_ADMIN, unix.CAP_NET_BIND_SERVICE, unix.CAP_NET_RAW, unix.CAP_SYS_TIME}, -500, 100, 30},
	{console, model.UIDConsole, nil, nil, -300, 100, 10},
}

// supervised makes the process of a service, on a machine with so much memory
// and that terminal for its console.
func (s service) supervised(memory uint64, terminal string) supervise.Service {
	limit := int64(memory) / 100 * int64(s.memoryPercent)
	process := supervise.Service{
		Name: s.name,
		Argv: []string{appliance, s.name, "-confine", "/"},
		Env: []string{
			"PATH=/bbin:/bin",
			"HOME=/",
			// Go collects garbage harder before the kernel takes the process.
			fmt.Sprintf("GOMEMLIMIT=%d", limit/10*9),
		},
		UID:          s.uid,
		GID:          model.GIDCauseway,
		Groups:       s.groups,
		Capabilities: s.capabilities,
		OOMScoreAdj:  s.oomScoreAdj,
		CPUWeight:    s.cpuWeight,
		MemoryMax:    limit,
	}
	if s.name == console {
		process.Terminal = terminal
		process.Env = append(process.Env, "TERM=vt100")
	}
	return process
}

// terminal gives the path of the terminal behind /dev/console, the last one
// of the kernel's list; empty if there is none.
func (m *machine) terminal() string {
	text, err := os.ReadFile(m.path("sys/class/tty/console/active"))
	names := strings.Fields(string(text))
	if err != nil || len(names) == 0 {
		return ""
	}
	return m.path("dev", names[len(names)-1])
}

// memory is what /proc/meminfo says, in octets.
type memory struct{ total, available uint64 }

// readMemory reads it; zeros if it cannot be read.
func (m *machine) readMemory() memory {
	var found memory
	file, err := os.Open(m.path("proc/meminfo"))
	if err != nil {
		return found
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text()) // "MemTotal:  262144 kB"
		if len(fields) < 2 {
			continue
		}
		kilo, err := strconv.ParseUint(fields[1], 10, 54)
		if err != nil {
			continue
		}
		switch fields[0] {
		case "MemTotal:":
			found.total = kilo << 10
		case "MemAvailable:":
			found.available = kilo << 10
		}
	}
	return found
}
