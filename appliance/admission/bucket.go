package admission

import (
	"sync/atomic"
	"time"
)

// bucket is a token bucket whose whole state is one word: when it will be full
// again, on CLOCK_BOOTTIME. The zero value is full. What it holds is said by
// each call, so a limit may change while it is in use.
type bucket struct{ full atomic.Int64 }

// take takes one token of a bucket that gains one every token and holds those
// of the time depth.
func (b *bucket) take(now, token, depth time.Duration) bool {
	for {
		full := b.full.Load()
		next := max(full, int64(now)) + int64(token)
		if next-int64(now) > int64(depth) {
			return false
		}
		if b.full.CompareAndSwap(full, next) {
			return true
		}
	}
}

// giveBack undoes a take.
func (b *bucket) giveBack(token time.Duration) { b.full.Add(-int64(token)) }
