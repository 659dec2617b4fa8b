package callhome

import (
	"context"
	"fmt"
	"slices"
	"time"

	"causeway/appliance/callhome/message"
	"causeway/appliance/link"
	"causeway/appliance/model"
)

// What sessions and control say to each other, as control.callhome.NAME.
type (
	// SendRequest has a message of a group that is due every month made and sent
	// now.
	SendRequest struct {
		Operator model.Operator `json:"operator"`
		Group    string         `json:"group"`
		Profile  string         `json:"profile"` // empty: all that want the group
	}
	// SendAllRequest has all messages of the mode made and sent now, and those that
	// wait for the vendor.
	SendAllRequest struct {
		Operator model.Operator `json:"operator"`
	}
	// TestRequest has a test message sent now.
	TestRequest struct {
		Operator model.Operator `json:"operator"`
		Text     string         `json:"text"`    // empty: one of ours
		Profile  string         `json:"profile"` // empty: all
	}
	// Answer is what became of the deliveries that were asked for: each is "sent"
	// or was dropped, or it is "waiting" with the Error of its first attempt, or
	// without one when there was none in time. Of SendAllRequest it has those to the
	// vendor.
	Answer struct {
		Deliveries []model.CallHomeEntry `json:"deliveries"`
	}
	// ClearRequest asks to forget which alerts were processed, or to drop all that
	// waits.
	ClearRequest struct {
		Operator model.Operator `json:"operator"`
	}
	// Cleared is how many that were: alerts, or deliveries.
	Cleared struct {
		Count int `json:"count"`
	}
)

// SendLimit is how long an answer to SendRequest, SendAllRequest or TestRequest
// may take: callers wait a little longer. Another message may be made before.
const SendLimit = 2*factsLimit + sendWait

// sendWait is how long attempts are waited for that somebody has asked for.
const sendWait = 2 * time.Minute

// Methods are what sessions may ask.
func (c *CallHome) Methods() link.Methods {
	return link.Methods{
		"control.callhome.status":      link.ForOperators(c.status),
		"control.callhome.send":        link.ForOperators(c.send),
		"control.callhome.send-all":    link.ForOperators(c.sendAll),
		"control.callhome.test":        link.ForOperators(c.test),
		"control.callhome.clear-dedup": link.ForOperators(c.clearDedup),
		"control.callhome.clear-queue": link.ForOperators(c.clearQueue),
	}
}

// status is for operators only: it names the contact.
func (c *CallHome) status(context.Context, struct{}) (model.CallHomeStatus, error) {
	return c.Status(), nil
}

func (c *CallHome) send(ctx context.Context, r SendRequest) (Answer, error) {
	if !monthly(r.Group) {
		return Answer{}, fmt.Errorf("%q is not sent on request: inventory, telemetry and configuration are", r.Group)
	}
	if err := c.check(r.Profile); err != nil {
		return Answer{}, err
	}
	c.options.Log.Info("a message of Call Home is asked for", "by", r.Operator, "group", r.Group, "profile", r.Profile)
	var asked []request
	err := c.alone(ctx, func() (err error) {
		asked, err = c.report(ctx, r.Profile, r.Group)
		return err
	})
	if err != nil {
		return Answer{}, err
	}
	return c.await(ctx, asked), nil
}

func (c *CallHome) sendAll(ctx context.Context, r SendAllRequest) (Answer, error) {
	if err := c.check(""); err != nil {
		return Answer{}, err
	}
	c.options.Log.Info("all messages of Call Home are asked for", "by", r.Operator)
	c.mu.Lock()
	groups := c.groups()
	c.mu.Unlock()
	var asked []request
	err := c.alone(ctx, func() (err error) {
		asked, err = c.report(ctx, "", groups...)
		return err
	})
	if err != nil {
		return Answer{}, err
	}
	asked = append(asked, c.hasten(asked)...)
	return c.await(ctx, slices.DeleteFunc(asked, func(r request) bool { return r.delivery.Profile != model.ProfileVendor })), nil
}

func (c *CallHome) test(ctx context.Context, r TestRequest) (Answer, error) {
	if err := c.check(r.Profile); err != nil {
		return Answer{}, err
	}
	c.options.Log.Info("a test message of Call Home is asked for", "by", r.Operator, "profile", r.Profile)
	gathering, end := context.WithTimeout(ctx, factsLimit)
	defer end()
	facts := c.options.Facts(gathering)
	text := r.Text
	if text == "" {
		text = "This is a test of Call Home."
	}
	asked, err := c.tell(message.Test, r.Profile, facts, &message.Event{
		Name: "Test", Group: model.GroupTest, Description: text,
		Impact: "None.", Remedy: "Nothing is to be done.", First: c.now(), Node: facts.HostName,
	})
	if err != nil {
		return Answer{}, err
	}
	return c.await(ctx, asked), nil
}

// check says why a message cannot be made for a profile; empty: for all.
func (c *CallHome) check(profile string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ready(); err != nil {
		return err
	}
	if profile != "" && !c.hasProfile(profile) {
		return fmt.Errorf("no messages go to a profile %q: there is none, it is not active, or has no destination", profile)
	}
	return nil
}

func (c *CallHome) clearDedup(_ context.Context, r ClearRequest) (Cleared, error) {
	c.options.Log.Info("alerts of Call Home are forgotten", "by", r.Operator)
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.state.Seen)
	c.state.Seen = nil
	return Cleared{n}, c.save()
}

func (c *CallHome) clearQueue(_ context.Context, r ClearRequest) (Cleared, error) {
	c.options.Log.Info("messages of Call Home that wait are dropped", "by", r.Operator)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.interrupt()
	n := c.drop("cleared", func(*queued, *delivery) bool { return true })
	return Cleared{n}, c.save()
}

// request is a delivery that somebody waits for.
type request struct {
	message  *queued
	delivery *delivery
	attempts int // that it had
}

// isOver says whether the delivery is, or has failed since; one that goes on without
// attachments has not.
func (r request) isOver() bool {
	return r.delivery.outcome != "" || r.delivery.Attempts > r.attempts && r.delivery.due > 0
}

// requests are those of all deliveries of a message. c.mu is held.
func requests(q *queued) (all []request) {
	for _, d := range q.deliveries {
		all = append(all, request{q, d, d.Attempts})
	}
	return all
}

// hasten makes what else waits for the vendor due at once.
func (c *CallHome) hasten(beside []request) (all []request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, q := range c.queue {
		for _, r := range requests(q) {
			isAsked := slices.ContainsFunc(beside, func(other request) bool { return other.delivery == r.delivery })
			if r.delivery.Profile == model.ProfileVendor && !isAsked {
				r.delivery.due = 0
				all = append(all, r)
			}
		}
	}
	nudge(c.deliverer)
	return all
}

// await waits until all deliveries were tried once, for sendWait at most.
func (c *CallHome) await(ctx context.Context, asked []request) (answer Answer) {
	ctx, end := context.WithTimeout(ctx, sendWait)
	defer end()
	c.mu.Lock()
	defer c.mu.Unlock()
	isOpen := func(r request) bool { return !r.isOver() }
	for ctx.Err() == nil && slices.ContainsFunc(asked, isOpen) {
		progress := c.progress
		c.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-progress:
		}
		c.mu.Lock()
	}
	for _, r := range asked {
		answer.Deliveries = append(answer.Deliveries, c.entry(r.message, r.delivery))
	}
	return answer
}
