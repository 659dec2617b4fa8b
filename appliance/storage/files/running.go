package files

import (
	"context"
	"errors"
	"fmt"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/config/change"
	"causeway/appliance/exec"
)

// runningName is the file that the configuration in force becomes in a
// directory.
const runningName = "running-config"

func saveRunning(ctx context.Context, s exec.Session, a config.Args) error {
	to, replace, err := target(ctx, s, PlaceOf(a, "TO"), runningName)
	if err != nil {
		return err
	}
	login, err := LoginAt(ctx, s, to)
	if err != nil {
		return err
	}
	var running struct {
		Text string `json:"text"`
	}
	if err := s.Call(ctx, "control", "control.running", nil, &running); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, textLimit)
	defer cancel()
	if err := files(ctx, s, "write", WriteRequest{to, running.Text, replace, login}, nil); err != nil {
		return err
	}
	fmt.Fprintf(s, "Copied the running configuration to %v\n", to)
	return nil
}

// loadRunning merges a file into the configuration and commits. It takes the
// candidate only if nobody has it and it holds no changes, and leaves it so.
func loadRunning(ctx context.Context, s exec.Session, a config.Args) error {
	from := PlaceOf(a, "FROM")
	text, err := ReadText(ctx, s, from, textMax)
	if err != nil {
		return err
	}
	var before change.Candidate
	if err := s.Call(ctx, "control", "control.candidate", nil, &before); err != nil {
		return err
	}
	if before.Holder != nil {
		return fmt.Errorf("the configuration is being changed by %v", before.Holder.Operator)
	}
	who := change.Who{Operator: s.Operator()}
	var candidate change.Configured
	if err := s.Call(ctx, "control", "control.configure", change.ConfigureRequest{Operator: who.Operator}, &candidate); err != nil {
		return err
	}
	giveBack := "control.abort"
	switch {
	case candidate.Holder != nil: // who was faster
		return fmt.Errorf("the configuration is being changed by %v", candidate.Holder.Operator)
	case candidate.Changed:
		giveBack, err = "control.release", errors.New("the candidate has changes: commit or abort them first")
	default:
		err = commitText(ctx, s, from.String(), string(text))
	}
	// Without an answer whoever configures next is told who has it.
	s.Call(context.WithoutCancel(ctx), "control", giveBack, who, nil)
	return err
}

// commitLimit is how long a commit may take: it waits for the other processes.
const commitLimit = time.Minute

// commitText merges a text into the candidate and commits that.
func commitText(ctx context.Context, s exec.Session, name, text string) error {
	var loaded change.Loaded
	if err := s.Call(ctx, "control", "control.load", change.LoadRequest{Operator: s.Operator(), Text: text}, &loaded); err != nil {
		return err
	}
	if len(loaded.Faults) > 0 {
		return faulty(s, loaded.Faults)
	}
	ctx, cancel := context.WithTimeout(ctx, commitLimit)
	defer cancel()
	var committed change.Committed
	request := change.CommitRequest{Operator: s.Operator(), Comment: "copy " + name + " running-config"}
	if err := s.Call(ctx, "control", "control.commit", request, &committed); err != nil {
		return err
	}
	for _, note := range committed.Notes {
		fmt.Fprintf(s, "%% %s\n", note)
	}
	switch {
	case len(committed.Faults) > 0:
		return faulty(s, committed.Faults)
	case committed.Revision > 0:
		fmt.Fprintf(s, "Revision %d is in force and saved\n", committed.Revision)
	case committed.Confirmed > 0:
		fmt.Fprintf(s, "Revision %d is confirmed\n", committed.Confirmed)
	case len(committed.Notes) == 0:
		return errors.New("there is nothing to commit")
	}
	return nil
}

// faulty prints the faults of a text.
func faulty(s exec.Session, faults config.Errors) error {
	for _, fault := range faults {
		fmt.Fprintf(s, "%% %v\n", fault)
	}
	return errors.New("nothing is committed")
}
