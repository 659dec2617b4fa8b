package change

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// mostKept is how many revisions the store keeps.
const mostKept = 50

// MaxText bounds the text of a configuration, in octets: far above any real
// one, and far below what would hurt the process.
const MaxText = 1 << 20

// Store is the revisions of the box, one file each, in a directory. It is for
// one goroutine at a time.
type Store struct {
	dir    string
	kept   []kept // oldest first
	broken error  // why nothing can be kept

	write  func(path string, content []byte, mode os.FileMode) error
	remove func(path string) error
}

// kept is one file. Of one that is damaged only the number is known.
type kept struct {
	Revision
	damage error
}

// extension of the files.
const extension = ".conf"

// OpenStore reads the revisions in dir, which need not be there yet. With an
// error the store is empty and takes nothing.
func OpenStore(dir string) (*Store, error) {
	s := &Store{dir: dir, write: storage.WriteFile, remove: os.Remove}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.broken = fmt.Errorf("read the revisions: %w", err)
		return s, s.broken
	}
	if entries != nil {
		storage.RemoveTemporary(dir) // on a disk that is read-only they harm nobody
	}
	for _, entry := range entries {
		name := entry.Name()
		number, err := strconv.Atoi(strings.TrimSuffix(name, extension))
		if err == nil && number > 0 && name == filepath.Base(s.path(number)) {
			revision, _, err := s.read(number)
			s.kept = append(s.kept, kept{revision, err})
		}
	}
	slices.SortFunc(s.kept, func(a, b kept) int { return a.Number - b.Number })
	return s, nil
}

func (s *Store) path(number int) string {
	return filepath.Join(s.dir, fmt.Sprintf("%06d"+extension, number))
}

// read reads one revision. With an error its Number is set all the same.
func (s *Store) read(number int) (Revision, string, error) {
	content, err := readFile(s.path(number), MaxText+len(header)*(maxRemark+20))
	if err != nil {
		return Revision{Number: number}, "", err
	}
	revision, text, err := parse(content)
	if err == nil && revision.Number != number {
		err = fmt.Errorf("it is a copy of revision %d", revision.Number)
	}
	if err != nil {
		return Revision{Number: number}, "", err
	}
	return revision, text, nil
}

// readFile reads a file of any content, but not more than most octets.
func readFile(path string, most int) ([]byte, error) {
	file, err := storage.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, int64(most)+1))
	if err == nil && len(content) > most {
		err = fmt.Errorf("%s is longer than %d octets", path, most)
	}
	return content, err
}

// Add keeps text as a new revision, and gives it with its number and id. When
// it returns nil the revision survives a power cut.
func (s *Store) Add(r Revision, text string) (Revision, error) {
	r.Number, r.ID = s.last()+1, model.RevisionID(text)
	r.clean()
	if s.broken != nil {
		return Revision{}, s.broken
	}
	if err := s.makeDir(); err != nil {
		return Revision{}, fmt.Errorf("keep revision %d: %w", r.Number, err)
	}
	if err := s.write(s.path(r.Number), format(r, text), 0o600); err != nil {
		return Revision{}, fmt.Errorf("keep revision %d: %w", r.Number, err)
	}
	s.kept = append(s.kept, kept{Revision: r})
	return r, nil
}

// makeDir makes the directory where there is none, so that it is not gone
// after a cut, with all that is in it.
func (s *Store) makeDir() error {
	if _, err := os.Stat(s.dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(s.dir, 0o750); err != nil {
		return err
	}
	return storage.SyncDir(filepath.Dir(s.dir))
}

// last is the highest number that was given.
func (s *Store) last() int {
	if len(s.kept) == 0 {
		return 0
	}
	return s.kept[len(s.kept)-1].Number
}

// Set changes the state of a revision, with the reason of a withdrawn one. On
// an error the old state stands, but a withdrawn one is not used any more.
func (s *Store) Set(number int, state State, reason string) error {
	i := s.index(number)
	if i < 0 {
		return fmt.Errorf("there is no revision %d", number)
	}
	r := s.kept[i].Revision
	r.State, r.Until, r.Reason = state, time.Time{}, reason
	r.clean()
	_, text, err := s.read(number)
	if err == nil {
		err = s.write(s.path(number), format(r, text), 0o600)
	}
	if err == nil || state == StateWithdrawn {
		s.kept[i].Revision = r
	}
	if err != nil {
		return fmt.Errorf("keep that revision %d is %s: %w", number, state, err)
	}
	return nil
}

// Text reads the text of a revision.
func (s *Store) Text(number int) (Revision, string, error) {
	i := s.index(number)
	if i < 0 {
		return Revision{}, "", fmt.Errorf("there is no revision %d", number)
	}
	_, text, err := s.read(number)
	if err != nil {
		return Revision{}, "", fmt.Errorf("revision %d is damaged: %w", number, err)
	}
	return s.kept[i].Revision, text, nil
}

func (s *Store) index(number int) int {
	return slices.IndexFunc(s.kept, func(k kept) bool { return k.Number == number })
}

// Revisions gives those that are whole, newest first.
func (s *Store) Revisions() []Revision {
	var list []Revision
	for _, k := range slices.Backward(s.kept) {
		if k.damage == nil {
			list = append(list, k.Revision)
		}
	}
	return list
}

// Damaged says of each file that is not whole why, newest first.
func (s *Store) Damaged() []string { return s.damagedAfter(0) }

// damagedAfter is Damaged of the revisions after a number.
func (s *Store) damagedAfter(number int) []string {
	var list []string
	for _, k := range slices.Backward(s.kept) {
		if k.damage != nil && k.Number > number {
			list = append(list, fmt.Sprintf("revision %d is damaged and not used: %v", k.Number, k.damage))
		}
	}
	return list
}

// Newest gives the newest whole revision that fits; its Number is 0 when there
// is none.
func (s *Store) Newest(fits func(Revision) bool) Revision {
	for _, r := range s.Revisions() {
		if fits(r) {
			return r
		}
	}
	return Revision{}
}

// Get gives one whole revision; its Number is 0 when there is none.
func (s *Store) Get(number int) Revision {
	return s.Newest(func(r Revision) bool { return r.Number == number })
}

// What Newest is asked for.
func proven(r Revision) bool      { return r.State == StateProven }
func fromMachine(r Revision) bool { return r.Operator == machine }

// Prune removes the oldest revisions above mostKept, but none of those that
// the box may need: the numbers in keep, the last proven one, and the last one
// that the machine handed in, without which it would be taken for new.
func (s *Store) Prune(keep ...int) error {
	keep = append(keep, s.Newest(proven).Number, s.Newest(fromMachine).Number)
	for i := 0; len(s.kept) > mostKept && i < len(s.kept); {
		number := s.kept[i].Number
		if slices.Contains(keep, number) {
			i++
			continue
		}
		if err := s.remove(s.path(number)); err != nil {
			return fmt.Errorf("remove an old revision: %w", err)
		}
		s.kept = slices.Delete(s.kept, i, i+1)
	}
	return nil
}
