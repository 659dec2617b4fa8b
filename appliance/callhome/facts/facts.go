// Package facts gathers what Call Home may tell of the box: of the machine by
// its files, of the processes by asking them, of the configuration by counting.
// Facts are all there is to know, for every kind and mode; which of them a
// message has is decided in package message. No fact holds a secret of the
// configuration, and what cannot be had in some seconds is left out.
package facts

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"causeway/appliance/callhome/message"
	"causeway/appliance/config"
	"causeway/appliance/config/change"
	"causeway/appliance/hardware"
	"causeway/appliance/model"
)

// Sources are where facts come from. All are needed.
type Sources struct {
	Machine  hardware.Machine
	Build    model.BuildInfo
	Serial   func() (string, error)
	Now      func() time.Time // in the zone of the box
	Uptime   func() time.Duration
	Grammar  *config.Grammar // whose commands are the tables of the configuration
	InForce  func() change.InForce
	Ports    func() []model.InterfaceStatus
	DNS      func() []netip.Addr
	License  func() (pid, url string) // what the product is to the licence server; and that, empty: none is asked
	Upgrades func() []message.Upgrade

	Health   func(context.Context) (model.SystemHealth, error)
	Proxy    func(context.Context) (model.ProxyStatus, error)
	Elements func(context.Context) (up int, err error)
	Calls    func(from, to time.Time) (Calls, error)
}

// Calls are the calls of some time.
type Calls struct {
	Offered, Refused, Failed int64
	PeakRate                 int64 // calls a second
	PeakOpen                 int   // at the same time
}

// ShortName is that of the product.
const ShortName = "Causeway"

// The longest that processes and processors are waited for.
const (
	askLimit   = 5 * time.Second
	sampleTime = time.Second
)

// answers are what was asked of others; what did not answer is zero.
type answers struct {
	health     model.SystemHealth
	proxy      model.ProxyStatus
	elements   int
	calls      Calls
	processors []message.Count
}

// Gather gathers all facts.
func (s Sources) Gather(ctx context.Context) message.Facts {
	now, in := s.Now(), s.InForce()
	a := s.ask(ctx, now)
	var f message.Facts
	s.machine(&f, a)
	configured(&f, in)
	f.ProductID, f.LicenseServer = s.License()
	f.ShortName = ShortName
	f.Addresses = addresses(s.Ports())
	f.Upgrades = s.Upgrades()
	f.PhoneUsers = max(a.calls.PeakOpen, a.proxy.OpenCalls)
	f.CallActivity = a.calls.counts()
	f.RegisteredDevices = a.elements
	for _, tally := range s.Grammar.Count(in.Config) {
		f.Tables = append(f.Tables, message.Count{Name: tally.Syntax, Count: int64(tally.Lines)})
	}
	f.Status = s.status(&f, a, now)
	return f
}

// ask asks all others at the same time.
func (s Sources) ask(ctx context.Context, now time.Time) (a answers) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	var asked sync.WaitGroup
	asked.Go(func() { a.health, _ = s.Health(ctx) })
	asked.Go(func() { a.proxy, _ = s.Proxy(ctx) })
	asked.Go(func() { a.elements, _ = s.Elements(ctx) })
	asked.Go(func() { a.calls = s.calls(ctx, now) })
	asked.Go(func() { a.processors = s.processors(ctx) })
	asked.Wait()
	return a
}

// calls are those of the last month. They are on a disk, which may hang.
func (s Sources) calls(ctx context.Context, now time.Time) Calls {
	read := make(chan Calls, 1)
	go func() {
		calls, _ := s.Calls(now.AddDate(0, -1, 0), now)
		read <- calls
	}()
	select {
	case calls := <-read:
		return calls
	case <-ctx.Done():
		return Calls{}
	}
}

// processors measures how busy each processor is, in percent.
func (s Sources) processors(ctx context.Context) (list []message.Count) {
	before, err := s.Machine.ProcessorUsage()
	if err != nil {
		return nil
	}
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(sampleTime):
	}
	after, err := s.Machine.ProcessorUsage()
	if err != nil {
		return nil
	}
	for i := range min(len(before.Each), len(after.Each)) {
		busy := after.Each[i].Since(before.Each[i]).Share(hardware.InUser, hardware.InNice, hardware.InSystem,
			hardware.InInterrupts, hardware.InSoftInterrupts, hardware.InStolen)
		list = append(list, message.Count{Name: "cpu" + strconv.Itoa(i), Count: int64(math.Round(busy))})
	}
	return list
}

