package system

import (
	"cmp"
	"context"
	"path"
	"strconv"

	"causeway/appliance/config"
	"causeway/appliance/exec"
)

// showWatchdog prints which watchdog init feeds, and what the kernel knows of
// each that there is.
func (b box) showWatchdog(ctx context.Context, s exec.Session, _ config.Args) error {
	h, err := health(ctx, s)
	if err != nil {
		return err
	}
	exec.Field(s, "Watchdog", cmp.Or(h.Watchdog, "none"))
	for _, dir := range b.Matches("sys/class/watchdog/watchdog*") {
		name := path.Base(dir)
		exec.Field(s, name+" identity", cmp.Or(b.Line(dir+"/identity"), "unknown"))
		exec.Field(s, name+" state", cmp.Or(b.Line(dir+"/state"), "unknown"))
		exec.Field(s, name+" timeout (s)", cmp.Or(b.Line(dir+"/timeout"), "unknown"))
		if left := b.Line(dir + "/timeleft"); left != "" { // few devices can tell
			exec.Field(s, name+" time left (s)", left)
		}
		exec.Field(s, name+" caused this boot", causedBoot(b.Line(dir+"/bootstatus")))
	}
	return nil
}

// causedBoot reads what a watchdog reports about the boot. A device that
// cannot tell reports what one does that did not cause it.
func causedBoot(status string) string {
	const cardReset = 0x20 // WDIOF_CARDRESET
	flags, err := strconv.ParseUint(status, 0, 32)
	switch {
	case err != nil:
		return "unknown"
	case flags&cardReset != 0:
		return "yes"
	}
	return "no, or the device cannot tell"
}
