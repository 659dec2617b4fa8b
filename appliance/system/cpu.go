package system

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"strings"
	"text/tabwriter"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/exec"
)

// sampleTime is how long a load is measured.
const sampleTime = time.Second

// usage is what a processor, or all of them, spent its time with, in ticks, by
// the columns of /proc/stat (proc(5)).
type usage [8]uint64

// The columns of usage.
const (
	inUser = iota
	inNice
	inSystem
	inIdle
	inDiskWait
	inInterrupts
	inSoftInterrupts
	inStolen
)

// since is the usage after an earlier one. Columns that went back, as that of
// waiting may (proc(5)), count as not used.
func (u usage) since(earlier usage) usage {
	for i := range u {
		u[i] -= min(earlier[i], u[i])
	}
	return u
}

// share is how much of the time the columns are, in percent.
func (u usage) share(columns ...int) float64 {
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

// processorUsage is what all processors and each one did since boot.
type processorUsage struct {
	all  usage
	each []usage
}

func (b box) processorUsage() (processorUsage, error) {
	var total processorUsage
	text, err := fs.ReadFile(b.files, "proc/stat")
	if err != nil {
		return total, fmt.Errorf("read the processors' time: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		columns := strings.Fields(line)
		if len(columns) <= len(total.all) || !strings.HasPrefix(columns[0], "cpu") {
			continue
		}
		var u usage
		for i := range u {
			u[i] = number(columns[1+i])
		}
		if columns[0] == "cpu" {
			total.all = u
		} else {
			total.each = append(total.each, u)
		}
	}
	return total, nil
}

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
	before, err := b.processorUsage()
	if err != nil {
		return err
	}
	if err := pause(ctx); err != nil {
		return err
	}
	after, err := b.processorUsage()
	if err != nil {
		return err
	}
	exec.Field(s, "Processors", len(after.each))
	exec.Field(s, "Model", cmp.Or(b.processorModel(), "unknown"))
	load := strings.Fields(b.line("proc/loadavg"))
	if len(load) >= 3 {
		exec.Field(s, "Load average (1, 5, 15 min)", strings.Join(load[:3], ", "))
	}
	table := tabwriter.NewWriter(s, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "Time (%)\tUser\tSystem\tInterrupts\tDisk wait\tStolen\tIdle\t")
	row := func(name string, u usage) {
		fmt.Fprintf(table, "%s\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t\n", name, u.share(inUser, inNice), u.share(inSystem),
			u.share(inInterrupts, inSoftInterrupts), u.share(inDiskWait), u.share(inStolen), u.share(inIdle))
	}
	row("Since boot", after.all)
	row("Last second", after.all.since(before.all))
	for i := range min(len(before.each), len(after.each)) {
		row(fmt.Sprintf("cpu%d", i), after.each[i].since(before.each[i]))
	}
	return table.Flush()
}

// processorModel names the first processor: by its model on x86, by the
// numbers of its maker and part on ARM.
func (b box) processorModel() string {
	values := fields(firstParagraph(b.line("proc/cpuinfo")))
	if model := values["model name"]; model != "" {
		return model
	}
	if part := values["CPU part"]; part != "" {
		return fmt.Sprintf("ARM implementer %s part %s", values["CPU implementer"], part)
	}
	return ""
}

func firstParagraph(text string) string {
	first, _, _ := strings.Cut(text, "\n\n")
	return first
}
