package console

import (
	"context"
	"strings"

	"causeway/appliance/config"
	"causeway/appliance/model"
	"causeway/appliance/storage/files"
)

// permits says what the groups of who types have against a command of EXEC with
// these arguments; nil: with any.
func (s *Session) permits(c *command, args config.Args) error {
	if c.free {
		return nil
	}
	return files.Permits(s.login.Rights, &c.Command, args)
}

// permitsCommit says what they have against a commit by other words.
func (s *Session) permitsCommit() error { return config.PermitsCommand(s.login.Rights, "commit") }

// offers is what ? and Tab offer at a place, in the modes that path opened:
// the words of the place without what the groups of who types do not permit.
func (s *Session) offers(at place, path []string) *words {
	rights := s.login.Rights
	if config.PermitsAll(rights) == nil && rights.May(model.RuleExec, "") && !rights.Within(model.RuleExec, "", false) {
		return s.places[at]
	}
	opened := ""
	if n := len(path); n > 0 {
		m, _ := s.Grammar.MeaningOf(path[:n-1], path[n-1]) // of a place that there is
		opened = m.Syntax + " "
	}
	key := string(at) + " " + opened
	if s.offered[key] == nil {
		all := s.places[at]
		var commands []command
		for _, c := range all.commands {
			if s.permits(&c, nil) == nil {
				commands = append(commands, c)
			}
		}
		var lines []config.Form
		for _, line := range all.lines {
			syntax := opened + strings.TrimPrefix(line.Syntax, "no ")
			if rights.May(model.RuleConfigure, syntax) || rights.Within(model.RuleConfigure, syntax, true) {
				lines = append(lines, line)
			}
		}
		// Fewer forms of a vocabulary are one, too.
		s.offered[key], _ = s.newWords(commands, lines)
	}
	return s.offered[key]
}

// audit has control note what was typed. Without control nobody can: init's
// log says what was done to the box.
func (s *Session) audit(ctx context.Context, line string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	s.Call(ctx, "control", "control.access.audit", model.Audit{Operator: s.Operator(), Line: line}, nil)
}

// blotted is a line without its secrets, whatever mode of the place it means
// something in.
func (s *Session) blotted(at place, text string) string {
	if !at.configuring() {
		return s.places[at].vocabulary.Blot(text)
	}
	if line, fault := s.understand(s.places[at], text); fault == nil && line.command != nil && line.command.does {
		rest := line.args.Text(doLine)
		return strings.TrimSuffix(text, rest) + s.blotted(afterDo, rest)
	}
	for depth := range len(s.path) + 1 {
		text = s.places[s.placeOf(s.path[:depth])].vocabulary.Blot(text)
	}
	return text
}
