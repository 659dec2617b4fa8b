// Package alarm keeps the alarms of the box: which are active, what was raised
// and cleared, and how far each consumer (syslog, Call Home, COM) has read.
// Only control has one. CH-22 and CH-45 name what Call Home needs of the table.
//
// In come conditions and readings, each source's whole set again and again
// (Report, Measure), and what the operator clears. Out go events with durable
// numbers, the log lines about them, and show alarms. What the alarms are is
// data: Table.
package alarm

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"causeway/appliance/model"
)

// Options are what Alarms are made with.
type Options struct {
	File string // where they are kept, "bootflash:control/alarms.db"
	Log  *slog.Logger
}

// The bounds of what is kept.
const (
	historyMost = 1000 // events
	heldMost    = 500  // conditions at a time
	textMost    = 400  // octets of a text
)

// restartGrace is how long after a start of control the sources have to report
// the alarms again that were active before.
const restartGrace = 2 * time.Minute

// Alarms are the alarms of the box. All methods may be called at any time from
// any goroutine, Report and Measure also before Run runs.
type Alarms struct {
	log  *slog.Logger
	kick chan struct{} // holds one: there may be an earlier deadline

	mu         sync.Mutex
	held       map[key]*held
	thresholds model.Alarms
	history    history
	store      *store // nil: nothing survives
	trouble    error  // that the store had when it was opened
	unwritten  error  // why the last write failed
	crowded    bool   // a condition was left out and said so
	told       uint64 // the last event that consumers know of
	wakes      map[chan struct{}]bool
}

// key tells alarms apart.
type key struct{ name, object string }

// held is a condition that holds, and a while longer.
type held struct {
	model.Alarm        // Number is 0 until it is raised
	Source      string `json:"source"`
	Dismissed   bool   `json:"dismissed"` // cleared by an operator while it held

	since    time.Time // reported first
	over     time.Time // zero while it is reported, else when it clears
	why      string    // it clears then
	restored bool      // from before the start of control, not reported since
}

func (h *held) key() key { return key{h.Name, h.Object} }

// finding is a condition with the severity it has now.
type finding struct {
	model.Condition
	severity model.Severity
}

// Open brings back the alarms kept in o.File. It never fails: a file that
// cannot be used is set aside, or the alarms are kept in memory, and an alarm
// tells so.
func Open(o Options) *Alarms {
	a := &Alarms{
		log: o.Log, kick: make(chan struct{}, 1), held: map[key]*held{},
		wakes: map[chan struct{}]bool{},
	}
	kept, store, trouble := openStore(o.File, time.Now())
	a.store, a.trouble, a.history, a.told = store, trouble, kept.history, kept.last
	deadline := time.Now().Add(restartGrace)
	for _, h := range kept.held {
		h.since, h.restored = h.First, true
		h.over, h.why = deadline, "not reported any more since control started"
		a.held[h.key()] = h
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.settle(time.Now())
	return a
}

// Close lets go of the file. Events after it are in memory only.
func (a *Alarms) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.store == nil {
		return nil
	}
	err := a.store.close()
	a.store = nil
	return err
}

// Apply makes the thresholds of config those in force from the next readings on.
func (a *Alarms) Apply(config *model.Config) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.thresholds = config.Alarms
}

// Report says what holds now, all that source knows of: what it reports for
// the first time is raised, what it no longer reports clears, each after the
// time its row asks for. Sources do not share alarms.
func (a *Alarms) Report(source string, active []model.Condition) {
	var found []finding
	for _, c := range active {
		found = append(found, finding{c, a.row(c.Name, source).Severity})
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.take(source, found)
}

// Measure is Report for values that are held against the levels of their rows:
// all that source measures, those that are well included. A source uses either
// Report or Measure.
func (a *Alarms) Measure(source string, readings []Reading) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var found []finding
	for _, r := range readings {
		row := a.row(r.Name, source)
		had := model.Severity("")
		if h := a.held[key{r.Name, r.Object}]; h != nil && (h.over.IsZero() || h.restored) {
			had = h.Severity
		}
		if severity := judge(a.levels(row), r.Percent, had); severity != "" {
			found = append(found, finding{r.Condition, severity})
		}
	}
	a.take(source, found)
}

// row is Find for what a source says. An alarm that is not in the table is a
// fault of ours: it is told of as a warning.
func (a *Alarms) row(name, source string) Row {
	row, known := Find(name)
	if !known {
		a.log.Error("alarm that is not in the table", "name", name, "source", source)
		row.Severity = model.Warning
	}
	return row
}

// take makes found the whole set of a source. a.mu is held.
func (a *Alarms) take(source string, found []finding) {
	now := time.Now()
	a.merge(source, found, now)
	a.settle(now)
	nudge(a.kick)
}

// merge compares what a source found with what is held.
func (a *Alarms) merge(source string, found []finding, now time.Time) {
	reported := make(map[key]bool, len(found))
	for _, f := range found {
		k := key{f.Name, f.Object}
		reported[k] = true
		h := a.held[k]
		if h == nil {
			if len(a.held) >= heldMost {
				a.crowd()
				continue
			}
			h = &held{Alarm: model.Alarm{Name: f.Name, Object: f.Object, Severity: f.severity}, since: now}
			a.held[k] = h
		}
		h.Source = source
		a.holds(h, f, now)
	}
	for k, h := range a.held {
		if h.Source == source && !reported[k] {
			a.vanished(h, now)
		}
	}
}

// crowd says once that there are more conditions than any box should have.
func (a *Alarms) crowd() {
	if !a.crowded {
		a.crowded = true
		a.log.Error("too many conditions at a time, some raise no alarm", "most", heldMost)
	}
}

// holds brings a condition up to date that is reported.
func (a *Alarms) holds(h *held, f finding, now time.Time) {
	if !h.over.IsZero() && !h.restored {
		h.Count++
	}
	h.over, h.restored = time.Time{}, false
	text, changed := clip(f.Text), h.Severity != f.severity
	news := rank(f.severity) < rank(h.Severity) || addsSentence(h.Name, h.Text, text)
	h.Text, h.Severity, h.Last = text, f.severity, now
	switch {
	case h.Dismissed && news:
		h.Dismissed, h.Cleared = false, time.Time{}
		a.raise(h, now)
	case changed && h.Number != 0 && !h.Dismissed:
		a.record("change", h, h.Text, now)
	}
}

// addsSentence says whether an alarm of sentences has one that it had not before.
func addsSentence(name, before, text string) bool {
	row, _ := Find(name)
	had := strings.Split(before, SentenceBreak)
	return row.Sentences && slices.ContainsFunc(strings.Split(text, SentenceBreak), func(sentence string) bool {
		return !slices.Contains(had, sentence)
	})
}

// vanished begins the end of a condition that is not reported any more. One
// that an operator has cleared ends at once: if it comes anew, that is news.
func (a *Alarms) vanished(h *held, now time.Time) {
	if h.Number == 0 || h.Dismissed {
		delete(a.held, h.key())
		return
	}
	row, _ := Find(h.Name)
	if over := now.Add(row.ClearAfter); h.over.IsZero() || h.restored && over.Before(h.over) {
		h.over, h.why = over, "the condition is over"
	}
}

// settle raises and clears what is due, keeps it, and wakes the consumers.
// a.mu is held.
func (a *Alarms) settle(now time.Time) {
	a.merge(ownSource, a.ownFindings(), now)
	due := a.ordered(func(h *held) bool {
		at := deadline(h)
		return !at.IsZero() && !now.Before(at)
	})
	for _, h := range due {
		if h.Number == 0 {
			a.raise(h, now)
			continue
		}
		delete(a.held, h.key())
		if !h.Dismissed {
			a.record("clear", h, h.why, now)
		}
	}
	a.publish()
}

// ordered gives the conditions that fit in the order in which they began.
func (a *Alarms) ordered(fits func(*held) bool) []*held {
	var list []*held
	for _, h := range a.held {
		if fits(h) {
			list = append(list, h)
		}
	}
	slices.SortFunc(list, func(x, y *held) int {
		return cmp.Or(x.since.Compare(y.since), cmp.Compare(x.Name, y.Name), cmp.Compare(x.Object, y.Object))
	})
	return list
}

// deadline is when something is to be done about a condition; zero: nothing.
func deadline(h *held) time.Time {
	if h.Number != 0 {
		return h.over
	}
	row, _ := Find(h.Name)
	return h.since.Add(row.RaiseAfter)
}

func (a *Alarms) raise(h *held, now time.Time) {
	h.Number, h.First, h.Count = a.history.last+1, now, 1
	a.record("raise", h, h.Text, now)
}

// logLevels are the levels of the log by severity.
var logLevels = map[model.Severity]slog.Level{
	model.Critical: slog.LevelError, model.Major: slog.LevelError,
	model.Minor: slog.LevelWarn, model.Warning: slog.LevelWarn,
}

// record makes an event and its line in the log.
func (a *Alarms) record(kind string, h *held, text string, now time.Time) {
	event := model.AlarmEvent{
		Time: now, Kind: kind, Alarm: h.Number,
		Name: h.Name, Object: h.Object, Severity: h.Severity, Text: text,
	}
	a.history.add(&event)
	level := logLevels[h.Severity]
	if kind == "clear" {
		level = slog.LevelInfo
	}
	a.log.Log(context.Background(), level, "alarm "+kind, "alarm", h.Name, "object", h.Object,
		"severity", h.Severity, "number", event.Number, "text", text)
}

// Run raises and clears what is due until ctx ends.
func (a *Alarms) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.kick:
		case <-timer.C:
		}
		a.mu.Lock()
		a.settle(time.Now())
		wait := time.Hour
		for _, h := range a.held {
			if at := deadline(h); !at.IsZero() {
				wait = min(wait, time.Until(at))
			}
		}
		a.mu.Unlock()
		timer.Reset(wait)
	}
}

// Active gives the active alarms, the worst first, then the newest.
func (a *Alarms) Active() []model.Alarm {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := []model.Alarm{}
	for _, h := range a.held {
		if h.Number != 0 && !h.Dismissed {
			list = append(list, h.Alarm)
		}
	}
	slices.SortFunc(list, func(x, y model.Alarm) int {
		return cmp.Or(rank(x.Severity)-rank(y.Severity), -cmp.Compare(x.Number, y.Number))
	})
	return list
}

// Which names active alarms: the one with Number, or else all of a name, or
// the one of a name and an object.
type Which struct {
	Number uint64 `json:"number"`
	Name   string `json:"name"`
	Object string `json:"object"`
}

// Clear clears active alarms on an operator's word and gives them. One whose
// condition still holds is raised again only when it has been over, is worse, or
// has another sentence.
func (a *Alarms) Clear(which Which, by model.Operator) ([]model.Alarm, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	named := a.ordered(func(h *held) bool {
		fits := h.Number == which.Number
		if which.Number == 0 {
			fits = h.Name == which.Name && (which.Object == "" || h.Object == which.Object)
		}
		return fits && h.Number != 0 && !h.Dismissed
	})
	if named == nil {
		return nil, errors.New("there is no such active alarm")
	}
	now := time.Now()
	var cleared []model.Alarm
	for _, h := range named {
		h.Dismissed, h.Cleared = true, now
		a.record("clear", h, "cleared by "+by.String(), now)
		cleared = append(cleared, h.Alarm)
	}
	a.publish()
	return cleared, nil
}

// rank orders severities, the worst first.
func rank(s model.Severity) int { return slices.Index(severities, s) }

var severities = []model.Severity{model.Critical, model.Major, model.Minor, model.Warning}

// clip bounds a text.
func clip(text string) string {
	if len(text) > textMost {
		text = strings.ToValidUTF8(text[:textMost], "") + "…"
	}
	return text
}

// nudge puts a token into a channel that holds one.
func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // there is one already
	}
}
