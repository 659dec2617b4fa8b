package clock

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"causeway/appliance/alarm"
	"causeway/appliance/model"
)

// How the clock is corrected.
const (
	// stepThreshold is the offset above which the clock is stepped, not
	// slewed (RFC 5905 §12, STEPT).
	stepThreshold = 128 * time.Millisecond
	// refuseThreshold is the offset above which a clock that was right is
	// left alone (RFC 5905 §12, PANICT).
	refuseThreshold = 1000 * time.Second
	// steadyOffset is the offset up to which servers are asked less often.
	steadyOffset = 16 * time.Millisecond
)

// discipline is what the clock is told and why.
type discipline struct {
	poll      time.Duration // between exchanges
	smeared   bool          // the servers smear leap seconds
	hurried   time.Time     // when all were asked at once because one had jumped
	steps     int           // how often the clock was stepped
	remaining time.Duration // of the last offset, when the kernel was last looked at
	byHand    bool          // the time was set by hand and not synchronised since
	right     time.Time     // when the clock was last known to be right; zero: not in this boot
	error     time.Duration // that it had then, at the most

	peer     *association // the system peer; nil: none was followed yet
	used     time.Time    // its sample that was used last: each is used once
	source   netip.Addr   // of the peer
	offset   time.Duration
	jitter   time.Duration
	distance time.Duration
	leap     int32
	at       time.Time // when it was followed

	chosen   choice        // what the servers came to, last
	conflict string        // why none of them is followed
	refused  time.Duration // the step that was refused
	problem  string        // why the clock is not corrected
}

// complain notes why the clock is not corrected, and logs it once.
func (c *Clock) complain(problem string) {
	if c.problem != problem {
		c.options.Log.Warn("clock not corrected", "problem", problem)
	}
	c.problem = problem
}

// workedOff follows the kernel's slewing: what it has worked off of an offset
// since the last look is no longer between this clock and the servers.
func (c *Clock) workedOff(remaining time.Duration) {
	c.shift(c.remaining - remaining)
	c.remaining = remaining
}

func (c *Clock) shift(by time.Duration) {
	for _, a := range c.associations {
		a.filter.shift(by)
	}
}

// wasRight says that the clock was right in this boot, and how far it may have
// gone wrong since. The kernel knows it of an earlier control, for some hours.
func (c *Clock) wasRight(now time.Time, state kernelState) (bound time.Duration, ok bool) {
	if c.right.IsZero() && state.synchronised {
		c.right, c.error = now, state.maxError
	}
	return c.error + scale(now.Sub(c.right), oscillatorMost), !c.right.IsZero()
}

// decide chooses among the servers and corrects the clock.
func (c *Clock) decide(now time.Time, state kernelState) {
	var readings []reading
	taken := make(map[*association]time.Time)
	for _, a := range c.associations {
		if r, at, ok := a.reading(now); ok {
			readings = append(readings, r)
			taken[a] = at
		}
	}
	bound, right := c.wasRight(now, state)
	witnesses := []witness{{"this clock, which was right before", 0, bound}}
	if !right {
		witnesses = c.atFirst(state)
	}
	chosen := elect(readings, !right, witnesses, c.earliest(state), c.peer)
	c.chosen = chosen
	for _, a := range c.associations {
		a.mark = chosen.marks[a]
	}
	if !right && !c.heardEnough() {
		return
	}
	switch c.conflict = chosen.conflict; {
	case chosen.conflict != "":
		c.complain(chosen.conflict)
	case chosen.peer == nil:
		c.complain(c.problems())
	case taken[chosen.peer.server].After(c.used):
		c.correct(taken[chosen.peer.server], state)
	}
}

// heardEnough reports that those that have not said anything yet cannot change
// the choice, or are absent.
func (c *Clock) heardEnough() bool {
	agreeing, waiting := 0, false
	for _, a := range c.associations {
		if a.mark != markNone && a.mark != markFalseticker {
			agreeing++
		}
		waiting = waiting || !a.settled()
	}
	return !waiting || c.chosen.witness == "" && 2*agreeing > len(c.associations)
}

// problems are those of the servers.
func (c *Clock) problems() string {
	var list []string
	for _, a := range c.associations {
		switch {
		case a.stopped:
			list = append(list, a.server+" does not want to be asked")
		case a.problem != "":
			list = append(list, a.problem)
		}
	}
	if len(list) == 0 {
		return "too few answers"
	}
	return strings.Join(list, "; ")
}

// atFirst is what the box itself knows of the time before its clock is right.
func (c *Clock) atFirst(state kernelState) (list []witness) {
	if c.byHand {
		list = append(list, witness{"the time set by hand", 0, handBound})
	}
	if c.options.Hardware != nil {
		if kept, err := c.options.Hardware(); err == nil {
			list = append(list, witness{"the hardware clock", kept.Sub(state.now), handBound})
		}
	}
	return list
}

// earliest is the offset before which the time cannot be: that of the build
// time, or the trusted time when that is an hour ago.
func (c *Clock) earliest(state kernelState) time.Duration {
	floor := c.options.Floor
	if c.options.Trusted != nil {
		if mark := c.options.Trusted.status().Time.Add(-handBound); mark.After(floor) {
			floor = mark
		}
	}
	return floor.Sub(state.now)
}

