package change

import (
	"context"
	"fmt"
	"time"
)

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
		c.unserve("the built-in configuration does not serve, and there is no other: %v", reason)
		return
	case c.store.Get(f.Number).State == StateProven:
		c.unserve("revision %d does not serve any more: %v", f.Number, reason)
		return
	default:
		c.withdraw(f.Number, reason.Error())
	}
	c.put(c.earlier())
}

// unserve says why what is in force does not serve, although it stays.
func (c *Configuration) unserve(format string, args ...any) {
	if sentence := fmt.Sprintf(format, args...); sentence != c.unserved {
		c.unserved = sentence
		c.Log.Error("configuration", "problem", sentence)
	}
}

// earlier gives what is to run after what is in force was given up: what ran
// before it, from memory, as the disk may be what is at fault.
func (c *Configuration) earlier() InForce {
	before := c.before
	c.before = InForce{}
	if before.Config != nil && (before.Number == 0 || c.store.Get(before.Number).Stands()) {
		return before
	}
	return c.best()
}

// Prove notes that the box stays up with what is in force.
func (c *Configuration) Prove(f InForce) {
	c.mu.Lock()
	defer c.end()
	if c.inForce.Is(f) {
		c.unserved = ""
	}
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
		if pending := c.status.Load().Pending; pending != nil {
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
