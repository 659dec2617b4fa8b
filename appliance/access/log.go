package access

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"causeway/appliance/storage"
)

// Entry is one line of the access log.
type Entry struct {
	Time    time.Time `json:"time"` // UTC
	Event   string    `json:"event"`
	User    string    `json:"user,omitempty"`
	Origin  string    `json:"origin,omitempty"` // as in model.Operator
	Method  string    `json:"method,omitempty"`
	Session uint64    `json:"session,omitempty"`
	Why     string    `json:"why,omitempty"`
	Line    string    `json:"line,omitempty"`  // that was typed
	Times   int       `json:"times,omitempty"` // of several refusals in one entry
}

// The events of the log.
const (
	EventLogin   = "login"
	EventRefused = "refused"
	EventLogout  = "logout"
	EventCommand = "command"
)

// The bounds of the log.
const (
	logFiles     = 8
	logFileSize  = 1 << 20 // octets
	waitingMost  = 1000    // entries that a slow disk keeps waiting
	fieldMost    = 400     // octets of a text
	queryMost    = 1000    // entries of an answer
	writePause   = time.Second
	refusedBurst = 500 // refusals that have an entry each; in the long run
	refusedEvery = 6 * time.Second
)

// logName is the newest file; see storage.LineFiles.
const logName = "access.jsonl"

// journal keeps the access log. Nobody waits for its disk.
type journal struct {
	dirs   []string
	uptime func() time.Duration
	log    *slog.Logger
	kick   chan struct{} // holds one: there is something to write
	disk   sync.Mutex    // held while the files are read or written, before mu

	mu      sync.Mutex
	waiting []Entry
	lost    int  // entries for which there was no room
	pace    pace // of refusals
	folded  Entry
	problem string // why nothing is written
}

func newJournal(o Options) *journal {
	return &journal{
		dirs: o.LogDirs, uptime: o.Uptime, log: o.Log, kick: make(chan struct{}, 1),
		pace: pace{interval: refusedEvery, burst: refusedBurst},
	}
}

// add logs an entry. Refusals beyond the pace are counted and logged together.
func (j *journal) add(e Entry) {
	e.Time = time.Now().UTC()
	for _, field := range []*string{&e.User, &e.Origin, &e.Why, &e.Line} {
		*field = clip(*field)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if e.Event == EventRefused {
		now := j.uptime()
		if j.pace.wait(now) > 0 {
			times := j.folded.Times + 1
			j.folded = Entry{Time: e.Time, Event: EventRefused, Why: "too many to tell one by one", Times: times}
			j.wake()
			return
		}
		j.pace.take(now)
	}
	j.unfold()
	j.keep(e)
}

// unfold logs the refusals that were counted. j.mu is held.
func (j *journal) unfold() {
	if j.folded.Times > 0 {
		j.keep(j.folded)
		j.folded = Entry{}
	}
}

// keep has an entry written, and puts it into the log of the box. j.mu is held.
func (j *journal) keep(e Entry) {
	level := slog.LevelInfo
	if e.Event == EventRefused {
		level = slog.LevelWarn
	}
	j.log.Log(context.Background(), level, "access", e.attributes()...)
	if len(j.waiting) == waitingMost {
		j.lost++
		return
	}
	j.waiting = append(j.waiting, e)
	j.wake()
}

// wake has run look at what there is to write.
func (j *journal) wake() {
	select {
	case j.kick <- struct{}{}:
	default:
	}
}

// attributes are the fields that are set.
func (e Entry) attributes() (list []any) {
	for _, field := range []struct{ name, value string }{
		{"event", e.Event}, {"user", e.User}, {"origin", e.Origin}, {"method", e.Method}, {"why", e.Why}, {"line", e.Line},
	} {
		if field.value != "" {
			list = append(list, field.name, field.value)
		}
	}
	if e.Session > 0 {
		list = append(list, "session", e.Session)
	}
	if e.Times > 0 {
		list = append(list, "times", e.Times)
	}
	return list
}

// clip bounds a text that somebody else made.
func clip(text string) string {
	if len(text) > fieldMost {
		text = text[:fieldMost]
	}
	return strings.ToValidUTF8(text, "")
}

// run writes what is added, once a second, until ctx ends.
func (j *journal) run(ctx context.Context) {
	tick := time.NewTicker(writePause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			j.mu.Lock()
			j.unfold()
			j.mu.Unlock()
			j.flush()
			return
		case <-j.kick:
			j.flush()
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// flush writes what waits, and makes it last.
func (j *journal) flush() {
	j.disk.Lock()
	defer j.disk.Unlock()
	j.mu.Lock()
	if j.pace.wait(j.uptime()) == 0 {
		j.unfold()
	} else if j.folded.Times > 0 {
		j.wake() // until they may be told
		if len(j.waiting) == 0 {
			j.mu.Unlock()
			return // nothing shows that the log can be written again
		}
	}
	entries, lost := j.waiting, j.lost
	j.waiting, j.lost = nil, 0
	j.mu.Unlock()
	var lines []byte
	for _, e := range entries {
		line, err := json.Marshal(e)
		if err != nil {
			panic("access: " + err.Error()) // it is strings and numbers
		}
		lines = append(append(lines, line...), '\n')
	}
	err := j.write(lines)
	if err == nil && lost > 0 {
		err = errors.New("the disk was too slow: entries of the access log were lost")
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	problem := ""
	if err != nil {
		problem = err.Error()
		if j.problem == "" {
			j.log.Error("the access log has gaps", "error", err)
		}
	}
	j.problem = problem
}

// write appends lines in the first directory that takes them.
func (j *journal) write(lines []byte) error {
	var all error
	for _, dir := range j.dirs {
		err := os.MkdirAll(dir, 0o750)
		if err == nil {
			err = j.files(dir).Append(lines)
		}
		if err == nil {
			return nil
		}
		all = errors.Join(all, err)
	}
	return all
}

func (j *journal) files(dir string) storage.LineFiles {
	return storage.LineFiles{Dir: dir, Name: logName, Count: logFiles, Size: logFileSize, Sync: true}
}

// trouble says what is wrong with the log; empty: nothing.
func (j *journal) trouble() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.problem
}

// last gives the newest entries that are kept, oldest first.
func (j *journal) last(most int) (entries []Entry, err error) {
	j.disk.Lock()
	defer j.disk.Unlock()
	for _, dir := range j.dirs {
		var kept []Entry
		err = errors.Join(err, j.files(dir).Read(func(file *os.File) error {
			lines := bufio.NewScanner(file)
			lines.Buffer(nil, 2*logFileSize)
			for lines.Scan() {
				var e Entry
				if json.Unmarshal(lines.Bytes(), &e) != nil {
					continue // what a power cut left of a line
				}
				if kept = append(kept, e); len(kept) >= 2*most {
					kept = append(kept[:0], kept[len(kept)-most:]...)
				}
			}
			return lines.Err()
		}))
		entries = append(entries, kept...)
	}
	slices.SortStableFunc(entries, func(a, b Entry) int { return a.Time.Compare(b.Time) })
	j.mu.Lock()
	defer j.mu.Unlock()
	entries = append(entries, j.waiting...)
	return entries[max(0, len(entries)-most):], err
}
