package sip

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"maps"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
	"causeway/appliance/sip/stream"
)

// Options are what a Proxy is made of.
type Options struct {
	Routing   Routing
	Admission Admission
	// Locator finds hosts; without one only addresses are understood.
	Locator Locator
	// Tracer sees every message; nil: nobody does.
	Tracer Tracer
	// Identity gives our certificate and whom we trust, for every handshake
	// of TLS; without one no connection over TLS comes about.
	Identity func() (stream.Identity, error)
	// Ledger is where room for call events is reserved; nil records no events.
	Ledger Ledger
	// Key signs the call keys in Record-Route, at least 16 octets. Who has the
	// same key understands the dialogs of an earlier life of the process.
	Key []byte
	// Readers is the number of threads that read each listen point. 0: half of
	// the processors, since about half of the work is the kernel's, and fewer
	// readers find more in a batch.
	Readers int
	// Memory is how many octets calls and transactions may take. 0: 512 MiB.
	Memory int
	Log    *slog.Logger
}

// Proxy is a transaction-stateful SIP proxy. Make it with New, give it its
// networks with Prepare and Switch, and let Run own its threads.
type Proxy struct {
	options Options
	seed    maphash.Seed
	streams *stream.Pool
	workers sync.Pool // of *worker: for goroutines that are no readers
	start   time.Time
	config  atomic.Pointer[snapshot]
	shards  []shard

	setupRoom, answerRoom, endRoom int64 // octets of the ledger; setupRoom has answerRoom in it

	mu       sync.Mutex // guards what follows: only commits and Run take it
	prepared *snapshot
	readers  map[*socket]bool
	running  sync.WaitGroup
	ctx      context.Context // of Run; nil when it does not run
	fail     context.CancelCauseFunc

	restoredMu sync.Mutex
	restored   map[model.CallKey]*call // open calls of an earlier life that nothing has come for yet; nil: not known yet
	restoredAt time.Time

	fired       atomic.Int64 // p.now() when timers were last run
	timersArmed doorbell     // rung when a timer is armed
	events      atomic.Bool  // a shard has events that CollectEvents has not seen
	eventsCame  doorbell     // rung when that becomes true

	parked     atomic.Int64 // ACKs that wait for DNS
	keepAlives atomic.Int64
	garbage    atomic.Int64 // what is no SIP message
	denied     atomic.Int64 // messages of senders who get no answer
	overloaded atomic.Bool  // the lobby is open
	dropped    atomic.Int64 // INVITEs, in overload
	unsendable atomic.Int64 // datagrams the kernel refused
	traffic    trafficSum
}

// New makes a proxy that listens nowhere yet.
func New(o Options) (*Proxy, error) {
	if o.Admission == nil || o.Routing == nil {
		return nil, errors.New("new SIP proxy: admission and routing are needed")
	}
	if len(o.Key) < 16 {
		return nil, fmt.Errorf("new SIP proxy: the call key's signing key has %d octets, at least 16 are needed", len(o.Key))
	}
	if o.Readers == 0 {
		o.Readers = max(1, runtime.NumCPU()/2)
	}
	o.Memory = cmp.Or(o.Memory, memoryDefault)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	p := &Proxy{
		options:     o,
		seed:        maphash.MakeSeed(),
		start:       time.Now(),
		shards:      make([]shard, shardsOf(runtime.GOMAXPROCS(0))),
		readers:     make(map[*socket]bool),
		timersArmed: newDoorbell(),
		eventsCame:  newDoorbell(),
	}
	p.workers.New = func() any { return p.newWorker(0) }
	p.streams = stream.New(stream.Options{
		Receive: p.received,
		Failed:  func(_ *stream.Conn, payload []byte) { p.undelivered(payload) },
		Limits:  func() stream.Limits { return p.config.Load().limits },
		Memory:  o.Memory / streamsPart,
		Log:     o.Log,
	})
	for i := range p.shards {
		p.shards[i].init(uint32(i), o.Memory/len(p.shards))
		p.shards[i].history = newHistory(len(p.shards))
		if o.Ledger != nil {
			p.shards[i].events, p.shards[i].spare = o.Ledger.NewBatch(), o.Ledger.NewBatch()
		}
	}
	if o.Ledger != nil {
		p.setupRoom, p.endRoom = room(o.Ledger, setupEvents), room(o.Ledger, endEvents)
		p.answerRoom = o.Ledger.Most(model.CallAnswered)
	}
	p.config.Store(&snapshot{plan: noPlan{}})
	return p, nil
}

// now is the proxy's clock: monotonic time since it was made.
func (p *Proxy) now() time.Duration { return time.Since(p.start) }

// shardOf gives the shard of a call.
func (p *Proxy) shardOf(callID []byte) *shard {
	return &p.shards[maphash.Bytes(p.seed, callID)%uint64(len(p.shards))]
}

// Prepare checks c and binds what it adds, changing nothing that runs. The
// next Switch puts it in force; another Prepare forgets it.
func (p *Proxy) Prepare(c *model.Config) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forget()
	next, err := p.newSnapshot(c, p.config.Load())
	if err != nil {
		return err
	}
	p.prepared = next
	return nil
}

// forget gives up what was prepared and not switched to.
func (p *Proxy) forget() {
	if p.prepared != nil {
		p.prepared.closeNew(p.config.Load())
		p.prepared = nil
	}
}

