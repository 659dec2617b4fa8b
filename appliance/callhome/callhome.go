package callhome

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"causeway/appliance/alarm"
	"causeway/appliance/callhome/message"
	"causeway/appliance/callhome/transport"
	"causeway/appliance/model"
)

// Options are what a CallHome is made with.
type Options struct {
	File         string           // where everything is kept, "bootflash:callhome/queue.db"
	Serial       string           // file of the box's serial number
	Version      string           // that the box runs
	Now          func() time.Time // the trusted time, which never runs backwards
	Zone         func() *time.Location
	Synchronised func() bool          // the clock is right
	Uptime       func() time.Duration // CLOCK_BOOTTIME, which no clock moves
	Alarms       Alarms
	// Facts gathers what messages may tell, in some seconds. What cannot be had is
	// left out.
	Facts func(context.Context) message.Facts
	// Diagnose runs an EXEC command with the rights of everybody who helps, and gives
	// what it printed.
	Diagnose func(ctx context.Context, line string) message.Attachment
	// Volumes is the directory that bootflash: and harddisk: are mounted in.
	Volumes string
	Sender  Sender
	Log     *slog.Logger
}

// Alarms are those of the box (alarm.Alarms).
type Alarms interface {
	Events(after uint64, most int) alarm.Page
	Cursor(consumer string) uint64
	Advance(consumer string, number uint64) error
	Subscribe() (wake <-chan struct{}, stop func())
}

// Sender brings a message to one destination (transport.Transport). An error
// that is transport.ErrRefused will not go away; a *transport.Later says when to
// try again.
type Sender interface {
	Send(ctx context.Context, to transport.Destination, m *message.Message) error
}

// CallHome owns the messages from when they are made until they are delivered.
// Its methods may be called at any time from any goroutine.
type CallHome struct {
	options   Options
	serial    string
	timeOfDay time.Duration  // of what is due on the first of a month
	spread    time.Duration  // after a start, what was missed is caught up
	jitter    func() float64 // from 0 to 1
	began     time.Duration  // uptime when it was opened
	deliverer chan struct{}  // holds one: there may be something to deliver
	scheduler chan struct{}  // holds one: something may be due
	making    chan struct{}  // holds one: somebody makes what is due every month

	mu        sync.Mutex
	config    model.CallHome
	applied   bool          // config is one
	settled   time.Duration // uptime from which on anything is due
	queue     []*queued     // oldest first
	state     state
	again     map[string]time.Duration // uptime from which on what the vendor refused of a group is made again
	turns     uint64                   // deliveries tried
	turn      map[string]uint64        // the last of each profile
	interrupt context.CancelFunc       // ends the delivery under way
	progress  chan struct{}            // closed when an attempt is over; then another
	store     *store                   // nil: nothing survives
	trouble   error                    // that the store had when it was opened
	unwritten error                    // why the last write failed
}

// Open brings back what is kept in o.File. It never fails: a file that cannot be
// used is set aside, or everything is kept in memory, and a condition says so.
// Nothing is made or sent before Apply and Run.
func Open(o Options) *CallHome {
	c := &CallHome{
		options: o, jitter: rand.Float64, began: o.Uptime(),
		deliverer: make(chan struct{}, 1), scheduler: make(chan struct{}, 1), making: make(chan struct{}, 1),
		again: map[string]time.Duration{}, turn: map[string]uint64{}, interrupt: func() {}, progress: make(chan struct{}),
	}
	serial, err := os.ReadFile(o.Serial)
	if err != nil {
		o.Log.Error("Call Home does not know the serial number of the box", "error", err)
	}
	c.serial = strings.TrimSpace(string(serial))
	sum := sha256.Sum256([]byte(c.serial))
	c.timeOfDay = earliest + time.Duration(binary.BigEndian.Uint64(sum[:])%uint64((24*time.Hour-earliest)/time.Second))*time.Second
	c.spread = time.Duration(binary.BigEndian.Uint64(sum[8:])%uint64(catchUp/time.Second)) * time.Second

	var messages []*message.Message
	c.store, c.state, messages, c.trouble = openStore(o.File)
	c.queue = requeue(messages, c.state.Waiting, c.began)
	c.state.Last = max(c.state.Last, uint64(max(0, o.Now().UnixMicro())))
	return c
}

