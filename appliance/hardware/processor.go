package hardware

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"strings"
)

// Processor is what the processors are; all of them are taken to be alike.
type Processor struct {
	Count int
	Model string // by the name on x86, by the numbers of its maker and part on ARM
	Speed int    // MHz; 0: nobody tells
}

// Processor tells what the processors are.
func (m Machine) Processor() (p Processor) {
	text := m.Line("proc/cpuinfo")
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "processor") {
			p.Count++
		}
	}
	first, _, _ := strings.Cut(text, "\n\n")
	values := Fields(first)
	if p.Model = values["model name"]; p.Model == "" && values["CPU part"] != "" {
		p.Model = fmt.Sprintf("ARM implementer %s part %s", values["CPU implementer"], values["CPU part"])
	}
	p.Speed = m.speed(values["cpu MHz"])
	return p
}

// speed is the highest one in MHz: of the driver that sets it, of the device
// tree, or else the one at present.
func (m Machine) speed(present string) int {
	if most := Number(m.Line("sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq")); most > 0 { // in kHz
		return int(most / 1000)
	}
	for _, name := range m.Matches(tree + "cpus/cpu@*/clock-frequency") { // octets in Hz, as the device tree has numbers
		if octets, err := fs.ReadFile(m.Files, name); err == nil && len(octets) == 4 {
			return int(binary.BigEndian.Uint32(octets) / 1e6)
		}
	}
	if now, err := strconv.ParseFloat(present, 64); err == nil && now > 0 && now < 1e6 {
		return int(math.Round(now))
	}
	return 0
}

// Usage is what a processor, or all of them, spent its time with, in ticks, by
// the columns of /proc/stat (proc(5)).
type Usage [8]uint64

// The columns of Usage.
const (
	InUser = iota
	InNice
	InSystem
	InIdle
	InDiskWait
	InInterrupts
	InSoftInterrupts
	InStolen
)

// Since is the usage after an earlier one. Columns that went back, as that of
// waiting may (proc(5)), count as not used.
func (u Usage) Since(earlier Usage) Usage {
	for i := range u {
		u[i] -= min(earlier[i], u[i])
	}
	return u
}

// Share is how much of the time the columns are, in percent.
func (u Usage) Share(columns ...int) float64 {
	var all, part uint64
	for _, n := range u {
		all += n
	}
	for _, column := range columns {
		part += u[column]
	}
	if all == 0 {
		return 0
	}
	return 100 * float64(part) / float64(all)
}

// ProcessorUsage is what all processors and each one did since boot.
type ProcessorUsage struct {
	All  Usage
	Each []Usage
}

// ProcessorUsage reads what the processors did.
func (m Machine) ProcessorUsage() (ProcessorUsage, error) {
	var total ProcessorUsage
	text, err := fs.ReadFile(m.Files, "proc/stat")
	if err != nil {
		return total, fmt.Errorf("read the processors' time: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		columns := strings.Fields(line)
		if len(columns) <= len(total.All) || !strings.HasPrefix(columns[0], "cpu") {
			continue
		}
		var u Usage
		for i := range u {
			u[i] = Number(columns[1+i])
		}
		if columns[0] == "cpu" {
			total.All = u
		} else {
			total.Each = append(total.Each, u)
		}
	}
	return total, nil
}
