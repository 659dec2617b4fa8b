package alarm

import (
	"cmp"
	"errors"
	"fmt"
	"maps"

	"causeway/appliance/model"
	"causeway/appliance/storage/database"
)

// history is the last events and how far the consumers have read.
type history struct {
	events  []model.AlarmEvent // oldest first, without gaps
	base    uint64             // the number before the first event ever in this numbering
	last    uint64             // the number given last; base when there was none
	cursors map[string]uint64
}

// add gives an event the next number and keeps it.
func (h *history) add(event *model.AlarmEvent) {
	h.last++
	event.Number = h.last
	h.events = append(h.events, *event)
	if len(h.events) > historyMost {
		h.events = append(h.events[:0:0], h.events[len(h.events)-historyMost:]...)
	}
}

// first is the number of the oldest event that is kept, or of the next one.
func (h *history) first() uint64 { return h.last + 1 - uint64(len(h.events)) }

// Page is a part of the history.
type Page struct {
	Events []model.AlarmEvent `json:"events"` // oldest first
	Last   uint64             `json:"last"`   // the number of the newest event there is
	Missed uint64             `json:"missed"` // events after the one asked for that are not kept any more
}

// Events gives the events after the one numbered after, at most so many.
func (a *Alarms) Events(after uint64, most int) Page {
	a.mu.Lock()
	defer a.mu.Unlock()
	h := &a.history
	page := Page{Events: []model.AlarmEvent{}, Last: h.last}
	next := min(after, h.last) + 1
	if first := h.first(); next < first {
		page.Missed = first - 1 - min(first-1, max(after, h.base))
		next = first
	}
	events := h.events[next-h.first():]
	page.Events = append(page.Events, events[:min(len(events), most)]...)
	return page
}

// Cursor gives the number of the last event that a consumer is done with; of
// a new consumer, the one before the oldest event.
func (a *Alarms) Cursor(consumer string) uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	number, known := a.history.cursors[consumer]
	if !known {
		return a.history.first() - 1
	}
	return number
}

// Advance says that a consumer is done with the events up to a number; it
// survives a restart. A cursor never goes back.
func (a *Alarms) Advance(consumer string, number uint64) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if number > a.history.last {
		return fmt.Errorf("move the cursor of %s to event %d: the last one is %d", consumer, number, a.history.last)
	}
	if number <= a.history.cursors[consumer] {
		return nil
	}
	cursors := maps.Clone(a.history.cursors)
	cursors[consumer] = number
	a.history.cursors = cursors
	return a.write()
}

// Subscribe gives a channel that gets a token when there are events that were
// not there at the last token. stop ends that.
func (a *Alarms) Subscribe() (wake <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.wakes[c] = true
	return c, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.wakes, c)
	}
}

// publish keeps the events that were added and tells the consumers. a.mu is
// held.
func (a *Alarms) publish() {
	if a.store != nil && (a.history.last > a.store.stored || a.unwritten != nil) {
		a.write()
	}
	if a.history.last == a.told {
		return
	}
	a.told = a.history.last
	for wake := range a.wakes {
		nudge(wake)
	}
}

// write keeps everything. What goes wrong is an alarm by itself; the error is
// for a caller who promises durability. a.mu is held.
func (a *Alarms) write() error {
	if a.store == nil {
		return a.trouble
	}
	err := a.store.write(&a.history, a.ordered(func(h *held) bool { return h.Number != 0 }))
	if errors.Is(err, database.ErrDamaged) {
		a.trouble, a.store = err, nil // what is mapped of it is not touched any more
	}
	a.unwritten = err
	return err
}

// ownSource reports the alarm about the file of the alarms.
const ownSource = "alarm"

func (a *Alarms) ownFindings() []finding {
	fault := cmp.Or(a.unwritten, a.trouble)
	if fault == nil {
		return nil
	}
	return []finding{{model.Condition{Name: AlarmStore, Text: fault.Error()}, model.Minor}}
}