// Close lets go of the file.
func (c *CallHome) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.store == nil {
		return nil
	}
	err := c.store.close()
	c.store = nil
	return err
}

// Run makes what is due, and alerts, and delivers what waits until ctx ends. What
// is under way then is delivered by the next life, with the same ID. What a
// destination has yet to be left alone with waits in the next life, too.
func (c *CallHome) Run(ctx context.Context) error {
	var parts sync.WaitGroup
	for _, part := range []func(context.Context){c.schedule, c.feed, c.deliver} {
		parts.Go(func() { part(ctx) })
	}
	parts.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.save() // it is logged
	return nil
}

// Apply makes a configuration the one that counts: what waits and may not go any
// more is dropped, and what failed is tried again.
func (c *CallHome) Apply(config *model.Config) {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := !c.applied
	if !first && reflect.DeepEqual(c.config, config.CallHome) {
		return
	}
	c.config, c.applied = config.CallHome, true
	c.settled = 0
	clear(c.again)
	if first {
		c.settled = c.began + c.spread
	}
	c.interrupt()
	isOver := func(q *queued) bool { return !c.config.Accepted || !maySend(c.config.Does(), q.Message) }
	for _, q := range c.queue {
		if isOver(q) {
			c.unmark(q)
		}
	}
	dropped := c.drop("mode", func(q *queued, _ *delivery) bool { return isOver(q) })
	dropped += c.drop("profile", func(_ *queued, d *delivery) bool { return !c.hasProfile(d.Profile) })
	if !first {
		for _, d := range c.deliveries() {
			d.due, d.bare = 0, false // the destination may be another one
		}
	}
	for name := range c.state.Tallies {
		if !c.hasProfile(name) {
			delete(c.state.Tallies, name)
		}
	}
	if dropped > 0 {
		_ = c.save() // it is logged
	}
	c.Hurry()
}

// Hurry has it look at its clocks at once: they were put ahead.
func (c *CallHome) Hurry() {
	nudge(c.deliverer)
	nudge(c.scheduler)
}

// ready says why no message is to be made or sent now; nil: they are. c.mu is
// held.
func (c *CallHome) ready() error {
	if !c.config.Enabled() || !c.applied {
		return fmt.Errorf("mode %s of Call Home sends nothing", c.config.Does())
	}
	if missing := c.config.Pending(); len(missing) > 0 {
		return fmt.Errorf("no message of Call Home is sent yet: %s", strings.Join(missing, "; "))
	}
	return nil
}

// settings are those in force, and why no message is to be made by them.
func (c *CallHome) settings() (model.CallHome, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.config, c.ready()
}

// newID gives an ID that no other message of any box has. Numbers only grow: each
// start begins above the last one of the file, and above the microseconds of the
// trusted time, which outlive the file.
func (c *CallHome) newID() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.Last++
	return fmt.Sprintf("CH:%s:%014x", c.serial, c.state.Last)
}

// now is the trusted time in the zone of the box.
func (c *CallHome) now() time.Time { return c.options.Now().In(c.options.Zone()) }

// clockIsRight says whether the clock can be gone by: it is synchronised, or has
// not been for so long that it is not waited for any more.
func (c *CallHome) clockIsRight() bool {
	return c.options.Synchronised() || c.options.Uptime()-c.began >= clockWait
}

// Upgrades are the versions that the box has run, oldest first.
func (c *CallHome) Upgrades() []message.Upgrade {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.state.Upgrades)
}

// nudge puts a token into a channel that holds one.
func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // there is one already
	}
}

// pause waits, unless something nudges. It gives false when ctx ended.
func pause(ctx context.Context, wait time.Duration, nudged <-chan struct{}) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-nudged:
	case <-timer.C:
	}
	return true
}
