package cache

import (
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"causeway/appliance/billing/segment"
)

// All at once: a producer, consumers that are done in any order, one that
// holds now and then, Upkeep, and a disk that fails now and then.
func TestConcurrently(t *testing.T) {
	dir := t.TempDir()
	tmpfs(t, dir, "64m")
	var broken atomic.Bool
	o := Options{Dir: dir, segmentSize: 16 << 10, now: time.Now, create: func(path string) (segment.Appendable, error) {
		if broken.Load() {
			return nil, syscall.EIO
		}
		f, err := segment.Create(path)
		return brokenFile{f, &broken}, err
	}}
	const last = 20_000
	c := openTest(t, o, em0, em1, xml1)
	var work, upkeep sync.WaitGroup
	for i, r := range c.cursors {
		work.Go(func() {
			var inHand []Record
			for n := 1; n <= last; n++ {
				record, err := r.Next(t.Context())
				if err != nil || record.Source.Event != uint64(n) {
					t.Errorf("%s: Next = event %d, %v; want %d", r.Name, record.Source.Event, err, n)
					return
				}
				if inHand = append(inHand, record); len(inHand) == 50 || n == last {
					rand.Shuffle(len(inHand), func(i, j int) { inHand[i], inHand[j] = inHand[j], inHand[i] })
					done(r, inHand)
					inHand = nil
				}
				if i == 0 && n%700 == 0 {
					r.Hold(n%1400 == 0)
				}
			}
		})
	}
	ended := make(chan struct{})
	upkeep.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-ended:
				broken.Store(false)
				c.Upkeep() // comes back to the disk
				return
			default:
				broken.Store(n%5 == 4)
				c.Upkeep()
				c.Status()
				c.Settled()
				time.Sleep(time.Millisecond)
			}
		}
	})
	for n := 1; n <= last; {
		count := min(64, last+1-n)
		batch := events(n, n+count-1)
		for _, r := range events(n, n+count-1) {
			r.Kind, r.To = CDR, toCDR
			batch = append(batch, r)
		}
		switch err := c.Append(batch); {
		case err == nil:
			n += count
		case !errors.Is(err, ErrBusy):
			t.Errorf("Append = %v; want nil or ErrBusy", err)
			n = last + 1
		}
	}
	work.Wait()
	close(ended)
	upkeep.Wait()
	for _, r := range c.cursors { // the last records may be others'
		if record, ok, err := r.poll(); ok || err != nil {
			t.Errorf("%s: poll = %+v, %v, %v at the end; want none", r.Name, record, ok, err)
		}
	}
	c.Upkeep()
	if status := c.Status(); status.Lost != 0 || status.Refused != 0 || status.Records != 0 || status.Segments != 1 || status.Fault != "" {
		t.Errorf("Status = %+v; want an empty cache that is well", status)
	}
}

type brokenFile struct {
	segment.Appendable
	broken *atomic.Bool
}

func (f brokenFile) Datasync() error {
	if f.broken.Load() {
		return syscall.EIO
	}
	return f.Appendable.Datasync()
}
