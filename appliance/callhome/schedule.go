package callhome

import (
	"context"
	"fmt"
	"slices"
	"time"

	"causeway/appliance/callhome/message"
	"causeway/appliance/model"
)

const (
	earliest     = 3 * time.Hour    // time of day: after the hours that a change to summer time leaves out
	catchUp      = 15 * time.Minute // after a start, within which boxes catch up what they missed
	clockWait    = time.Hour        // for a clock that nobody synchronises
	factsLimit   = time.Minute
	mostMonths   = 24
	mostUpgrades = 50
)

// schedule makes what is due until ctx ends.
func (c *CallHome) schedule(ctx context.Context) {
	for {
		c.noteVersion()
		if err := c.makeDue(ctx); err != nil && ctx.Err() == nil {
			c.options.Log.Warn("messages of Call Home that are due", "error", err)
		}
		if !pause(ctx, c.rest(), c.scheduler) {
			return
		}
	}
}

// rest is how long to wait until something is due; no longer than idle, since
// clocks are set and zones changed.
func (c *CallHome) rest() time.Duration {
	switch next := c.Status().Next; {
	case !c.clockIsRight():
		return lookEvery
	case next.IsZero():
		return idle
	default:
		return min(max(next.Sub(c.options.Now()), lookEvery), idle)
	}
}

// makeDue makes what is due.
func (c *CallHome) makeDue(ctx context.Context) error {
	return c.alone(ctx, func() error {
		for profile, groups := range c.due() {
			if _, err := c.report(ctx, profile, groups...); err != nil {
				return err
			}
		}
		return nil
	})
}

// alone makes what is due every month while nobody else does: what the schedule
// makes would take the place of what an operator waits for.
func (c *CallHome) alone(ctx context.Context, do func() error) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case c.making <- struct{}{}:
	}
	defer func() { <-c.making }()
	return do()
}

// instant is when the messages of a month are due: on its first, at the time of
// day of this box (CH-14, CH-26).
func (c *CallHome) instant(year int, month time.Month, zone *time.Location) time.Time {
	return time.Date(year, month, 1, 0, 0, int(c.timeOfDay/time.Second), 0, zone)
}

// latest is the last time that messages were due by the zone of now.
func (c *CallHome) latest(now time.Time) time.Time {
	year, month, _ := now.Date()
	if at := c.instant(year, month, now.Location()); !at.After(now) {
		return at
	}
	return c.instant(year, month-1, now.Location())
}

// following is the next one.
func (c *CallHome) following(now time.Time) time.Time {
	at := c.latest(now)
	return c.instant(at.Year(), at.Month()+1, now.Location())
}

// label names the month of an instant.
func label(at time.Time) string { return at.Format("2006-01") }

// due are the groups that a message is due of: for all that want it (""), or for
// the vendor alone, who has refused the one that the others have.
func (c *CallHome) due() map[string][]string {
	right, now := c.clockIsRight(), c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ready() != nil || !right {
		return nil
	}
	due := map[string][]string{}
	for _, group := range c.groups() {
		if from, profile := c.dueFrom(group, now); !c.isMade(group, now) && c.options.Uptime() >= from {
			due[profile] = append(due[profile], group)
		}
	}
	return due
}

// dueFrom is the uptime before which no message of a group is due, and the profile
// that it is for; empty: all that want it. c.mu is held.
func (c *CallHome) dueFrom(group string, now time.Time) (from time.Duration, profile string) {
	if c.state.Monthly[group].Refused == label(c.latest(now)) {
		return max(c.settled, c.again[group]), model.ProfileVendor
	}
	return c.settled, ""
}

// isMade says whether the message of a group was made that was due last. Of what
// was made at a time that is yet to come only the months count: the clock was
// ahead. c.mu is held.
func (c *CallHome) isMade(group string, now time.Time) bool {
	m, at := c.state.Monthly[group], c.latest(now)
	since := !m.Last.Before(at) && !m.Last.After(now) // also in another zone, which had another month
	return since || slices.Contains(m.Months, label(at))
}

