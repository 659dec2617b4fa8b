package resolver

import (
	"context"
	"errors"
	"time"

	"github.com/miekg/dns"
)

// maxInFlight bounds the questions that others are asked at a time, and those
// who wait for their answers.
const maxInFlight = 256

// stalePatience is how long an asker waits for a new answer while there is an
// old one (RFC 8767 §5, client response timer).
const stalePatience = 1800 * time.Millisecond

var (
	errBusy  = errors.New("too many questions at a time")
	errEnded = errors.New("the resolver has ended")
)

// known is an answer with its age.
type known struct {
	answer
	source string        // "static host", "cache", "stale", or "server"
	age    time.Duration // since the server gave it
}

// Where an answer comes from.
const (
	fromStatic = "static host"
	fromCache  = "cache"
	fromStale  = "stale"
	fromServer = "server"
)

// flight is a question that others are being asked. It ends by itself, so that
// its answer is kept even if nobody waits for it any more.
type flight struct {
	done   chan struct{} // closed when the rest is set
	answer answer
	err    error
}

// resolve answers a question whose name is in canonical form. An answer without
// records means that there are none; an error, that nobody says.
func (r *Resolver) resolve(ctx context.Context, question dns.Question) (known, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts.questions++
	if static, ok := r.staticAnswer(question); ok {
		r.counts.static++
		return known{answer: static, source: fromStatic}, nil
	}
	now := time.Now()
	kept := r.cache.find(question)
	switch {
	case kept.fresh(now):
		r.counts.cached++
		return known{kept.answer, fromCache, now.Sub(kept.stored)}, nil
	case kept.usable(now) && (now.Before(kept.retry) || r.allSilent()):
		return r.stale(kept, now), nil
	case kept != nil && now.Before(kept.retry):
		r.counts.failed++
		return known{}, kept.err
	}
	patience := wholeTime + time.Second // more than any flight lasts
	if kept.usable(now) {
		patience = stalePatience
	}
	got, err := r.await(ctx, question, patience)
	switch {
	case err == nil:
		return known{answer: got, source: fromServer}, nil
	case kept.usable(now):
		return r.stale(kept, time.Now()), nil
	}
	r.counts.failed++
	return known{}, err
}

// stale gives an answer whose time is over. mu is held.
func (r *Resolver) stale(kept *entry, now time.Time) known {
	r.counts.stale++
	return known{kept.answer, fromStale, now.Sub(kept.stored)}
}

// await asks others, or waits with those who have asked already. mu is held,
// but not while it waits.
func (r *Resolver) await(ctx context.Context, question dns.Question, patience time.Duration) (answer, error) {
	f := r.flights[question]
	switch {
	case r.waiting >= maxInFlight || f == nil && len(r.flights) >= maxInFlight:
		r.counts.refused++
		return answer{}, errBusy
	case r.lifetime.Err() != nil:
		return answer{}, errEnded
	case f == nil:
		f = &flight{done: make(chan struct{})}
		r.flights[question] = f
		r.running.Go(func() { r.fly(question, f) })
	}
	r.waiting++
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		r.waiting--
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-f.done:
		return f.answer, f.err
	case <-timer.C:
		return answer{}, errSilent
	case <-ctx.Done():
		return answer{}, ended(ctx)
	}
}

// fly asks the servers and keeps what comes of it, unless other servers were
// chosen meanwhile.
func (r *Resolver) fly(question dns.Question, f *flight) {
	f.answer, f.err = r.forward(r.lifetime, question)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.flights[question] == f {
		delete(r.flights, question)
		r.keep(question, f.answer, f.err)
	}
	close(f.done)
}

// keep puts what a question came to into the cache. mu is held.
func (r *Resolver) keep(question dns.Question, got answer, err error) {
	if err != nil {
		r.cache.fail(question, err, time.Now())
		return
	}
	r.cache.put(question, got, time.Now())
}
