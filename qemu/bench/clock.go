package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"time"

	"causeway/qemu/lab"
	"causeway/qemu/machine"
	"causeway/qemu/smoke"
)

// ClockOffset is how far a box is from the chrony that it follows, by its own
// word and as seen from outside. chrony hands on the clock of this machine.
type ClockOffset struct {
	After  time.Duration // from the commit on
	Said   time.Duration // the offset that it measured last
	Root   time.Duration // by which that may be wrong: its root distance
	Jitter time.Duration
	// Seen is the box's clock before this machine's when a second of the box
	// began, as its console showed it; true to SeenWithin.
	Seen, SeenWithin time.Duration
}

// String gives the result, one key=value a line.
func (o ClockOffset) String() string {
	return fmt.Sprintf("seconds=%.0f\noffset_us=%d\nroot_distance_us=%d\njitter_us=%d\nconsole_offset_ms=%d\nconsole_within_ms=%d\n",
		o.After.Seconds(), o.Said.Microseconds(), o.Root.Microseconds(), o.Jitter.Microseconds(), o.Seen.Milliseconds(), o.SeenWithin.Milliseconds())
}

// MeasureClock boots a box, has it follow chrony for that long, and looks at
// its clock.
func MeasureClock(ctx context.Context, image machine.Image, length time.Duration, progress io.Writer) (offset ClockOffset, err error) {
	peers, err := lab.OpenPeers(ctx, progress)
	if err != nil {
		return offset, err
	}
	box, err := smoke.Boot(ctx, smoke.Setup{Image: image})
	if err != nil {
		return offset, fmt.Errorf("boot the appliance: %w", err)
	}
	defer box.Close()
	dir, err := os.MkdirTemp("", "causeway-chrony-")
	if err != nil {
		return offset, fmt.Errorf("measure the clock: %w", err)
	}
	defer os.RemoveAll(dir)
	chronyd, err := box.Lab.LAN1.Chronyd(ctx, peers, dir, lab.PeerLAN1)
	if err != nil {
		return offset, err
	}
	defer chronyd.Kill()
	if err := box.Commit(ctx, "ntp server "+lab.PeerLAN1.String()); err != nil {
		return offset, err
	}
	fmt.Fprintf(progress, "the box follows chrony for %v\n", length)
	followed := time.Now()
	sleep(ctx, length)
	offset.After = time.Since(followed)
	if err := offset.ask(ctx, box); err != nil {
		return offset, box.Explain(err)
	}
	if err := offset.look(ctx, box); err != nil {
		return offset, box.Explain(err)
	}
	return offset, box.PowerOff(ctx)
}

// ask takes the box's word.
func (o *ClockOffset) ask(ctx context.Context, box *smoke.Box) error {
	text, err := box.Machine.Console.Command(ctx, "show ntp status")
	if err != nil {
		return err
	}
	for _, field := range []struct {
		name string
		into *time.Duration
	}{{"Offset then", &o.Said}, {"Root distance", &o.Root}, {"Jitter", &o.Jitter}} {
		found := regexp.MustCompile(`(?m)^` + field.name + ` \(ms\): (\S+)$`).FindStringSubmatch(text)
		if found == nil {
			return fmt.Errorf("show ntp status has no %s:\n%s", field.name, text)
		}
		milliseconds, err := strconv.ParseFloat(found[1], 64)
		if err != nil {
			return fmt.Errorf("show ntp status: %s: %w", field.name, err)
		}
		*field.into = time.Duration(milliseconds * float64(time.Millisecond))
	}
	return nil
}

var shownUTC = regexp.MustCompile(`(?m)^UTC: (\S+)$`)

// ticks is how many seconds of the box are watched beginning; the one that
// was seen best counts.
const ticks = 5

// look asks for the time again and again: between an answer with one second and
// an answer with the next, that second began.
func (o *ClockOffset) look(ctx context.Context, box *smoke.Box) error {
	o.SeenWithin = time.Hour
	var (
		last  time.Time // second that the box showed
		asked time.Time // when it was asked for that
	)
	for seen := 0; seen < ticks; {
		before := time.Now()
		text, err := box.Machine.Console.Command(ctx, "show clock")
		if err != nil {
			return err
		}
		after := time.Now()
		shown := shownUTC.FindStringSubmatch(text)
		if shown == nil {
			return fmt.Errorf("show clock has no UTC:\n%s", text)
		}
		second, err := time.Parse(time.RFC3339, shown[1])
		if err != nil {
			return fmt.Errorf("show clock: %w", err)
		}
		if !last.IsZero() && second.Equal(last.Add(time.Second)) {
			seen++
			// It began after asked and before after.
			if within := after.Sub(asked) / 2; within < o.SeenWithin {
				o.Seen, o.SeenWithin = second.Sub(asked.Add(within)), within
			}
		}
		last, asked = second, before
	}
	return nil
}
