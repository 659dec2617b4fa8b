// Package outbox keeps what COM is to be told until COM says that it has it:
// alarms, events of the licence, and what else happens on the box. It survives
// reboots and cuts, and is bounded.
//
// In come entries (Put) and, by Run, the events of the alarms. Out they go to
// COM, oldest first, each until it is acknowledged: a session that ends in
// between has some come twice, with the same number. What finds no room goes by
// a table (sacrifices), and a gap says how much that was.
//
// Numbers only grow and never repeat, not even when the file is lost: each start
// begins above the last number of the file and above the microseconds of the
// trusted time, which never runs backwards, and no box makes a million entries a
// second. (They stay exact in JSON readers that count in 53 bits until 2255.)
// Only an old image of the whole disk takes both back. COM then acknowledges more
// than there is, and the entries that wait are numbered anew above that.
package outbox

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"causeway/appliance/alarm"
	"causeway/appliance/com/wire"
	"causeway/appliance/link"
	"causeway/appliance/model"
	"causeway/appliance/storage/database"
)

// Options are what an Outbox is made with.
type Options struct {
	File    string           // where it is kept, "bootflash:com/outbox.db"
	Trusted func() time.Time // never runs backwards
	Now     func() time.Time // the clock of the box
	Alarms  Alarms
	Allowed func() bool // a subscription for it runs
	Log     *slog.Logger
}

// The bounds of what is kept. A gap comes on top.
const (
	mostEntries = 2000
	mostOctets  = 1 << 20 // of entries in JSON
	longestBody = 8 << 10 // octets
)

// Outbox is made by Open. All methods may be called at any time from any
// goroutine.
type Outbox struct {
	options Options
	kick    chan struct{} // holds one: there may be something to send

	mu        sync.Mutex
	gathers   bool // the box has a customer ID: there is, or will be, a link
	on        bool // the service alarms
	connected bool
	entries   []kept // oldest first
	octets    int64
	numbers   numbers
	store     *store // nil: nothing survives
	trouble   error  // that the store had when it was opened
	unwritten error  // why the last write failed
}

// kept is an entry that waits.
type kept struct {
	wire.Entry
	octets int64 // in JSON
}

// numbers are what outlives the entries.
type numbers struct {
	Last         uint64 `json:"last"`         // given
	Acknowledged uint64 `json:"acknowledged"` // COM has all up to it
	Dropped      uint64 `json:"dropped"`
	Refused      uint64 `json:"refused"` // events of the licence
	// Told is the last state of each kind that there was an entry of, by Tell.
	Told map[string]string `json:"told"`
}

// Open brings back what is kept in o.File. It never fails: a file that cannot be
// used is set aside, or entries are kept in memory, and a condition says so.
func Open(o Options) *Outbox {
	b := &Outbox{options: o, kick: make(chan struct{}, 1)}
	b.store, b.numbers, b.entries, b.trouble = openStore(o.File)
	for _, e := range b.entries {
		b.octets += e.octets
	}
	if b.numbers.Told == nil {
		b.numbers.Told = map[string]string{}
	}
	b.numbers.Last = max(b.numbers.Last, uint64(max(0, o.Trusted().UnixMicro())))
	return b
}

// Close lets go of the file.
func (b *Outbox) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.store == nil {
		return nil
	}
	err := b.store.close()
	b.store = nil
	return err
}

// Apply makes a configuration the one that counts: whether there is to be a link
// at all, and whether COM is told.
func (b *Outbox) Apply(config *model.Config) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.gathers, b.on = config.COM.CustomerID != "", config.COM.Serves(model.COMAlarms)
	nudge(b.kick)
}

// Tell is Put, once for each state of what the kind is about: an entry is added
// if there was none yet, or if the state was another. That survives restarts, so
// whoever knows the state may tell it again and again. That it may not be safe
// from a cut is logged.
func (b *Outbox) Tell(class, kind, state string, body any) {
	b.mu.Lock()
	told := !b.gathers || b.numbers.Told[kind] == state
	if !told {
		b.numbers.Told[kind] = state
	}
	b.mu.Unlock()
	if told {
		return
	}
	if err := b.Put(class, kind, "", body); err != nil {
		b.options.Log.Warn("COM may not be told", "of", kind, "error", err)
	}
}

// Put adds an entry, if the box has a customer ID. key names what a later entry
// of the class alarm takes the place of when there is no room for both. When Put
// returns nil, what it has put survives a cut; after an error it is there as
// long as control runs, and written together with the next one.
func (b *Outbox) Put(class, kind, key string, body any) error {
	text, err := json.Marshal(body)
	if err == nil && len(text) > longestBody {
		err = fmt.Errorf("%d octets are too many", len(text))
	}
	if err != nil {
		return fmt.Errorf("tell COM of %s: %w", kind, err)
	}
	return b.put(0, wire.Entry{Time: b.options.Now().UTC(), Class: class, Kind: kind, Key: key, Body: text})
}

// put adds entries in one step, and a gap for what was lost before them.
func (b *Outbox) put(missed uint64, entries ...wire.Entry) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.gathers || missed == 0 && len(entries) == 0 {
		return nil
	}
	refused := b.numbers.Refused
	if missed > 0 {
		b.gap(missed)
	}
	for _, e := range entries {
		b.add(e)
	}
	b.shrink()
	nudge(b.kick)
	if err := b.write(); err != nil {
		return err
	}
	if b.numbers.Refused > refused {
		return errors.New("the outbox for COM is full of events of the licence")
	}
	return nil
}

