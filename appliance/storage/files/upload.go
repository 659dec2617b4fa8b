package files

import (
	"errors"
	"os"
	"sync"

	"causeway/appliance/storage"
)

// Upload is a file that somebody writes piece by piece. It is there whole when
// Close returns nil, and else not at all: what was there before stays. Its
// methods may be called at once.
type Upload struct {
	service *Service
	path    storage.Path
	replace bool
	writing *writing
	file    *os.File // under its temporary name

	mu        sync.Mutex
	size      int64 // octets: the end of what was written
	written   int64 // octets: what was written in all
	unflushed int64 // octets
	failed    error // why it cannot become whole any more
}

// Create begins a file of size octets, 0 if that is not known; replace says that
// one of that name goes. Nothing else writes it until Close or Abort.
func (s *Service) Create(p storage.Path, size int64, replace bool) (*Upload, error) {
	w, err := s.begin(p, size)
	if err != nil {
		return nil, err
	}
	u := &Upload{service: s, path: p, replace: replace, writing: w}
	err = s.change(p, func(dir *os.Root, name string) error {
		if err := mayTake(dir, name, replace); err != nil {
			return err
		}
		if err := s.tidy(dir); err != nil {
			return err
		}
		if err := room(dir, p.Volume, size); err != nil {
			return err
		}
		u.file, err = dir.OpenFile(w.temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
		return err
	})
	if err != nil {
		s.end(p)
		return nil, err
	}
	return u, nil
}

// flushEvery is what is written before it is flushed, in octets: progress is then
// what is on disk, and the last flush does not take for ever.
const flushEvery = 8 << 20

// aheadMax is how far behind the end of a file the next piece may begin, in
// octets: pieces that are under way at once come in any order.
const aheadMax = 16 << 20

// errGap says that pieces are missing.
var errGap = errors.New("pieces of the file are missing")

// WriteAt writes a piece. After an error nothing more is written.
func (u *Upload) WriteAt(data []byte, offset int64) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.failed == nil {
		u.failed = u.write(data, offset)
	}
	if u.failed != nil {
		return 0, about(u.path, u.failed)
	}
	return len(data), nil
}

func (u *Upload) write(data []byte, offset int64) error {
	if offset < 0 || offset > u.size+aheadMax {
		return errGap // FAT would fill it with zeros, for as long as that takes
	}
	if end := offset + int64(len(data)); end > u.size {
		space, err := spaceOf(u.file)
		if err != nil {
			return err
		}
		if err := space.room(u.path.Volume, end, end-u.size); err != nil {
			return err
		}
		u.size = end
	}
	if _, err := u.file.WriteAt(data, offset); err != nil {
		return err
	}
	u.written += int64(len(data))
	if u.unflushed += int64(len(data)); u.unflushed < flushEvery {
		return nil
	}
	u.unflushed = 0
	if err := u.file.Sync(); err != nil {
		return err
	}
	u.writing.done.Store(u.written)
	return nil
}

// Close makes the file whole. An error means that it is not there.
func (u *Upload) Close() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	defer u.service.end(u.path)
	err := u.failed
	if err == nil && u.written < u.size {
		err = errGap
	}
	if err == nil {
		err = u.file.Sync()
	}
	if closed := u.file.Close(); err == nil {
		err = closed
	}
	return u.service.change(u.path, func(dir *os.Root, name string) error {
		if err == nil {
			err = mayTake(dir, name, u.replace)
		}
		if err == nil {
			err = dir.Rename(u.writing.temporary, name)
		}
		if err != nil {
			dir.Remove(u.writing.temporary) // what cannot be removed now is tidied up later
		}
		return err
	})
}

// Abort has Close give up the file, for this reason.
func (u *Upload) Abort(reason error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.failed == nil {
		u.failed = reason
	}
}
