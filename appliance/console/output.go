package console

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/link"
	"causeway/appliance/model"
)

// output is what a command prints to: exec.Session.
type output struct {
	*Session
	to     io.Writer
	enough func()       // ends the command
	ended  func() error // why nothing more is to be printed; nil: go on
}

func (s *Session) onScreen() *output {
	return &output{Session: s, to: s.screen, enough: func() {}, ended: func() error { return nil }}
}

// Write prints through the pipe and the pager, a line at a time: Ctrl-C is to
// end a long text on a slow line, too.
func (o *output) Write(text []byte) (int, error) {
	written := 0
	for part := range bytes.Lines(text) {
		if err := o.ended(); err != nil {
			return written, err
		}
		n, err := o.to.Write(part)
		written += n
		if err != nil {
			o.enough()
			return written, err
		}
	}
	return written, nil
}

// Call asks a process of the box. Its error tells one that refused from one
// that is down.
func (s *Session) Call(ctx context.Context, process, method string, params, result any) error {
	err := s.Settings.Call(ctx, process, method, params, result)
	var refused *link.RemoteError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		return fmt.Errorf("%s refused: %w", process, err)
	default:
		return fmt.Errorf("%s does not answer: %w", process, err)
	}
}

// Confirm asks a question that Enter, y or yes agrees to, as IOS does.
func (s *Session) Confirm(question string) error {
	reply, err := s.ask(question + " [confirm]")
	if err != nil {
		return fmt.Errorf("not confirmed: %w", err)
	}
	if reply != "" && reply != "y" && reply != "yes" {
		return exec.ErrDeclined
	}
	return nil
}

// Operator says who types.
func (s *Session) Operator() model.Operator { return s.login.Operator }

// ask reads the answer to a question, in lower case and without blanks around.
func (s *Session) ask(question string) (string, error) {
	s.screen.endLine()
	reply, _, err := s.screen.readLine(question)
	return strings.ToLower(strings.TrimSpace(reply)), err
}

func (s *Session) printf(format string, args ...any) { fmt.Fprintf(s.screen, format, args...) }

// showFault points at the word at fault of a text that begins in the given
// column of the screen, where it is still on the same row.
func (s *Session) showFault(column int, fault *config.Error) {
	if column += fault.Column - 1; !s.Editing || column < s.screen.width() {
		s.printf("%*s^\n", column, "")
	}
	s.printf("%% %s\n", fault.Rule)
}

func runes(s string) int { return utf8.RuneCountInString(s) }
