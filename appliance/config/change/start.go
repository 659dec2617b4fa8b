package change

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"causeway/appliance/config"
	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// machine is who hands in a configuration from outside, before the box runs.
var machine = model.Operator{User: "machine", Origin: "machine"}

// What the rescue menu may ask for.
const (
	chooseLastGood = "last good"
	chooseBuiltIn  = "built-in"
)

// mostStarts is how often control may end soon after its start before it tries
// the last good configuration.
const mostStarts = 3

// Files of Options.StateDir.
const (
	startsFile = "starts" // how often control ended soon after its start
	choiceFile = "choice" // which choice of the rescue menu was obeyed

	// inForceFile is what runs, unless it is pending, as the file of a
	// revision: what control comes back with when the store has lost it.
	inForceFile = "in-force"
)

// Start finds the configuration to run with and puts it in force. An error
// means that not even the built-in one can be read.
func (c *Configuration) Start() error {
	c.mu.Lock()
	defer c.end()
	builtIn, faults := c.read(c.BuiltIn, c.Version)
	if len(faults) > 0 {
		return fmt.Errorf("read the built-in configuration: %w", faults)
	}
	c.builtIn = c.asInForce(builtIn)
	c.builtIn.Source = SourceBuiltIn
	var err error
	if c.store, err = OpenStore(c.Dir); err != nil {
		c.tell("no configuration can be kept: %v", err)
	}
	for _, r := range c.store.Revisions() {
		if r.State == StatePending {
			c.withdraw(r.Number, "not confirmed before the box restarted")
		}
	}
	c.takeMachine()
	c.starts = c.countStart()
	c.choice = c.readChoice()
	next := c.best()
	if ran, lost := c.ranBefore(); lost && c.choice == "" && c.starts < mostStarts {
		c.tell("revision %d runs on from memory: it cannot be read any more, and is lost at the next boot", ran.Number)
		next = ran
	}
	c.put(next)
	if err := c.prune(); err != nil {
		c.Log.Warn("the store of revisions is not kept within its bound", "error", err)
	}
	return nil
}

// ranBefore gives the revision that ran when an earlier life of control ended,
// if the store has lost it since: the disk has failed under a box that works.
func (c *Configuration) ranBefore() (f InForce, lost bool) {
	content, err := os.ReadFile(filepath.Join(c.StateDir, inForceFile))
	if err != nil {
		return InForce{}, false // the box has just booted
	}
	r, text, err := parse(content)
	if err != nil || r.Number == 0 || c.store.Get(r.Number).Number != 0 {
		return InForce{}, false
	}
	if f, err = c.revive(r, text); err != nil {
		return InForce{}, false
	}
	f.Source = SourceLastGood
	return f, true
}

// keepInForce writes down what runs, for the next life of control.
func (c *Configuration) keepInForce() {
	if c.pending != nil || c.inForce.Is(c.noted) {
		return
	}
	c.noted = c.inForce
	r := Revision{Number: c.inForce.Number, ID: c.inForce.ID, Version: c.Version, State: StateCommitted}
	r.clean()
	if err := c.keepState(inForceFile, string(format(r, c.inForce.Text))); err != nil {
		c.Log.Warn("what is in force is not kept for the next start of control", "error", err)
	}
}

// best gives the configuration that the box should run with: the newest
// revision that stands, else the last good one, else any that stands, else the
// built-in one.
func (c *Configuration) best() InForce {
	if c.machine != nil {
		return *c.machine
	}
	newest, good := c.store.Newest(Revision.Stands), c.store.Newest(proven)
	ladder := append([]Revision{newest, good}, c.store.Revisions()...)
	switch {
	case c.choice == chooseBuiltIn:
		ladder = nil
	case c.choice == chooseLastGood:
		ladder = []Revision{good}
	case c.starts >= mostStarts && good.Number != 0 && good.Number != newest.Number:
		c.tell("revision %d is not used: control ended %d times soon after its start", newest.Number, c.starts)
		ladder = append([]Revision{good}, ladder...)
	}
	if c.choice != "" {
		c.tell("the %s configuration runs because the rescue menu asked for it; a commit stays with it", c.choice)
	}
	for _, r := range ladder {
		if !r.Stands() {
			continue
		}
		f, err := c.readRevision(r.Number)
		if err == nil {
			f.Source = SourceLastGood
			if r.Number == newest.Number {
				f.Source = SourceRevision
			}
			return f
		}
		c.tellFaults(fmt.Sprintf("revision %d is not used", r.Number), err)
	}
	return c.builtIn
}

