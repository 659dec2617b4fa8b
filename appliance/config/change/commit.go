package change

import (
	"context"
	"errors"
	"fmt"
	"time"

	"causeway/appliance/config"
)

// mostMinutes is how long a commit may wait for its confirmation.
const mostMinutes = 24 * 60

// Commit puts the candidate in force, or confirms the commit before. Lines that
// must not change while what is in force runs are faults, as are those that
// break a rule. An error is what another process has against it, or that it
// cannot be kept; then what was in force stays so.
func (c *Configuration) Commit(ctx context.Context, r CommitRequest) (Committed, error) {
	c.mu.Lock()
	defer c.end()
	confirm, err := confirmTime(r.ConfirmMinutes)
	if err != nil {
		return Committed{}, err
	}
	if err := c.basedOn(r.Base); err != nil {
		return Committed{}, err
	}
	next := draft{c.inForce.Config, c.inForce.Aside}
	if c.candidate != nil {
		if err := c.held(r.Operator); err != nil {
			return Committed{}, err
		}
		next = c.candidate.draft
	}
	if err := c.isSeen(r.Seen, c.print(next)); err != nil {
		return Committed{}, err
	}
	if faults := c.Grammar.Locked(c.inForce.Config, next.config); len(faults) > 0 {
		return Committed{Faults: faults}, nil
	}
	answer, err := c.commit(ctx, next, Revision{Operator: r.Operator, Comment: r.Comment}, confirm)
	if answer.Revision != 0 && c.candidate != nil {
		c.candidate.draft = c.draft()
	}
	return answer, err
}

// confirmTime is how long a commit waits for its confirmation.
func confirmTime(minutes int) (time.Duration, error) {
	if minutes < 0 || minutes > mostMinutes {
		return 0, fmt.Errorf("%d is not between 1 and %d minutes", minutes, mostMinutes)
	}
	return time.Duration(minutes) * time.Minute, nil
}

// Rollback commits the text of an earlier revision as a new one. Unsaved work
// on the candidate is not thrown away for it. While a commit waits for its
// confirmation, a rollback that asks for one, too, is a *ConflictError.
func (c *Configuration) Rollback(ctx context.Context, r RollbackRequest) (Committed, error) {
	c.mu.Lock()
	defer c.end()
	confirm, err := confirmTime(r.ConfirmMinutes)
	if err != nil {
		return Committed{}, err
	}
	if confirm > 0 && c.pending != nil {
		return Committed{}, conflict("revision %d waits for its confirmation already", c.pending.Revision)
	}
	if c.changed() {
		if holder := c.holder(); holder != nil && holder.Operator != r.Operator {
			return Committed{}, c.held(r.Operator)
		}
		return Committed{}, errors.New("the candidate has changes: commit or abort them first")
	}
	revision, text, err := c.store.Text(r.Revision)
	if err != nil {
		return Committed{}, err
	}
	if err := c.isSeen(r.Seen, text); err != nil {
		return Committed{}, err
	}
	next, faults := c.read(text, revision.Version)
	if next.config == nil {
		return Committed{Faults: faults}, nil
	}
	pending := c.pending
	answer, err := c.commit(ctx, next, Revision{Operator: r.Operator, Comment: fmt.Sprintf("rollback to %d", r.Revision)}, confirm)
	if pending != nil && answer.Revision != 0 { // it was left, not confirmed
		c.withdraw(pending.Revision, "rolled back by "+r.Operator.String())
		answer.Confirmed = 0
	}
	for _, fault := range faults {
		answer.Notes = append(answer.Notes, "kept aside: "+fault.Error())
	}
	return answer, err
}

// commit makes a revision of next and puts it in force; with a time to confirm
// it in, it is undone after that. c.mu is held.
func (c *Configuration) commit(ctx context.Context, next draft, r Revision, confirm time.Duration) (answer Committed, err error) {
	var faults config.Errors
	if errors.As(c.Grammar.Validate(next.config), &faults) {
		return Committed{Faults: faults}, nil
	}
	f, err := c.settled(next)
	if err != nil {
		return Committed{}, err
	}
	if f.Text == c.inForce.Text && c.pending != nil {
		if confirm > 0 {
			return Committed{}, fmt.Errorf("revision %d waits for its confirmation already: commit keeps it", c.pending.Revision)
		}
		answer.Confirmed, err = c.confirm()
		return answer, err
	}
	if f.Text == c.inForce.Text && c.inForce.Number == c.store.Newest(Revision.Stands).Number {
		return Committed{Notes: []string{"there is nothing to commit"}}, nil
	}

	// A caller who goes away, perhaps cut off by this very commit, does not
	// leave it half done.
	ctx = context.WithoutCancel(ctx)
	for _, peer := range c.Peers {
		peer.Lock()
		defer peer.Unlock()
	}
	ready, notes, err := ask(c.Peers, "refuses the configuration", func(p Peer) error { return p.Prepare(ctx, f) })
	if err != nil {
		return Committed{}, err
	}
	r.Time, r.Version, r.State = c.Now(), c.Version, StateCommitted
	until := time.Now().Add(confirm) // with its monotonic reading
	if confirm > 0 {
		r.State, r.Until = StatePending, r.Time.Add(confirm)
	}
	if r, err = c.store.Add(r, f.Text); err != nil {
		return Committed{}, err
	}
	_, more, err := ask(ready, "cannot switch to the configuration", func(p Peer) error { return p.Switch(ctx) })
	if err == nil {
		answer.Confirmed, err = c.confirm() // not before: after a commit that fails, the one before still waits
	}
	if err != nil {
		c.withdraw(r.Number, err.Error())
		c.put(c.inForce) // for those that did switch
		return Committed{}, err
	}
	if confirm > 0 {
		c.pending = &Pending{Revision: r.Number, Until: until, Back: c.inForce.Number}
	} else {
		c.settle()
	}
	c.Log.Info("commit", "number", r.Number, "operator", r.Operator, "state", r.State, "comment", r.Comment)
	f.Number, f.Source = r.Number, SourceRevision
	c.before = c.inForce
	c.put(f)
	answer.Revision, answer.Notes = r.Number, append(notes, more...)
	if c.Remark != nil {
		answer.Notes = append(answer.Notes, c.Remark(c.before, f.Config)...)
	}
	if err := c.prune(); err != nil {
		answer.Notes = append(answer.Notes, err.Error())
	}
	return answer, nil
}

// confirm has the pending revision stay, and gives its number; 0 without one.
func (c *Configuration) confirm() (number int, err error) {
	if c.pending == nil {
		return 0, nil
	}
	number = c.pending.Revision
	state := StateCommitted
	if c.steady == number {
		state = StateProven
	}
	if err := c.store.Set(number, state, ""); err != nil {
		return 0, err
	}
	c.pending = nil
	c.settle()
	return number, nil
}

// settle ends what was told and done about earlier revisions: from now on the
// newest one is meant.
func (c *Configuration) settle() {
	c.machine, c.choice, c.starts, c.told, c.unserved = nil, "", 0, nil, ""
}

// prune keeps the store within its bound.
func (c *Configuration) prune() error {
	keep := []int{c.inForce.Number, c.usersFrom}
	if c.pending != nil {
		keep = append(keep, c.pending.Back)
	}
	return c.store.Prune(keep...)
}
