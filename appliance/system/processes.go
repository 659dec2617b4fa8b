package system

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
)

// serviceNames gives the name of each running service by its process number,
// and the services that do not run. Without init's answer the programs' own
// names must do.
func serviceNames(ctx context.Context, s exec.Session) (names map[int]string, stopped []model.ServiceStatus) {
	h, err := health(ctx, s)
	if err != nil {
		fmt.Fprintf(s, "%% %v\n", err)
		return nil, nil
	}
	names = make(map[int]string)
	for _, service := range h.Services {
		if service.PID == 0 {
			stopped = append(stopped, service)
		} else {
			names[service.PID] = service.Name
		}
	}
	return names, stopped
}

func (b box) showProcesses(ctx context.Context, s exec.Session, _ config.Args) error {
	names, stopped := serviceNames(ctx, s)
	running, err := b.processes()
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(s, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PID\tProcess\tState\tThreads\tFiles\tCPU (s)\tMemory (kB)")
	for _, p := range running {
		files := "-"
		if p.files > 0 {
			files = strconv.Itoa(p.files)
		}
		fmt.Fprintf(table, "%d\t%s\t%s\t%d\t%s\t%.2f\t%d\n",
			p.pid, cmp.Or(names[p.pid], p.name), p.state, p.threads, files, p.cpu().Seconds(), p.residentKB)
	}
	for _, service := range stopped {
		fmt.Fprintf(table, "-\t%s\tnot running\n", service.Name)
	}
	return table.Flush()
}

func (b box) showProcessesCPU(ctx context.Context, s exec.Session, _ config.Args) error {
	names, _ := serviceNames(ctx, s)
	earlier, err := b.processes()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := pause(ctx); err != nil {
		return err
	}
	running, err := b.processes()
	if err != nil {
		return err
	}
	measured := time.Since(began)
	before := make(map[int]time.Duration)
	for _, p := range earlier {
		before[p.pid] = p.cpu()
	}
	used := func(p process) time.Duration { return max(0, p.cpu()-before[p.pid]) }
	slices.SortStableFunc(running, func(a, b process) int {
		return cmp.Or(cmp.Compare(used(b), used(a)), cmp.Compare(b.cpu(), a.cpu()))
	})
	fmt.Fprintln(s, "100 % is one processor; last: in the last second")
	table := tabwriter.NewWriter(s, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PID\tProcess\tLast (%)\tTotal (s)\tUser (s)\tSystem (s)")
	for _, p := range running {
		fmt.Fprintf(table, "%d\t%s\t%.1f\t%.2f\t%.2f\t%.2f\n", p.pid, cmp.Or(names[p.pid], p.name),
			100*used(p).Seconds()/measured.Seconds(), p.cpu().Seconds(), p.user.Seconds(), p.system.Seconds())
	}
	return table.Flush()
}

func (b box) showProcessesMemory(ctx context.Context, s exec.Session, _ config.Args) error {
	names, _ := serviceNames(ctx, s)
	running, err := b.processes()
	if err != nil {
		return err
	}
	slices.SortStableFunc(running, func(a, b process) int { return cmp.Compare(b.residentKB, a.residentKB) })
	table := tabwriter.NewWriter(s, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PID\tProcess\tResident (kB)\tPeak (kB)\tVirtual (kB)")
	for _, p := range running {
		fmt.Fprintf(table, "%d\t%s\t%d\t%d\t%d\n", p.pid, cmp.Or(names[p.pid], p.name), p.residentKB, p.peakKB, p.virtualKB)
	}
	return table.Flush()
}
