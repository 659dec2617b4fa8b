package change

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// candidate is the one configuration that is being edited.
type candidate struct {
	draft
	holder *Holder         // nil: it was given back with its changes
	from   *model.Operator // from whom the holder took it over
}

// draft is a configuration that may still be changed.
type draft struct {
	config *model.Config
	aside  []string
}

// print gives the canonical text.
func (c *Configuration) print(d draft) string {
	text := c.Grammar.Print(d.config, d.aside)
	if text == "" {
		return "!\n" // no text means no revision to proxy and billing
	}
	return text
}

// draft is a copy of what is in force.
func (c *Configuration) draft() draft {
	d := draft{&model.Config{}, slices.Clone(c.inForce.Aside)}
	// What was printed from a configuration that is in force has no faults.
	c.Grammar.Merge(d.config, c.Grammar.Render(c.inForce.Config))
	return d
}

// changed reports whether there is a candidate that differs from what is in force.
func (c *Configuration) changed() bool {
	return c.candidate != nil && c.print(c.candidate.draft) != c.inForce.Text
}

// holder is who has the candidate, or nil.
func (c *Configuration) holder() *Holder {
	if c.candidate == nil || c.candidate.holder == nil {
		return nil
	}
	holder := *c.candidate.holder
	holder.Changed = c.changed()
	return &holder
}

// ConflictError says that the candidate, or what is in force, is not as an
// operator takes it to be: somebody else has it, or was faster.
type ConflictError struct{ What string }

// Error says what it is instead.
func (e *ConflictError) Error() string { return e.What }

func conflict(format string, args ...any) error {
	return &ConflictError{fmt.Sprintf(format, args...)}
}

// errNotHeld is the answer to an operator who has no candidate, where nobody has.
var errNotHeld = conflict("you do not hold the candidate: enter configuration mode first")

// held reports a *ConflictError unless who holds the candidate. It costs nothing:
// it is asked for every line that is typed.
func (c *Configuration) held(who model.Operator) error {
	if c.candidate == nil || c.candidate.holder == nil {
		return errNotHeld
	}
	holder, from := c.candidate.holder, c.candidate.from
	since := time.Since(holder.Since).Round(time.Second)
	switch {
	case holder.Operator == who:
		return nil
	case from != nil && *from == who:
		return conflict("%v took the candidate over %v ago", holder.Operator, since)
	}
	return conflict("%v has held the candidate for %v", holder.Operator, since)
}

// Configure gives the candidate to an operator, unless another one holds it
// and it is not to be taken over.
func (c *Configuration) Configure(_ context.Context, r ConfigureRequest) (Configured, error) {
	c.mu.Lock()
	defer c.end()
	holder := c.holder()
	answer := Configured{Pending: c.asTold(c.pending)}
	switch {
	case holder == nil:
		if c.candidate == nil {
			c.candidate = &candidate{draft: c.draft()}
		}
		c.candidate.holder, c.candidate.from = &Holder{Operator: r.Operator, Since: time.Now()}, nil
	case holder.Operator == r.Operator:
	case r.Take:
		c.candidate.holder, c.candidate.from = &Holder{Operator: r.Operator, Since: time.Now()}, &holder.Operator
		c.Log.Info("candidate taken over", "by", r.Operator, "from", holder.Operator)
	default:
		answer.Holder = holder
	}
	answer.Changed = c.changed()
	return answer, nil
}

// Edit brings one line into the candidate.
func (c *Configuration) Edit(_ context.Context, r EditRequest) (Edited, error) {
	c.mu.Lock()
	defer c.end()
	if err := c.held(r.Operator); err != nil {
		return Edited{}, err
	}
	path, fault := c.Grammar.Edit(c.candidate.config, r.Path, r.Line)
	return Edited{path, fault}, nil
}

