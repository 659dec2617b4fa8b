package callhome

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"causeway/appliance/callhome/message"
	"causeway/appliance/callhome/transport"
	"causeway/appliance/model"
	"causeway/appliance/storage/database"
)

// The bounds of what is kept.
const (
	mostMessages = 100
	mostOctets   = 4 << 20        // of messages in JSON
	alertLife    = 48 * time.Hour // CH-27; of tests, too
	mostRecent   = 20
	mostSeen     = 500                // alerts
	dedupLife    = 24 * time.Hour     // CH-24
	seenLife     = 7 * 24 * time.Hour // for what is told with the next: how often it came again
	longestError = 300                // octets
)

// queued is a message that waits.
type queued struct {
	*message.Message
	text       []byte        // JSON
	came       time.Duration // uptime when it was made, or when it was found at the start
	found      bool          // at the start
	deliveries []*delivery   // to the profiles that have yet to get it
}

// delivery is that of a message to one profile.
type delivery struct {
	Profile  string        `json:"profile"`
	Attempts int           `json:"attempts"` // those after the last write are lost with a cut
	Error    string        `json:"error"`    // of the last one
	Wait     time.Duration `json:"wait"`     // for the next one, when it was written: no clock moves that
	due      time.Duration // uptime of the next one
	bare     bool          // the destination has refused what the message brings
	outcome  string        // once it is over
}

// requeue makes a queue of what was kept.
func requeue(messages []*message.Message, waiting map[string][]*delivery, at time.Duration) (queue []*queued) {
	for _, m := range messages {
		text, _ := json.Marshal(m) // it came from there
		for _, d := range waiting[m.ID] {
			d.due = at + min(max(d.Wait, 0), transport.LongestWait)
		}
		queue = append(queue, &queued{Message: m, text: text, came: at, found: true, deliveries: waiting[m.ID]})
	}
	return queue
}

// group is what the message belongs to.
func group(m *message.Message) string {
	if m.Kind == message.Alert && m.Event != nil {
		return m.Event.Group
	}
	return string(m.Kind)
}

// periodic are the groups of what is due every month.
var periodic = []string{model.GroupInventory, model.GroupTelemetry, model.GroupConfiguration}

// maySend says whether a mode may send a message: one that was made by the rules
// of Smart says too much for Anonymous.
func maySend(mode string, m *message.Message) bool {
	return mode == model.CallHomeSmart || mode == model.CallHomeAnonymous && m.Mode == mode
}

var (
	errFull = errors.New("no room for one more message of Call Home")
	errMode = errors.New("the mode of Call Home sends this no more")
)

// put queues a message for profiles, and remembers an alert as seen; m may be nil,
// seen too. When it returns nil, that survives a cut. After any other error than
// errFull or errMode it is there as long as control runs, and written together
// with the next one.
func (c *CallHome) put(m *message.Message, profiles []string, seen *model.CallHomeSeen) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m != nil {
		if _, err := c.add(m, profiles); err != nil {
			return err
		}
	}
	if seen != nil {
		c.remember(*seen)
	}
	return c.save()
}

// add queues a message and makes room for it. After an error it is not there.
// c.mu is held.
func (c *CallHome) add(m *message.Message, profiles []string) (*queued, error) {
	if c.ready() != nil || !maySend(c.config.Does(), m) {
		return nil, errMode
	}
	text, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("keep a message of Call Home: %w", err)
	}
	added := &queued{Message: m, text: text, came: c.options.Uptime()}
	for _, name := range profiles {
		if c.hasProfile(name) {
			added.deliveries = append(added.deliveries, &delivery{Profile: name})
		}
	}
	if len(added.deliveries) == 0 {
		return added, nil // nobody wants it
	}
	if m.Kind != message.Alert {
		c.drop("replaced", func(q *queued, d *delivery) bool {
			return q.Kind == m.Kind && slices.ContainsFunc(added.deliveries, func(n *delivery) bool { return n.Profile == d.Profile })
		})
	}
	c.expire()
	c.queue = append(c.queue, added)
	for c.isFull() {
		victim := slices.MinFunc(c.queue, func(x, y *queued) int { return cmp.Compare(worth(x.Message), worth(y.Message)) })
		c.drop("full", func(q *queued, _ *delivery) bool { return q == victim })
	}
	if len(added.deliveries) == 0 {
		_ = c.save() // it is logged
		return nil, errFull
	}
	if monthly(string(m.Kind)) && slices.ContainsFunc(added.deliveries, func(d *delivery) bool { return d.Profile == model.ProfileVendor }) {
		c.mark(string(m.Kind), m.Time)
	}
	nudge(c.deliverer)
	return added, nil
}

func (c *CallHome) isFull() bool {
	octets := 0
	for _, q := range c.queue {
		octets += len(q.text)
	}
	return len(c.queue) > mostMessages || octets > mostOctets
}

// severities are those of alarms, mildest first.
var severities = []model.Severity{model.Warning, model.Minor, model.Major, model.Critical}

