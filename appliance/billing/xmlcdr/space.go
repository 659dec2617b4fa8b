package xmlcdr

import (
	"syscall"

	"causeway/appliance/model"
)

// measure finds out how many octets are free for CDR files, for Status too. On
// the file system of the journal of call events three times what that leaves
// free is not for them: the cache stops at twice as much, so that CDR files are
// the first to find no room, and calls the last.
func (f *Files) measure() (room int64, err error) {
	there, err := f.options.space(f.options.Dir)
	if err != nil {
		return 0, err
	}
	room = there.Free
	if f.options.Journal != "" && sameFileSystem(f.options.Dir, f.options.Journal) {
		room = max(0, room-3*there.MinFree())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status.FreeKB = room >> 10
	f.status.Level = level(&f.options.Settings, f.status.FreeKB, f.status.Level)
	return room, nil
}

func sameFileSystem(a, b string) bool {
	var stA, stB syscall.Stat_t
	return syscall.Stat(a, &stA) == nil && syscall.Stat(b, &stB) == nil && stA.Dev == stB.Dev
}

// hysteresis is how far above its threshold the free space must be for an alarm
// to end, in percent.
const hysteresis = 5

// level is the alarm that holds with that much free, in KB, after before held.
func level(s *model.XMLMethod, free int64, before string) string {
	held := false
	for _, l := range []struct {
		name  string
		below int
	}{{"critical", s.Critical}, {"major", s.Major}, {"minor", s.Minor}} {
		held = held || l.name == before // and with it the milder ones
		below := int64(l.below)
		if held {
			below += below * hysteresis / 100
		}
		if free < below {
			return l.name
		}
	}
	return ""
}
