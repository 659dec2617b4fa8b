package change

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/link"
	"causeway/appliance/model"
)

// mostMinutes is how long a commit may wait for its confirmation.
const mostMinutes = 24 * 60

// Commit puts the candidate in force, or confirms the commit before. An error
// is what another process has against it, or that it cannot be kept; then what
// was in force stays so.
func (c *Configuration) Commit(ctx context.Context, r CommitRequest) (Committed, error) {
	c.mu.Lock()
	defer c.end()
	if r.ConfirmMinutes < 0 || r.ConfirmMinutes > mostMinutes {
		return Committed{}, fmt.Errorf("%d is not between 1 and %d minutes", r.ConfirmMinutes, mostMinutes)
	}
	next := draft{c.inForce.Config, c.inForce.Aside}
	if c.candidate != nil {
		if err := c.held(r.Operator); err != nil {
			return Committed{}, err
		}
		next = c.candidate.draft
	}
	answer, err := c.commit(ctx, next, Revision{Operator: r.Operator, Comment: r.Comment}, time.Duration(r.ConfirmMinutes)*time.Minute)
	if answer.Revision != 0 && c.candidate != nil {
		c.candidate.draft = c.draft()
	}
	return answer, err
}

// Rollback commits the text of an earlier revision as a new one. Unsaved work
// on the candidate is not thrown away for it.
func (c *Configuration) Rollback(ctx context.Context, r RollbackRequest) (Committed, error) {
	c.mu.Lock()
	defer c.end()
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
	next, faults := c.read(text, revision.Version)
	if next.config == nil {
		return Committed{Faults: faults}, nil
	}
	answer, err := c.commit(ctx, next, Revision{Operator: r.Operator, Comment: fmt.Sprintf("rollback to %d", r.Revision)}, 0)
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
		answer.Confirmed = c.pending.Revision
		return answer, c.confirm()
	}
	if f.Text == c.inForce.Text && c.inForce.Number == c.store.Newest(standing).Number {
		return Committed{Notes: []string{"there is nothing to commit"}}, nil
	}

	// A caller who goes away, perhaps cut off by this very commit, does not
	// leave it half done.
	ctx = context.WithoutCancel(ctx)
	for _, peer := range c.Peers {
		peer.Lock()
		defer peer.Unlock()
	}
	ready, notes, err := ask(c.Peers, "refuses the configuration", func(p Peer) error { return p.Prepare(ctx, f.Text) })
	if err != nil {
		return Committed{}, err
	}
	if c.pending != nil {
		answer.Confirmed = c.pending.Revision
		if err := c.confirm(); err != nil {
			return Committed{}, err
		}
	}
	r.Time, r.Version, r.State = time.Now(), c.Version, StateCommitted
	if confirm > 0 {
		r.State, r.Until = StatePending, r.Time.Add(confirm)
	}
	until := r.Until // with its monotonic reading
	if r, err = c.store.Add(r, f.Text); err != nil {
		return answer, err
	}
	_, more, err := ask(ready, "cannot switch to the configuration", func(p Peer) error { return p.Switch(ctx) })
	if err != nil {
		c.withdraw(r.Number, err.Error())
		c.put(c.inForce) // for those that did switch
		return answer, err
	}
	if confirm > 0 {
		c.pending = &Pending{Revision: r.Number, Until: until, Back: c.inForce.Number}
	} else {
		c.settle()
	}
	f.Number, f.Source = r.Number, SourceRevision
	c.before = c.inForce
	c.put(f)
	answer.Revision, answer.Notes = r.Number, append(notes, more...)
	if err := c.prune(); err != nil {
		answer.Notes = append(answer.Notes, err.Error())
	}
	return answer, nil
}

// settled makes of a draft what can be put in force.
func (c *Configuration) settled(d draft) (InForce, error) {
	d, faults := c.read(c.print(d), c.Version) // a value of its own, and lines aside that fit by now are in
	if len(faults) > 0 {
		return InForce{}, fmt.Errorf("the configuration does not read as it is printed: %w", faults)
	}
	f := c.asInForce(d)
	if len(f.Text) > maxText {
		return InForce{}, fmt.Errorf("the configuration has %d octets; %d is the most", len(f.Text), maxText)
	}
	return f, nil
}

// ask has all peers do something at once. ready are those that did it, notes
// say who could not be asked; the error is what others have against it.
func ask(peers []Peer, against string, do func(Peer) error) (ready []Peer, notes []string, err error) {
	answers := make([]error, len(peers))
	var all sync.WaitGroup
	for i, peer := range peers {
		all.Go(func() { answers[i] = do(peer) })
	}
	all.Wait()
	var refusals []error
	for i, peer := range peers {
		switch answer := answers[i]; {
		case answer == nil:
			ready = append(ready, peer)
		case Refusal(answer):
			refusals = append(refusals, fmt.Errorf("%s %s: %w", peer.Name(), against, answer))
		default:
			notes = append(notes, fmt.Sprintf("%s gets the configuration later: %v", peer.Name(), answer))
		}
	}
	return ready, notes, errors.Join(refusals...)
}

