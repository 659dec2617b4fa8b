package load

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"causeway/qemu/lab"
	"causeway/qemu/lab/comd"
)

// comFleet are boxes that have a link to one COM server.
type comFleet struct {
	where  *lab.Namespace
	server []netip.AddrPort // its ports, tried in turn
	roots  *x509.CertPool   // that it is verified by
	boxes  []*comBox

	mu      sync.Mutex
	links   int           // that are up
	changed chan struct{} // closed and made anew when a link goes up or down
	beats   []time.Duration
	failed  int // tries to connect
	last    error
}

// enroll makes so many boxes that COM knows, each with a certificate of COM.
func (f *comFleet) enroll(ctx context.Context, server *comd.Server, size int) error {
	if f.roots = x509.NewCertPool(); !f.roots.AppendCertsFromPEM(server.Root()) {
		return errors.New("COM has no root certificate")
	}
	f.boxes = make([]*comBox, size)
	return f.each(ctx, func(i int) (err error) {
		f.boxes[i], err = newCOMBox(f, server, i)
		return err
	})
}

// sideBySideBoxes is how many boxes do at the same time what all do one after
// the other.
const sideBySideBoxes = 32

// each calls f for each box, and stops at the first error.
func (f *comFleet) each(ctx context.Context, do func(i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var running sync.WaitGroup
	for range sideBySideBoxes {
		running.Go(func() {
			for i := range next {
				if err := do(i); err != nil {
					cancel(err)
				}
			}
		})
	}
	for i := 0; i < len(f.boxes) && ctx.Err() == nil; i++ {
		next <- i
	}
	close(next)
	running.Wait()
	return context.Cause(ctx)
}

// run has all boxes connected until ctx ends. They begin as fast as links come up,
// sideBySideBoxes at a time.
func (f *comFleet) run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	for i, b := range f.boxes {
		if f.await(ctx, func(links int) bool { return links > i-sideBySideBoxes }) != nil {
			break
		}
		running.Go(func() { b.run(ctx) })
	}
	<-ctx.Done()
}

// await waits until it is enough that so many links are up.
func (f *comFleet) await(ctx context.Context, enough func(links int) bool) error {
	for {
		f.mu.Lock()
		links, changed, failed, last := f.links, f.changed, f.failed, f.last
		f.mu.Unlock()
		if enough(links) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d links of %d are up, %d tries failed: %w", links, len(f.boxes), failed, errors.Join(context.Cause(ctx), last))
		case <-changed:
		}
	}
}

func (f *comFleet) all(links int) bool  { return links == len(f.boxes) }
func (f *comFleet) none(links int) bool { return links == 0 }

// linked counts a link that is up, and one that was lost as -1.
func (f *comFleet) linked(change int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.links += change
	close(f.changed)
	f.changed = make(chan struct{})
}

// refused counts a try that failed.
func (f *comFleet) refused(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failed++
	f.last = err
}

// failures is how many tries have failed.
func (f *comFleet) failures() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failed
}

// beaten notes how long COM took for a heartbeat.
func (f *comFleet) beaten(took time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.beats = append(f.beats, took)
}

// takeBeats gives how many heartbeats there were since it was last called, and
// the time within which COM had dealt with 99 of 100.
func (f *comFleet) takeBeats() (count int, p99 time.Duration) {
	f.mu.Lock()
	beats := f.beats
	f.beats = nil
	f.mu.Unlock()
	if len(beats) == 0 {
		return 0, 0
	}
	slices.Sort(beats)
	return len(beats), beats[(len(beats)*99-1)/100]
}
