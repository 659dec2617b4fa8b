package admission

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"causeway/appliance/storage"
)

// FailedCallsDir is where the files of the failed-calls log are on the box.
const FailedCallsDir = "/harddisk/log/failed-calls"

// The files: failed-calls.jsonl is written to, failed-calls.1.jsonl was before
// it, and so on. Each has one JSON object a line, in the order of the calls.
const (
	failedFileCount = 8
	failedFileMax   = 1 << 20  // octets of one, a batch more at the most
	failedBatch     = 64 << 10 // octets written at once
)

// failedFile writes the log to a directory. What cannot be written is given
// up: the log in memory has it, and calls never wait for a disk.
type failedFile struct {
	dir     string // empty: nothing is written
	log     *slog.Logger
	batch   []byte
	problem string // why nothing is written
}

func (f *failedFile) path(age int) string {
	if age == 0 {
		return filepath.Join(f.dir, "failed-calls.jsonl")
	}
	return filepath.Join(f.dir, fmt.Sprintf("failed-calls.%d.jsonl", age))
}

// add writes an entry with the next flush, or at once when there is a lot to
// write.
func (f *failedFile) add(call *FailedCall) {
	line, err := json.Marshal(call)
	if f.dir == "" || err != nil { // it is strings and numbers: there is no error
		return
	}
	f.batch = append(append(f.batch, line...), '\n')
	if len(f.batch) >= failedBatch {
		f.flush()
	}
}

// flush writes what was added.
func (f *failedFile) flush() {
	if len(f.batch) == 0 {
		return
	}
	err := f.append(f.batch)
	f.batch = f.batch[:0]
	switch {
	case err != nil && f.problem == "":
		f.log.Warn("the failed-calls log is not written to harddisk:", "error", err)
	case err == nil && f.problem != "":
		f.log.Info("the failed-calls log is written to harddisk: again")
	}
	f.problem = ""
	if err != nil {
		f.problem = err.Error()
	}
}

// append writes lines at the end of the newest file. It is opened for every
// batch anew: a volume may come, go and change under the process.
func (f *failedFile) append(lines []byte) error {
	file, err := os.OpenFile(f.path(0), os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if info.Size() >= failedFileMax {
		if err := f.rotate(); err != nil {
			return err
		}
		return f.append(lines)
	}
	if torn, err := isTorn(file, info.Size()); err != nil {
		return err
	} else if torn { // a cut left a line without its end: the next one must not be part of it
		lines = append([]byte("\n"), lines...)
	}
	if _, err := file.Write(lines); err != nil {
		return errors.Join(err, file.Truncate(info.Size()))
	}
	return nil
}

// isTorn says whether a file of that size does not end with a whole line.
func isTorn(file *os.File, size int64) (bool, error) {
	if size == 0 {
		return false, nil
	}
	var last [1]byte
	_, err := file.ReadAt(last[:], size-1)
	return last[0] != '\n', err
}

// rotate makes every file one older; the oldest goes.
func (f *failedFile) rotate() error {
	for age := failedFileCount - 1; age > 0; age-- {
		if err := os.Rename(f.path(age-1), f.path(age)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return storage.SyncDir(f.dir)
}

// remove deletes the files.
func (f *failedFile) remove() error {
	f.batch = f.batch[:0]
	if f.dir == "" {
		return nil
	}
	var all error
	for age := range failedFileCount {
		if err := os.Remove(f.path(age)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			all = errors.Join(all, err)
		}
	}
	return all
}
