package console

import (
	"context"
	"fmt"

	"causeway/appliance/config"
	"causeway/appliance/config/change"
	"causeway/appliance/exec"
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
		return s.loadFile(ctx, out, files.PlaceOf(a, "PATH"), replaces)
	}
}

// loadTyped reads the text from the terminal.
func (s *Session) loadTyped(ctx context.Context, out exec.Session, replaces bool) error {
	text, err := s.Paste("the lines", false)
	if err != nil {
		return fmt.Errorf("nothing is loaded: %w", err)
	}
	return s.loadText(ctx, out, text, replaces)
}

// loadFile reads the text from a volume or another system.
func (s *Session) loadFile(ctx context.Context, out exec.Session, from files.Place, replaces bool) error {
	text, err := files.ReadText(ctx, s.onScreen(), from, textMax)
	if err != nil {
		return err
	}
	return s.loadText(ctx, out, string(text), replaces)
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
