package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/config/change"
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

// follower brings one process to the revision in force and to its grant, and
// back to them whenever the process has come up with others. The process keeps
// its own copy of both and needs nobody to go on. A commit asks the process
// through it, as a change.Peer.
type follower struct {
	sync.Mutex // held while the process is brought to a revision, by run or by a commit

	process string
	pace    pace
	log     *slog.Logger
	grammar *config.Grammar
	call    func(ctx context.Context, process, method string, params, result any) error
	wanted  func() change.InForce
	abandon func(change.InForce, error)
	grants  GrantSource          // nil: the process takes no grants
	proven  func(change.InForce) // told when the process stayed up; nil: it is not watched

	kick    chan struct{} // holds one: what is wanted has changed
	stateMu sync.Mutex
	state   string
}

func newFollower(process string, c *control, pace pace) *follower {
	return &follower{
		process: process, pace: pace, log: c.log.With("process", process),
		grammar: c.options.Grammar, call: c.call, wanted: c.configuration.InForce, abandon: c.abandon,
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
	f.stateMu.Lock()
	defer f.stateMu.Unlock()
	return f.state
}

// Name implements change.Peer.
func (f *follower) Name() string { return f.process }

// Prepare implements change.Peer. The process gets what it needs of the revision,
// under the name of the whole.
func (f *follower) Prepare(ctx context.Context, r change.InForce) error {
	return f.call(ctx, f.process, "prepare", link.RevisionText{ID: r.ID, Text: f.grammar.Withhold(r.Config, f.process)}, nil)
}

// Switch implements change.Peer.
func (f *follower) Switch(ctx context.Context) error {
	return f.call(ctx, f.process, "switch", nil, nil)
}

// run looks at the process until ctx ends.
func (f *follower) run(ctx context.Context) error {
	var trial probation
	wait := f.pace.first
	for {
		want, met, err := f.bring(ctx)
		if ctx.Err() != nil {
			return nil
		}
		f.report(want, err)
		if f.proven != nil && !(trial.over && trial.of.Is(want)) {
			restarts := f.restarts(ctx)
			// A process that ends before it got the revision does not end because of it.
			if !trial.of.Is(want) || !trial.met {
				trial = newProbation(want, met, restarts)
			}
			v := trial.look(time.Now(), restarts, err == nil, f.pace.settle)
			f.judge(want, v)
			if v == bad {
				trial = probation{} // what stays all the same may serve again
			}
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
func (f *follower) report(want change.InForce, err error) {
	state := "revision " + want.ID
	if err != nil {
		state = err.Error()
	}
	f.stateMu.Lock()
	known := f.state == state
	f.state = state
	f.stateMu.Unlock()

	var refused *refusal
	if errors.As(err, &refused) {
		f.abandon(want, err)
	} else if err != nil && !known {
		f.log.Info("not yet as wanted", "revision", want.ID, "because", err)
	}
}

// judge draws the conclusion from a trial.
func (f *follower) judge(want change.InForce, v verdict) {
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
// revision that is wanted and to the grant. met says that the process was there
// to get the revision.
func (f *follower) bring(ctx context.Context) (want change.InForce, met bool, err error) {
	f.Lock()
	defer f.Unlock()
	want = f.wanted()
	var has struct { // what model.ProxyStatus and model.BillingStatus have in common, and the grant
		Revision string      `json:"revision"`
		Grant    model.Grant `json:"grant"`
	}
	if err := f.call(ctx, f.process, "status", nil, &has); err != nil {
		return want, false, err
	}
	// The grant comes first: calls are there as soon as the revision is.
	var ungranted error
	if f.grants != nil {
		if grant := f.grants.Grant(); grant != has.Grant {
			ungranted = f.call(ctx, f.process, "grant", grant, nil)
		}
	}
	if has.Revision != want.ID {
		if err = f.Prepare(ctx, want); err == nil {
			err = f.Switch(ctx)
		}
		if change.Refusal(err) {
			return want, true, &refusal{f.process, err}
		}
		if err != nil {
			return want, true, err
		}
		f.log.Info("revision in force", "revision", want.ID)
	}
	return want, true, ungranted
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
