package system

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/hardware"
)

// sampleTime is how long a load is measured.
const sampleTime = time.Second

// pause waits between two samples.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(sampleTime):
		return nil
	}
}

func (b box) showCPU(ctx context.Context, s exec.Session, _ config.Args) error {
	before, err := b.ProcessorUsage()
	if err != nil {
		return err
	}
	if err := pause(ctx); err != nil {
		return err
	}
	after, err := b.ProcessorUsage()
	if err != nil {
		return err
	}
	exec.Field(s, "Processors", len(after.Each))
	exec.Field(s, "Model", cmp.Or(b.Processor().Model, "unknown"))
	load := strings.Fields(b.Line("proc/loadavg"))
	if len(load) >= 3 {
		exec.Field(s, "Load average (1, 5, 15 min)", strings.Join(load[:3], ", "))
	}
	table := tabwriter.NewWriter(s, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "Time (%)\tUser\tSystem\tInterrupts\tDisk wait\tStolen\tIdle\t")
	row := func(name string, u hardware.Usage) {
		fmt.Fprintf(table, "%s\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t\n", name, u.Share(hardware.InUser, hardware.InNice), u.Share(hardware.InSystem),
			u.Share(hardware.InInterrupts, hardware.InSoftInterrupts), u.Share(hardware.InDiskWait), u.Share(hardware.InStolen), u.Share(hardware.InIdle))
	}
	row("Since boot", after.All)
	row("Last second", after.All.Since(before.All))
	for i := range min(len(before.Each), len(after.Each)) {
		row(fmt.Sprintf("cpu%d", i), after.Each[i].Since(before.Each[i]))
	}
	return table.Flush()
}
