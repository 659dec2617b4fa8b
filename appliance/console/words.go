package console

import (
	"errors"
	"fmt"
	"strings"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
)

// place is where a line is typed: an EXEC mode, behind "do", or a mode of the
// configuration by its name.
type place string

// The places that are no modes of the configuration.
const (
	userExec       place = ">"
	privilegedExec place = "#"
	afterDo        place = "do"
)

// configuring reports whether the place is a mode of the configuration.
func (p place) configuring() bool { return p != userExec && p != privilegedExec && p != afterDo }

// scope is the set of places where a command may be typed.
type scope uint8

const (
	inUser scope = 1 << iota
	inPrivileged
	inDo
	inConfiguration

	inExec     = inUser | inPrivileged | inDo
	everywhere = inExec | inConfiguration
)

func (p place) scope() scope {
	switch p {
	case userExec:
		return inUser
	case privilegedExec:
		return inPrivileged
	case afterDo:
		return inDo
	}
	return inConfiguration
}

// command is an EXEC command and where it may be typed.
type command struct {
	exec.Command
	in     scope
	does   bool // it is "do": its last argument is a line of EXEC
	free   bool // whoever has a session may type it: it does nothing to the box
	inFull bool // its word is not abbreviated: what it drops does not come back
}

// ofSubject gives a subject's command its places.
func ofSubject(c exec.Command) command {
	in := inPrivileged | inDo
	if c.Level == exec.User {
		in |= inUser
	}
	if c.Configuring || firstWord(c.Syntax) == "show" {
		in |= inConfiguration
	}
	return command{Command: c, in: in}
}

// isAudited reports whether the command does more than show.
func (c *command) isAudited() bool { return c.Level == exec.Privileged && !c.free && !c.Shows() }

// audits reports whether a command is written down. Of who came over COM all are
// but those that do nothing to the box: he is a guest (COM-17).
func (s *Session) audits(c *command) bool {
	return c.isAudited() || s.login.Operator.User == model.COMAdmin && !c.free
}

// isShort reports whether a line abbreviates a word that has to be typed in full.
func (c *command) isShort(text string) bool {
	return c.inFull && !strings.EqualFold(firstWord(text), firstWord(c.Syntax))
}

// words is what may be typed in one place: commands, then lines of the
// configuration.
type words struct {
	vocabulary *config.Vocabulary
	commands   []command
	lines      []config.Form
}

func (s *Session) newWords(commands []command, lines []config.Form) (*words, error) {
	var forms []config.Form
	for _, c := range commands {
		forms = append(forms, config.Form{Syntax: c.Syntax, Args: c.Args, Help: c.Help})
	}
	vocabulary, err := config.NewVocabulary(append(forms, lines...), sharedWords, s.Words)
	return &words{vocabulary, commands, lines}, err
}

// linesAt are the lines of the configuration that may be typed in a place. Those
// of users may be so without opening the configuration, as in CUSP's manuals.
func (s *Session) linesAt(at place) (lines []config.Form) {
	mode := config.Mode(at)
	if at == privilegedExec {
		mode = config.Global
	}
	for _, form := range s.Grammar.Forms(mode) {
		switch first := firstWord(form.Syntax); {
		case at == privilegedExec && first != "username":
		case first == "exit" || form.Syntax == "end": // ours ask about changes
		default:
			lines = append(lines, form)
		}
	}
	return lines
}

// Vocabularies are what may be typed in every place, but for what the commands
// do. Sessions share them: to make them takes more memory than a session does.
type Vocabularies struct{ places map[place]*words }

// NewVocabularies makes those of a configuration and the commands of the
// subjects. Its error means that two commands can be the same line.
func NewVocabularies(grammar *config.Grammar, shared config.Words, commands []exec.Command) (*Vocabularies, error) {
	s := &Session{Settings: Settings{Grammar: grammar, Words: shared, Commands: commands}}
	here := s.commandsByScope()
	places := []place{userExec, privilegedExec, afterDo, place(config.Global)}
	for _, c := range grammar.Commands() {
		if c.Opens != "" {
			places = append(places, place(c.Opens))
		}
	}
	all := make(map[place]*words)
	for _, at := range places {
		if all[at] != nil {
			continue
		}
		var err error
		if all[at], err = s.newWords(here[at.scope()], s.linesAt(at)); err != nil {
			return nil, fmt.Errorf("declare what may be typed at %s: %w", at, err)
		}
	}
	return &Vocabularies{all}, nil
}

// commandsByScope are all commands, by the places where they may be typed.
func (s *Session) commandsByScope() map[scope][]command {
	commands := s.commands()
	for _, c := range s.Settings.Commands {
		commands = append(commands, ofSubject(c))
	}
	all := make(map[scope][]command)
	for _, in := range []scope{inUser, inPrivileged, inDo, inConfiguration} {
		for _, c := range commands {
			if c.in&in != 0 {
				all[in] = append(all[in], c)
			}
		}
	}
	return all
}

// bind makes the words of every place those of this session.
func (s *Session) bind(v *Vocabularies) {
	here := s.commandsByScope()
	s.places = make(map[place]*words)
	for at, w := range v.places {
		s.places[at] = &words{w.vocabulary, here[at.scope()], w.lines}
	}
}

// typed is a line that was understood.
type typed struct {
	command *command // nil: a line of the configuration
	args    config.Args
	pipe    pipe
}

// understand finds what a line means in a place.
func (s *Session) understand(w *words, text string) (typed, *config.Error) {
	if head, tail, ok := strings.Cut(text, "|"); ok {
		if match, err := w.vocabulary.Match(head); err == nil && w.shows(match) {
			pipe, fault := parsePipe(s.pipes, tail)
			if fault != nil {
				fault.Column += runes(text) - runes(strings.TrimLeft(tail, " \t"))
			}
			return typed{&w.commands[match.Form], match.Args, pipe}, fault
		}
	}
	match, err := w.vocabulary.Match(text)
	var fault *config.Error
	switch {
	case errors.As(err, &fault):
		return typed{}, fault
	case match.Form >= len(w.commands):
		return typed{}, nil
	}
	return typed{command: &w.commands[match.Form], args: match.Args}, nil
}

// elsewhere says what is to be typed before a line that does not fit in the
// place, but would in another one; empty for none.
func (s *Session) elsewhere(at place, text string) string {
	fits := func(at place) bool {
		_, wrong := s.understand(s.places[at], text)
		return wrong == nil
	}
	switch {
	case at == userExec && fits(privilegedExec):
		return ": enable first"
	case (at == userExec || at == privilegedExec) && fits(place(config.Global)):
		return ": configure first"
	case at.configuring() && fits(afterDo):
		return ": type do before it"
	}
	return ""
}

// shows reports whether the match is a command that may be piped.
func (w *words) shows(match config.Match) bool {
	return match.Form < len(w.commands) && w.commands[match.Form].Shows()
}

// ambiguous reports whether the first word of a line stands for several here.
func (w *words) ambiguous(text string) bool {
	word := firstWord(text)
	choices := w.vocabulary.Expand(word).Choices
	for _, c := range choices {
		if strings.EqualFold(c.Word, word) {
			return false
		}
	}
	return len(choices) > 1
}

func firstWord(text string) string {
	word, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	return word
}
