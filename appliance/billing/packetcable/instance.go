package packetcable

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"causeway/appliance/model"
)

// Record is an event message that waits to be sent.
type Record struct {
	Number  uint64 // names it to the Source
	Call    model.CallKey
	Message []byte // as AppendTo made it
}

// Source is where an instance finds its messages, in the order in which they
// were made.
type Source interface {
	// Next waits for a message.
	Next(ctx context.Context) (Record, error)
	// Done says that a message need not come again.
	Done(number uint64)
}

// Transport takes event messages to a record keeper.
type Transport interface {
	// Send returns nil once a server has acknowledged them; ErrDown means that
	// none does. session is an Acct-Session-Id.
	Send(ctx context.Context, session string, messages []byte) error
	// AwaitUp waits until it is worth sending again.
	AwaitUp(ctx context.Context) error
}

// ErrDown says that no server of a transport answers.
var ErrDown = errors.New("no RADIUS server answers")

// Instance is one instance of the PacketCable method: it takes messages from
// its source to its transport, several in a request where that is configured.
//
// Messages of one call arrive in their order: a request waits for those before
// it that carry messages of the same calls. Else requests go side by side.
type Instance struct {
	Source    Source
	Transport Transport
	// BatchSize is how many octets of messages a request may have, at most
	// MaxBatch; 0: each message goes by itself, at once.
	BatchSize int
	// BatchTime is how long a message waits for others to fill its request.
	BatchTime time.Duration
	// Outstanding bounds the requests that are under way or wait for others.
	Outstanding int
}

// MaxBatch is what a RADIUS packet has room for besides its own attributes, in
// octets (RFC 2865 §3: 4,096 in all).
const MaxBatch = 4000

// request is some messages on their way.
type request struct {
	numbers   []uint64
	calls     []model.CallKey
	messages  []byte
	blockers  int // requests that must be done before it
	followers []*request
}

// Run sends until ctx ends; then it returns nil. The source's error ends it too.
func (i *Instance) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	r := &run{Instance: i, ctx: ctx, newest: map[model.CallKey]*request{}, done: make(chan *request)}
	incoming, failed := make(chan Record), make(chan error, 1)
	var reading sync.WaitGroup
	reading.Go(func() { failed <- i.read(ctx, incoming) })
	err := r.loop(incoming, failed)
	cancel()
	reading.Wait() // what it takes now would be missing to who comes next
	for ; r.underWay > 0; r.underWay-- {
		<-r.done
	}
	return err
}

// read hands on what the source has.
func (i *Instance) read(ctx context.Context, to chan<- Record) error {
	for {
		record, err := i.Source.Next(ctx)
		if err != nil {
			return err
		}
		select {
		case to <- record:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// run is the state of Run; its loop alone touches it.
type run struct {
	*Instance
	ctx      context.Context
	open     *request                   // takes messages still; nil: none
	newest   map[model.CallKey]*request // of each call that is not done with
	pending  int                        // requests closed and not done
	underWay int                        // of these: those being sent
	done     chan *request              // sent
}

func (r *run) loop(incoming <-chan Record, failed <-chan error) error {
	timer := time.NewTimer(r.BatchTime)
	defer timer.Stop()
	for {
		take := incoming
		if r.pending >= r.Outstanding {
			take = nil
		}
		select {
		case <-r.ctx.Done():
			return nil
		case err := <-failed:
			if r.ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("packetcable-em: %w", err)
		case record := <-take:
			if r.open == nil {
				timer.Reset(r.BatchTime)
			}
			r.add(record)
		case <-timer.C:
			r.close()
		case sent := <-r.done:
			r.finish(sent)
		}
	}
}

// add puts a message into the open request, and closes that when it is full.
func (r *run) add(record Record) {
	if r.open != nil && len(r.open.messages)+len(record.Message) > r.BatchSize {
		r.close()
	}
	if r.open == nil {
		r.open = &request{}
	}
	r.open.numbers = append(r.open.numbers, record.Number)
	r.open.calls = append(r.open.calls, record.Call)
	r.open.messages = append(r.open.messages, record.Message...)
	if len(r.open.messages) >= r.BatchSize {
		r.close()
	}
}

// close has the open request go, once those before it are done that carry
// messages of the same calls.
func (r *run) close() {
	q := r.open
	if q == nil {
		return
	}
	r.open = nil
	for _, call := range q.calls {
		if before := r.newest[call]; before != nil && before != q {
			before.followers = append(before.followers, q)
			q.blockers++
		}
		r.newest[call] = q
	}
	r.pending++
	if q.blockers == 0 {
		r.send(q)
	}
}

func (r *run) send(q *request) {
	r.underWay++
	go func() {
		r.deliver(q)
		r.done <- q
	}()
}

// deliver sends a request until it is acknowledged or the instance ends.
func (r *run) deliver(q *request) {
	session := sessionID(q.messages)
	for r.ctx.Err() == nil {
		if err := r.Transport.Send(r.ctx, session, q.messages); err == nil {
			for _, number := range q.numbers {
				r.Source.Done(number)
			}
			return
		}
		if r.Transport.AwaitUp(r.ctx) != nil {
			return
		}
	}
}

// finish lets go what waited for a request.
func (r *run) finish(q *request) {
	r.pending--
	r.underWay--
	for _, call := range q.calls {
		if r.newest[call] == q {
			delete(r.newest, call)
		}
	}
	for _, follower := range q.followers {
		if follower.blockers--; follower.blockers == 0 {
			r.send(follower)
		}
	}
}

// sessionID names a request after its first message's half-call (RFC 2866
// §5.5 wants an Acct-Session-Id).
func sessionID(messages []byte) string {
	m, _, err := Decode(messages)
	if err != nil {
		return "unknown" // not ours; the record keeper gets it as it stands
	}
	id := m.Header.BCID
	return fmt.Sprintf("%s-%08x-%d", id.Element, id.Seconds, id.Counter)
}