// Load brings a text into the candidate, all of it or nothing.
func (c *Configuration) Load(_ context.Context, r LoadRequest) (Loaded, error) {
	c.mu.Lock()
	defer c.end()
	if err := c.held(r.Operator); err != nil {
		return Loaded{}, err
	}
	if len(r.Text) > MaxText {
		return Loaded{}, fmt.Errorf("the text has %d octets; a configuration has %d at the most", len(r.Text), MaxText)
	}
	next := draft{config: &model.Config{}}
	if !r.Replace {
		var err error
		if next, err = c.copied(c.candidate.draft); err != nil {
			return Loaded{}, err
		}
	}
	if faults := c.Grammar.Merge(next.config, r.Text); len(faults) > 0 {
		return Loaded{Faults: faults}, nil
	}
	next.aside = append(next.aside, c.stillAside(r.Text)...)
	c.candidate.draft = next
	return Loaded{Lines: countLines(r.Text)}, nil
}

// Defaults puts the configuration of a new box in the place of the candidate, with
// the users and groups that there are: somebody must be able to log in.
func (c *Configuration) Defaults(_ context.Context, r Who) (struct{}, error) {
	c.mu.Lock()
	defer c.end()
	if err := c.held(r.Operator); err != nil {
		return struct{}{}, err
	}
	next, access := *c.builtIn.Config, c.inForce.Access
	next.Access.Users, next.Access.Groups = access.Users, access.Groups
	d, err := c.copied(draft{config: &next})
	if err == nil {
		c.candidate.draft = d
	}
	return struct{}{}, err
}

// copied gives a draft of its own.
func (c *Configuration) copied(d draft) (draft, error) {
	next := draft{&model.Config{}, slices.Clone(d.aside)}
	if faults := c.Grammar.Merge(next.config, c.Grammar.Render(d.config)); len(faults) > 0 {
		return draft{}, fmt.Errorf("the candidate has to be put right first: %w", faults)
	}
	return next, nil
}

// stillAside gives the lines that a text keeps aside and that this firmware
// does not know either.
func (c *Configuration) stillAside(text string) []string {
	before := config.Aside(text)
	if len(before) == 0 {
		return nil
	}
	_, aside, _ := c.Grammar.Load(text)
	return slices.DeleteFunc(aside, func(line string) bool { return !slices.Contains(before, line) })
}

func countLines(text string) int {
	n := 0
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '!' {
			n++
		}
	}
	return n
}

// Abort drops the candidate with its changes.
func (c *Configuration) Abort(_ context.Context, r AbortRequest) (struct{}, error) {
	c.mu.Lock()
	defer c.end()
	if err := c.held(r.Operator); err != nil {
		return struct{}{}, err
	}
	if err := c.isSeen(r.Seen, c.print(c.candidate.draft)); err != nil {
		return struct{}{}, err
	}
	c.candidate = nil
	return struct{}{}, nil
}

// Release gives the candidate back; its changes wait for the next one who
// takes it. It is no error not to hold it.
func (c *Configuration) Release(_ context.Context, r Who) (struct{}, error) {
	c.mu.Lock()
	defer c.end()
	if c.held(r.Operator) == nil {
		if c.changed() {
			c.candidate.holder, c.candidate.from = nil, nil
		} else {
			c.candidate = nil
		}
	}
	return struct{}{}, nil
}

// Candidate shows the candidate, or what is in force when there is none.
func (c *Configuration) Candidate(context.Context) (Candidate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.candidate == nil {
		return Candidate{Text: c.inForce.Text}, nil
	}
	return Candidate{c.print(c.candidate.draft), c.holder()}, nil
}

// Standing says how things stand with the candidate and with what is in force.
func (c *Configuration) Standing(context.Context) (Standing, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := Standing{InForce: c.inForce.Number, Holder: c.holder(), Pending: c.asTold(c.pending)}
	if s.Holder != nil {
		s.Changed = s.Holder.Changed
	} else {
		s.Changed = c.changed()
	}
	return s, nil
}