// tellFaults tells what is wrong with a text, a sentence for each line.
func (c *Configuration) tellFaults(what string, err error) {
	const most = 10
	faults, ok := errors.AsType[config.Errors](err)
	if !ok {
		c.tell("%s: %v", what, err)
		return
	}
	for i, fault := range faults {
		if i == most {
			c.tell("%s: %d more lines are at fault", what, len(faults)-most)
			return
		}
		c.tell("%s: %v", what, fault)
	}
}

// takeMachine makes a revision of the configuration that the machine hands in,
// once: an operator's later commit stands until another one is handed in.
func (c *Configuration) takeMachine() {
	const what = "the configuration handed in by the machine is not used"
	content, err := readFile(c.Machine, MaxText)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	// What is kept is not the text as it came, which may hold secrets as they
	// are typed. The id of that text stands in the comment.
	comment := "handed in by the machine as " + model.RevisionID(string(content))
	switch {
	case err == nil && c.store.Newest(fromMachine).Comment == comment:
		return
	case err == nil && len(content) == 0:
		err = errors.New("it is empty")
	}
	if err != nil {
		c.tell("%s: %v", what, err)
		return
	}
	d, faults := c.read(string(content), c.Version)
	if len(faults) > 0 {
		c.tellFaults(what, faults)
		return
	}
	f := c.asInForce(d)
	f.Source = SourceMachine
	_, err = c.store.Add(Revision{Operator: machine, Comment: comment,
		Time: c.Now(), Version: c.Version, State: StateCommitted}, f.Text)
	if err != nil {
		c.tell("the configuration handed in by the machine is not kept: %v", err)
		c.machine = &f
	}
}

// countStart gives how often control ended within steadyTime of its start,
// time after time, and counts this start as one of these until forgetStarts.
func (c *Configuration) countStart() int {
	path := filepath.Join(c.StateDir, startsFile)
	n := 0
	if content, err := os.ReadFile(path); err == nil {
		n, _ = strconv.Atoi(string(content)) // a file cut short counts as none
	}
	if err := c.keepState(startsFile, strconv.Itoa(n+1)); err != nil {
		c.Log.Warn("the starts of control are not counted", "error", err)
	}
	return n
}

func (c *Configuration) forgetStarts() {
	err := os.Remove(filepath.Join(c.StateDir, startsFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.Log.Warn("the starts of control stay counted", "error", err)
	}
}

// readChoice gives what the rescue menu asked for, unless a revision was
// committed since control first saw that.
func (c *Configuration) readChoice() string {
	content, err := os.ReadFile(c.Choice)
	if err != nil {
		return "" // hardly ever is there one
	}
	choice := strings.TrimSpace(string(content))
	if choice != chooseLastGood && choice != chooseBuiltIn {
		c.Log.Warn("a choice that is not known", "choice", choice)
		return ""
	}
	info, err := os.Stat(c.Choice)
	if err != nil {
		return choice
	}
	// The same words written again are a new choice.
	made, newest := info.ModTime().UnixNano(), c.store.Newest(Revision.Stands).Number
	var seen int64
	var newestThen int
	if obeyed, err := os.ReadFile(filepath.Join(c.StateDir, choiceFile)); err == nil {
		fmt.Sscan(string(obeyed), &seen, &newestThen)
	}
	if seen == made && newest > newestThen {
		return ""
	}
	if seen != made {
		if err := c.keepState(choiceFile, fmt.Sprintln(made, newest)); err != nil {
			c.Log.Warn("the choice of the rescue menu will be obeyed again", "error", err)
		}
	}
	return choice
}

func (c *Configuration) keepState(name, content string) error {
	if err := os.MkdirAll(c.StateDir, 0o750); err != nil {
		return err
	}
	return storage.WriteFile(filepath.Join(c.StateDir, name), []byte(content), 0o600)
}