// machine fills in what the box is.
func (s Sources) machine(f *message.Facts, a answers) {
	m := s.Machine
	_, board, _ := m.Board()
	processor, firmware := m.Processor(), m.Firmware()
	f.OSVersion = strings.TrimSpace(m.Line("proc/sys/kernel/ostype") + " " + m.Line("proc/sys/kernel/osrelease"))
	f.Model = cmp.Or(board, s.Build.Board)
	f.Serial, _ = s.Serial()
	f.CPU, f.CPUs, f.CPUSpeed = processor.Model, processor.Count, processor.Speed
	f.RAM = int64(m.Memory())
	f.Firmware, f.BIOSVersion, f.BIOSInformation = firmware.Kind, firmware.Version, firmware.Maker
	f.RAID = m.RAID()
	f.ActiveVersion = s.Build.Version
	for _, slot := range a.health.Slots {
		f.Partitions = append(f.Partitions, message.Partition{
			Name: "slot " + slot.Name, FileSystem: "vfat", Size: int64(slot.TotalKB), Used: int64(slot.UsedKB),
		})
		if slot.Name != a.health.Slot {
			f.InactiveVersion = slot.Version
		}
	}
	f.Partitions = append(f.Partitions, volumes(a.health)...)
	for _, service := range a.health.Services {
		state := "up"
		if service.PID == 0 {
			state = "down"
		}
		f.Services = append(f.Services, message.Service{Name: service.Name, State: state, Restarts: service.Restarts})
	}
}

// volumes are those that are there.
func volumes(health model.SystemHealth) (list []message.Partition) {
	for _, v := range health.Volumes {
		if v.FileSystem != "" {
			list = append(list, message.Partition{
				Name: v.Name, FileSystem: v.FileSystem, Size: int64(v.TotalKB), Used: int64(v.TotalKB - min(v.FreeKB, v.TotalKB)),
			})
		}
	}
	return list
}

// status is the system status of CH-T2.
func (s Sources) status(f *message.Facts, a answers, now time.Time) message.Status {
	status := message.Status{
		HostName: f.HostName, Date: now, Locale: "en", ProductVersion: f.ActiveVersion, OSVersion: f.OSVersion,
		Uptime: s.Uptime(), Processors: a.processors, Disks: volumes(a.health),
		MemoryUsed: int64(a.health.MemTotalKB - min(a.health.MemAvailable, a.health.MemTotalKB)),
	}
	for _, port := range s.Ports() {
		if port.LAN == model.LAN1.String() {
			status.LicenseMAC = port.MAC
		}
	}
	for _, slot := range a.health.Slots {
		used := fmt.Sprintf("slot %s, %d MB of %d MB", slot.Name, slot.UsedKB>>10, slot.TotalKB>>10)
		if slot.Name == a.health.Slot {
			status.ActivePartition = used
		} else {
			status.InactivePartition = used
		}
	}
	for _, server := range s.DNS() {
		status.DNS = append(status.DNS, server.String())
	}
	return status
}

// addresses are those of the ports, with their prefix lengths.
func addresses(ports []model.InterfaceStatus) (list []string) {
	for _, port := range ports {
		for address := range strings.SplitSeq(port.Address, ", ") {
			if address != "" {
				list = append(list, address)
			}
		}
	}
	return list
}

// counts are the calls by their outcome.
func (c Calls) counts() []message.Count {
	return []message.Count{
		{Name: "calls offered", Count: c.Offered},
		{Name: "calls refused", Count: c.Refused},
		{Name: "calls failed", Count: c.Failed},
		{Name: "calls with success", Count: max(0, c.Offered-c.Refused-c.Failed)},
		{Name: "peak calls per second", Count: c.PeakRate},
		{Name: "peak calls at the same time", Count: int64(c.PeakOpen)},
	}
}
