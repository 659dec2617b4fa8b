package change

import (
	"errors"
	"fmt"
	"slices"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// InForce is a configuration as the box runs with it: a value that nobody
// changes.
type InForce struct {
	Number int    // of the revision; 0 for one that is in no store
	Source string // as in model.ControlStatus.ConfigSource
	ID     string // model.RevisionID of Text
	Text   string // canonical, with the lines that are kept aside
	Config *model.Config
	Aside  []string // lines that this firmware does not know, with their opening lines

	// Access says who may log in: that of the newest revision that has users,
	// though an earlier one be in force. So neither the rescue menu nor a
	// damaged disk is a way around the login, or back to a password that was
	// changed; only a box that never had users has none.
	Access model.Access
}

// Is reports whether f is the same revision as g.
func (f InForce) Is(g InForce) bool { return f.Number == g.Number && f.ID == g.ID }

// The sources of what is in force.
const (
	SourceRevision = "revision"  // the newest revision that stands
	SourceLastGood = "last good" // an older one
	SourceMachine  = "machine"   // handed in by the machine, and kept in memory only
	SourceBuiltIn  = "built-in"
)

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

// settled makes of a draft what can be put in force.
func (c *Configuration) settled(d draft) (InForce, error) {
	d, faults := c.read(c.print(d), c.Version) // a value of its own, and lines aside that fit by now are in
	if len(faults) > 0 {
		return InForce{}, fmt.Errorf("the configuration does not read as it is printed: %w", faults)
	}
	f := c.asInForce(d)
	if len(f.Text) > MaxText {
		return InForce{}, fmt.Errorf("the configuration has %d octets; %d is the most", len(f.Text), MaxText)
	}
	return f, nil
}

// readRevision reads a revision that is to be put in force.
func (c *Configuration) readRevision(number int) (InForce, error) {
	r, text, err := c.store.Text(number)
	if err != nil {
		return InForce{}, err
	}
	return c.revive(r, text)
}

// revive makes a revision of its text again.
func (c *Configuration) revive(r Revision, text string) (InForce, error) {
	d, faults := c.read(text, r.Version)
	if d.config == nil {
		return InForce{}, faults
	}
	if len(faults) > 0 {
		c.tellFaults(fmt.Sprintf("revision %d, written by version %q", r.Number, r.Version), faults)
	}
	f := c.asInForce(d)
	f.Number = r.Number
	return f, nil
}

// accessOf says who may log in while f is in force, and which revision says so;
// 0: f itself. c.mu is held.
func (c *Configuration) accessOf(f InForce) (access model.Access, from int) {
	for _, r := range c.store.Revisions() {
		if len(f.Config.Access.Users) > 0 && (f.Number == 0 || r.Number <= f.Number) {
			break // nothing newer says otherwise
		}
		if !r.Stands() {
			continue
		}
		_, text, err := c.store.Text(r.Number)
		if err != nil {
			continue // its damage is told elsewhere
		}
		if d, _ := c.read(text, r.Version); d.config != nil && len(d.config.Access.Users) > 0 {
			return d.config.Access, r.Number
		}
	}
	return f.Config.Access, 0
}
