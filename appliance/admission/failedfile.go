package admission

import (
	"encoding/json"
	"log/slog"

	"causeway/appliance/storage"
)

// The files: failed-calls.jsonl is written to, failed-calls.1.jsonl was before
// it, and so on. Each has one JSON object a line, in the order of the calls.
const (
	failedFileName  = "failed-calls.jsonl"
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

func (f *failedFile) files() storage.LineFiles {
	return storage.LineFiles{Dir: f.dir, Name: failedFileName, Count: failedFileCount, Size: failedFileMax}
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
	err := f.files().Append(f.batch)
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

// remove deletes the files.
func (f *failedFile) remove() error {
	f.batch = f.batch[:0]
	if f.dir == "" {
		return nil
	}
	return f.files().Remove()
}
