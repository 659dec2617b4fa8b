package console

import (
	"errors"
	"fmt"
	"strings"

	"causeway/appliance/config"
	"causeway/appliance/exec"
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

// showing are the commands whose answers may be long, and may be piped.
var showing = map[string]bool{"show": true, "more": true, "dir": true, "help": true, "rescue": true}

func (c *command) shows() bool { return showing[firstWord(c.Syntax)] }

// isShort reports whether a line abbreviates a word that has to be typed in full.
func (c *command) isShort(text string) bool {
	return c.inFull && !strings.EqualFold(firstWord(text), firstWord(c.Syntax))
}

// words is what may be typed in one place: commands, then lines of the
// configuration.
type words struct {
	vocabulary *config.Vocabulary
	commands   []command
}

// declare makes the words of every place.
func (s *Session) declare() (map[place]*words, error) {
	commands := s.commands()
	for _, c := range s.Settings.Commands {
		commands = append(commands, ofSubject(c))
	}
	places := []place{userExec, privilegedExec, afterDo, place(config.Global)}
	for _, c := range s.Grammar.Commands() {
		if c.Opens != "" {
			places = append(places, place(c.Opens))
		}
	}
	all := make(map[place]*words)
	for _, at := range places {
		if all[at] != nil {
			continue
		}
		w := &words{}
		var forms []config.Form
		for _, c := range commands {
			if c.in&at.scope() != 0 {
				w.commands = append(w.commands, c)
				forms = append(forms, config.Form{Syntax: c.Syntax, Args: c.Args, Help: c.Help})
			}
		}
		if at.configuring() {
			for _, form := range s.Grammar.Forms(config.Mode(at)) {
				if form.Syntax != "exit" && form.Syntax != "end" { // ours ask about changes
					forms = append(forms, form)
				}
			}
		}
		var err error
		if w.vocabulary, err = config.NewVocabulary(forms, sharedWords, s.Words); err != nil {
			return nil, fmt.Errorf("declare what may be typed at %s: %w", at, err)
		}
		all[at] = w
	}
	return all, nil
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
	return match.Form < len(w.commands) && w.commands[match.Form].shows()
}

// tellsSecret reports whether a line of the configuration has a secret in it,
// in this mode or one around it.
func (s *Session) tellsSecret(text string) bool {
	if !s.at.configuring() {
		return false
	}
	for depth := range len(s.path) + 1 {
		if s.places[s.placeOf(s.path[:depth])].vocabulary.Blot(text) != text {
			return true
		}
	}
	return false
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
