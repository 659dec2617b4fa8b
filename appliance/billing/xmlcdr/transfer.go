package xmlcdr

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"causeway/appliance/storage/remote"
)

// How often there is a look for files to be transferred, and at most after
// failures.
const (
	transferInterval    = 10 * time.Second
	maxTransferInterval = 10 * time.Minute
)

// transfer sends finished files to the target until ctx ends. After each failure
// it waits twice as long.
func (f *Files) transfer(ctx context.Context) {
	var last []string
	for pause := f.options.look; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		found, err := f.transferAll(ctx, last)
		if ctx.Err() != nil {
			return
		}
		last = found
		f.tellTransfer(err)
		pause = nextPause(pause, f.options.look, err)
	}
}

func nextPause(last, shortest time.Duration, err error) time.Duration {
	if err == nil {
		return shortest
	}
	return min(2*last, max(shortest, maxTransferInterval))
}

// transferAll sends the checksum logs and the finished files, and deletes the
// files when they have arrived whole. Files that were not there at the last look
// wait for the next one: until the cache's cursor has passed their calls, which
// is a second, they serve to know those again. It returns the files it found.
func (f *Files) transferAll(ctx context.Context, last []string) (found []string, err error) {
	dir, err := f.enter()
	if err != nil {
		return nil, nil // Run tells of it
	}
	defer dir.Close()
	names, err := dir.Names()
	if err != nil {
		return nil, err
	}
	var logs checksums
	sums, err := logs.read(dir)
	if err != nil {
		return nil, err
	}
	var due []string
	for _, name := range names {
		if number, suffix := numberOf(name); number > 0 && number <= logs.newest && suffix == "" {
			found = append(found, name)
			if slices.Contains(last, name) {
				due = append(due, name)
			}
		}
	}
	f.noteTransfer(len(found), "")
	if len(due) == 0 {
		return found, nil
	}
	slices.SortFunc(due, byNumber)
	s, err := f.target.Connect(ctx, f.options.Secret, f.target.hostKey)
	if err != nil {
		return found, err
	}
	defer s.Close()
	for _, name := range logNames {
		content, err := readLog(dir, name)
		if err == nil && len(content) > 0 {
			err = sendText(ctx, s, name, content)
		}
		if err != nil {
			return found, fmt.Errorf("transfer %s: %w", name, err)
		}
	}
	waiting := len(found)
	for _, name := range due {
		moveErr := move(ctx, s, dir, name, sums[name])
		if moveErr == nil {
			waiting--
			f.noteTransfer(waiting, name)
			continue
		}
		err = errors.Join(err, fmt.Errorf("transfer %s: %w", name, moveErr))
		if !errors.Is(moveErr, errAltered) { // it concerns them all
			break
		}
	}
	return found, errors.Join(err, dir.Sync())
}

// move sends a file and deletes it.
func move(ctx context.Context, s *remote.Session, dir directory, name, sum string) error {
	in, err := dir.Open(name, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := s.Send(ctx, name, check(in, sum)); err != nil {
		return err
	}
	return dir.Remove(name)
}

func (f *Files) noteTransfer(waiting int, transferred string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status.Waiting = waiting
	if transferred != "" {
		f.status.Transferred = transferred
		f.options.Log.Info("CDR file transferred", "name", transferred, "to", f.target.Address)
	}
}

// tellTransfer notes what is in the way of the transfer, and logs it when it
// begins and ends.
func (f *Files) tellTransfer(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case err != nil:
		if f.status.TransferProblem == "" {
			f.options.Log.Warn("CDR files are not transferred", "error", err)
		}
		f.status.TransferProblem = err.Error()
	case f.status.TransferProblem != "":
		f.options.Log.Info("CDR files are transferred again")
		f.status.TransferProblem = ""
	}
}
