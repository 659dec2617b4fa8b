package web

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"causeway/appliance/config/change"
	"causeway/appliance/grammar"
	"causeway/appliance/model"
)

// site is a box of tests with the real candidate and revisions of control.
type site struct {
	*box
	configuration *change.Configuration

	mu    sync.Mutex
	typed []string // what the access log has
}

// somebody changes the configuration at the console.
var somebody = model.Operator{User: "carol", Origin: "ssh 192.0.2.7"}

// newSite makes one; lines are committed as its first revision.
func newSite(t *testing.T, lines ...string) *site {
	t.Helper()
	dir := t.TempDir()
	s := &site{configuration: change.New(change.Options{
		Grammar: realGrammar(), BuiltIn: grammar.BuiltIn(), Version: "1.2.3", Dir: filepath.Join(dir, "revisions"),
		Machine: filepath.Join(dir, "none"), Choice: filepath.Join(dir, "none"), StateDir: dir,
		Adopt: func(change.InForce) {}, Log: slog.New(slog.DiscardHandler),
	})}
	if err := s.configuration.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.configuration.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	s.box = newBox(t, map[string]any{
		"control.status": func(string) (any, error) {
			now := s.configuration.Status()
			return model.ControlStatus{Revision: now.InForce.Number, Pending: now.Pending, HostName: now.InForce.Config.HostName}, nil
		},
		"control.access.audit": func(params string) (any, error) {
			var a model.Audit
			err := json.Unmarshal([]byte(params), &a)
			s.mu.Lock()
			defer s.mu.Unlock()
			s.typed = append(s.typed, a.Operator.User+": "+a.Line)
			return nil, err
		},
	})
	s.Serve(t, "control", s.configuration.Methods())
	s.people.rights["carol"] = everything
	if len(lines) > 0 {
		s.edit(t, somebody, lines...)
		if done, err := s.configuration.Commit(t.Context(), change.CommitRequest{Operator: somebody}); err != nil || done.Revision != 1 {
			t.Fatalf("Commit = %+v, %v; want revision 1", done, err)
		}
		s.release(t, somebody)
	}
	return s
}

// edit has an operator, who takes the candidate, type lines below each other.
func (s *site) edit(t *testing.T, who model.Operator, lines ...string) {
	t.Helper()
	if held, err := s.configuration.Configure(t.Context(), change.ConfigureRequest{Operator: who}); err != nil || held.Holder != nil {
		t.Fatalf("Configure by %v = %+v, %v; want the candidate", who, held, err)
	}
	loaded, err := s.configuration.Load(t.Context(), change.LoadRequest{Operator: who, Text: strings.Join(lines, "\n") + "\n"})
	if err != nil || len(loaded.Faults) > 0 {
		t.Fatalf("Load(%q) = %v, %v; want no fault", lines, loaded.Faults, err)
	}
}

func (s *site) release(t *testing.T, who model.Operator) {
	t.Helper()
	if _, err := s.configuration.Release(t.Context(), change.Who{Operator: who}); err != nil {
		t.Fatal(err)
	}
}

// holder is who has the candidate.
func (s *site) holder(t *testing.T) string {
	t.Helper()
	candidate, err := s.configuration.Candidate(t.Context())
	switch {
	case err != nil:
		t.Fatal(err)
	case candidate.Holder != nil:
		return candidate.Holder.Operator.User
	}
	return "nobody"
}

// runs checks what is in force.
func (s *site) runs(t *testing.T, name string, number int) {
	t.Helper()
	if f := s.configuration.InForce(); f.Config.HostName != name || f.Number != number {
		t.Errorf("in force: %s, revision %d; want %s, %d", f.Config.HostName, f.Number, name, number)
	}
}

// audited checks what was written down since it was asked last.
func (s *site) audited(t *testing.T, want ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.typed, want) {
		t.Errorf("access log: %q; want %q", s.typed, want)
	}
	s.typed = nil
}

// shows checks that a page has texts, and not those that begin with "!".
func shows(t *testing.T, page string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		text, absent := strings.CutPrefix(text, "!")
		if strings.Contains(page, text) == absent {
			t.Errorf("the page has %q: %v; want %v:\n%s", text, !absent == false, !absent, page)
		}
	}
}

// fill gives the fields of a form as a page has them, of which some are filled in.
func fill(t *testing.T, page, do string, fields ...string) url.Values {
	t.Helper()
	for _, form := range regexp.MustCompile(`(?s)<form.*?</form>`).FindAllString(page, -1) {
		if do != "" && !strings.Contains(form, `value="`+do+`"`) || do == "" && !strings.Contains(form, `name="seen"`) {
			continue
		}
		filled := url.Values{"do": {do}}
		for _, input := range regexp.MustCompile(`<input [^>]*>`).FindAllString(form, -1) {
			attribute := func(name string) string {
				found := regexp.MustCompile(`\b` + name + `="([^"]*)"`).FindStringSubmatch(input)
				if found == nil {
					return ""
				}
				return found[1]
			}
			switch attribute("type") {
			case "radio", "checkbox":
				if !strings.Contains(input, " checked") {
					continue
				}
			}
			filled.Set(attribute("name"), attribute("value"))
		}
		for i := 0; i < len(fields); i += 2 {
			filled.Set(fields[i], fields[i+1])
		}
		return filled
	}
	t.Fatalf("no form to %q in %s", do, page)
	return nil
}
