package logging

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"causeway/appliance/model"
)

// pageSize is how many entries are asked for at a time.
const pageSize = 500

// ring is the log as init serves it. New entries are read once for all who
// follow it; who is behind reads for himself.
type ring struct {
	read func(context.Context, model.LogQuery) (model.LogPage, error) // init.log

	mu   sync.Mutex
	from uint64        // what page was asked for
	page model.LogPage // the newest entries, never an empty page but at first
	more chan struct{} // closed when there is another page
}

func newRing(read func(context.Context, model.LogQuery) (model.LogPage, error)) *ring {
	return &ring{read: read, more: make(chan struct{})}
}

// follow reads what comes until ctx ends, with a pause between reads.
func (r *ring) follow(ctx context.Context, pause time.Duration, log *slog.Logger) {
	var from uint64
	silent := false
	for {
		page, err := r.read(ctx, model.LogQuery{From: from, Max: pageSize})
		if ctx.Err() != nil {
			return
		}
		if (err != nil) != silent {
			if silent = err != nil; silent {
				log.Warn("the log cannot be read", "error", err)
			}
		}
		if err == nil && len(page.Entries) > 0 {
			r.put(from, page)
			from = page.Next
			if len(page.Entries) >= pageSize {
				continue
			}
		}
		sleep(ctx, pause)
	}
}

func (r *ring) put(from uint64, page model.LogPage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.from, r.page = from, page
	close(r.more)
	r.more = make(chan struct{})
}

// since gives known entries from Seq next on, pageSize at most, and a channel
// that is closed when there are newer ones than are known now.
func (r *ring) since(ctx context.Context, next uint64) (entries []model.LogEntry, more <-chan struct{}, err error) {
	r.mu.Lock()
	from, page, more := r.from, r.page, r.more
	r.mu.Unlock()
	if next >= page.Next {
		return nil, more, nil
	}
	if next < from {
		page, err = r.read(ctx, model.LogQuery{From: next, Max: pageSize})
	}
	for i, e := range page.Entries {
		if e.Seq >= next {
			return page.Entries[i:], more, err
		}
	}
	return nil, more, err
}

// behind gives how many entries there are from Seq next on.
func (r *ring) behind(next uint64) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return max(r.page.Next, next) - next
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
