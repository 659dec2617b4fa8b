package system

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
)

// buildFile says what image this is.
const buildFile = "etc/causeway/build.json"

func (b box) showVersion(_ context.Context, s exec.Session, _ config.Args) error {
	text, err := fs.ReadFile(b.Files, buildFile)
	if err != nil {
		return fmt.Errorf("read what image this is: %w", err)
	}
	var build model.BuildInfo
	if err := json.Unmarshal(text, &build); err != nil {
		return fmt.Errorf("read what image this is in /%s: %w", buildFile, err)
	}
	exec.Field(s, "Version", build.Version)
	exec.Field(s, "Commit", build.Commit)
	exec.Field(s, "Commit time", exec.Time(s, build.Time, time.RFC3339))
	exec.Field(s, "Variant", build.Variant)
	exec.Field(s, "Board", build.Board)
	exec.Field(s, "Kernel package", build.Kernel)
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return fmt.Errorf("ask the kernel for its release: %w", err)
	}
	exec.Field(s, "Kernel release", unix.ByteSliceToString(name.Release[:]))
	return nil
}

// health asks init how the box is.
func health(ctx context.Context, s exec.Session) (h model.SystemHealth, err error) {
	err = s.Call(ctx, "init", "init.health", nil, &h)
	return h, err
}

func showSystem(ctx context.Context, s exec.Session, _ config.Args) error {
	h, err := health(ctx, s)
	if err != nil {
		return err
	}
	exec.Field(s, "Uptime (s)", seconds(h.Uptime))
	exec.Field(s, "Boot to ready (ms)", h.BootToReady.Milliseconds())
	slot := h.Slot
	if h.Trial {
		slot += " (on trial)"
	}
	exec.Field(s, "Slot", slot)
	exec.Field(s, "Watchdog", h.Watchdog)
	exec.Field(s, "Memory total (kB)", h.MemTotalKB)
	exec.Field(s, "Memory available (kB)", h.MemAvailable)
	exec.Field(s, "Memory used (kB)", h.MemTotalKB-min(h.MemAvailable, h.MemTotalKB))
	for _, missing := range h.Missing {
		exec.Field(s, "Missing", missing)
	}
	if len(h.Missing) == 0 {
		exec.Field(s, "Missing", "nothing")
	}
	for _, v := range h.Volumes {
		fmt.Fprintf(s, "%-10s  State: %s  Device: %s\n%-10s  Total (kB): %d  Free (kB): %d\n",
			v.Name+":", v.State, v.Device, "", v.TotalKB, v.FreeKB)
	}
	for _, service := range h.Services {
		showService(s, service)
	}
	return nil
}

// showSecurity prints a row for each protection, those that do not hold marked.
func showSecurity(ctx context.Context, s exec.Session, _ config.Args) error {
	var protections []model.Protection
	if err := s.Call(ctx, "init", "init.protections", nil, &protections); err != nil {
		return err
	}
	for _, p := range protections {
		mark := ""
		if !p.Holds {
			mark = "!"
		}
		fmt.Fprintf(s, "%1s %-20s %s\n", mark, p.Name, p.State)
	}
	return nil
}

// showService prints a service in a row that fits a screen of 80 characters,
// and what is read less often in a second one.
func showService(s exec.Session, service model.ServiceStatus) {
	pid := "none"
	if service.PID != 0 {
		pid = strconv.Itoa(service.PID)
	}
	fmt.Fprintf(s, "%-7s  PID: %-7s  Uptime (s): %-8d  Restarts: %-3d  Memory (kB): %d\n",
		service.Name, pid, seconds(service.Uptime), service.Restarts, service.MemoryKB)
	fmt.Fprintf(s, "%-7s  Last restart took (ms): %d  Last exit: %s\n",
		"", service.LastRestart.Milliseconds(), cmp.Or(service.LastExit, "none"))
}
