package update

import (
	"fmt"

	"causeway/appliance/alarm"
	"causeway/appliance/model"
)

// Conditions are what is wrong, for alarms. While another firmware is on its way,
// how the last one failed is told no more: should this one fail too, that is news.
func (u *Update) Conditions() (list []model.Condition) {
	f, scheduled := u.Firmware(), u.scheduled()
	u.mu.Lock()
	confirmed := u.confirmed
	u.mu.Unlock()
	failed := func(format string, args ...any) {
		list = append(list, model.Condition{Name: alarm.FirmwareFailed, Text: fmt.Sprintf(format, args...)})
	}
	switch w, last := f.Writing, f.Last; {
	case isWritten(f) || f.Trial != nil:
	case w != nil:
		failed("slot %s could not be written with %s: %s", w.Slot, w.Version, w.Problem)
	case scheduled != nil && scheduled.Problem != "":
		failed("the update to %s did not come about: %s", scheduled.Version, scheduled.Problem)
	case last != nil && !last.Blessed:
		failed("the box went back from %s: %s", last.Version, last.Reason)
	}
	for _, s := range f.Slots {
		if s.State == model.SlotDamaged {
			list = append(list, model.Condition{Name: alarm.SlotDamaged, Object: s.Name,
				Text: fmt.Sprintf("the box could not start from slot %s: %s", s.Name, s.Problem)})
		}
	}
	if (f.Running == "A" || f.Running == "B") && f.Blessed != "" && f.Running != f.Blessed && f.Trial == nil {
		list = append(list, model.Condition{Name: alarm.SlotWrong,
			Text: fmt.Sprintf("the box runs from slot %s, and should from slot %s", f.Running, f.Blessed)})
	}
	if t := f.Trial; t != nil && t.Confirm && !confirmed {
		list = append(list, model.Condition{Name: alarm.FirmwareConfirm, Text: fmt.Sprintf("%s waits for its confirmation over COM", t.Version)})
	}
	return list
}
