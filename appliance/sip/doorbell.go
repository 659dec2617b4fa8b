package sip

import (
	"context"
	"sync/atomic"
)

// doorbell wakes a thread that waits for work. While the thread is busy and
// nobody waits, ringing costs one load.
type doorbell struct {
	waiting *atomic.Bool
	rung    chan struct{}
}

func newDoorbell() doorbell {
	return doorbell{waiting: new(atomic.Bool), rung: make(chan struct{}, 1)}
}

// ring wakes who waits, if anybody. It never blocks.
func (d *doorbell) ring() {
	if d.waiting.Load() {
		select {
		case d.rung <- struct{}{}:
		default:
		}
	}
}

// wait returns when the bell rings, when ctx ends, or at once if there is work:
// that is asked after a ring can no longer be missed.
func (d *doorbell) wait(ctx context.Context, work func() bool) {
	d.waiting.Store(true)
	defer d.waiting.Store(false)
	if work() {
		return
	}
	select {
	case <-ctx.Done():
	case <-d.rung:
	}
}
