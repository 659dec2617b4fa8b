package console

import (
	"errors"
	"fmt"
	"strings"
)

// Paste reads a text of several lines. A line with a single dot ends it as Ctrl-Z
// does: on a terminal behind a program that takes Ctrl-Z, and in a pipe, there
// must be a way. The text is read to its end whatever is wrong with it: its lines
// are no commands.
func (s *Session) Paste(what string, hidden bool) (string, error) {
	s.screen.endLine()
	s.printf("Type or paste %s; a line with a single dot, or Ctrl-Z, ends them, Ctrl-C drops them\n", what)
	var text strings.Builder
	var refusal error
	for {
		line, left, err := s.screen.read("", hidden)
		dot := strings.TrimSpace(line) == "."
		switch {
		case errors.Is(err, errTooLong):
			refusal = err
		case err != nil:
			return "", err
		case text.Len() > textMax:
			refusal = fmt.Errorf("the text has more than %d octets", textMax)
		case !dot:
			text.WriteString(line + "\n")
		}
		if left || dot {
			return text.String(), refusal
		}
	}
}

// Secret asks for what nobody is to see.
func (s *Session) Secret(question string) (string, error) {
	s.screen.endLine()
	secret, _, err := s.screen.readHidden(question)
	return secret, err
}