// Refusal reports whether an error of a process is what it has against a
// revision, and not that it is down, too slow or out of room.
func Refusal(err error) bool {
	var remote *link.RemoteError
	return errors.As(err, &remote) && !remote.Passing
}

// confirm has the pending revision stay.
func (c *Configuration) confirm() error {
	state := StateCommitted
	if c.steady == c.pending.Revision {
		state = StateProven
	}
	if err := c.store.Set(c.pending.Revision, state, ""); err != nil {
		return err
	}
	c.pending = nil
	c.settle()
	return nil
}

// settle ends what was told and done about earlier revisions: from now on the
// newest one is meant.
func (c *Configuration) settle() {
	c.machine, c.choice, c.starts, c.told = nil, "", 0, nil
}

// prune keeps the store within its bound.
func (c *Configuration) prune() error {
	keep := []int{c.inForce.Number}
	if c.pending != nil {
		keep = append(keep, c.pending.Back)
	}
	return c.store.Prune(keep...)
}

// withdraw takes a revision out of use for good.
func (c *Configuration) withdraw(number int, reason string) {
	c.Log.Error("configuration withdrawn", "number", number, "because", reason)
	if err := c.store.Set(number, StateWithdrawn, reason); err != nil {
		c.tell("%v", err)
	}
	if c.pending != nil && c.pending.Revision == number {
		c.pending = nil
	}
}

// Abandon gives up what is in force because it does not serve, and goes back
// to the revision before. One that is built in or has served before stays: the
// fault must lie elsewhere.
func (c *Configuration) Abandon(f InForce, reason error) {
	c.mu.Lock()
	defer c.end()
	if !c.inForce.Is(f) {
		return // another process was faster
	}
	switch {
	case f.Source == SourceMachine:
		c.tell("the configuration handed in by the machine is not used: %v", reason)
		c.machine = nil
	case f.Number == 0:
		c.tell("the built-in configuration does not serve, and there is no other: %v", reason)
		return
	case c.store.Get(f.Number).State == StateProven:
		c.tell("revision %d does not serve any more: %v", f.Number, reason)
		return
	default:
		c.withdraw(f.Number, reason.Error())
	}
	c.put(c.earlier())
}

// earlier gives what is to run after what is in force was given up: what ran
// before it, from memory, as the disk may be what is at fault.
func (c *Configuration) earlier() InForce {
	before := c.before
	c.before = InForce{}
	if before.Config != nil && (before.Number == 0 || standing(c.store.Get(before.Number))) {
		return before
	}
	return c.best()
}

// Prove notes that the box stays up with what is in force.
func (c *Configuration) Prove(f InForce) {
	c.mu.Lock()
	defer c.end()
	switch c.store.Get(f.Number).State {
	case StatePending:
		c.steady = f.Number
	case StateCommitted:
		if err := c.store.Set(f.Number, StateProven, ""); err != nil {
			c.Log.Error("the revision serves, but that is not kept", "number", f.Number, "error", err)
		}
	}
}

// steadyTime is how long control must stay up for its earlier ends to be forgotten.
const steadyTime = 30 * time.Second

// Run undoes a pending commit when its time is over, until ctx ends.
func (c *Configuration) Run(ctx context.Context) error {
	steady := time.After(steadyTime)
	for {
		var over <-chan time.Time
		if pending := c.Status().Pending; pending != nil {
			over = time.After(time.Until(pending.Until))
		}
		select {
		case <-ctx.Done():
			c.forgetStarts() // it was told to end
			return nil
		case <-steady:
			c.forgetStarts()
		case <-over:
			c.expire()
		case <-c.kick:
		}
	}
}

// expire undoes the pending commit if its time is over.
func (c *Configuration) expire() {
	c.mu.Lock()
	defer c.end()
	if c.pending == nil || time.Until(c.pending.Until) > 0 {
		return // confirmed in the last moment
	}
	c.withdraw(c.pending.Revision, "not confirmed in time")
	c.put(c.earlier())
}

// read makes a draft of the text of a revision. A text that this version wrote
// is read strictly: without a draft, faults say why. One of another version is
// read as far as it can be, and faults say what was set aside.
func (c *Configuration) read(text, version string) (draft, config.Errors) {
	parsed, err := c.Grammar.Parse(text)
	var faults config.Errors
	errors.As(err, &faults)
	switch {
	case faults == nil && len(config.Aside(text)) == 0:
		return draft{config: parsed}, nil
	case faults != nil && version == c.Version:
		return draft{}, faults
	}
	loaded, aside, faults := c.Grammar.Load(text)
	return draft{loaded, slices.Clip(aside)}, faults
}

func (c *Configuration) asInForce(d draft) InForce {
	f := InForce{Text: c.print(d), Config: d.config, Aside: d.aside}
	f.ID = model.RevisionID(f.Text)
	return f
}
