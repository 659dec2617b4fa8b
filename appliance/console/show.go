package console

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// What show commands print is read by people and by tests: one "Name: value"
// a line, or a row of them for things there are several of.

// print writes one "Name: value" line.
func (s *session) print(name string, value any) {
	fmt.Fprintf(s.terminal, "%s: %v\n", name, value)
}

func showVersion(_ context.Context, s *session, _ config.Args) error {
	if s.buildErr != nil {
		return s.buildErr
	}
	s.print("Version", s.build.Version)
	s.print("Commit", s.build.Commit)
	s.print("Commit time", s.build.Time.UTC().Format(time.RFC3339))
	s.print("Variant", s.build.Variant)
	s.print("Board", s.build.Board)
	s.print("Kernel package", s.build.Kernel)
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return fmt.Errorf("ask the kernel for its release: %w", err)
	}
	s.print("Kernel release", unix.ByteSliceToString(name.Release[:]))
	return nil
}

func showSystem(ctx context.Context, s *session, _ config.Args) error {
	var h model.SystemHealth
	if err := s.call(ctx, "init", "init.health", nil, &h); err != nil {
		return err
	}
	s.print("Uptime (s)", seconds(h.Uptime))
	s.print("Boot to ready (ms)", h.BootToReady.Milliseconds())
	slot := h.Slot
	if h.Trial {
		slot += " (on trial)"
	}
	s.print("Slot", slot)
	s.print("Watchdog", h.Watchdog)
	s.print("Memory total (kB)", h.MemTotalKB)
	s.print("Memory available (kB)", h.MemAvailable)
	s.print("Memory used (kB)", h.MemTotalKB-min(h.MemAvailable, h.MemTotalKB))
	for _, missing := range h.Missing {
		s.print("Missing", missing)
	}
	if len(h.Missing) == 0 {
		s.print("Missing", "nothing")
	}
	for _, v := range h.Volumes {
		fmt.Fprintf(s.terminal, "%-10s  State: %s  Device: %s  Total (kB): %d  Free (kB): %d\n",
			v.Name+":", v.State, v.Device, v.TotalKB, v.FreeKB)
	}
	for _, service := range h.Services {
		s.printService(service)
	}
	return nil
}

// printService prints a service in a row that fits a screen of 80 characters,
// and what is read less often in a second one.
func (s *session) printService(service model.ServiceStatus) {
	pid := "none"
	if service.PID != 0 {
		pid = strconv.Itoa(service.PID)
	}
	fmt.Fprintf(s.terminal, "%-8s  PID: %-5s  Uptime (s): %-7d  Restarts: %-3d  Last restart (ms): %d\n",
		service.Name, pid, seconds(service.Uptime), service.Restarts, service.LastRestart.Milliseconds())
	fmt.Fprintf(s.terminal, "%-8s  Memory (kB): %d  Last exit: %s\n",
		"", service.MemoryKB, cmp.Or(service.LastExit, "none"))
}

func showInterfaces(ctx context.Context, s *session, _ config.Args) error {
	var status model.ControlStatus
	if err := s.call(ctx, "control", "control.status", nil, &status); err != nil {
		return err
	}
	for _, i := range status.Interfaces {
		s.print(i.LAN+" link", i.Link)
		s.print(i.LAN+" MAC address", cmp.Or(i.MAC, "none"))
		s.print(i.LAN+" IP address", cmp.Or(i.Address, "none"))
		s.print(i.LAN+" problem", cmp.Or(i.Problem, "none"))
	}
	return nil
}

func showSIPStatus(ctx context.Context, s *session, _ config.Args) error {
	var status model.ProxyStatus
	if err := s.call(ctx, "proxy", "proxy.status", nil, &status); err != nil {
		return err
	}
	s.print("Revision", cmp.Or(status.Revision, "none"))
	s.print("New calls", map[bool]string{true: "allowed", false: "refused"}[status.Grant.Now.Calls])
	limit := "none"
	if status.Grant.Now.LimitCPS > 0 {
		limit = strconv.Itoa(status.Grant.Now.LimitCPS)
	}
	s.print("Limit (calls/s)", limit)
	for _, listen := range status.Listens {
		s.print("Listen", listen)
	}
	if len(status.Listens) == 0 {
		s.print("Listen", "none")
	}
	s.print("Open calls", status.OpenCalls)
	s.print("Transactions", status.Transactions)
	s.printCounters(status.Counters)
	return nil
}

func showBillingStatus(ctx context.Context, s *session, _ config.Args) error {
	var status model.BillingStatus
	if err := s.call(ctx, "billing", "billing.status", nil, &status); err != nil {
		return err
	}
	s.print("Open calls", status.OpenCalls)
	s.print("Journal", status.Journal.Directory)
	s.print("Journal segments", status.Journal.Segments)
	s.print("Journal size (bytes)", status.Journal.Bytes)
	s.print("Journal first record", status.Journal.FirstSeq)
	s.print("Journal next record", status.Journal.NextSeq)
	s.print("Journal repairs", status.Journal.Repaired)
	s.printCounters(status.Counters)
	return nil
}

// printCounters prints the counters in the order of their names.
func (s *session) printCounters(counters map[string]int64) {
	for _, name := range slices.Sorted(maps.Keys(counters)) {
		s.print("Counter "+name, counters[name])
	}
}

func showRunningConfig(ctx context.Context, s *session, _ config.Args) error {
	var running struct {
		Text string `json:"text"`
	}
	if err := s.call(ctx, "control", "control.running", nil, &running); err != nil {
		return err
	}
	_, err := fmt.Fprint(s.terminal, running.Text)
	return err
}

func showClock(ctx context.Context, s *session, _ config.Args) error {
	s.print("Time", time.Now().UTC().Format(time.RFC3339))
	var status model.ControlStatus
	if err := s.call(ctx, "control", "control.status", nil, &status); err != nil {
		return err
	}
	s.print("Source", status.Clock)
	return nil
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }
