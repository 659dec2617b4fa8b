package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"causeway/appliance/link"
	"causeway/appliance/model"
)

// pace is how fast a follower works.
type pace struct {
	first  time.Duration // until the second look; doubles up to look
	look   time.Duration // between looks at a process that is as wanted
	settle time.Duration // how long a process must stay up to prove a revision
}

// The first looks follow each other fast: at boot the process is about to
// come, and calls wait for it.
var defaultPace = pace{first: 20 * time.Millisecond, look: 2 * time.Second, settle: 30 * time.Second}

// follower brings one process to the wanted revision and grant, and back to
// them whenever the process has come up with others. The process keeps its own
// copy of both and needs nobody to go on.
type follower struct {
	process string
	pace    pace
	log     *slog.Logger
	call    func(ctx context.Context, process, method string, params, result any) error
	wanted  func() revision
	abandon func(revision, error)
	grants  GrantSource    // nil: the process takes no grants
	proven  func(revision) // told when the process stayed up; nil: it is not watched

	offered string // id of the revision that the process last had or was given; of run alone

	kick  chan struct{} // holds one: what is wanted has changed
	mu    sync.Mutex
	state string
}

func newFollower(process string, c *control, pace pace) *follower {
	return &follower{
		process: process, pace: pace, log: c.log.With("process", process),
		call: c.call, wanted: c.wanted, abandon: c.abandon,
		kick: make(chan struct{}, 1), state: "not looked at yet",
	}
}

// wake makes the follower look at once.
func (f *follower) wake() {
	select {
	case f.kick <- struct{}{}:
	default: // it will look anyway
	}
}

// status says in a line what the process runs with.
func (f *follower) status() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state
}

// run looks at the process until ctx ends.
func (f *follower) run(ctx context.Context) error {
	var trial probation
	wait := f.pace.first
	for {
		want := f.wanted()
		// A process that ends before it got the revision does not end because of it.
		if f.proven != nil && (trial.revision != want.id || f.offered != want.id) {
			trial = newProbation(want.id, f.restarts(ctx))
		}
		err := f.bring(ctx, want)
		if ctx.Err() != nil {
			return nil
		}
		f.report(want, err)
		if f.proven != nil && !trial.over {
			f.judge(want, trial.look(time.Now(), f.restarts(ctx), err == nil, f.pace.settle))
		}
		if wait = min(2*wait, f.pace.look); err == nil {
			wait = f.pace.look
		}
		select {
		case <-ctx.Done():
			return nil
		case <-f.kick:
			wait = f.pace.first
		case <-time.After(wait):
		}
	}
}

// report keeps what a look came to, and logs what is new. A refused revision
// is given up.
func (f *follower) report(want revision, err error) {
	state := "revision " + want.id
	if err != nil {
		state = err.Error()
	}
	f.mu.Lock()
	known := f.state == state
	f.state = state
	f.mu.Unlock()

	var refused *refusal
	if errors.As(err, &refused) {
		f.abandon(want, err)
	} else if err != nil && !known {
		f.log.Info("not yet as wanted", "revision", want.id, "because", err)
	}
}

// judge draws the conclusion from a trial.
func (f *follower) judge(want revision, v verdict) {
	switch v {
	case good:
		f.proven(want)
	case bad:
		f.abandon(want, fmt.Errorf("%s ended %d times with it", f.process, mostRestarts))
	}
}

// refusal is what a process has against a revision.
type refusal struct {
	process string
	reason  error
}

func (r *refusal) Error() string { return fmt.Sprintf("refused by %s: %v", r.process, r.reason) }
func (r *refusal) Unwrap() error { return r.reason }

// bring looks at the process once and does what is needed to bring it to the
// wanted revision and grant.
func (f *follower) bring(ctx context.Context, want revision) error {
	var has struct { // what model.ProxyStatus and model.BillingStatus have in common, and the grant
		Revision string      `json:"revision"`
		Grant    model.Grant `json:"grant"`
	}
	if err := f.call(ctx, f.process, "status", nil, &has); err != nil {
		return err
	}
	f.offered = want.id
	if has.Revision != want.id {
		text := map[string]string{"revision": want.text}
		err := f.call(ctx, f.process, "prepare", text, nil)
		var remote *link.RemoteError
		if errors.As(err, &remote) {
			return &refusal{f.process, err}
		}
		if err != nil {
			return err
		}
		// An error here is none of the revision: the process may have
		// started anew in between.
		if err := f.call(ctx, f.process, "switch", nil, nil); err != nil {
			return err
		}
		f.log.Info("revision in force", "revision", want.id)
	}
	if f.grants == nil {
		return nil
	}
	if grant := f.grants.Grant(); grant != has.Grant {
		return f.call(ctx, f.process, "grant", grant, nil)
	}
	return nil
}

// restarts asks init how often the process was started again; unknown without
// an answer, as on a plain host.
func (f *follower) restarts(ctx context.Context) int {
	var health model.SystemHealth
	if err := f.call(ctx, "init", "health", nil, &health); err != nil {
		return unknown
	}
	for _, service := range health.Services {
		if service.Name == f.process {
			return service.Restarts
		}
	}
	return unknown
}
