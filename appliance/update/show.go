package update

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
)

func showFirmware(ctx context.Context, s exec.Session, _ config.Args) error {
	var f model.Firmware
	if err := s.Call(ctx, "init", "init.firmware", nil, &f); err != nil {
		return err
	}
	exec.Field(s, "Runs from", inSlot(f.Running))
	exec.Field(s, "Starts from", inSlot(cmp.Or(f.Blessed, "nobody knows")))
	exec.Field(s, "Oldest version taken", cmp.Or(f.Floor, "any"))
	printSlots(s, f.Slots)
	if w := f.Writing; w != nil {
		exec.Field(s, "Writing", fmt.Sprintf("%s into slot %s, %s", w.Version, w.Slot, cmp.Or(w.Problem, progress(w.Have, w.Size))))
	}
	if t := f.Trial; t != nil {
		exec.Field(s, "On trial", fmt.Sprintf("%s in slot %s, for %v more at most", t.Version, t.Slot, t.Left.Round(time.Second)))
		exec.Field(s, "  Asked for by", t.Operator)
	}
	var now Status
	if err := s.Call(ctx, "control", "control.update.status", nil, &now); err != nil {
		return err
	}
	if now.Waits != "" {
		exec.Field(s, "  Waits for", now.Waits)
	}
	printStaged(s, now)
	if now.Scheduled != nil {
		printScheduled(s, now.Scheduled)
	}
	printLast(s, f.Last)
	return nil
}

func inSlot(name string) string {
	switch name {
	case "A", "B":
		return "slot " + name
	case "kernel":
		return "a kernel without a slot"
	}
	return name
}

func printSlots(s exec.Session, slots []model.SlotStatus) {
	if len(slots) == 0 {
		fmt.Fprintln(s, "This box has no slots.")
		return
	}
	const row = "%-4s  %-8s  %-30s  %s\n"
	fmt.Fprintf(s, row, "Slot", "State", "Version", "Used (KB)")
	for _, slot := range slots {
		fmt.Fprintf(s, row, slot.Name, cmp.Or(slot.State, "unknown"), cmp.Or(slot.Version, "none"), fmt.Sprintf("%d of %d", slot.UsedKB, slot.TotalKB))
		if slot.Problem != "" {
			exec.Field(s, "      Problem", slot.Problem)
		}
	}
}

func printStaged(s exec.Session, now Status) {
	if b := now.Staging; b != nil {
		exec.Field(s, "Being staged", b.From+", "+progress(b.Have, b.Size))
	}
	if now.Staged == nil {
		exec.Field(s, "Staged", "none")
		return
	}
	exec.Field(s, "Staged", now.Staged.Version)
	exec.Field(s, "  File", now.Staged.Path())
	exec.Field(s, "  Made", exec.Time(s, now.Staged.Time, time.RFC1123Z))
}

// printScheduled tells of an order that waits; nil: it was done already.
func printScheduled(s exec.Session, o *Scheduled) {
	if o == nil {
		exec.Field(s, "To be put on trial", "at once")
		return
	}
	exec.Field(s, "To be put on trial", o.Version)
	exec.Field(s, "  When", o.When)
	exec.Field(s, "  Asked for by", o.Operator)
	if o.Problem != "" {
		exec.Field(s, "  Did not come about", o.Problem)
	}
}

func printLast(s exec.Session, last *model.TrialEnd) {
	if last == nil {
		exec.Field(s, "Last update", "none")
		return
	}
	how := "serves"
	if !last.Blessed {
		how = "went back"
	}
	exec.Field(s, "Last update", fmt.Sprintf("%s in slot %s %s", last.Version, last.Slot, how))
	if last.Reason != "" {
		exec.Field(s, "  Why", last.Reason)
	}
	exec.Field(s, "  Ended", exec.Time(s, last.Time, time.RFC1123Z))
	exec.Field(s, "  Asked for by", last.Operator)
}