// Switch puts the prepared configuration in force. Transactions that run end
// where they began: listen points that are gone take no new requests, and are
// closed when every transaction on them must be over.
func (p *Proxy) Switch() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.prepared == nil {
		return errors.New("switch: no configuration is prepared")
	}
	old, next := p.config.Load(), p.prepared
	p.prepared = nil
	next.leaving = make(map[hop.Place]*listenPoint)
	for _, listens := range []map[hop.Place]*listenPoint{old.leaving, old.own} {
		for place, l := range listens {
			if next.own[place] == nil {
				next.leaving[place], next.hosts[place.Address.Addr()] = l, true
			}
		}
	}
	for _, l := range next.own {
		if err := l.mark(); err != nil { // calls are better than marks
			p.options.Log.Warn("packets are not marked", "error", err)
		}
	}
	next.plan.Use()
	p.config.Store(next)
	for place, l := range old.own {
		if next.own[place] == nil {
			p.retire(l)
		}
	}
	p.startReaders()
	return nil
}

// retire closes a listen point that is leaving when the longest transaction is
// over, unless a commit has brought it back by then.
func (p *Proxy) retire(l *listenPoint) {
	time.AfterFunc(l.network.timers.longest(), func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		now := p.config.Load()
		if now.leaving[l.Place] != l {
			return
		}
		if p.prepared != nil && p.prepared.own[l.Place] != nil {
			p.retire(l) // the next Switch may bring it back
			return
		}
		next := *now
		next.leaving = maps.Clone(now.leaving)
		delete(next.leaving, l.Place)
		p.config.Store(&next)
		for _, s := range l.sockets {
			delete(p.readers, s)
		}
		l.close()
		if l.listener != nil {
			l.listener.Drop()
		}
	})
}

// Run works until ctx ends or a socket cannot be read any more, then closes
// the sockets.
func (p *Proxy) Run(ctx context.Context) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	p.mu.Lock()
	p.ctx, p.fail = ctx, fail
	p.startReaders()
	p.running.Go(func() { p.runAbandon(ctx) })
	p.mu.Unlock()

	p.runTimers(ctx)

	p.mu.Lock()
	p.ctx = nil
	for s := range p.readers {
		s.stopReading()
	}
	p.mu.Unlock()
	p.running.Wait()
	p.streams.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forget()
	for s := range p.readers {
		s.close()
	}
	clear(p.readers)
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// startReaders starts a reader on every socket of the snapshot that has none.
func (p *Proxy) startReaders() {
	if p.ctx == nil {
		return
	}
	for _, l := range p.config.Load().own {
		if l.listener != nil {
			l.listener.Serve(l.options(p.options.Identity))
		}
		for i, s := range l.sockets {
			if p.readers[s] {
				continue
			}
			p.readers[s] = true
			ctx, place := p.ctx, l.Place
			p.running.Go(func() {
				if err := p.read(ctx, place, s, i); err != nil {
					p.fail(err) // half of the flows would find nobody
				}
			})
		}
	}
}

// read is one reader's life: batches from one socket, each message run to
// completion where it was read.
func (p *Proxy) read(ctx context.Context, place hop.Place, s *socket, reader int) error {
	in, w := newInbox(), p.newWorker(reader)
	in.undelivered = p.undelivered
	var at *listenPoint
	err := s.read(in, func(n int) bool {
		w.now = p.now()
		// The listen point of this address may be another one since the last commit.
		if config := p.config.Load(); at == nil || config != w.config {
			w.config, at = config, config.at(place)
		}
		if at == nil {
			return false
		}
		more, overloaded := n == batchSize, p.overloaded.Load()
		for i := range n {
			payload, from, ok := in.datagram(i)
			switch {
			case !ok || len(payload) == 0:
			case overloaded && isInvite(payload): // it came before the lobby was there
				p.dropped.Add(1)
			default:
				w.receive(at, from, nil, payload)
			}
		}
		if !more {
			s.emptied.Store(int64(w.now))
			w.runTimers()
		}
		w.flush()
		w.watchQueue(ctx, s, more)
		return ctx.Err() == nil
	})
	if err != nil {
		return fmt.Errorf("listen udp %s: %w", place.Address, err)
	}
	return nil
}

// runTimers fires timers until ctx ends, where no reader does: it looks less
// often than they do, and not at all while no timer is armed.
func (p *Proxy) runTimers(ctx context.Context) {
	w := p.newWorker(0)
	ticker := time.NewTicker(2 * tick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		w.now, w.config = p.now(), p.config.Load()
		if w.runTimers() {
			continue
		}
		ticker.Stop()
		p.timersArmed.wait(ctx, func() bool { return p.fireTimers(w) > 0 })
		ticker.Reset(2 * tick)
	}
}

// runTimers fires what is due unless that was done within a tick, and says
// whether it was or timers stay armed. The readers do it between batches: under load, a thread that
// wakes for timers alone would cost more than all of the timers. When they are
// late, what they wait for may have come by now: it is read before them.
func (w *worker) runTimers() (busy bool) {
	last := w.p.fired.Load()
	switch late := w.now - time.Duration(last); {
	case late < tick,
		late > 2*tick && late < readFirst && w.config.unread(w.now-tick),
		!w.p.fired.CompareAndSwap(last, int64(w.now)):
		return true
	}
	return w.p.fireTimers(w) > 0
}

// readFirst is how long timers wait for what is unread, at the most.
const readFirst = 2 * time.Second

// fireTimers runs what is due and gives how many timers stay armed.
func (p *Proxy) fireTimers(w *worker) (armed int) {
	for i := range p.shards {
		s := &p.shards[i]
		s.mu.Lock()
		s.wheel.run(w, s, w.now)
		armed += s.wheel.armed
		s.mu.Unlock()
	}
	w.flush()
	return armed
}
