package console

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"causeway/appliance/config"
	"causeway/appliance/config/change"
	"causeway/appliance/exec"
	"causeway/appliance/storage"
	"causeway/appliance/storage/files"
)

// textMax bounds a configuration, in octets, as control does.
const textMax = 1 << 20

// load gives the command that brings a text into the candidate.
func (s *Session) load(replaces bool) func(context.Context, exec.Session, config.Args) error {
	return func(ctx context.Context, out exec.Session, a config.Args) error {
		if _, typed := a["PATH"]; !typed {
			return s.loadTyped(ctx, out, replaces)
		}
		return s.loadFile(ctx, out, files.PathOf(a, "PATH"), replaces)
	}
}

// loadTyped reads the text from the terminal. A line with a single dot ends it
// as Ctrl-Z does: on a terminal behind a program that takes Ctrl-Z, and in a
// pipe, there must be a way.
func (s *Session) loadTyped(ctx context.Context, out exec.Session, replaces bool) error {
	fmt.Fprintln(out, "Type or paste the lines; a line with a single dot, or Ctrl-Z, ends them, Ctrl-C drops them")
	var text strings.Builder
	var refusal error // a text is read to its end even so: its lines are no commands
	for {
		line, left, err := s.screen.readLine("")
		switch {
		case errors.Is(err, errAbandoned):
			return errors.New("nothing is loaded")
		case errors.Is(err, errTooLong):
			refusal = err
		case err != nil:
			return err
		case text.Len() > textMax:
			refusal = fmt.Errorf("the text has more than %d octets", textMax)
		case strings.TrimSpace(line) != ".":
			text.WriteString(line + "\n")
		}
		if left || strings.TrimSpace(line) == "." {
			break
		}
	}
	if refusal != nil {
		return fmt.Errorf("nothing is loaded: %w", refusal)
	}
	return s.loadText(ctx, out, text.String(), replaces)
}

// loadFile reads the text from a volume.
func (s *Session) loadFile(ctx context.Context, out exec.Session, path storage.Path, replaces bool) error {
	var text strings.Builder
	request := files.ReadRequest{Path: path}
	for {
		var part files.FilePart
		if err := s.Call(ctx, "control", "control.files.read", request, &part); err != nil {
			return err
		}
		text.Write(part.Data)
		switch {
		case text.Len() > textMax:
			return fmt.Errorf("%s has more than %d octets", request.Path, textMax)
		case part.End:
			return s.loadText(ctx, out, text.String(), replaces)
		case part.Next <= request.Offset:
			return fmt.Errorf("read %s: no more comes at octet %d, and it is not the end", request.Path, request.Offset)
		}
		request.Offset = part.Next
	}
}

// loadText brings the text into the candidate: into what is there, or in its
// place.
func (s *Session) loadText(ctx context.Context, out exec.Session, text string, replaces bool) error {
	request := change.LoadRequest{Operator: s.Operator(), Text: text, Replace: replaces}
	var loaded change.Loaded
	if err := s.change(ctx, "control.load", request, &loaded); err != nil {
		return err
	}
	for _, fault := range loaded.Faults {
		fmt.Fprintf(out, "%% %v\n", fault)
	}
	if len(loaded.Faults) > 0 {
		return fmt.Errorf("nothing is loaded: %s", count(len(loaded.Faults), "fault"))
	}
	s.enter(nil) // the modes that were open may be gone
	fmt.Fprintf(out, "%s loaded; commit puts them in force\n", count(loaded.Lines, "line"))
	return nil
}