// worth orders what goes when there is no room: tests, then alerts, the mildest
// first, and what is due every month last. Of equal ones the oldest goes.
func worth(m *message.Message) int {
	switch {
	case monthly(string(m.Kind)):
		return len(severities)
	case m.Event != nil:
		return slices.Index(severities, m.Event.Severity) // of a test: -1
	}
	return -1
}

// drop ends the deliveries that are so, and counts them under a reason. c.mu is
// held.
func (c *CallHome) drop(why string, is func(*queued, *delivery) bool) (dropped int) {
	for _, q := range slices.Clone(c.queue) {
		for _, d := range slices.Clone(q.deliveries) {
			if is(q, d) {
				dropped++
				c.end(q, d, why)
			}
		}
	}
	return dropped
}

// end takes a delivery out of the queue: it was sent, or dropped for a reason.
// c.mu is held.
func (c *CallHome) end(q *queued, d *delivery, outcome string) {
	d.outcome = outcome
	now := c.options.Now()
	t := c.state.Tallies[d.Profile]
	if outcome == outcomeSent {
		t.Sent++
		t.LastSent, t.Error = now, ""
	} else {
		t.Dropped++
		c.state.Dropped[outcome]++
		c.options.Log.Info("a message of Call Home is dropped", "message", q.ID, "profile", d.Profile, "because", outcome, "error", d.Error)
	}
	c.state.Tallies[d.Profile] = t
	entry := c.entry(q, d)
	entry.Ended = now
	c.state.Recent = slices.Insert(c.state.Recent, 0, entry)
	c.state.Recent = c.state.Recent[:min(len(c.state.Recent), mostRecent)]

	q.deliveries = slices.DeleteFunc(q.deliveries, func(other *delivery) bool { return other == d })
	if len(q.deliveries) == 0 {
		c.queue = slices.DeleteFunc(c.queue, func(other *queued) bool { return other == q })
	}
	c.progressed()
}

// progressed has those look who wait for a delivery. c.mu is held.
func (c *CallHome) progressed() {
	close(c.progress)
	c.progress = make(chan struct{})
}

// expire drops what nobody is to learn any more. c.mu is held.
func (c *CallHome) expire() (dropped int) {
	now, uptime := c.options.Now(), c.options.Uptime()
	return c.drop("expired", func(q *queued, _ *delivery) bool { return !monthly(string(q.Kind)) && q.age(now, uptime) >= alertLife })
}

// age is for how long a message waits. Whatever the clock does, those of this
// life age as it runs; of those before only the clock knows.
func (q *queued) age(now time.Time, uptime time.Duration) time.Duration {
	running := uptime - q.came
	if q.found {
		return max(running, now.Sub(q.Time))
	}
	return running
}

// deliveries are all that wait. c.mu is held.
func (c *CallHome) deliveries() (all []*delivery) {
	for _, q := range c.queue {
		all = append(all, q.deliveries...)
	}
	return all
}

// seen gives what is remembered of an alert, and whether it is so young that it
// is not processed again.
func (c *CallHome) seen(name, object string, now time.Time) (model.CallHomeSeen, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.state.Seen, func(s model.CallHomeSeen) bool { return s.Name == name && s.Object == object })
	if i < 0 {
		return model.CallHomeSeen{}, false
	}
	return c.state.Seen[i], isDuplicate(c.state.Seen[i], now)
}

// isDuplicate says whether an alert like one that was seen is not processed now.
// One of the future was seen by a clock that was wrong.
func isDuplicate(s model.CallHomeSeen, now time.Time) bool {
	age := now.Sub(s.At)
	return age >= 0 && age < dedupLife
}

// remember takes note of an alert, in the place of what was remembered of it.
// c.mu is held.
func (c *CallHome) remember(seen model.CallHomeSeen) {
	now := c.options.Now()
	c.state.Seen = slices.DeleteFunc(c.state.Seen, func(s model.CallHomeSeen) bool {
		return s.Name == seen.Name && s.Object == seen.Object || now.Sub(s.At).Abs() >= seenLife
	})
	c.state.Seen = append(c.state.Seen, seen)
	c.state.Seen = c.state.Seen[max(0, len(c.state.Seen)-mostSeen):]
}

// save keeps everything. c.mu is held.
func (c *CallHome) save() error {
	if c.store == nil {
		return c.trouble
	}
	c.state.Waiting = map[string][]*delivery{}
	uptime := c.options.Uptime()
	for _, q := range c.queue {
		for _, d := range q.deliveries {
			d.Wait = max(0, d.due-uptime)
		}
		c.state.Waiting[q.ID] = q.deliveries
	}
	err := c.store.write(c.state, c.queue)
	if errors.Is(err, database.ErrDamaged) {
		c.trouble, c.store = err, nil // what is mapped of it is not touched any more
	}
	if err != nil && c.unwritten == nil {
		c.options.Log.Warn("messages of Call Home are not safe from a cut", "error", err)
	}
	c.unwritten = err
	return err
}
