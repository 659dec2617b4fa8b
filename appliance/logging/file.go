package logging

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// The files of the log: messages is written to, messages.1 was before it, and
// so on. Together they take no more than fileCount × fileMax octets.
const (
	fileName  = "messages"
	fileCount = 8
	fileMax   = 1 << 20
)

// A line of the file is
//
//	2026-01-02T03:04:05.000000Z gw1 warning proxy[815]: msg="…" key=value
//
// with the Seq of its entry in brackets. Those count from each boot, so every
// file begins with a line that names the boot by the kernel's boot_id, and has
// another where a boot begins:
//
//	2026-01-02T03:04:05.000000Z gw1 notice boot: 6c1c6f7e-…
//
// The last line thus says where to go on after a restart of the process.
const bootTag = "boot:"

// cutMark ends a line that a power cut or a crash left without its end. Such a
// line does not count as written.
const cutMark = " (cut)\n"

// file writes the log to a directory. Its methods but status are for one
// goroutine.
type file struct {
	dir  string
	boot string // names this boot
	next uint64 // the Seq to write next

	recalled bool        // next is known
	current  os.FileInfo // of the file last written to
	headed   bool        // that file says which boot its end is of
	synced   time.Time
	unsynced bool

	mu      sync.Mutex
	problem string
}

// FileStatus tells how the log on harddisk: stands.
type FileStatus struct {
	Files   int    `json:"files"`
	Bytes   int64  `json:"bytes"`
	Problem string `json:"problem"` // why nothing is written; empty if it is
}

// files are those of the log. Their lines come from put, which begins a file with
// the line that names the boot, and keeps within fileMax.
func (f *file) files() storage.LineFiles {
	return storage.LineFiles{Dir: f.dir, Name: fileName, Count: fileCount, Size: fileMax}
}

func (f *file) path(age int) string { return f.files().Path(age) }

func (f *file) status() FileStatus {
	f.mu.Lock()
	status := FileStatus{Problem: f.problem}
	f.mu.Unlock()
	for age := range fileCount {
		if info, err := os.Stat(f.path(age)); err == nil {
			status.Files, status.Bytes = status.Files+1, status.Bytes+info.Size()
		}
	}
	return status
}

