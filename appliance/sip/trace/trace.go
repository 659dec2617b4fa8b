// Package trace keeps SIP messages for people who look for a fault: the trace
// buffer of the box.
//
// In come the messages of all transports, as the SIP core receives and sends
// them, while tracing is on; a filter picks the calls. They stay in a ring of
// fixed size until newer ones need the room, and go to a pcap file if that was
// asked for. Credentials and media keys are masked as a message comes in: what
// is kept, shown and written has none. Tracing ends by itself.
package trace

import (
	"context"
	"fmt"
	"hash/maphash"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/sip/message"
)

// DefaultSize is that of the ring, in octets.
const DefaultSize = 4 << 20

// Bounds of one tracing.
const (
	minutesDefault = 10
	minutesMax     = 24 * 60
)

// Options are what a Buffer is made of.
type Options struct {
	Size int    // of the ring, in octets; 0: DefaultSize
	Dir  string // where pcap files go; it is there
}

// Buffer is the sip.Tracer of the box. Its methods are safe for concurrent
// use; Run writes the files and ends tracings whose time is over.
type Buffer struct {
	options Options
	job     atomic.Pointer[job] // nil: tracing is off

	mu    sync.Mutex // guards what follows; the call path takes it for messages that are kept
	kept  ring
	last  Status // of the tracing that runs, or ran last
	until time.Time

	writing sync.Mutex // guards file; taken before mu
	file    *pcapFile  // nil: none is written, or it is finished

	wake chan struct{} // has Run look at once
}

// job is a tracing that runs.
type job struct {
	filter Filter
	calls  calls
	views  sync.Pool // of *message.Message, for the filter
}

func newJob(f Filter) *job {
	return &job{
		filter: f,
		calls:  calls{seed: maphash.MakeSeed()},
		views:  sync.Pool{New: func() any { return &message.Message{Fields: make([]message.Field, 0, message.MaxFields)} }},
	}
}

// New makes a buffer that traces nothing yet.
func New(o Options) *Buffer {
	if o.Size == 0 {
		o.Size = DefaultSize
	}
	return &Buffer{options: o, wake: make(chan struct{}, 1)}
}

// Request asks for a tracing (proxy.trace-start).
type Request struct {
	Filter   Filter `json:"filter"`
	Messages int    `json:"messages"` // it ends after so many; 0: they do not matter
	Minutes  int    `json:"minutes"`  // it ends after so long, up to a day; 0: 10
	File     string `json:"file"`     // name of the pcap file; empty: none
}

// Status says how a tracing does (proxy.trace-start, -stop and -show).
type Status struct {
	On       bool          `json:"on"`
	Filter   Filter        `json:"filter"`
	Left     time.Duration `json:"left"`     // of its time
	Messages int           `json:"messages"` // traced
	Most     int           `json:"most"`     // as Request.Messages
	Kept     int           `json:"kept"`     // messages in the ring
	File     string        `json:"file"`     // empty: none
	Written  int64         `json:"written"`  // octets of it
	Lost     int           `json:"lost"`     // messages that came too fast for the file
	Problem  string        `json:"problem"`  // why the file ends early
}

// Start begins a tracing with an empty ring, in the place of the one that runs.
func (b *Buffer) Start(r Request) (Status, error) {
	switch {
	case r.Minutes == 0:
		r.Minutes = minutesDefault
	case r.Minutes < 0 || r.Minutes > minutesMax:
		return Status{}, fmt.Errorf("trace for %d minutes: 1 to %d are allowed", r.Minutes, minutesMax)
	}
	if r.Messages < 0 {
		return Status{}, fmt.Errorf("trace %d messages: that is no number of them", r.Messages)
	}
	if err := r.Filter.check(); err != nil {
		return Status{}, err
	}
	b.writing.Lock()
	defer b.writing.Unlock()
	b.end()
	var file *pcapFile
	if r.File != "" {
		var err error
		if file, err = createPcap(b.options.Dir, r.File); err != nil {
			return Status{}, err
		}
	}
	b.file = file
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kept.reset(b.options.Size)
	b.last = Status{Filter: r.Filter, Most: r.Messages, File: r.File}
	b.until = time.Now().Add(time.Duration(r.Minutes) * time.Minute)
	b.job.Store(newJob(r.Filter))
	b.rouse()
	return b.status(), nil
}

// Stop ends the tracing, if one runs, and finishes its file. What was traced
// stays to be shown.
func (b *Buffer) Stop() Status {
	b.writing.Lock()
	defer b.writing.Unlock()
	b.end()
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.status()
}

// end ends the tracing with b.writing held.
func (b *Buffer) end() {
	b.mu.Lock()
	b.job.Store(nil)
	b.mu.Unlock()
	b.flush()
}

// rouse has Run look at once.
func (b *Buffer) rouse() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// status is with b.mu held.
func (b *Buffer) status() Status {
	s := b.last
	s.On = b.job.Load() != nil
	if s.On {
		s.Left = max(time.Until(b.until), 0)
	}
	s.Kept = b.kept.count
	return s
}

// On says whether Trace is to be called.
func (b *Buffer) On() bool { return b.job.Load() != nil }

// Trace keeps a copy of a message that was received or sent, if the filter
// wants it. It allocates nothing and waits for no more than the copying of
// others.
func (b *Buffer) Trace(sent bool, t model.Transport, local, remote netip.AddrPort, payload []byte) {
	j := b.job.Load()
	if j == nil || !j.wants(t, remote, payload) {
		return
	}
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.job.Load() != j {
		return
	}
	b.last.Messages++
	mask(b.kept.add(record{
		number: b.last.Messages, time: now, sent: sent, transport: t,
		local: unmapped(local), remote: unmapped(remote),
	}, payload))
	if b.last.Messages == b.last.Most {
		b.job.Store(nil)
		b.rouse()
	}
}

// writeInterval is how often messages go to the file.
const writeInterval = 100 * time.Millisecond

// Run writes files and ends tracings until ctx ends; then the one that runs
// ends as well.
func (b *Buffer) Run(ctx context.Context) error {
	ticker := time.NewTicker(writeInterval)
	defer ticker.Stop()
	for {
		if b.work() {
			ticker.Reset(writeInterval)
		} else {
			ticker.Stop()
		}
		select {
		case <-ctx.Done():
			b.Stop()
			return nil
		case <-b.wake:
		case <-ticker.C:
		}
	}
}

// work does what is due, and says whether a tracing runs.
func (b *Buffer) work() bool {
	b.writing.Lock()
	defer b.writing.Unlock()
	b.mu.Lock()
	if !time.Now().Before(b.until) {
		b.job.Store(nil)
	}
	b.mu.Unlock()
	b.flush()
	return b.On()
}

// unmapped is an address in its own family.
func unmapped(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
