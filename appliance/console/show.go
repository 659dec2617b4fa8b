package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"causeway/appliance/config"
	"causeway/appliance/config/change"
	"causeway/appliance/exec"
)

// runningText is the configuration in force.
func runningText(ctx context.Context, s exec.Session) (string, error) {
	var running struct {
		Text string `json:"text"`
	}
	err := s.Call(ctx, "control", "control.running", nil, &running)
	return running.Text, err
}

func (s *Session) showRunning(ctx context.Context, out exec.Session, _ config.Args) error {
	text, err := runningText(ctx, out)
	if err != nil {
		return err
	}
	_, err = io.WriteString(out, text)
	return err
}

// showStartup prints the newest revision that stands. That is the one in force,
// unless a commit waits for its confirmation.
func (s *Session) showStartup(ctx context.Context, out exec.Session, _ config.Args) error {
	var history change.History
	if err := s.Call(ctx, "control", "control.history", nil, &history); err != nil {
		return err
	}
	newest := slices.IndexFunc(history.Revisions, change.Revision.Stands)
	if newest < 0 {
		return errors.New("none is saved: the box starts with the built-in one")
	}
	return s.showRevision(ctx, out, config.Args{"REVISION": history.Revisions[newest].Number})
}

func (s *Session) showCandidate(ctx context.Context, out exec.Session, _ config.Args) error {
	var candidate change.Candidate
	if err := s.Call(ctx, "control", "control.candidate", nil, &candidate); err != nil {
		return err
	}
	_, err := io.WriteString(out, candidate.Text)
	return err
}

func (s *Session) showDiff(ctx context.Context, out exec.Session, _ config.Args) error {
	running, err := runningText(ctx, out)
	if err != nil {
		return err
	}
	var candidate change.Candidate
	if err := s.Call(ctx, "control", "control.candidate", nil, &candidate); err != nil {
		return err
	}
	_, err = io.WriteString(out, config.Diff(running, candidate.Text))
	return err
}

// showRevisions lists the commits, the newest first.
func (s *Session) showRevisions(ctx context.Context, out exec.Session, _ config.Args) error {
	var history change.History
	if err := s.Call(ctx, "control", "control.history", nil, &history); err != nil {
		return err
	}
	fmt.Fprintf(out, "%8s  %-23s  %-10s  %s\n", "Revision", "Time", "State", "Operator")
	for _, r := range history.Revisions {
		mark := " "
		if r.Number == history.InForce {
			mark = "*"
		}
		fmt.Fprintf(out, "%s%7d  %-23s  %-10s  %v\n", mark, r.Number, clock(out, r.Time), r.State, r.Operator)
		switch {
		case r.State == change.StatePending:
			fmt.Fprintf(out, "%10sto be confirmed by %s\n", "", clock(out, r.Until))
		case r.Reason != "":
			fmt.Fprintf(out, "%10s%s\n", "", r.Reason)
		}
		if r.Comment != "" {
			fmt.Fprintf(out, "%10sComment: %s\n", "", r.Comment)
		}
	}
	for _, damaged := range history.Damaged {
		fmt.Fprintf(out, "%% %s\n", damaged)
	}
	fmt.Fprintln(out, "* in force")
	return nil
}

func (s *Session) showRevision(ctx context.Context, out exec.Session, a config.Args) error {
	var revision change.RevisionText
	request := change.RevisionRequest{Revision: a.Int("REVISION")}
	if err := s.Call(ctx, "control", "control.revision", request, &revision); err != nil {
		return err
	}
	_, err := io.WriteString(out, revision.Text)
	return err
}

// showFailed prints the lines of the configuration in force that this firmware
// keeps aside.
func (s *Session) showFailed(ctx context.Context, out exec.Session, _ config.Args) error {
	text, err := runningText(ctx, out)
	if err != nil {
		return err
	}
	aside := config.Aside(text)
	if len(aside) == 0 {
		fmt.Fprintln(out, "No line is kept aside")
		return nil
	}
	_, err = fmt.Fprintln(out, strings.Join(aside, "\n"))
	return err
}
