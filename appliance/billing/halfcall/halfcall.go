package halfcall

import (
	"cmp"
	"slices"
	"time"

	"causeway/appliance/billing/cache"
	"causeway/appliance/billing/packetcable"
	"causeway/appliance/model"
)

// The methods, as the places that their instances have in the cache.
const (
	PacketCable cache.Places = 1<<8 - 1 // instance n at place n
	XML         cache.Places = 1 << 8
)

// Settings are what the configuration says that records depend on.
type Settings struct {
	ElementID    int            // 0–99,999
	Zone         *time.Location // that records have their times in; nil: UTC
	EndpointInfo model.EndpointInfo
	MediaInfo    bool         // "cdr media-info"
	Bills        cache.Places // the instances that bill calls from now on
	Vendor       uint32       // of our own attributes; 0: packetcable.DocumentationVendor
	// NextSequence gives the Sequence_Number of an event message. No number may
	// come twice.
	NextSequence func() uint32
}

// Emit takes a finished record, whose payload it owns. The records of an event
// come in their order; Seq is not set.
type Emit func(cache.Record)

// Manager is the Billing Manager. It belongs to one goroutine.
type Manager struct {
	settings Settings
	element  packetcable.ElementID
	calls    map[model.CallKey]*call
	names    map[string]string // interned
	batch    batch
}

// New makes a manager without calls.
func New(s Settings) *Manager {
	m := &Manager{calls: map[model.CallKey]*call{}, names: map[string]string{}}
	m.Use(s)
	return m
}

// Use puts settings in force. Open calls stay with the instances that they were
// offered under.
func (m *Manager) Use(s Settings) {
	s.Zone = cmp.Or(s.Zone, time.UTC)
	s.Vendor = cmp.Or(s.Vendor, packetcable.DocumentationVendor)
	m.settings = s
	m.element = packetcable.NewElementID(s.ElementID)
}

// Event takes the event of that number in, and emits what is to be recorded of
// it. It keeps nothing of e. Events of a call that was offered while no instance
// was at work, or before the journal begins, are passed over.
func (m *Manager) Event(number uint64, e *model.CallEvent, emit Emit) {
	c := m.calls[e.Key]
	if e.Kind == model.CallOffered {
		if c == nil && m.settings.Bills != 0 {
			m.calls[e.Key] = m.newCall(number, e)
		}
		return
	}
	if c == nil || int(e.Kind) >= len(steps) || steps[e.Kind] == nil {
		return
	}
	b := m.begin(c, number, e.Time)
	steps[e.Kind](b, e)
	if e.Kind.Ends() || c.billed == 0 {
		delete(m.calls, e.Key)
	}
	b.flush(emit)
}

// Quiesce has new calls not billed by these instances any more, until Use. Open
// calls are billed to their end.
func (m *Manager) Quiesce(instances cache.Places) { m.settings.Bills &^= instances }

// Abort closes at once what these instances record of the open calls: their
// event messages end with an unspecified cause, their XML says that billing was
// deactivated. New calls are not billed by them any more, until Use.
func (m *Manager) Abort(instances cache.Places, now time.Time, emit Emit) {
	m.Quiesce(instances)
	for _, c := range m.byAge() {
		b := m.begin(c, 0, now)
		b.closeMessages(interworkingFailure, instances)
		if c.billed&instances&XML != 0 {
			b.deactivated()
		}
		if c.billed == 0 {
			delete(m.calls, c.key)
		}
		b.flush(emit)
	}
}

// Lost ends calls that ended while nobody was there to see it, with cause 0031.
// Keys that are not known are passed over; lost is how many were known.
func (m *Manager) Lost(keys []model.CallKey, now time.Time, emit Emit) (lost int) {
	for _, key := range keys {
		if _, open := m.calls[key]; open {
			lost++
		}
		m.Event(0, &model.CallEvent{Kind: model.CallEnded, Key: key, Time: now, Cause: model.EndStale}, emit)
	}
	return lost
}

// longCall is how old a call must be to be reported at "ldr-check".
const longCall = 24 * time.Hour

// LongCall is a call that the long-duration check found.
type LongCall struct {
	Key             model.CallKey
	CallID          string
	Calling, Called string    // telephone numbers
	From, To        string    // the neighbours' adjacencies; To is empty if it went nowhere yet
	Offered         time.Time //
	Answered        time.Time // zero: it was not
}

// CheckLong gives the calls billed by one of these instances which are older
// than 24 hours, oldest first. To those of PacketCable it emits Media_Alive for
// both halves of each that was answered and not hung up.
func (m *Manager) CheckLong(now time.Time, instances cache.Places, emit Emit) (long []LongCall) {
	for _, c := range m.byAge() {
		bills := c.bills() & instances
		if now.Sub(c.offered) <= longCall || bills == 0 {
			continue
		}
		long = append(long, LongCall{Key: c.key, CallID: c.callID, Calling: c.calling, Called: c.called,
			From: c.ends[upstream].adjacency, To: c.ends[downstream].adjacency, Offered: c.offered, Answered: c.answered})
		if bills&PacketCable != 0 && !c.answered.IsZero() && c.disconnected.IsZero() {
			b := m.begin(c, 0, now)
			b.to = bills & PacketCable
			b.both(packetcable.MediaAlive)
			b.flush(emit)
		}
	}
	return long
}

// Step emits Time_Change after the clock was set ahead by that much, or back
// where ahead is below zero. now is the time after it. The message belongs to no
// call: its BCID has the Event_Counter 0, which no half-call has.
func (m *Manager) Step(now time.Time, ahead time.Duration, emit Emit) {
	if m.settings.Bills&PacketCable == 0 {
		return
	}
	b := m.begin(&call{billed: m.settings.Bills}, 0, now)
	b.append(packetcable.TimeChange, packetcable.NewBCID(b.at, m.element, 0), b.at, packetcable.TimeAdjustment(ahead))
	b.flush(emit)
}

// Open counts the calls that are open, and those that the instance at each
// place bills.
func (m *Manager) Open() (calls int, billed [cache.PlacesMax]int) {
	for _, c := range m.calls {
		bills := c.bills()
		for place := range billed {
			if bills&(1<<place) != 0 {
				billed[place]++
			}
		}
	}
	return len(m.calls), billed
}

// byAge gives the open calls in the order they were offered in.
func (m *Manager) byAge() []*call {
	calls := make([]*call, 0, len(m.calls))
	for _, c := range m.calls {
		calls = append(calls, c)
	}
	slices.SortFunc(calls, func(a, b *call) int { return cmp.Compare(a.number, b.number) })
	return calls
}