// run writes what the ring has and gets, until ctx ends; and then what is there.
func (f *file) run(ctx context.Context, r *ring, host func() string, p pace, log *slog.Logger) {
	for ctx.Err() == nil {
		more, err := f.catchUp(ctx, r, host(), p)
		if f.report(err, log); err != nil {
			sleep(ctx, p.retry)
			continue
		}
		select {
		case <-ctx.Done():
		case <-more:
		case <-time.After(p.sync):
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.last)
	defer cancel()
	if f.recall() != nil {
		return // there is no directory
	}
	if page, err := r.read(last, model.LogQuery{From: f.next, Max: pageSize}); err == nil {
		f.report(errors.Join(f.append(host(), readLines(f.next, page.Entries)), f.sync()), log)
	}
}

// catchUp writes what the ring has, and flushes it if that is due.
func (f *file) catchUp(ctx context.Context, r *ring, host string, p pace) (more <-chan struct{}, err error) {
	if err := f.recall(); err != nil {
		return nil, err
	}
	for {
		entries, more, err := r.since(ctx, f.next)
		if err != nil || len(entries) == 0 {
			if f.unsynced && time.Since(f.synced) >= p.sync {
				return more, f.sync()
			}
			return more, nil // a ring that cannot be read is told of where it is followed
		}
		lines := readLines(f.next, entries)
		if err := f.append(host, lines); err != nil {
			return nil, err
		}
		urgent := false
		for _, l := range lines {
			urgent = urgent || l.severity <= warning
		}
		if urgent {
			if err := f.sync(); err != nil {
				return nil, err
			}
		}
	}
}

// report keeps and logs what is new about the file.
func (f *file) report(err error, log *slog.Logger) {
	problem := ""
	if err != nil {
		problem = err.Error()
	}
	f.mu.Lock()
	known := (f.problem != "") == (problem != "")
	f.problem = problem
	f.mu.Unlock()
	switch {
	case known:
	case err != nil:
		log.Warn("the log is not written to harddisk:", "error", err)
	default:
		log.Info("the log is written to harddisk: again")
	}
}

// recall finds where the files end: after the last whole line of this boot.
func (f *file) recall() error {
	if f.recalled {
		return nil
	}
	if _, err := os.Stat(f.dir); err != nil {
		return err
	}
	// A cut between the two steps of a rotation leaves the end in messages.1.
	for age := range 2 {
		end, err := readEnd(f.path(age))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if end.boot == f.boot {
			f.next = end.next
		}
		if end.boot != "" {
			break
		}
	}
	f.recalled = true
	return nil
}

// append writes lines at the end of the log. On an error the file is as it
// was, as far as the disk lets it.
func (f *file) append(host string, lines []line) error {
	if len(lines) == 0 {
		return nil
	}
	var text []byte
	for _, l := range lines {
		text = appendLine(text, host, l)
	}
	written, err := f.put(host, lines[0].time, text)
	if err == nil && !written {
		if err = f.rotate(); err == nil {
			_, err = f.put(host, lines[0].time, text)
		}
	}
	if err != nil {
		return err
	}
	f.next, f.unsynced = lines[len(lines)-1].seq+1, true
	return nil
}

// put writes text at the end of the file, unless it is too much for a file
// that has something already. The file is opened for every batch anew: a
// volume may come, go and change under the process.
func (f *file) put(host string, now time.Time, text []byte) (written bool, err error) {
	out, err := storage.OpenFile(f.path(0), os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return false, err
	}
	defer out.Close()
	info, err := out.Stat()
	if err != nil {
		return false, err
	}
	if info.Size() == 0 || !os.SameFile(info, f.current) {
		end, err := readEnd(f.path(0))
		if err != nil {
			return false, err
		}
		f.current, f.headed = info, end.boot == f.boot
	}
	torn, err := storage.IsTorn(out, info.Size())
	if err != nil {
		return false, err
	}
	var before []byte
	if torn {
		before = append(before, cutMark...)
	}
	if !f.headed {
		before = appendBoot(before, now, host, f.boot)
	}
	text = append(before, text...)
	if info.Size() > 0 && info.Size()+int64(len(text)) > fileMax {
		return false, nil
	}
	if _, err := out.Write(text); err != nil {
		return false, errors.Join(err, out.Truncate(info.Size()))
	}
	f.headed = true
	if info.Size() == 0 {
		err = storage.SyncDir(f.dir)
	}
	return true, err
}

// rotate makes every file one older; the oldest goes.
func (f *file) rotate() error {
	if err := f.sync(); err != nil {
		return err
	}
	return f.files().Rotate()
}

// sync has the disk keep what was written.
func (f *file) sync() error {
	if !f.unsynced {
		return nil
	}
	out, err := storage.OpenFile(f.path(0), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer out.Close()
	if err := out.Sync(); err != nil {
		return err
	}
	f.synced, f.unsynced = time.Now(), false
	return nil
}

// appendBoot writes the line that says which boot the next ones are of.
func appendBoot(b []byte, now time.Time, host, boot string) []byte {
	return fmt.Appendf(b, "%s %s %s %s %s\n", timestamp(now), host, severities[notice].keyword, bootTag, boot)
}

// appendLine writes a line as it stands in the file.
func appendLine(b []byte, host string, l line) []byte {
	return fmt.Appendf(b, "%s %s %s %s[%d]: %s\n", timestamp(l.time), host, severities[l.severity].keyword, l.process, l.seq, l.text)
}

// end is what the last lines of a file say.
type end struct {
	boot string // of the last whole line; empty when the file does not say
	next uint64 // the Seq after it
}

// readEnd reads the end of a file.
func readEnd(path string) (end, error) {
	file, err := storage.Open(path)
	if err != nil {
		return end{}, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return end{}, err
	}
	text := make([]byte, min(info.Size(), 2*fileMax)) // a file of ours is never longer
	n, err := file.ReadAt(text, info.Size()-int64(len(text)))
	if err != nil && !errors.Is(err, io.EOF) {
		return end{}, err
	}
	return findEnd(text[:n]), nil
}

// findEnd reads the lines of a file. What is no line of ours is passed over.
func findEnd(text []byte) (e end) {
	for line := range bytes.Lines(text) {
		whole, isWhole := bytes.CutSuffix(line, []byte("\n"))
		fields := strings.SplitN(string(whole), " ", 5)
		if !isWhole || bytes.HasSuffix(line, []byte(cutMark)) || len(fields) < 5 {
			continue
		}
		tag, rest := fields[3], fields[4]
		if tag == bootTag {
			e = end{boot: rest}
			continue
		}
		_, number, _ := strings.Cut(strings.TrimSuffix(tag, "]:"), "[")
		if seq, err := strconv.ParseUint(number, 10, 64); err == nil && strings.HasSuffix(tag, "]:") {
			e.next = seq + 1
		}
	}
	return e
}
