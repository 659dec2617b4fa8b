package console

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/config/change"
	"causeway/appliance/exec"
	"causeway/appliance/link"
)

// limits is how long control may take for what takes longer than an answer:
// proxy and billing prepare a configuration and switch to it.
var limits = map[string]time.Duration{
	"control.load": time.Minute, "control.commit": time.Minute, "control.rollback": time.Minute,
}

// change asks control to do something with the candidate that this operator
// holds. When it was lost, the session is back in EXEC.
func (s *Session) change(ctx context.Context, method string, params, result any) error {
	// Ctrl-C does not end it: one would not know what became of it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cmp.Or(limits[method], 10*time.Second))
	defer cancel()
	err := s.Call(ctx, "control", method, params, result)
	var refused *link.RemoteError
	if !errors.As(err, &refused) || !s.holds {
		return err
	}
	var candidate change.Candidate
	if s.Call(ctx, "control", "control.candidate", nil, &candidate) == nil {
		if candidate.Holder == nil || candidate.Holder.Operator != s.Operator() {
			s.toExec() // what control refused says who took it over
		}
	}
	return err
}

// toExec is where a session is that does not hold the candidate.
func (s *Session) toExec() { s.at, s.path, s.holds = privilegedExec, nil, false }

// clock prints a time of any day.
func clock(out exec.Session, t time.Time) string { return exec.Time(out, t, "2006-01-02 15:04:05 MST") }

// configure opens the configuration.
func (s *Session) configure(ctx context.Context, out exec.Session, a config.Args) error {
	if err := s.hold(ctx, out, a.Has("take")); err != nil || !s.holds {
		return err
	}
	s.at, s.path = place(config.Global), nil
	return nil
}

// hold gets the candidate, unless another operator has it and is to keep it.
func (s *Session) hold(ctx context.Context, out exec.Session, take bool) error {
	request := change.ConfigureRequest{Operator: s.Operator(), Take: take}
	var answer change.Configured
	if err := s.Call(ctx, "control", "control.configure", request, &answer); err != nil {
		return err
	}
	if answer.Holder != nil {
		with := "without changes"
		if answer.Holder.Changed {
			with = "with changes that are not committed"
		}
		fmt.Fprintf(out, "%% %v holds the candidate since %s, %s\n", answer.Holder.Operator, clock(out, answer.Holder.Since), with)
		if reply, err := s.ask("Take it over? [no]: "); err != nil || reply != "yes" && reply != "y" {
			return err
		}
		request.Take = true
		answer = change.Configured{}
		if err := s.Call(ctx, "control", "control.configure", request, &answer); err != nil {
			return err
		}
	}
	if answer.Changed {
		fmt.Fprintln(out, "% The candidate has changes that are not committed: show configuration diff")
	}
	if p := answer.Pending; p != nil {
		fmt.Fprintln(out, "% "+pendingNote(out, *p))
	}
	s.holds = true
	return nil
}

func pendingNote(out exec.Session, p change.Pending) string {
	return fmt.Sprintf("Revision %d is not confirmed: commit by %s, or %s comes back", p.Revision, clock(out, p.Until), configuration(p.Back))
}

// edit brings a typed line into the candidate. local is what is wrong with it
// in the innermost mode alone, if anything.
func (s *Session) edit(ctx context.Context, column int, text string, local *config.Error) error {
	if err := s.Grammar.Permits(s.login.Rights, s.path, text); err != nil {
		var fault *config.Error
		if !errors.As(err, &fault) {
			return err
		}
		s.showLineFault(column, text, fault, local)
		return nil
	}
	if !s.holds {
		if err := s.hold(ctx, s.onScreen(), false); err != nil || !s.holds {
			return err
		}
	}
	if s.Editing { // Ctrl-C drops what was typed ahead: a paste, while control takes its time
		defer s.in.onInterrupt(func() {})()
	}
	var edited change.Edited
	request := change.EditRequest{Operator: s.Operator(), Path: s.path, Line: text}
	if err := s.change(ctx, "control.edit", request, &edited); err != nil {
		return err
	}
	if edited.Fault != nil {
		s.showLineFault(column, text, edited.Fault, local)
		return nil
	}
	if s.at.configuring() {
		s.enter(edited.Path)
	}
	return nil
}

// showLineFault shows of the two faults the one that is further into the line.
func (s *Session) showLineFault(column int, text string, fault, local *config.Error) {
	if local != nil && local.Column > fault.Column {
		fault = local
	}
	fault.Rule += s.elsewhere(s.at, text)
	s.showFault(column, fault)
}

// enter goes to a place of the configuration.
func (s *Session) enter(path []string) { s.at, s.path = s.placeOf(path), path }

// placeOf is the mode that lines of a configuration opened.
func (s *Session) placeOf(path []string) place {
	mode, err := s.Grammar.ModeOf(path)
	if err != nil { // control knows lines that this process does not
		return place(config.Global)
	}
	return place(mode)
}

func (s *Session) exit(ctx context.Context, out exec.Session, a config.Args) error {
	if n := len(s.path); n > 0 {
		s.enter(s.path[:n-1])
		return nil
	}
	return s.end(ctx, out, a)
}

// end leaves the configuration, after asking what becomes of the changes.
func (s *Session) end(ctx context.Context, out exec.Session, _ config.Args) error {
	var now change.Configured
	err := s.change(ctx, "control.configure", change.ConfigureRequest{Operator: s.Operator()}, &now)
	switch {
	case err == nil && now.Holder != nil:
		s.toExec()
		return fmt.Errorf("%v took the candidate over at %s", now.Holder.Operator, clock(out, now.Holder.Since))
	case err == nil && now.Changed:
		return s.endWithChanges(ctx, out)
	}
	s.release(ctx)
	s.toExec()
	return err
}

