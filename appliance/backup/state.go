package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"causeway/appliance/storage"
)

// Made is one backup that this box has made.
type Made struct {
	Dir  string    `json:"dir"` // files.Place
	Name string    `json:"name"`
	By   string    `json:"by"`   // bySchedule, or whoever asked for it
	Time time.Time `json:"time"` // UTC
	Size int       `json:"size"` // octets; 0: it is being written, or a cut has left a part of it
}

// bySchedule says in Made that nobody asked.
const bySchedule = "schedule"

// Failure is the last backup that did not come about, of those nobody asked for.
type Failure struct {
	Time time.Time `json:"time"` // zero: the last one did
	Why  string    `json:"why"`
}

// state is what control keeps beyond its life. A lost one costs the list of
// backups, not the backups.
type state struct {
	Schedule string    `json:"schedule"` // that Served is about
	Served   time.Time `json:"served"`   // the times of the schedule up to here have their backup
	Failure  Failure   `json:"failure"`
	Made     []Made    `json:"made"` // oldest first
}

// madeMax bounds the list; the oldest go.
const madeMax = 200

func readState(file string) (st state, err error) {
	content, err := storage.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return st, nil
	}
	if err == nil {
		err = json.Unmarshal(content, &st)
	}
	if err != nil {
		return state{}, fmt.Errorf("read %s: %w", file, err)
	}
	return st, nil
}

// change changes the state and keeps it. An error means that it is not kept, but
// counts as long as control runs.
func (s *Service) change(change func(*state)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.state)
	content, err := json.Marshal(s.state)
	if err == nil {
		err = storage.WriteFile(s.options.StateFile, content, 0o640)
	}
	if err != nil {
		return fmt.Errorf("note the backup: %w", err)
	}
	return nil
}

// keep is change where there is nobody to tell of an error.
func (s *Service) keep(change func(*state)) {
	if err := s.change(change); err != nil {
		s.options.Log.Error("the next start of control will not know which backups there are", "error", err)
	}
}

func (s *Service) snapshot() state {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.state
	st.Made = slices.Clone(st.Made)
	return st
}

// file is how the file is shown, and typed.
func (m Made) file() string { return strings.TrimSuffix(m.Dir, "/") + "/" + m.Name }

// is says whether it is the same file.
func (m Made) is(other Made) bool { return m.Dir == other.Dir && m.Name == other.Name }

// add puts a backup into the list, in the place of what the list said of it.
func (st *state) add(m Made) {
	st.remove(m)
	st.Made = append(st.Made, m)
	st.Made = st.Made[max(0, len(st.Made)-madeMax):]
}

// remove takes a backup off the list.
func (st *state) remove(m Made) { st.Made = slices.DeleteFunc(st.Made, m.is) }

// superfluous are the scheduled backups in the directory of the newest that are
// to go: those that are more than shall stay, and parts that cuts have left.
func (s *Service) superfluous(newest Made) (list []Made) {
	keep := s.options.Configuration.InForce().Config.Backup.Schedule.Keep
	whole := 0
	for _, m := range slices.Backward(s.snapshot().Made) {
		if m.By != bySchedule || m.Dir != newest.Dir {
			continue
		}
		if m.Size > 0 {
			whole++
		}
		if m.Size == 0 || keep > 0 && whole > keep {
			list = append(list, m)
		}
	}
	return list
}