// add gives an entry the next number. b.mu is held.
func (b *Outbox) add(e wire.Entry) {
	b.numbers.Last++
	e.Sequence = b.numbers.Last
	k := kept{Entry: e, octets: sizeOf(e)}
	b.entries = append(b.entries, k)
	b.octets += k.octets
}

func sizeOf(e wire.Entry) int64 {
	text, _ := json.Marshal(e) // its body is JSON
	return int64(len(text))
}

func (b *Outbox) remove(i int) kept {
	e := b.entries[i]
	b.entries = slices.Delete(b.entries, i, i+1)
	b.octets -= e.octets
	return e
}

// acknowledge forgets what COM says it has. Of numbers that were not given yet
// the box must have given them in a life that it does not remember; what waits is
// numbered anew then, since COM took it for what it has.
func (b *Outbox) acknowledge(upto uint64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if upto > b.numbers.Last {
		if most := b.options.Trusted().Add(furthest).UnixMicro(); upto > uint64(max(0, most)) {
			return fmt.Errorf("COM acknowledges %d, which no box can have given", upto)
		}
		b.options.Log.Warn("COM has entries that this box does not know of: the disk is an old one", "last", b.numbers.Last, "com", upto)
		b.numbers.Last, b.numbers.Acknowledged = upto, upto
		for i := range b.entries {
			b.numbers.Last++
			b.entries[i].Sequence = b.numbers.Last
		}
		return errors.Join(errRenumbered, b.write())
	}
	isNewer := func(e kept) bool { return e.Sequence > upto }
	n := slices.IndexFunc(b.entries, isNewer)
	if n < 0 {
		n = len(b.entries)
	}
	if n == 0 {
		return fmt.Errorf("COM acknowledges %d, and was sent what comes after", upto)
	}
	for range n {
		b.remove(0)
	}
	b.numbers.Acknowledged = max(b.numbers.Acknowledged, upto)
	return b.write()
}

// furthest is how far beyond the trusted time numbers may be that an earlier life
// has given. Nobody talks the box into numbers that it runs out of.
const furthest = 24 * time.Hour

var errRenumbered = errors.New("the entries for COM are numbered anew")

// write keeps everything. b.mu is held.
func (b *Outbox) write() error {
	if b.store == nil {
		return b.trouble
	}
	err := b.store.write(b.numbers, b.entries)
	if errors.Is(err, database.ErrDamaged) {
		b.trouble, b.store = err, nil // what is mapped of it is not touched any more
	}
	b.unwritten = err
	return err
}

// Newest is the number given last.
func (b *Outbox) Newest() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.numbers.Last
}

// Status is the answer of control.com.outbox.
type Status struct {
	Sends        bool           `json:"sends"` // the service alarms is on, and there is a link
	Entries      int            `json:"entries"`
	Octets       int64          `json:"octets"`
	MostEntries  int            `json:"most_entries"`
	MostOctets   int64          `json:"most_octets"`
	Classes      map[string]int `json:"classes"`      // entries by class: wire.ClassAlarm …
	Newest       uint64         `json:"newest"`       // sequence number
	Acknowledged uint64         `json:"acknowledged"` // COM has all up to this one
	Oldest       time.Time      `json:"oldest"`       // entry that waits; zero: none does
	Dropped      uint64         `json:"dropped"`      // since the file was made
	Refused      uint64         `json:"refused"`      // licence events that found no room, likewise
	Problem      string         `json:"problem"`      // with the file; empty: none
}

// Status says how the outbox stands.
func (b *Outbox) Status() Status {
	allowed := b.options.Allowed()
	b.mu.Lock()
	defer b.mu.Unlock()
	s := Status{
		Sends: b.on && b.connected && allowed, Entries: len(b.entries), Octets: b.octets,
		MostEntries: mostEntries, MostOctets: mostOctets, Classes: map[string]int{},
		Newest: b.numbers.Last, Acknowledged: b.numbers.Acknowledged,
		Dropped: b.numbers.Dropped, Refused: b.numbers.Refused,
	}
	for _, e := range b.entries {
		s.Classes[e.Class]++
	}
	if len(b.entries) > 0 {
		s.Oldest = b.entries[0].Time
	}
	if fault := cmp.Or(b.unwritten, b.trouble); fault != nil {
		s.Problem = fault.Error()
	}
	return s
}

// Conditions are what should not be of the outbox.
func (s Status) Conditions() []model.Condition {
	text := s.Problem
	if text == "" && s.Classes[wire.ClassGap] > 0 {
		text = fmt.Sprintf("COM will miss some of what happened: there were more than %d entries or %d octets", s.MostEntries, s.MostOctets)
	}
	if text == "" {
		return nil
	}
	return []model.Condition{{Name: alarm.COMOutbox, Text: text}}
}

// Methods are what control serves of the outbox.
func (b *Outbox) Methods() link.Methods {
	return link.Methods{"control.com.outbox": func(context.Context) (Status, error) { return b.Status(), nil }}
}

// nudge puts a token into a channel that holds one.
func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // there is one already
	}
}