// groups are those of what the mode sends every month. c.mu is held.
func (c *CallHome) groups() []string {
	return slices.DeleteFunc(slices.Clone(periodic), func(group string) bool {
		return !message.May(message.Kind(group), c.config.Does())
	})
}

// mark takes note that a message of a group was made. Those of months to come were
// not, whatever a clock said that was ahead. c.mu is held.
func (c *CallHome) mark(group string, now time.Time) {
	month := label(c.latest(now))
	months := slices.DeleteFunc(c.state.Monthly[group].Months, func(other string) bool { return other >= month })
	months = append(months, month)
	c.state.Monthly[group] = made{Last: now, Months: months[max(0, len(months)-mostMonths):]}
}

// unmark has the message of a month made again that waits for the vendor: it is
// not for the mode that is in force now. c.mu is held.
func (c *CallHome) unmark(q *queued) {
	m, ok := c.state.Monthly[string(q.Kind)]
	if ok && slices.ContainsFunc(q.deliveries, func(d *delivery) bool { return d.Profile == model.ProfileVendor }) {
		month := label(c.latest(q.Time))
		months := slices.DeleteFunc(m.Months, func(other string) bool { return other == month })
		c.state.Monthly[string(q.Kind)] = made{Months: months}
	}
}

// makeAgain has the message of this month made again for the vendor, if it is one
// and the vendor has refused it: a day later, or sooner with another configuration or
// after a start. c.mu is held.
func (c *CallHome) makeAgain(q *queued, d *delivery) {
	group := string(q.Kind)
	if !monthly(group) || d.Profile != model.ProfileVendor || label(c.latest(q.Time)) != label(c.latest(c.now())) {
		return
	}
	c.unmark(q)
	c.state.Monthly[group] = made{Months: c.state.Monthly[group].Months, Refused: label(c.latest(q.Time))}
	c.again[group] = c.options.Uptime() + againAfter
}

// report makes a message of each group and queues it: for one profile, or with an
// empty name for all that want it. It gives the deliveries that come of it. It
// is called alone.
func (c *CallHome) report(ctx context.Context, profile string, groups ...string) (asked []request, err error) {
	ctx, end := context.WithTimeout(ctx, factsLimit)
	defer end()
	facts := c.options.Facts(ctx)
	for _, group := range groups {
		more, err := c.tell(message.Kind(group), profile, facts, nil)
		if err != nil {
			return asked, err
		}
		asked = append(asked, more...)
	}
	return asked, nil
}

// tell makes one message and queues it.
func (c *CallHome) tell(kind message.Kind, profile string, facts message.Facts, event *message.Event) ([]request, error) {
	settings, err := c.settings()
	if err != nil {
		return nil, err
	}
	m, err := message.New(kind, c.newID(), c.now(), &settings, facts, event)
	if err != nil {
		return nil, fmt.Errorf("make a message of Call Home: %w", err)
	}
	profiles := c.subscribers(string(kind), "")
	if profile != "" {
		profiles = []string{profile}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	added, err := c.add(m, profiles)
	if err != nil {
		return nil, err
	}
	asked := requests(added) // before it can be delivered
	_ = c.save()             // it is logged; it is tried to be delivered all the same
	return asked, nil
}

// noteVersion takes note of the version that runs, once the clock is right.
func (c *CallHome) noteVersion() {
	right := c.clockIsRight()
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.state.Upgrades
	if !right || c.options.Version == "" || len(all) > 0 && all[len(all)-1].Version == c.options.Version {
		return
	}
	all = append(all, message.Upgrade{Version: c.options.Version, At: c.options.Now()})
	c.state.Upgrades = all[max(0, len(all)-mostUpgrades):]
	_ = c.save() // it is logged
}
