package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// LineFiles is a log in a directory: lines are appended to a file, which is
// renamed when it is full; the oldest goes. It holds no file open, since a
// volume may come, go and change under the process, and is for one writer at a
// time.
type LineFiles struct {
	Dir   string // must be there
	Name  string // of "log.jsonl", the older ones are log.1.jsonl, log.2.jsonl, …
	Count int    // of files, 2 at the least
	Size  int64  // octets of one, those of one Append more at the most
	Sync  bool   // what was appended survives a power cut
}

// Path is that of a file; 0 is the one that is written to.
func (l LineFiles) Path(age int) string {
	name := l.Name
	if age > 0 {
		extension := filepath.Ext(name)
		name = fmt.Sprintf("%s.%d%s", strings.TrimSuffix(name, extension), age, extension)
	}
	return filepath.Join(l.Dir, name)
}

// Append writes whole lines at the end. With an error none of them is there.
func (l LineFiles) Append(lines []byte) error {
	if len(lines) == 0 {
		return nil
	}
	if err := l.append(lines); err != nil {
		return fmt.Errorf("write %s: %w", l.Path(0), err)
	}
	return nil
}

func (l LineFiles) append(lines []byte) error {
	file, err := OpenFile(l.Path(0), os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if info.Size() >= l.Size {
		if err := l.Rotate(); err != nil {
			return err
		}
		return l.append(lines)
	}
	if torn, err := IsTorn(file, info.Size()); err != nil {
		return err
	} else if torn { // a cut left a line without its end: the next one must not be part of it
		lines = append([]byte("\n"), lines...)
	}
	_, err = file.Write(lines)
	if err == nil && l.Sync {
		err = file.Sync()
	}
	if err == nil && l.Sync && info.Size() == 0 {
		err = SyncDir(l.Dir)
	}
	if err != nil {
		return errors.Join(err, file.Truncate(info.Size()))
	}
	return nil
}

// IsTorn says whether a file of that size does not end with a whole line.
func IsTorn(file *os.File, size int64) (bool, error) {
	if size == 0 {
		return false, nil
	}
	var last [1]byte
	_, err := file.ReadAt(last[:], size-1)
	return last[0] != '\n', err
}

// Rotate makes every file one older; the oldest goes.
func (l LineFiles) Rotate() error {
	for age := l.Count - 1; age > 0; age-- {
		if err := os.Rename(l.Path(age-1), l.Path(age)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return SyncDir(l.Dir)
}

// Read gives the files to read, oldest first, until one fails.
func (l LineFiles) Read(read func(*os.File) error) error {
	for age := l.Count - 1; age >= 0; age-- {
		file, err := Open(l.Path(age))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = read(file)
			file.Close()
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", l.Path(age), err)
		}
	}
	return nil
}

// Remove deletes the files.
func (l LineFiles) Remove() error {
	var all error
	for age := range l.Count {
		if err := os.Remove(l.Path(age)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			all = errors.Join(all, err)
		}
	}
	return all
}
