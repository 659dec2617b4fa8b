package change

import (
	"context"
	"errors"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// What an operator does who does not sit at a console, but changes the
// configuration a message at a time (RFC 6241 §8.3 and §8.4).

// Lines are brought into the candidate together.
type Lines struct {
	Operator model.Operator
	Base     int      // the revision that must be in force; 0: any
	Lines    []string // as they are typed one after the other, from global mode on
	// Permits says what there is against a line that is typed in the modes that
	// path opened.
	Permits func(path []string, line string) error
}

// EditTogether gives the candidate to an operator with these lines in it. It is
// all of them or, with a fault or an error, none, and then the candidate is not
// given either. A candidate that somebody else holds, or has left with changes,
// is a *ConflictError (RFC 6241 §7.5).
func (c *Configuration) EditTogether(_ context.Context, r Lines) (fault *config.Error, err error) {
	c.mu.Lock()
	defer c.end()
	if err := c.basedOn(r.Base); err != nil {
		return nil, err
	}
	next, holder := c.draft(), c.holder()
	switch {
	case holder != nil:
		if err := c.held(r.Operator); err != nil {
			return nil, err
		}
		if next, err = c.copied(c.candidate.draft); err != nil {
			return nil, err
		}
	case c.changed():
		return nil, conflict("the candidate has changes that somebody has left, neither committed nor dropped")
	}
	var path []string
	for i, line := range r.Lines {
		err := r.Permits(path, line)
		if err == nil {
			if path, fault = c.Grammar.Edit(next.config, path, line); fault == nil {
				continue
			}
		} else if !errors.As(err, &fault) {
			return nil, err
		}
		fault.Line = i + 1
		return fault, nil
	}
	if holder == nil {
		c.candidate = &candidate{holder: &Holder{Operator: r.Operator, Since: time.Now()}}
	}
	c.candidate.draft = next
	return nil, nil
}

// basedOn reports a *ConflictError unless a revision is in force; 0 is any. c.mu is held.
func (c *Configuration) basedOn(revision int) error {
	if revision != 0 && revision != c.inForce.Number {
		return conflict("revision %d is in force, not %d", c.inForce.Number, revision)
	}
	return nil
}

// Step names the way from one text of a configuration to another: what an operator
// has looked at who then says that it shall be done.
func Step(from, to string) string { return model.RevisionID(from) + ".." + model.RevisionID(to) }

// isSeen reports a *ConflictError where an operator has seen another step than the
// one from what is in force to a text. c.mu is held.
func (c *Configuration) isSeen(seen, to string) error {
	if seen != "" && seen != Step(c.inForce.Text, to) {
		return conflict("the candidate, or what is in force, is another one since you looked")
	}
	return nil
}

// Validate says what the rules of the configuration have against the candidate.
// Other processes are asked by a commit only.
func (c *Configuration) Validate(context.Context) (faults config.Errors) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.candidate == nil {
		return nil
	}
	if faults := c.Grammar.Locked(c.inForce.Config, c.candidate.config); len(faults) > 0 {
		return faults
	}
	errors.As(c.Grammar.Validate(c.candidate.config), &faults)
	return faults
}

// Confirm has a revision stay that waits for that, whatever the candidate has.
// It is a *ConflictError where the revision does not wait.
func (c *Configuration) Confirm(_ context.Context, r ConfirmRequest) (struct{}, error) {
	c.mu.Lock()
	defer c.end()
	if c.pending == nil || c.pending.Revision != r.Revision {
		return struct{}{}, conflict("revision %d does not wait for a confirmation", r.Revision)
	}
	if _, err := c.confirm(); err != nil {
		return struct{}{}, err
	}
	c.Log.Info("commit confirmed", "number", r.Revision, "operator", r.Operator)
	return struct{}{}, nil
}
