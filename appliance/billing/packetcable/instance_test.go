package packetcable

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/model"
)

// queue is a Source in memory.
type queue struct {
	mu      sync.Mutex
	records chan Record
	done    []uint64
}

func (q *queue) Next(ctx context.Context) (Record, error) {
	select {
	case r, ok := <-q.records:
		if !ok {
			return Record{}, errors.New("the queue is broken")
		}
		return r, nil
	case <-ctx.Done():
		return Record{}, ctx.Err()
	}
}

func (q *queue) Done(number uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.done = append(q.done, number)
}

// finished gives what is done with so far, by number.
func (q *queue) finished() []uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Sorted(slices.Values(q.done))
}

// keeper is a Transport with a record keeper behind it.
type keeper struct {
	mu      sync.Mutex
	down    bool
	delay   func() time.Duration
	busy    int
	most    int
	batches [][]Header
	session string
}

func (k *keeper) Send(ctx context.Context, session string, messages []byte) error {
	k.mu.Lock()
	k.busy++
	k.most = max(k.most, k.busy)
	down, delay := k.down, time.Duration(0)
	if k.delay != nil {
		delay = k.delay()
	}
	k.mu.Unlock()
	time.Sleep(delay)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.busy--
	if down {
		return ErrDown
	}
	var batch []Header
	for len(messages) > 0 {
		m, rest, err := Decode(messages)
		if err != nil {
			return err
		}
		batch, messages = append(batch, m.Header), rest
	}
	k.batches, k.session = append(k.batches, batch), session
	return nil
}

// sent gives what arrived so far.
func (k *keeper) sent() [][]Header {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.batches)
}

func (k *keeper) AwaitUp(ctx context.Context) error {
	for {
		k.mu.Lock()
		down := k.down
		k.mu.Unlock()
		if !down {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Second):
		}
	}
}

// record is message number n, of that call.
func record(n, call int) Record {
	id := BCID{Seconds: 0xeeacb6cc, Element: NewElementID(12345), Counter: uint32(call)}
	m := Message{Header: NewHeader(CallAnswer, id, NewElementID(12345), uint32(n), time.Unix(0, 0))}
	return Record{Number: uint64(n), Call: model.CallKey{byte(call), byte(call >> 8)}, Message: m.AppendTo(nil)}
}

// messageSize is what message of record takes.
var messageSize = len(record(1, 1).Message)

// running runs the instance in a synctest bubble.
func running(t *testing.T, i *Instance, k *keeper, test func(q *queue)) {
	synctest.Test(t, func(t *testing.T) {
		q := &queue{records: make(chan Record)}
		i.Source, i.Transport = q, k
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- i.Run(ctx) }()
		test(q)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v; want nil", err)
		}
	})
}

func TestInstanceSendsEachAtOnce(t *testing.T) {
	k := &keeper{}
	running(t, &Instance{Outstanding: 4}, k, func(q *queue) {
		for n := range 3 {
			q.records <- record(n+1, n)
			synctest.Wait()
		}
		if len(k.sent()) != 3 || !slices.Equal(q.finished(), []uint64{1, 2, 3}) {
			t.Errorf("%d requests, done %v", len(k.sent()), q.finished())
		}
	})
	if k.session != "12345-eeacb6cc-2" {
		t.Errorf("session %q", k.session)
	}
}

