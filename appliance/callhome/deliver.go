package callhome

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"

	"causeway/appliance/callhome/message"
	"causeway/appliance/callhome/transport"
	"causeway/appliance/model"
)

// backOff are the waits after a failed attempt; the last one stays.
var backOff = []time.Duration{time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour}

const (
	againAfter  = 24 * time.Hour // what is due every month is made again that the vendor has refused
	lookEvery   = time.Minute    // at what no nudge tells of: a clock that is to be right, a disk to be written
	idle        = time.Hour      // nobody waits for longer
	outcomeSent = "sent"
)

// attempt is one try to deliver.
type attempt struct {
	message  *queued
	delivery *delivery
	sent     *message.Message // of message what the settings want sent
	to       transport.Destination
	ctx      context.Context // of the configuration that to is of
	end      context.CancelFunc
}

// deliver delivers one message after the other until ctx ends.
func (c *CallHome) deliver(ctx context.Context) {
	for {
		a, wait := c.next(ctx)
		if a == nil {
			if !pause(ctx, wait, c.deliverer) {
				return
			}
			continue
		}
		c.finish(a, c.options.Sender.Send(a.ctx, a.to, a.sent))
		a.end()
		if ctx.Err() != nil {
			return
		}
	}
}

// next gives the next attempt, or how long there is none. Profiles take turns, so
// that one whose server takes its time to fail does not hold up the others.
func (c *CallHome) next(ctx context.Context) (a *attempt, wait time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wait = idle
	if (c.expire() > 0 || c.unwritten != nil) && c.save() != nil {
		wait = lookEvery
	}
	if c.ready() != nil {
		return nil, wait
	}
	uptime := c.options.Uptime()
	for _, q := range c.queue {
		for _, d := range q.deliveries {
			switch {
			case d.due > uptime:
				wait = min(wait, d.due-uptime)
			case a == nil || c.turn[d.Profile] < c.turn[a.delivery.Profile] || d.Profile == a.delivery.Profile && d.due < a.delivery.due:
				a = &attempt{message: q, delivery: d}
			}
		}
	}
	if a == nil {
		return nil, wait
	}
	c.turns++
	c.turn[a.delivery.Profile] = c.turns
	a.sent, a.to = c.outgoing(a.message, a.delivery), c.destination(a.delivery.Profile, a.message.Mode)
	a.ctx, a.end = context.WithCancel(ctx)
	c.interrupt = a.end
	return a, 0
}

// outgoing is a message as it goes now: without what commands printed and traces
// when the operator wants them sent no more, or the destination does not take them.
// c.mu is held.
func (c *CallHome) outgoing(q *queued, d *delivery) *message.Message {
	m := *q.Message
	if !c.config.Traces || d.bare {
		m.Attachments = nil
	}
	return &m
}

// finish is what an attempt means. One that was interrupted was none.
func (c *CallHome) finish(a *attempt, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.interrupt = func() {}
	d := a.delivery
	if d.outcome != "" || err != nil && a.ctx.Err() != nil {
		return // it was dropped meanwhile, or interrupted
	}
	d.Attempts++
	if err == nil {
		d.Error = ""
		c.end(a.message, d, outcomeSent)
		_ = c.save() // it is logged
		return
	}
	d.Error = clip(err.Error())
	t := c.state.Tallies[d.Profile]
	t.Failed++
	t.Error = d.Error
	c.state.Tallies[d.Profile] = t
	if errors.Is(err, transport.ErrRefused) && len(a.sent.Attachments) > 0 && a.to.Format != model.CallHomeShort {
		d.bare, d.due = true, 0 // it may be too long; the alert is worth more than what it brings
		c.options.Log.Info("a message of Call Home is refused, and tried without attachments", "message", a.message.ID, "profile", d.Profile, "error", d.Error)
		return
	}
	if errors.Is(err, transport.ErrRefused) {
		c.makeAgain(a.message, d)
		c.end(a.message, d, "refused")
		_ = c.save() // it is logged
		return
	}
	wait := c.waitAfter(d.Attempts, err)
	d.due = c.options.Uptime() + wait
	c.options.Log.Info("a message of Call Home could not be delivered",
		"message", a.message.ID, "profile", d.Profile, "again_after", wait, "error", d.Error)
	c.progressed()
}

// waitAfter is how long to wait after so many attempts, the last of which failed
// with err: a step of backOff, by a fifth more or less, or as long as the
// destination asks for, if that is longer.
func (c *CallHome) waitAfter(attempts int, err error) time.Duration {
	step := backOff[min(attempts, len(backOff))-1]
	wait := time.Duration(float64(step) * (0.8 + 0.4*c.jitter()))
	if later := (*transport.Later)(nil); errors.As(err, &later) {
		wait = max(wait, min(later.After, transport.LongestWait))
	}
	return wait
}

// clip makes a text one line that is not too long, and that a terminal can show:
// there are words of others in it.
func clip(text string) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || !unicode.IsPrint(r) }), " ")
	if len(text) > longestError {
		text = strings.ToValidUTF8(text[:longestError], "") + "…"
	}
	return text
}

// destination is where the configuration has the messages of a profile go that
// were made in a mode. c.mu is held.
func (c *CallHome) destination(profile, mode string) transport.Destination {
	to := transport.Destination{
		Profile: profile, Format: c.config.Format, Mode: mode, Proxy: c.config.Proxy(),
		Servers: c.config.MailServers, From: c.config.From, ReplyTo: c.config.ReplyTo,
	}
	switch contact := c.config.ContactEmail; {
	case mode == model.CallHomeSmart:
		to.From = cmp.Or(to.From, contact)
	case strings.EqualFold(to.From, contact): // as people write it
		to.From = ""
	}
	switch profile {
	case model.ProfileVendor:
		if c.config.By() == model.CallHomeEmail {
			to.Emails = []string{c.config.Email}
		} else {
			to.URL = c.config.URL
		}
	case model.ProfileCopies:
		to.Format, to.Emails = model.CallHomeLong, c.config.Copies
	default:
		p := c.config.Profile(profile)
		to.Format, to.URL, to.Emails = p.Format, p.URL, p.Emails
	}
	if to.Format == "" {
		to.Format = model.CallHomeXML
		if to.URL == "" && profile != model.ProfileVendor {
			to.Format = model.CallHomeShort
		}
	}
	return to
}

// hasProfile says whether messages go to a profile. c.mu is held.
func (c *CallHome) hasProfile(name string) bool { return slices.Contains(c.profiles(), name) }

// profiles are all that messages go to. c.mu is held.
func (c *CallHome) profiles() []string {
	names := []string{model.ProfileVendor}
	if len(c.config.Copies) > 0 {
		names = append(names, model.ProfileCopies)
	}
	for _, p := range c.config.Profiles {
		if !p.Off && (p.URL != "" || len(p.Emails) > 0) {
			names = append(names, p.Name)
		}
	}
	return names
}

// subscribers are the profiles that get messages of a group, and alerts of this
// severity. The vendor gets all, and so do the copies; tests go to everybody.
func (c *CallHome) subscribers(group string, severity model.Severity) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(c.profiles(), func(name string) bool {
		p := c.config.Profile(name)
		return p != nil && group != model.GroupTest && !slices.ContainsFunc(p.Groups, func(s model.CallHomeSubscription) bool {
			return s.Group == group && !worse(s.Severity, severity)
		})
	})
}
