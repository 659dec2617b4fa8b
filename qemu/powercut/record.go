package powercut

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"

	"causeway/qemu/machine"
)

// Recording is a run of a box whose operator commits again and again.
type Recording struct {
	Log   *Log
	Steps []Step // in their order
}

// Step is one thing that the operator did, with the entries that the log had
// up to its last flush when the line was typed and when the box had answered.
type Step struct {
	Kind        Kind
	Begun, Done int
	Revision    int // that the step is about
	Boots       int // the one that a box which boots after the step runs
	Change      int // what the revision was made of, see typed
}

// typed gives the lines that change with each commit; they are at both ends of
// the text.
func (s Step) typed() []string {
	return []string{
		fmt.Sprintf("hostname change-%d", s.Change),
		fmt.Sprintf("sip next-hop lan2 udp 192.168.42.2 %d lan1", 6000+s.Change),
	}
}

// Kind of a step.
type Kind string

// The kinds of steps, and how often each is done in a round.
const (
	Commit    Kind = "commit"
	Confirmed Kind = "confirmed" // a commit that waits for its confirmation
	Confirm   Kind = "confirm"
	Rollback  Kind = "rollback"
)

// round is what the operator does over and over.
var round = []Kind{Commit, Commit, Confirmed, Confirm, Commit, Rollback}

// Operator changes the configuration of a box over its console, and notes when
// the box said that a change was saved.
type Operator struct {
	Console *machine.Console
	LogPath string // of the box's disk; see machine.Config.DiskLog

	steps   []Step
	changes int
}

// bulk is how many routes the operator's configuration has: enough for a
// revision of several blocks.
const bulk = 150

// Prepare gives the box a configuration of some size and commits it.
func (o *Operator) Prepare(ctx context.Context) error {
	lines := make([]string, bulk)
	for n := range lines {
		lines[n] = fmt.Sprintf("ip route 198.51.100.%d 255.255.255.255 192.168.42.%d LAN1", n, 2+n)
	}
	if err := o.Console.Configure(ctx); err != nil {
		return err
	}
	pasted, err := o.Console.Paste(ctx, strings.Join(lines, "\n"))
	if err != nil {
		return err
	}
	if err := pasted.Fault(); err != nil {
		return err
	}
	return o.step(ctx, Commit)
}

// Work does that many steps.
func (o *Operator) Work(ctx context.Context, steps int) error {
	for n := range steps {
		if err := o.step(ctx, round[n%len(round)]); err != nil {
			return fmt.Errorf("step %d: %w", n, err)
		}
	}
	return nil
}

// next gives a step of that kind and the lines that the operator types for it. The
// last line is the one that saves.
func (o *Operator) next(kind Kind) (Step, []string) {
	last := Step{}
	if len(o.steps) > 0 {
		last = o.steps[len(o.steps)-1]
	}
	step := Step{Kind: kind, Change: o.changes + 1}
	switch kind {
	case Confirmed:
		return step, append(step.typed(), "commit confirmed 60")
	case Confirm:
		step.Change = last.Change
		return step, []string{"commit"}
	case Rollback:
		before := o.steps[len(o.steps)-2]
		step.Change = before.Change
		return step, []string{fmt.Sprintf("rollback %d", before.Revision)}
	}
	return step, append(step.typed(), fmt.Sprintf("commit comment change %d", step.Change))
}

// said is what the box says of a commit and of its confirmation.
var said = regexp.MustCompile(`Revision (\d+) is (?:in force|confirmed)`)

func (o *Operator) step(ctx context.Context, kind Kind) error {
	step, lines := o.next(kind)
	last := lines[len(lines)-1]
	if err := o.Console.Configure(ctx, lines[:len(lines)-1]...); err != nil {
		return err
	}
	var err error
	if step.Begun, err = Position(o.LogPath); err != nil {
		return err
	}
	answer, err := o.Console.Type(ctx, last)
	if err != nil {
		return err
	}
	if step.Done, err = Position(o.LogPath); err != nil {
		return err
	}
	if err := answer.Fault(); err != nil {
		return fmt.Errorf("line %q: %w", last, err)
	}
	number := said.FindStringSubmatch(answer.Text)
	if number == nil {
		return fmt.Errorf("line %q: no revision in the answer %q", last, answer.Text)
	}
	if step.Revision, err = strconv.Atoi(number[1]); err != nil {
		return fmt.Errorf("line %q: revision: %w", last, err)
	}
	if step.Boots = step.Revision; kind == Confirmed {
		step.Boots = o.steps[len(o.steps)-1].Boots
	}
	o.changes = max(o.changes, step.Change)
	o.steps = append(o.steps, step)
	return nil
}

// Recording gives what was done so far.
func (o *Operator) Recording() (Recording, error) {
	log, err := OpenLog(o.LogPath)
	if err != nil {
		return Recording{}, err
	}
	return Recording{Log: log, Steps: o.steps}, nil
}

// Between is the phase of a cut that falls between two steps.
const Between Kind = "between"

// Expected says what a box may boot with whose power failed after that many
// entries: the revision of the last step that was done, or of the one under way.
func (r Recording) Expected(cut int) (phase Kind, boots []int) {
	phase = Between
	for _, step := range r.Steps {
		switch {
		case step.Done <= cut:
			boots = []int{step.Boots}
		case step.Begun <= cut:
			phase = step.Kind
			boots = append(boots, step.Boots)
		}
	}
	return phase, boots
}

// Cuts chooses that many cuts in ascending order, after the first step was
// done: spread over the steps, with one anywhere in each stretch.
func (r Recording) Cuts(n int, random *rand.Rand) []int {
	first, last := r.Steps[0].Done, len(r.Log.Entries)
	cuts := make([]int, n)
	for i := range cuts {
		begin, end := first+(last-first)*i/n, first+(last-first)*(i+1)/n
		cuts[i] = begin + random.IntN(max(1, end-begin))
	}
	return cuts
}