func (s *Session) endWithChanges(ctx context.Context, out exec.Session) error {
	for {
		reply, err := s.ask("Uncommitted changes found, commit them (yes/no/cancel)? [cancel]: ")
		switch {
		case errors.Is(err, errAbandoned):
			return nil
		case err != nil:
			return err
		}
		switch reply {
		case "", "cancel", "c":
			return nil
		case "no", "n":
			return s.abort(ctx, out, nil)
		case "yes", "y":
			if err := s.permitsCommit(); err != nil {
				return err
			}
			s.audit(ctx, "commit")
			if err := s.commit(ctx, out, nil); err != nil {
				return err
			}
			s.release(ctx)
			s.toExec()
			return nil
		}
		fmt.Fprintln(out, "% Type yes, no or cancel")
	}
}

// release gives the candidate back, with its changes, if this session has it.
func (s *Session) release(ctx context.Context) {
	if !s.holds {
		return
	}
	s.holds = false
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	// Without an answer the next one who configures is told of the changes.
	s.Call(ctx, "control", "control.release", change.Who{Operator: s.Operator()}, nil)
}

// abort drops the changes.
func (s *Session) abort(ctx context.Context, _ exec.Session, _ config.Args) error {
	if err := s.change(ctx, "control.abort", change.AbortRequest{Operator: s.Operator()}, nil); err != nil {
		return err
	}
	s.toExec()
	return nil
}

// commit puts the candidate in force.
func (s *Session) commit(ctx context.Context, out exec.Session, a config.Args) error {
	request := change.CommitRequest{Operator: s.Operator()}
	if a != nil {
		request.Comment, request.ConfirmMinutes = a.Text("LINE"), a.Int("MINUTES")
	}
	var done change.Committed
	if err := s.change(ctx, "control.commit", request, &done); err != nil {
		return err
	}
	return s.committed(ctx, out, done, request.ConfirmMinutes > 0)
}

// allMessages is the command of EXEC that sends all that Call Home has to tell.
const allMessages = "call-home send all"

// commitAndCall puts the candidate in force and has Call Home tell the vendor
// (CH-34, "Save and Call Home now").
func (s *Session) commitAndCall(ctx context.Context, out exec.Session, _ config.Args) error {
	send, err := s.other(allMessages)
	if err == nil {
		err = s.permits(send.command, send.args)
	}
	if err == nil {
		err = s.commit(ctx, out, nil)
	}
	if err == nil {
		s.audit(ctx, allMessages)
		err = send.command.Run(ctx, out, send.args)
	}
	return err
}

// other is a command of EXEC that another one has need of.
func (s *Session) other(line string) (typed, error) {
	found, fault := s.understand(s.places[afterDo], line)
	if fault != nil {
		return typed{}, fmt.Errorf("%s: %s", line, fault.Rule)
	}
	return found, nil
}

// committed says what a commit or a rollback did.
func (s *Session) committed(ctx context.Context, out exec.Session, done change.Committed, pending bool) error {
	for _, fault := range done.Faults {
		fmt.Fprintf(out, "%% %v\n", fault)
	}
	for _, note := range done.Notes {
		fmt.Fprintf(out, "%% %s\n", note)
	}
	switch {
	case len(done.Faults) > 0:
		return fmt.Errorf("nothing is committed: %s", count(len(done.Faults), "fault"))
	case done.Revision == 0 && done.Confirmed == 0 && len(done.Notes) == 0:
		fmt.Fprintln(out, "% There is nothing to commit")
	}
	if done.Confirmed > 0 {
		fmt.Fprintf(out, "Revision %d is confirmed\n", done.Confirmed)
	}
	switch {
	case done.Revision > 0 && pending:
		fmt.Fprintf(out, "Revision %d is in force\n", done.Revision)
	case done.Revision > 0:
		fmt.Fprintf(out, "Revision %d is in force and saved\n", done.Revision)
	}
	s.look(ctx) // the host name may be another one, the commit to be confirmed
	return nil
}

func count(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}

// rollback puts an earlier revision in force.
func (s *Session) rollback(ctx context.Context, out exec.Session, a config.Args) error {
	request := change.RollbackRequest{Operator: s.Operator(), Revision: a.Int("REVISION")}
	var done change.Committed
	if err := s.change(ctx, "control.rollback", request, &done); err != nil {
		return err
	}
	return s.committed(ctx, out, done, false)
}

// write commits where there may be something to commit, and says what is
// saved: each commit is.
func (s *Session) write(ctx context.Context, out exec.Session, a config.Args) error {
	if s.holds {
		if err := s.permitsCommit(); err != nil {
			return err
		}
		err := s.commit(ctx, out, nil)
		if err == nil && !s.at.configuring() { // users were changed from EXEC
			s.release(ctx)
		}
		return err
	}
	var running change.RevisionText
	if err := s.Call(ctx, "control", "control.revision", change.RevisionRequest{}, &running); err != nil {
		return err
	}
	if running.Number == 0 {
		fmt.Fprintln(out, "The built-in configuration is in force")
		return nil
	}
	fmt.Fprintf(out, "Revision %d is in force and saved since %s\n", running.Number, clock(out, running.Time))
	return nil
}
