package callhome

import (
	"cmp"
	"slices"
	"time"

	"causeway/appliance/model"
)

// Status says how Call Home stands. Times are trusted ones.
func (c *CallHome) Status() model.CallHomeStatus {
	right, now := c.clockIsRight(), c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	s := model.CallHomeStatus{
		Mode: c.config.Does(), Settings: withoutPasswords(c.config), Pending: c.config.Pending(),
		LastSent: c.state.Tallies[model.ProfileVendor].LastSent,
		Recent:   slices.Clone(c.state.Recent), Dropped: map[string]int64{},
	}
	if fault := cmp.Or(c.unwritten, c.trouble); fault != nil {
		s.Problem = fault.Error()
	}
	for _, group := range c.groups() {
		d := model.CallHomeDue{Group: group, Last: c.state.Monthly[group].Last, Next: c.nextOf(group, now, right)}
		if s.Next.IsZero() || d.Next.Before(s.Next) {
			s.Next = d.Next
		}
		s.Due = append(s.Due, d)
	}
	for _, q := range c.queue {
		for _, d := range q.deliveries {
			s.Waiting = append(s.Waiting, c.entry(q, d))
		}
	}
	for _, name := range c.profiles() {
		t := c.state.Tallies[name]
		s.Profiles = append(s.Profiles, model.CallHomeTally{
			Name: name, Sent: t.Sent, Failed: t.Failed, Dropped: t.Dropped, LastSent: t.LastSent, Error: t.Error,
		})
	}
	for _, seen := range c.state.Seen {
		if isDuplicate(seen, now) {
			s.Dedup = append(s.Dedup, seen)
		}
	}
	for why, n := range c.state.Dropped {
		s.Dropped[why] = n
	}
	return s
}

// withoutPasswords is a configuration that may be shown.
func withoutPasswords(h model.CallHome) model.CallHome {
	h.MailServers = slices.Clone(h.MailServers)
	for i := range h.MailServers {
		h.MailServers[i].Password = ""
	}
	return h
}

// nextOf is when a message of a group is due next; zero: nothing is sent. c.mu is
// held.
func (c *CallHome) nextOf(group string, now time.Time, clockIsRight bool) time.Time {
	if c.ready() != nil {
		return time.Time{}
	}
	if c.isMade(group, now) {
		return c.following(now)
	}
	uptime := c.options.Uptime()
	at, _ := c.dueFrom(group, now)
	if !clockIsRight {
		at = max(at, c.began+clockWait)
	}
	return now.Add(max(0, at-uptime))
}

// entry is a delivery as it is shown. c.mu is held.
func (c *CallHome) entry(q *queued, d *delivery) model.CallHomeEntry {
	e := model.CallHomeEntry{
		ID: q.ID, Group: group(q.Message), Profile: d.Profile, Made: q.Time,
		Attempts: d.Attempts, Outcome: d.outcome, Error: d.Error,
	}
	if q.Event != nil {
		e.Name = q.Event.Name
	}
	if e.Outcome == "" {
		e.Outcome = "waiting"
		e.Next = c.options.Now().Add(max(0, d.due-c.options.Uptime()))
	}
	return e
}

// Conditions are what should not be of Call Home now.
func (c *CallHome) Conditions() []model.Condition { return conditions(c.Status(), c.options.Now()) }
