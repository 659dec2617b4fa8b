package segment

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"causeway/appliance/storage"
)

// Repairs is what a writer mended when it opened a directory.
type Repairs struct {
	Repaired int   // segments whose tail was cut off
	Cut      int64 // octets cut off and kept in .bad files
	Aside    int   // segments with a damaged header or of another box, renamed
}

// SortOut gives the headers of our segments and renames those that are none.
// What cannot be read is left where it is and out of the list; the error says so.
func (r *Repairs) SortOut(d Dir, numbers []uint32, report func(error)) (ours []Header, unreadable error) {
	for _, number := range numbers {
		h, err := d.Header(number)
		switch {
		case err == nil:
			ours = append(ours, h)
			continue
		case errors.Is(err, ErrForeign):
			err = errors.Join(err, d.SetAside(number, ForeignSuffix))
		case IsDamage(err):
			err = errors.Join(err, d.SetAside(number, BadSuffix))
		case errors.Is(err, os.ErrNotExist): // a reader deleted it
			continue
		default:
			unreadable = errors.Join(unreadable, err)
			continue
		}
		r.Aside++
		report(fmt.Errorf("not used: %w", err))
	}
	return ours, unreadable
}

// Mend cuts off what follows the valid data of a segment. A segment that
// cannot be read or mended stays as it is: the next one makes the rest void.
func (r *Repairs) Mend(d Dir, end Ending, report func(error)) {
	if end.Fault == nil {
		return
	}
	if !IsDamage(end.Fault) {
		report(fmt.Errorf("segment %d: not read to its end: %w", end.Number, end.Fault))
		return
	}
	octets, err := d.cut(end.Number, end.Good)
	report(errors.Join(fmt.Errorf("segment %d: %w; cut %d octets off", end.Number, end.Fault, octets), err))
	r.Repaired++
	r.Cut += octets
}

// cut copies what stands behind offset good into a .bad file and truncates the
// segment there. It gives the octets cut off; 0 if the segment was clean.
func (d Dir) cut(number uint32, good int64) (int64, error) {
	path := d.path(number)
	file, err := storage.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return 0, fmt.Errorf("repair a segment: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || info.Size() <= good {
		return 0, err
	}
	if err := copyAside(d.asideName(number, BadSuffix), io.NewSectionReader(file, good, info.Size()-good)); err != nil {
		return 0, fmt.Errorf("keep the torn tail of %s: %w", path, err)
	}
	if err := storage.SyncDir(d.Path); err != nil {
		return 0, err
	}
	if err := file.Truncate(good); err != nil {
		return 0, fmt.Errorf("cut the torn tail: %w", err)
	}
	if err := file.Sync(); err != nil {
		return 0, fmt.Errorf("cut the torn tail: %w", err)
	}
	return info.Size() - good, nil
}

func copyAside(path string, from io.Reader) error {
	aside, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return err
	}
	_, err = io.Copy(aside, from)
	return errors.Join(err, aside.Sync(), aside.Close())
}

const keepBad = 16 // .bad files; older ones go

// DropOldBad keeps the number of .bad files bounded. names are as List gives them.
func (d Dir) DropOldBad(names []string, report func(error)) {
	for _, name := range names[:max(0, len(names)-keepBad)] {
		if err := os.Remove(filepath.Join(d.Path, name)); err != nil {
			report(err)
		}
	}
}
