// Package system is what an operator asks of the box as a machine: its image,
// hardware, processes, memory and temperatures, and to restart or switch it
// off, now or at a time.
//
// In: init.health, the kernel's /proc and /sys, the files of the image. Out:
// EXEC commands, and the reload that was asked for a time, which control keeps
// (Reload). Nothing here needs a privilege: the console reads what any user may.
package system

import (
	"os"
	"time"

	"causeway/appliance/exec"
	"causeway/appliance/hardware"
)

// box is the machine that the commands look at.
type box struct{ hardware.Machine }

// ExecCommands declares the commands of this subject.
func ExecCommands() []exec.Command {
	return box{hardware.Machine{Files: os.DirFS("/")}}.commands()
}

func (b box) commands() []exec.Command {
	return append([]exec.Command{
		{Syntax: "show version", Help: "What image this is", Run: b.showVersion},
		{Syntax: "show system", Help: "Services, volumes, memory, slot and watchdog", Run: showSystem},
		{Syntax: "show security", Help: "What keeps the appliance from being changed while it runs", Run: showSecurity},
		{Syntax: "show uptime", Help: "Since when the appliance and its services run", Run: showUptime},
		{Syntax: "show inventory", Help: "Hardware with its identifiers and serial numbers", Run: b.showInventory},
		{Syntax: "show environment", Help: "Temperatures, fans, voltages", Run: b.showEnvironment},
		{Syntax: "show watchdog", Help: "The watchdog and whether it restarted the appliance", Run: b.showWatchdog},
		{Syntax: "show cpu", Help: "What the processors do, in the last second and since boot", Run: b.showCPU},
		{Syntax: "show memory", Help: "Use of memory, of the box and by service", Run: b.showMemory},
		{Syntax: "show processes", Help: "Running processes", Run: b.showProcesses},
		{Syntax: "show processes cpu", Help: "Running processes by processor time", Run: b.showProcessesCPU},
		{Syntax: "show processes memory", Help: "Running processes by memory", Run: b.showProcessesMemory},
	}, powerCommands()...)
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }
