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
)

// textMax bounds a configuration, in octets, as control does.
const textMax = 1 << 20

// filePath is the type of an argument that is a path on a volume. Its value is
// a string in the one form that paths have.
type filePath struct{}

// Parse reads a path.
func (filePath) Parse(word string) (any, error) {
	path, err := storage.ParsePath(word)
	if err != nil {
		return nil, err
	}
	return path.String(), nil
}

// Format prints the path.
func (filePath) Format(value any) string { return fmt.Sprint(value) }

// String gives the notation.
func (filePath) String() string { return "VOLUME:PATH" }

// load gives the command that brings a text into the candidate.
func (s *Session) load(replaces bool) func(context.Context, exec.Session, config.Args) error {
	return func(ctx context.Context, out exec.Session, a config.Args) error {
		if path, ok := a["PATH"].(string); ok {
			return s.loadFile(ctx, out, path, replaces)
		}
		return s.loadTyped(ctx, out, replaces)
	}
}

// loadTyped reads the text from the terminal. A line with a single dot ends it
// as Ctrl-Z does: on a terminal behind a program that takes Ctrl-Z, and in a
// pipe, there must be a way.
func (s *Session) loadTyped(ctx context.Context, out exec.Session, replaces bool) error {
	fmt.Fprintln(out, "Type or paste the lines; a line with a single dot, or Ctrl-Z, ends them, Ctrl-C drops them")
	var text strings.Builder
	for {
		line, left, err := s.screen.readLine("")
		switch {
		case errors.Is(err, errAbandoned):
			return errors.New("nothing is loaded")
		case err != nil:
			return err
		}
		if strings.TrimSpace(line) == "." {
			break
		}
		text.WriteString(line + "\n")
		if text.Len() > textMax {
			return fmt.Errorf("the text has more than %d octets; nothing is loaded", textMax)
		}
		if left {
			break
		}
	}
	return s.loadText(ctx, out, text.String(), replaces)
}

// What control.files.read takes and gives: a part of the file at a time.
type (
	readRequest struct {
		Path   string `json:"path"`
		Offset int64  `json:"offset"`
	}
	filePart struct {
		Data []byte `json:"data"`
		Next int64  `json:"next"`
		End  bool   `json:"end"`
	}
)

// loadFile reads the text from a volume.
func (s *Session) loadFile(ctx context.Context, out exec.Session, path string, replaces bool) error {
	var text strings.Builder
	request := readRequest{Path: path}
	for {
		var part filePart
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
