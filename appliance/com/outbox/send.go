package outbox

import (
	"context"
	"fmt"
	"time"

	"causeway/appliance/com/gate"
	"causeway/appliance/com/wire"
)

// Peer is COM.
type Peer interface {
	Call(ctx context.Context, method string, params, result any) error
}

const (
	// What is sent at once: on a line of 128 kbit/s that is a second, for which
	// a heartbeat may have to wait. One entry may be longer than that.
	batchEntries = 100
	batchOctets  = 16 << 10

	answerLimit   = time.Minute      // for an acknowledgement
	shortestPause = 10 * time.Second // after a failure; then twice as long each time
	longestPause  = 10 * time.Minute
	look          = 30 * time.Second // at whether a subscription lets it send
)

// Connected sends what there is for as long as a session lasts, which is until
// ctx ends.
func (b *Outbox) Connected(ctx context.Context, _ gate.Session, com Peer) error {
	b.setConnected(true)
	defer b.setConnected(false)
	var pause time.Duration
	for {
		wait := look
		if batch := b.batch(); len(batch) > 0 {
			err := b.push(ctx, com, batch)
			if err == nil {
				pause = 0
				continue
			}
			if ctx.Err() != nil {
				return nil
			}
			pause = min(max(2*pause, shortestPause), longestPause)
			b.options.Log.Warn("COM does not take alarms and events", "error", err, "again_after", pause)
			wait = pause
		}
		if !b.pause(ctx, wait, pause > 0) {
			return nil
		}
	}
}

// pause waits; unless something failed, for something to send at most. It gives
// false when ctx ended.
func (b *Outbox) pause(ctx context.Context, wait time.Duration, failed bool) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	kick := b.kick
	if failed {
		kick = nil
	}
	select {
	case <-ctx.Done():
		return false
	case <-kick:
	case <-timer.C:
	}
	return true
}

func (b *Outbox) setConnected(is bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.connected = is
}

// batch is what is sent next; none if COM shall not be told.
func (b *Outbox) batch() (batch []wire.Entry) {
	if !b.options.Allowed() {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.on {
		return nil
	}
	var octets int64
	for _, e := range b.entries {
		octets += e.octets
		if len(batch) > 0 && octets > batchOctets || len(batch) == batchEntries {
			break
		}
		batch = append(batch, e.Entry)
	}
	return batch
}

// push sends entries and forgets those that COM acknowledges.
func (b *Outbox) push(ctx context.Context, com Peer, batch []wire.Entry) error {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	var answer wire.Acknowledged
	if err := com.Call(ctx, wire.MethodAlarmPush, wire.Push{Entries: batch}, &answer); err != nil {
		return fmt.Errorf("send entries %d to %d: %w", batch[0].Sequence, batch[len(batch)-1].Sequence, err)
	}
	return b.acknowledge(answer.Upto)
}