// correct brings the clock to what was chosen, from the peer's sample taken at
// a time.
func (c *Clock) correct(taken time.Time, state kernelState) {
	chosen, first := c.chosen, c.right.IsZero()
	step := chosen.offset.Abs() > stepThreshold
	off := fmt.Sprintf("this clock is off by %s from %s", chosen.offset.Round(time.Second), chosen.peer.server.server)
	switch {
	case step && state.now.Add(chosen.offset).Before(c.options.Floor):
		c.complain(off + ": its time is before this image was built")
		return
	case step && !first && chosen.offset.Abs() > refuseThreshold:
		c.refused = chosen.offset
		c.complain(off + ": the step is refused")
		return
	case step && !first && !chosen.confirmed():
		c.complain(off + ": asking again")
		c.hurry(2)
		return
	}
	c.adapt(chosen.offset)
	c.used = taken
	if err := c.tell(step, state); err != nil {
		c.complain(err.Error())
	}
}

// confirmed reports that the last two answers of the peer agree with the
// offset, as far as this clock can have kept it between them.
func (c choice) confirmed() bool {
	last := c.peer.server.filter
	if len(last) < 2 {
		return false
	}
	most := stepThreshold + scale(last[0].at.Sub(last[1].at), oscillatorMost)
	return (last[0].offset-c.offset).Abs() < most && (last[1].offset-c.offset).Abs() < most
}

// adapt sets the interval by how far off the clock is.
func (c *Clock) adapt(offset time.Duration) {
	switch {
	case offset.Abs() > stepThreshold/2:
		c.poll = minPoll
	case offset.Abs() <= steadyOffset && c.chosen.peer.server.burst == 0:
		c.poll = min(2*c.poll, maxPoll)
	}
}

// tell has the kernel take the chosen offset, at once or by and by.
func (c *Clock) tell(step bool, state kernelState) error {
	chosen := c.chosen
	told := correction{chosen.offset, chosen.peer.distance, chosen.jitter, c.leapOf(state.now.Add(chosen.offset)),
		max(c.poll, chosen.peer.server.least)}
	timex := told.slew()
	if step {
		timex = told.step()
	}
	if _, err := c.options.Adjust(timex); err != nil {
		return fmt.Errorf("set the clock: %w", err)
	}
	if step || !state.synchronised {
		c.options.Log.Info("clock synchronised", "server", chosen.peer.server.server, "address", chosen.peer.server.address,
			"offset", chosen.offset, "stepped", step, "witness", chosen.witness)
		signal(c.keep)
	}
	c.remaining = chosen.offset
	if step {
		c.stepped(chosen.offset)
	}
	c.peer, c.source = chosen.peer.server, chosen.peer.server.address
	c.offset, c.jitter, c.distance, c.leap = chosen.offset, chosen.jitter, chosen.peer.distance, told.leap
	c.at, c.byHand, c.refused, c.problem = time.Now(), false, 0, ""
	c.right, c.error = c.at, time.Duration(timex.Maxerror)*time.Microsecond
	return nil
}

// stepped follows a step of the clock.
func (c *Clock) stepped(by time.Duration) {
	c.shift(by)
	c.remaining = 0
	c.steps++
}

// leapOf says whether a second is inserted (STA_INS) or deleted (STA_DEL) at
// the end of the day: when most of those that are right announce it, and
// only at the end of June and of December, where all have been: servers are
// known to announce false ones. Who smears announces none.
func (c *Clock) leapOf(day time.Time) int32 {
	day = day.UTC()
	lastDay := day.Month() == time.June && day.Day() == 30 || day.Month() == time.December && day.Day() == 31
	if c.smeared || !lastDay {
		return 0
	}
	right, inserting, deleting := 0, 0, 0
	for _, a := range c.associations {
		if a.mark == markNone || a.mark == markFalseticker {
			continue
		}
		right++
		switch a.last.Leap {
		case 1:
			inserting++
		case 2:
			deleting++
		}
	}
	switch {
	case 2*inserting > right:
		return unix.STA_INS
	case 2*deleting > right:
		return unix.STA_DEL
	}
	return 0
}

// Conditions are the alarms that hold now.
func (c *Clock) Conditions() []model.Condition {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []model.Condition
	if c.conflict != "" {
		list = append(list, model.Condition{Name: alarm.ClockDisagreement, Text: c.conflict})
	}
	if c.refused != 0 {
		list = append(list, model.Condition{Name: alarm.ClockStepRefused,
			Text: fmt.Sprintf("a step of the clock by %s to the time of its servers is refused", c.refused.Round(time.Second))})
	}
	return list
}

// Status says in a line whether the clock is right, or why not.
func (c *Clock) Status() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.problem == "" || c.off:
		return c.status()
	case c.source.IsValid():
		return c.status() + "; now " + c.problem
	}
	return c.status() + ": " + c.problem
}

// status is Status without the problem. The caller holds the lock.
func (c *Clock) status() string {
	switch {
	case c.off && c.byHand:
		return "set by hand, NTP is off"
	case c.off:
		return "NTP is off"
	case !c.source.IsValid() && c.problem == "":
		return "not synchronised: asking"
	case !c.source.IsValid():
		return "not synchronised"
	}
	synchronised := fmt.Sprintf("synchronised to %s, offset %d ms", c.source, c.offset.Round(time.Millisecond).Milliseconds())
	if c.problem != "" {
		synchronised += fmt.Sprintf(", %s ago", time.Since(c.at).Round(time.Second))
	}
	return synchronised
}
