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
	"causeway/appliance/storage/remote"
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
	return nothing{}, s.Mkdir(r.Path)
}

// Mkdir makes a directory that is not there.
func (s *Service) Mkdir(p storage.Path) error {
	return s.change(p, func(dir *os.Root, name string) error {
		if err := dir.Mkdir(name, 0o770); err != nil {
			return err
		}
		// Whatever our umask is, billing and proxy may write there. FAT has
		// no modes.
		if err := dir.Chmod(name, 0o770); err != nil && p.Volume != storage.USB {
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
	return nothing{}, s.Remove(r.Path, r.Recursive)
}

// Remove removes a file or an empty directory; recursive a directory with all
// that is in it.
func (s *Service) Remove(p storage.Path, recursive bool) error {
	return s.change(p, func(dir *os.Root, name string) error {
		if _, err := dir.Lstat(name); err != nil {
			return err // RemoveAll does not mind
		}
		if recursive {
			return dir.RemoveAll(name)
		}
		return dir.Remove(name)
	})
}

// WriteRequest asks for a file with that text. One that is there on a volume is
// only replaced if that is said.
type WriteRequest struct {
	Place   Place        `json:"path"`
	Text    string       `json:"text"`
	Replace bool         `json:"replace"`
	Login   remote.Login `json:"login"` // on another system
}

// textMax bounds a text, in octets: that of a configuration.
const textMax = 1 << 20

func (s *Service) write(ctx context.Context, r WriteRequest) (nothing, error) {
	if len(r.Text) > textMax {
		return nothing{}, fmt.Errorf("a text of %d octets is too long: %d are the most", len(r.Text), textMax)
	}
	content := strings.NewReader(r.Text)
	if r.Place.IsRemote() {
		return nothing{}, send(ctx, r.Place, r.Login, content)
	}
	return nothing{}, s.put(ctx, r.Place.Path, r.Replace, incoming{content: content, size: content.Size()})
}

// CopyRequest asks for a copy of a file under a name, on the same volume, another
// or another system. It ends when the copy is on disk; closing the connection
// cancels it.
type CopyRequest struct {
	From    Place        `json:"from"`
	To      Place        `json:"to"`      // not a directory
	Replace bool         `json:"replace"` // on another system always
	Login   remote.Login `json:"login"`   // of From or To, where one of them asks for it
}

func (s *Service) copy(ctx context.Context, r CopyRequest) (nothing, error) {
	if r.From.IsRemote() && r.To.IsRemote() {
		return nothing{}, errBothRemote
	}
	in, err := s.open(ctx, r.From, r.Login)
	if err != nil {
		return nothing{}, err
	}
	defer in.close()
	if r.To.IsRemote() {
		return nothing{}, send(ctx, r.To, r.Login, source{in})
	}
	return nothing{}, s.put(ctx, r.To.Path, r.Replace, in)
}

// source is a file that is sent, or read elsewhere. Its errors say that they are
// its own.
type source struct{ incoming }

func (s source) Read(p []byte) (int, error) {
	n, err := s.content.Read(p)
	if err != nil && err != io.EOF {
		err = about(s.place, err)
	}
	return n, err
}

// Close implements io.Closer.
func (s source) Close() error {
	s.close()
	return nil
}

// Receive makes a file of all that comes from somewhere, unless ctx ends before; no
// error says that it is there. replace says that one of that name goes.
func (s *Service) Receive(ctx context.Context, p storage.Path, content io.Reader, replace bool) error {
	return s.put(ctx, p, replace, incoming{place: Place{Path: p}, content: content})
}

// put makes a file of all that comes from another; what is less than the size
// that was told is no copy. It ends with ctx.
func (s *Service) put(ctx context.Context, p storage.Path, replace bool, from incoming) error {
	upload, err := s.Create(p, from.size, replace)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { upload.Abort(ctx.Err()) })()
	n, err := io.Copy(io.NewOffsetWriter(upload, 0), from.content)
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case err != nil:
		err = about(from.place, err)
	case n < from.size:
		err = fmt.Errorf("%v: only %d of %d octets came", from.place, n, from.size)
	}
	if err != nil {
		upload.Abort(err) // unless it was the upload that failed
	}
	return upload.Close()
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
	space, err := spaceIn(dir)
	if err != nil {
		return err
	}
	return space.room(volume, size, size)
}

// room says why there is none for a file of size octets of which more are not
// written yet.
func (s space) room(volume string, size, more int64) error {
	const fatMax = 1<<32 - 1 // octets: its directories have 32 bits for it
	var reserve uint64
	if volume != storage.USB {
		reserve = s.total / 16
	}
	switch {
	case s.fat && size > fatMax:
		return fmt.Errorf("a file of %d octets is too large for FAT, which takes %d", size, fatMax)
	case uint64(more)+reserve > s.free:
		return fmt.Errorf("%w: %d octets are to be written, free are %d, of which %d stay free", unix.ENOSPC, more, s.free, reserve)
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