// A request goes when it is full or when its time is up.
func TestInstanceBatches(t *testing.T) {
	k := &keeper{}
	running(t, &Instance{BatchSize: 3*messageSize + 1, BatchTime: time.Second, Outstanding: 4}, k, func(q *queue) {
		for n := range 5 {
			q.records <- record(n+1, n)
		}
		synctest.Wait()
		if len(k.sent()) != 1 || len(k.sent()[0]) != 3 {
			t.Fatalf("requests %v; want one of 3", k.sent())
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if len(k.sent()) != 2 || len(k.sent()[1]) != 2 {
			t.Errorf("requests %v; want a second one of 2", k.sent())
		}
	})
}

// A message that is larger than a batch goes by itself.
func TestInstanceBatchSmallerThanAMessage(t *testing.T) {
	k := &keeper{}
	running(t, &Instance{BatchSize: 10, BatchTime: time.Second, Outstanding: 4}, k, func(q *queue) {
		q.records <- record(1, 1)
		synctest.Wait()
		if len(k.sent()) != 1 {
			t.Errorf("requests %v; want one", k.sent())
		}
	})
}

// While the transport is down nothing is done with, and nothing is taken
// beyond the bound; then all of it goes.
func TestInstanceWaitsForTheTransport(t *testing.T) {
	k := &keeper{down: true}
	running(t, &Instance{Outstanding: 3}, k, func(q *queue) {
		for n := range 4 { // one more waits to be taken
			q.records <- record(n+1, n)
		}
		synctest.Wait()
		select {
		case q.records <- record(5, 5):
			t.Error("a message beyond the bound was taken")
		default:
		}
		if len(q.finished()) > 0 {
			t.Errorf("done %v; want none", q.finished())
		}
		k.mu.Lock()
		k.down = false
		k.mu.Unlock()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if len(q.finished()) != 4 {
			t.Errorf("done %v; want 4", q.finished())
		}
	})
}

// Whatever the record keeper's speed and the batches, messages of a call
// arrive in their order, and requests go side by side.
func TestInstanceKeepsTheOrderOfACall(t *testing.T) {
	for _, size := range []int{0, 2 * messageSize, 7 * messageSize} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			dice, slow := rand.New(rand.NewPCG(uint64(size), 1)), rand.New(rand.NewPCG(uint64(size), 2))
			k := &keeper{delay: func() time.Duration { return time.Duration(slow.IntN(1000)) * time.Millisecond }}
			const messages = 2000
			running(t, &Instance{BatchSize: size, BatchTime: 50 * time.Millisecond, Outstanding: 20}, k, func(q *queue) {
				for n := range messages {
					q.records <- record(n+1, dice.IntN(50))
				}
				time.Sleep(10 * time.Minute)
				synctest.Wait()
				if len(q.finished()) != messages {
					t.Errorf("%d done; want %d", len(q.finished()), messages)
				}
			})
			newest := map[uint32]uint32{}
			for _, batch := range k.batches {
				for _, h := range batch {
					if h.Sequence <= newest[h.BCID.Counter] {
						t.Fatalf("call %d: message %d came after %d", h.BCID.Counter, h.Sequence, newest[h.BCID.Counter])
					}
					newest[h.BCID.Counter] = h.Sequence
				}
			}
			if k.most < 2 || k.most > 20 {
				t.Errorf("%d requests were under way at the most; want 2 to 20", k.most)
			}
		})
	}
}

func TestInstanceEndsWithItsSource(t *testing.T) {
	q := &queue{records: make(chan Record)}
	close(q.records)
	i := &Instance{Source: q, Transport: &keeper{}, Outstanding: 1}
	if err := i.Run(t.Context()); err == nil {
		t.Error("Run = nil; want the error of the source")
	}
}

// slow is a Source whose disk takes its time.
type slow struct {
	*queue
	disk chan struct{}
}

func (s slow) Next(context.Context) (Record, error) {
	<-s.disk
	return record(1, 1), nil
}

// TestInstanceEndsWithItsReader: the source is let alone once Run is back, for
// a record that is taken later would not be given to the next instance.
func TestInstanceEndsWithItsReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		source, ended := slow{&queue{}, make(chan struct{})}, false
		i := Instance{Source: source, Transport: &keeper{}, Outstanding: 1}
		go func() {
			i.Run(ctx)
			ended = true
		}()
		cancel()
		synctest.Wait()
		if ended {
			t.Error("Run is back while its source is read")
		}
		close(source.disk)
		synctest.Wait()
		if !ended {
			t.Error("Run is not back after its context ended")
		}
	})
}
