package services

import (
	"context"
	"time"

	"causeway/appliance/com/gate"
	"causeway/appliance/com/wire"
	"causeway/appliance/config/change"
)

// commit puts the candidate of the caller in force until it is confirmed.
func (c *Config) commit(ctx context.Context, caller gate.Caller, r wire.ConfigCommit) (wire.Committed, error) {
	minutes, err := confirmMinutes(r.ConfirmSeconds)
	if err != nil {
		return wire.Committed{}, err
	}
	c.changing.Lock()
	defer c.changing.Unlock()
	// It would confirm the one before, over the session that is to show first
	// that it can be had anew.
	if p := c.configuration.Status().Pending; p != nil {
		return wire.Committed{}, gate.Refuse(wire.CodeConflict, "revision %d waits for its confirmation already", p.Revision)
	}
	done, err := c.configuration.Commit(ctx, change.CommitRequest{
		Operator: caller.Operator, Comment: r.Comment, ConfirmMinutes: minutes, Base: r.BaseRevision,
	})
	if err != nil {
		return wire.Committed{}, coded(err)
	}
	if len(done.Faults) == 0 {
		c.configuration.Release(ctx, change.Who{Operator: caller.Operator})
		c.holder = nil
	}
	return c.waiting(caller, done), nil
}

// confirmMinutes are the minutes, in whole, that a commit waits.
func confirmMinutes(seconds int) (int, error) {
	const most = int(mostConfirm / time.Second)
	switch {
	case seconds == 0:
		return int(defaultConfirm / time.Minute), nil
	case seconds < 0 || seconds > most:
		return 0, gate.Refuse(wire.CodeParams, "a commit waits 1 to %d seconds for its confirmation, not %d", most, seconds)
	}
	return (seconds + 59) / 60, nil
}

// waiting notes what a commit came to, and tells it. c.changing is held.
func (c *Config) waiting(caller gate.Caller, done change.Committed) wire.Committed {
	answer := wire.Committed{Revision: done.Revision, Faults: sentences(done.Faults), Notes: done.Notes}
	if done.Revision == 0 {
		return answer
	}
	c.waits.revision, c.waits.session = done.Revision, max(c.session, caller.Session.Number)
	if p := c.configuration.Status().Pending; p != nil && p.Revision == done.Revision {
		answer.Confirm = p.Until.UTC().Format(time.RFC3339)
	}
	select {
	case c.committed <- struct{}{}:
	default: // it is to be made anew already
	}
	return answer
}

// confirm has a commit of COM stay, if the link was made anew since.
func (c *Config) confirm(ctx context.Context, caller gate.Caller, r wire.ConfigConfirm) (wire.Committed, error) {
	c.changing.Lock()
	defer c.changing.Unlock()
	p := c.configuration.Status().Pending
	switch {
	case p == nil || p.Revision != r.Revision:
		return wire.Committed{}, gate.Refuse(wire.CodeConflict, "revision %d does not wait for a confirmation", r.Revision)
	case c.waits.revision != r.Revision:
		return wire.Committed{}, gate.Refuse(wire.CodeConflict, "revision %d was not committed over COM: it is confirmed where it was", r.Revision)
	case caller.Session.Number <= c.waits.session:
		return wire.Committed{}, gate.Refuse(wire.CodeConflict, "revision %d is to be confirmed over a later session than the one that it came by", r.Revision)
	}
	if _, err := c.configuration.Confirm(ctx, change.ConfirmRequest{Operator: caller.Operator, Revision: r.Revision}); err != nil {
		return wire.Committed{}, coded(err)
	}
	return wire.Committed{Revision: r.Revision, Faults: []string{}}, nil
}

// rollback puts an earlier revision in force until it is confirmed.
func (c *Config) rollback(ctx context.Context, caller gate.Caller, r wire.ConfigRollback) (wire.Committed, error) {
	c.changing.Lock()
	defer c.changing.Unlock()
	done, err := c.configuration.Rollback(ctx, change.RollbackRequest{
		Operator: caller.Operator, Revision: r.Revision, ConfirmMinutes: int(defaultConfirm / time.Minute),
	})
	if err != nil {
		return wire.Committed{}, coded(err)
	}
	return c.waiting(caller, done), nil
}
