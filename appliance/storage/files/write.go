package files

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"causeway/appliance/storage"
)

// temporaryPrefix begins the names of files while they are written. What a cut
// left goes when the next file is written into the directory.
const temporaryPrefix = ".causeway-copy-"

// writing is a file that is being written.
type writing struct {
	temporary string // its name meanwhile, which no other has
	total     int64  // octets
	done      atomic.Int64
}

// MkdirRequest asks for a directory that is not there.
type MkdirRequest = PathRequest

func (s *Service) mkdir(_ context.Context, r MkdirRequest) (nothing, error) {
	return nothing{}, s.change(r.Path, func(dir *os.Root, name string) error {
		if err := dir.Mkdir(name, 0o770); err != nil {
			return err
		}
		// Whatever our umask is, billing and proxy may write there. FAT has
		// no modes.
		if err := dir.Chmod(name, 0o770); err != nil && r.Path.Volume != storage.USB {
			return err
		}
		return nil
	})
}

// DeleteRequest asks for the end of a file or an empty directory; Recursive
// of a directory with all that is in it.
type DeleteRequest struct {
	Path      storage.Path `json:"path"`
	Recursive bool         `json:"recursive"`
}

func (s *Service) remove(_ context.Context, r DeleteRequest) (nothing, error) {
	return nothing{}, s.change(r.Path, func(dir *os.Root, name string) error {
		if _, err := dir.Lstat(name); err != nil {
			return err // RemoveAll does not mind
		}
		if r.Recursive {
			return dir.RemoveAll(name)
		}
		return dir.Remove(name)
	})
}

// WriteRequest asks for a file with that text. One that is there is only
// replaced if that is said.
type WriteRequest struct {
	Path    storage.Path `json:"path"`
	Text    string       `json:"text"`
	Replace bool         `json:"replace"`
}

// textMax bounds a text, in octets: that of a configuration.
const textMax = 1 << 20

func (s *Service) write(ctx context.Context, r WriteRequest) (nothing, error) {
	if len(r.Text) > textMax {
		return nothing{}, fmt.Errorf("a text of %d octets is too long: %d are the most", len(r.Text), textMax)
	}
	return nothing{}, s.put(ctx, r.Path, r.Replace, strings.NewReader(r.Text), int64(len(r.Text)))
}

// CopyRequest asks for a copy of a file under a name, on the same volume or
// another. It ends when the copy is on disk; closing the connection cancels it.
type CopyRequest struct {
	From    storage.Path `json:"from"`
	To      storage.Path `json:"to"` // not a directory
	Replace bool         `json:"replace"`
}

func (s *Service) copy(ctx context.Context, r CopyRequest) (nothing, error) {
	if err := mayRead(r.From); err != nil {
		return nothing{}, err
	}
	file, size, err := s.open(r.From)
	if err != nil {
		return nothing{}, err
	}
	defer file.Close()
	// Of a file that grows, what is there now.
	content := io.LimitReader(source{r.From, file}, size)
	return nothing{}, s.put(ctx, r.To, r.Replace, content, size)
}

// source is a file that is copied. Its errors say that they are its own.
type source struct {
	path storage.Path
	file *os.File
}

func (s source) Read(p []byte) (int, error) {
	n, err := s.file.Read(p)
	if err != nil && err != io.EOF {
		err = about(s.path, err)
	}
	return n, err
}

// put writes a file of size octets.
func (s *Service) put(ctx context.Context, p storage.Path, replace bool, content io.Reader, size int64) error {
	w, err := s.begin(p, size)
	if err != nil {
		return err
	}
	defer s.end(p)
	return s.change(p, func(dir *os.Root, name string) error {
		if err := mayTake(dir, name, replace); err != nil {
			return err
		}
		if err := s.tidy(dir); err != nil {
			return err
		}
		room := func(size int64) error { return room(dir, p.Volume, size) }
		if err := room(size); err != nil {
			return err
		}
		err := w.fill(ctx, dir, content, room)
		if err == nil {
			err = dir.Rename(w.temporary, name)
		}
		if err != nil {
			dir.Remove(w.temporary) // what cannot be removed now is tidied up later
		}
		return err
	})
}

// begin notes that a file is being written, unless one of that name is.
func (s *Service) begin(p storage.Path, size int64) (*writing, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writing[p] != nil {
		return nil, fmt.Errorf("%v: is being written already", p)
	}
	w := &writing{temporary: temporaryPrefix + rand.Text(), total: size}
	s.writing[p] = w
	return w, nil
}

func (s *Service) end(p storage.Path) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.writing, p)
}

// mayTake says why a directory does not take a file of that name.
func mayTake(dir *os.Root, name string, replace bool) error {
	info, err := dir.Lstat(name)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return errNotFile
	case !replace:
		return os.ErrExist
	}
	return nil
}

// room says why a volume has no room for so many octets of a file. What the
// box itself writes must not fail for what an operator copies.
func room(dir *os.Root, volume string, size int64) error {
	const fatMax = 1<<32 - 1 // octets: its directories have 32 bits for it
	space, err := spaceOf(dir)
	if err != nil {
		return err
	}
	var reserve uint64
	if volume != storage.USB {
		reserve = space.total / 16
	}
	switch {
	case space.fat && size > fatMax:
		return fmt.Errorf("a file of %d octets is too large for FAT, which takes %d", size, fatMax)
	case uint64(size)+reserve > space.free:
		return fmt.Errorf("%w: %d octets are to be written, free are %d, of which %d stay free", unix.ENOSPC, size, space.free, reserve)
	}
	return nil
}

// tidy removes from a directory what a cut left of files that were written.
func (s *Service) tidy(dir *os.Root) error {
	var left []string
	err := eachNames(dir, ".", func(names []string) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		// By name alone: one directory may be reached by several paths.
		current := map[string]bool{}
		for _, w := range s.writing {
			current[w.temporary] = true
		}
		for _, name := range names {
			if strings.HasPrefix(name, temporaryPrefix) && !current[name] {
				left = append(left, name)
			}
		}
		return nil
	})
	for _, name := range left {
		if gone := dir.Remove(name); !errors.Is(gone, os.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}
	return err
}

// What is written before it is flushed, in octets: progress is then what is on
// disk, a cancelled copy ends soon, and the last flush does not take for ever.
const flushEvery = 8 << 20

// fill writes and flushes the temporary file, as long as there is room for
// what is left: others write too.
func (w *writing) fill(ctx context.Context, dir *os.Root, content io.Reader, room func(octets int64) error) error {
	file, err := dir.OpenFile(w.temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return err
	}
	defer file.Close()
	for {
		n, err := io.CopyN(file, content, flushEvery)
		if err != nil && err != io.EOF {
			return err
		}
		if err := file.Sync(); err != nil {
			return err
		}
		w.done.Add(n)
		switch {
		case err == io.EOF:
			return file.Close()
		case ctx.Err() != nil:
			return ctx.Err()
		}
		if err := room(w.total - w.done.Load()); err != nil {
			return err
		}
	}
}

// Progress is the answer of control.files.progress, which takes the path of
// the file that is to be: all zero when none of that name is being written.
type Progress struct {
	Done  int64 `json:"done"` // octets on disk
	Total int64 `json:"total"`
}

func (s *Service) progress(_ context.Context, r PathRequest) (Progress, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.writing[r.Path]
	if w == nil {
		return Progress{}, nil
	}
	return Progress{w.done.Load(), w.total}, nil
}
