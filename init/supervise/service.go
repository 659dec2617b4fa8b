// Package supervise keeps the processes of the box alive: each with its own
// user, capabilities, control group and output ring, started again when it
// ends, first at once and then ever more slowly.
//
// In: the table of services. Out: running processes, their status, their last
// words. One loop owns all state (Supervisor); one reaper owns wait(2)
// (Launcher), because PID 1 also inherits every orphan of the box.
package supervise

import "syscall"

// Service is one process to keep alive.
type Service struct {
	Name string
	Argv []string // Argv[0] is the path of the binary
	Env  []string // NAME=value; nothing is inherited

	UID, GID     uint32
	Groups       []uint32
	Capabilities []uintptr // ambient: what it holds without being root (unix.CAP_…)

	OOMScoreAdj int   // -1000–1000; the lowest is killed last
	CPUWeight   int   // cgroup cpu.weight, 1–10000
	MemoryMax   int64 // cgroup memory.max in octets; 0 means no limit

	// Terminal is the path of the terminal that becomes standard input,
	// output and error and the controlling terminal of the process. Empty:
	// input is /dev/null and output goes into the service's ring.
	Terminal string
}

// Exit is the end of one process.
type Exit struct {
	PID    int
	Status syscall.WaitStatus
}

// crashed reports whether the process ended of itself in a way that no one
// wants: by a signal or with a status other than 0.
func (e Exit) crashed() bool { return !e.Status.Exited() || e.Status.ExitStatus() != 0 }
