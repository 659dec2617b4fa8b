package web

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"causeway/appliance/config"
	"causeway/appliance/config/change"
	"causeway/appliance/model"
)

// permitsConfigure says what rights have against looking at the forms of the
// configuration: each line that they bring in is held against the rights by itself.
func permitsConfigure(rights model.Rights) error {
	if rights.May(model.RuleConfigure, "") || rights.Within(model.RuleConfigure, "", true) {
		return nil
	}
	return errors.New("your groups do not permit the configuration")
}

// heldError says that somebody else has the candidate.
type heldError struct {
	holder change.Holder
	since  string
}

// Error names him.
func (e *heldError) Error() string {
	return fmt.Sprintf("%v holds the candidate since %s", e.holder.Operator, e.since)
}

// candidate is the configuration that is being edited, or what is in force where
// nobody does. It need not fit together yet, and is not to be changed.
func (v *visit) candidate(ctx context.Context) (*model.Config, error) {
	answer, err := ask[change.Candidate](ctx, v, "control", "control.candidate")
	if err != nil {
		return nil, err
	}
	return v.candidates.read(v.Grammar, answer.Text)
}

// reader knows the text that was read last: most pages are about the same.
type reader struct {
	mu     sync.Mutex
	text   string
	config *model.Config // nil: none was read yet
}

func (r *reader) read(g *config.Grammar, text string) (*model.Config, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.config == nil || r.text != text {
		c := &model.Config{}
		if faults := g.Merge(c, text); len(faults) > 0 {
			return nil, fmt.Errorf("read the candidate: %w", faults)
		}
		r.text, r.config = text, c
	}
	return r.config, nil
}

// linesAt gives the lines that the candidate has at the place of the page, which
// must be one of the mode: none where it does not have the place yet. Who may not see
// the candidate at the console sees those that he may change, and no more.
func (v *visit) linesAt(ctx context.Context, mode config.Mode) (*model.Config, []config.PrintedLine, error) {
	is, err := v.Grammar.ModeOf(v.at())
	if err != nil {
		return nil, nil, fmt.Errorf("there is no such place: %w", err)
	}
	if is != mode {
		return nil, nil, fmt.Errorf("the page is about places of mode %s: go there from the menu", mode)
	}
	c, err := v.candidate(ctx)
	if err != nil {
		return nil, nil, err
	}
	lines, _ := v.Grammar.LinesAt(c, v.at())
	if !v.seesAll() {
		lines = slices.DeleteFunc(lines, func(l config.PrintedLine) bool {
			return v.Grammar.Permits(v.login.Rights, v.at(), l.Text) != nil
		})
	}
	return c, lines, nil
}

// seesAll reports whether who looks may see all of the candidate.
func (v *visit) seesAll() bool {
	return config.PermitsCommand(v.login.Rights, showCandidateCommand) == nil
}

// load brings lines into the candidate at the place of the page, all of them or
// none. The lines of the faults count from 1. Who looks holds the candidate then;
// while somebody else does, it is a *heldError unless the form says to take it over.
func (v *visit) load(ctx context.Context, lines []string) (config.Errors, error) {
	at := v.at()
	text := slices.Clone(at)
	number := make(map[int]int) // of a line, by that of the text
	for i, line := range lines {
		if err := v.Grammar.Permits(v.login.Rights, at, line); err != nil {
			return nil, err
		}
		text = append(text, line)
		number[len(text)] = i + 1
		if m, _ := v.Grammar.MeaningOf(at, line); m.Opens && !m.Negated {
			text = append(text, "exit")
		}
	}
	if err := v.holdCandidate(ctx, v.request.PostForm.Get("take") != ""); err != nil {
		return nil, err
	}
	var loaded change.Loaded
	request := change.LoadRequest{Operator: v.operator(), Text: strings.Join(text, "\n") + "\n"}
	if err := v.Call(ctx, "control", "control.load", request, &loaded); err != nil {
		return nil, err
	}
	for _, fault := range loaded.Faults {
		if fault.Line = number[fault.Line]; fault.Line == 0 {
			return nil, fault // of a line that leads to the place
		}
	}
	return loaded.Faults, nil
}

// refusal is why a form has changed nothing.
type refusal struct {
	Held  *heldError // somebody else has the candidate
	Fault string     // of the form as a whole; else blame was told
}

// bring brings lines into the candidate as load does. What is against one of them
// is told to blame, with its number from 0.
func (v *visit) bring(ctx context.Context, lines []string, blame func(i int, fault *config.Error)) (refused refusal, ok bool) {
	faults, err := v.load(ctx, lines)
	switch {
	case errors.As(err, &refused.Held):
		return refused, false
	case err != nil:
		refused.Fault = sentence(err)
		return refused, false
	}
	for _, fault := range faults {
		blame(fault.Line-1, fault)
	}
	return refused, len(faults) == 0
}

// pageOf gives the page that is about places of a mode, or nil.
func (s *Server) pageOf(mode config.Mode) (found *page) {
	for _, p := range s.pages {
		if p.mode == mode && (found == nil || found.place != nil) {
			found = p
		}
	}
	return found
}

// placePath leads to the page of a place; empty where there is none.
func (v *visit) placePath(at []string) string {
	mode, err := v.Grammar.ModeOf(at)
	if err != nil {
		return ""
	}
	if p := v.pageOf(mode); p != nil {
		return address(p.path, at)
	}
	return ""
}
