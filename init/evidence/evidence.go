// Package evidence keeps what is known of crashes, so that someone can find
// out later: the last output of a service that died, and what the kernel left
// in pstore before the last reboot. The store is bounded; the oldest goes.
package evidence

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// The bounds of a store.
const (
	MaxFiles = 32
	MaxSize  = 1 << 20 // octets a file; of a longer one the end is kept
)

// Store is a directory of crash files, TIME-WHAT.txt.
type Store struct {
	Dir string
	Now func() time.Time

	mu sync.Mutex
}

// Save keeps text as the evidence of what, a word such as "proxy".
func (s *Store) Save(what string, text []byte) (path string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() {
		if err != nil {
			err = fmt.Errorf("keep evidence of the crash of %s: %w", what, err)
		}
	}()
	if err := s.makeRoom(); err != nil {
		return "", err
	}
	stamp := s.Now().UTC().Format("20060102T150405.000Z")
	path = filepath.Join(s.Dir, stamp+"-"+word(what)+".txt")
	temporary := path + ".new"
	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return "", err
	}
	_, err = file.Write(text[max(0, len(text)-MaxSize):])
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		os.Remove(temporary)
		return "", err
	}
	if err := os.Rename(temporary, path); err != nil {
		return "", err
	}
	return path, s.sync()
}

// word makes a part of a file name of any text.
func word(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
			return r
		}
		return '_'
	}, text[:min(len(text), 100)])
}

// makeRoom removes the oldest files, by name, so that one more fits, and
// files that a cut left half written.
func (s *Store) makeRoom() error {
	entries, err := os.ReadDir(s.Dir)
	if err != nil {
		return err
	}
	var kept []string
	for _, entry := range entries {
		switch {
		case strings.HasSuffix(entry.Name(), ".txt.new"):
			err = cmp.Or(err, os.Remove(filepath.Join(s.Dir, entry.Name())))
		case strings.HasSuffix(entry.Name(), ".txt"):
			kept = append(kept, entry.Name())
		}
	}
	slices.Sort(kept)
	for _, name := range kept[:max(0, len(kept)-MaxFiles+1)] {
		err = cmp.Or(err, os.Remove(filepath.Join(s.Dir, name)))
	}
	return err
}

// sync puts the names of the files on disk.
func (s *Store) sync() error {
	directory, err := os.Open(s.Dir)
	if err != nil {
		return err
	}
	defer directory.Close()
	return directory.Sync()
}

// CollectPstore keeps what the kernel left in pstore and then empties it: it
// is small, and a full one takes no more. It gives the number of records kept;
// one that cannot be read stays and does not keep the others from being kept.
func (s *Store) CollectPstore(pstore string) (kept int, err error) {
	entries, err := os.ReadDir(pstore)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("collect from pstore: %w", err)
	}
	var errs []error
	for _, entry := range entries {
		path := filepath.Join(pstore, entry.Name())
		text, err := readBounded(path)
		if err != nil {
			errs = append(errs, fmt.Errorf("collect from pstore: %w", err))
			continue
		}
		if _, err := s.Save("kernel-"+entry.Name(), text); err != nil {
			return kept, errors.Join(append(errs, err)...)
		}
		kept++
		if err := os.Remove(path); err != nil {
			errs = append(errs, fmt.Errorf("empty pstore: %w", err))
		}
	}
	return kept, errors.Join(errs...)
}

func readBounded(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, MaxSize))
}
