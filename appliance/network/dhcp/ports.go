package dhcp

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"causeway/appliance/model"
)

// Link is a network interface as the kernel has it.
type Link struct {
	Index   int // 0: there is none
	MAC     MAC
	Carrier bool // the cable has a peer

	// change counts what happened to it, so that a flap is noticed which was
	// over before anybody looked. A Kernel leaves it 0.
	change int
}

// ports keeps one call of serve running for each port that is wanted. When the
// link of a port changes, or another value is wanted of it, the context of its
// call ends and the next call begins.
type ports[W comparable] struct {
	watch func(ctx context.Context, changed func(name string, link Link)) error
	serve func(ctx context.Context, port model.Port, want W, link Link) error
	log   *slog.Logger
	kick  chan struct{} // holds one; something changed

	mu     sync.Mutex
	wanted map[model.Port]W
	links  map[string]Link // by the name of the interface
	again  map[model.Port]bool
}

// retryPause is how long a call waits that failed.
const retryPause = 2 * time.Second

func newPorts[W comparable](kernel Kernel, log *slog.Logger, serve func(context.Context, model.Port, W, Link) error) *ports[W] {
	return &ports[W]{
		watch: kernel.Watch, serve: serve, log: log, kick: make(chan struct{}, 1),
		again: map[model.Port]bool{},
	}
}

// want replaces what is wanted.
func (p *ports[W]) want(wanted map[model.Port]W) {
	p.mu.Lock()
	p.wanted = wanted
	p.mu.Unlock()
	p.wake()
}

// restart ends the call of a port and begins another.
func (p *ports[W]) restart(port model.Port) {
	p.mu.Lock()
	p.again[port] = true
	p.mu.Unlock()
	p.wake()
}

func (p *ports[W]) wake() {
	select {
	case p.kick <- struct{}{}:
	default:
	}
}

func (p *ports[W]) changed(name string, link Link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.links[name]
	if link == (Link{}) {
		delete(p.links, name)
	} else {
		link.change = was.change
		if was == link {
			return
		}
		link.change++
		p.links[name] = link
	}
	p.wake()
}

// call is a running serve.
type call[W comparable] struct {
	want W
	link Link
	stop context.CancelFunc
	done chan struct{}
}

// run serves until ctx ends, which gives nil, or the kernel's notifications fail.
func (p *ports[W]) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var watching sync.WaitGroup
	defer watching.Wait()
	p.mu.Lock()
	p.links = map[string]Link{}
	p.mu.Unlock()
	watching.Go(func() { cancel(p.watch(ctx, p.changed)) })

	calls := map[model.Port]*call[W]{}
	defer func() {
		cancel(nil)
		for _, c := range calls {
			<-c.done
		}
	}()
	p.wake() // what was wanted before the last end of run
	for {
		select {
		case <-ctx.Done():
			if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
				return err
			}
			return nil
		case <-p.kick:
		}
		p.adjust(ctx, calls)
	}
}

// adjust ends the calls that are not wanted as they are and begins those that
// are missing.
func (p *ports[W]) adjust(ctx context.Context, calls map[model.Port]*call[W]) {
	p.mu.Lock()
	wanted, again := p.wanted, p.again
	p.again = map[model.Port]bool{}
	links := make(map[model.Port]Link, len(wanted))
	for port := range wanted {
		links[port] = p.links[port.Interface()]
	}
	p.mu.Unlock()
	for port, c := range calls {
		want, still := wanted[port]
		if still && !again[port] && c.link == links[port] && c.want == want {
			continue
		}
		c.stop()
		<-c.done
		delete(calls, port)
	}
	for port, want := range wanted {
		if calls[port] != nil {
			continue
		}
		ctx, stop := context.WithCancel(ctx)
		c := &call[W]{want, links[port], stop, make(chan struct{})}
		calls[port] = c
		go func() {
			defer close(c.done)
			p.keep(ctx, port, c)
		}()
	}
}

// keep serves a port until ctx ends, again after each failure.
func (p *ports[W]) keep(ctx context.Context, port model.Port, c *call[W]) {
	var last string
	for ctx.Err() == nil {
		err := p.serve(ctx, port, c.want, c.link)
		if ctx.Err() != nil || err == nil {
			return
		}
		if err.Error() != last { // the first of several alike
			last = err.Error()
			p.log.Warn("DHCP stopped on a port, it starts again", "lan", port, "error", err)
		}
		pause(ctx, retryPause)
	}
}

// pause waits, and reports whether ctx has not ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
