package clock

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/beevik/ntp"

	"causeway/appliance/model"
)

// DefaultServer is followed when no server is configured and none comes by
// DHCP (NET-9).
const DefaultServer = "time.google.com"

// Options is what a Clock uses.
type Options struct {
	Lookup   func(ctx context.Context, name string) ([]netip.Addr, error)
	Query    func(ctx context.Context, server netip.AddrPort) (*ntp.Response, error) // Query
	Adjust   kernelClock                                                             // unix.Adjtimex
	Hardware func() (time.Time, error)                                               // HardwareClock; nil: there is none
	Save     func(context.Context) error                                             // keeps the time for the next boot
	Floor    time.Time                                                               // the build time
	Drift    string                                                                  // file that keeps the drift of the clock
	Trusted  *Trusted                                                                // nil: none is kept
	Log      *slog.Logger
}

// The files of the clock in the directory of control's state.
const (
	DriftFile   = "clock-drift"
	TrustedFile = "trusted-time"
)

// Files gives the paths of the files in dir.
func Files(dir string) (drift, trusted string) {
	return filepath.Join(dir, DriftFile), filepath.Join(dir, TrustedFile)
}

// Clock disciplines the system clock.
type Clock struct {
	options Options
	wake    chan struct{} // holds one: there is something to do before the next server is due
	keep    chan struct{} // holds one: the time is to be saved

	mu         sync.Mutex
	configured []string // servers
	prefer     string
	off        bool
	zone       *time.Location
	leased     []string // servers from DHCP

	associations []*association
	origin       string // of the servers: where they are from
	discipline
}

// New makes a clock that does nothing until Run runs.
func New(options Options) *Clock {
	c := &Clock{options: options, wake: make(chan struct{}, 1), keep: make(chan struct{}, 1), zone: time.UTC}
	c.discipline = discipline{poll: minPoll}
	c.associate()
	return c
}

// Apply makes the time servers of config those to follow.
func (c *Clock) Apply(config *model.Config) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.configured, c.prefer, c.off = slices.Clone(config.TimeServers), config.Time.Prefer, config.Time.Disabled
	c.zone = time.UTC
	if zone, err := config.Time.Zone.Location(); err == nil { // else the commit has said so
		c.zone = zone
	}
	c.associate()
}

// ApplyLeases takes the servers that DHCP names. They count while none is
// configured.
func (c *Clock) ApplyLeases(leases []model.Lease) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leased = nil
	for _, lease := range leases {
		for _, server := range lease.TimeServers {
			name := server.String()
			fits := len(c.leased) < serversMax && !slices.Contains(c.leased, name)
			if fits && (len(c.leased) == 0 || notMixed(c.leased[0], name) == nil) {
				c.leased = append(c.leased, name)
			}
		}
	}
	c.associate()
}

// associate makes the associations those of the servers to follow now. What
// is known of a server that stays is kept. The caller holds the lock.
func (c *Clock) associate() {
	var servers []string
	switch {
	case c.off:
		c.origin = "none"
	case len(c.configured) > 0:
		servers, c.origin = c.configured, "configured"
	case len(c.leased) > 0:
		servers, c.origin = c.leased, "DHCP"
	default:
		servers, c.origin = []string{DefaultServer}, "default"
	}
	before, now := c.associations, time.Now()
	c.associations = nil
	for _, server := range servers {
		i := slices.IndexFunc(before, func(a *association) bool { return a.server == server })
		a := newAssociation(server, now)
		if i >= 0 {
			a = before[i]
		}
		a.prefer = server == c.prefer
		c.associations = append(c.associations, a)
	}
	if slices.Equal(before, c.associations) {
		return
	}
	c.smeared = len(servers) > 0 && smearOf(servers[0]) != leaps
	c.conflict, c.refused, c.problem = "", 0, ""
	signal(c.wake)
}

// signal leaves a note in a channel that holds one.
func signal(note chan struct{}) {
	select {
	case note <- struct{}{}:
	default:
	}
}

// Run follows the servers until ctx ends.
func (c *Clock) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	c.restore()
	running.Go(func() { c.keeper(ctx) })

	answers := make(chan answer)
	for {
		due, next := c.due()
		for _, q := range due {
			running.Go(func() {
				got := c.options.exchange(ctx, q)
				select {
				case answers <- got:
				case <-ctx.Done():
				}
			})
		}
		select {
		case <-ctx.Done():
			return nil
		case got := <-answers:
			c.receive(got)
		case <-c.wake:
		case <-next:
		}
	}
}

// due gives the exchanges to start now, and says when the next one is: never
// if all servers are being asked.
func (c *Clock) due() (list []question, next <-chan time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, first := time.Now(), time.Time{}
	for _, a := range c.associations {
		switch {
		case a.asking || a.stopped:
		case !a.due.After(now):
			a.asking = true
			list = append(list, question{a, a.server, a.left, c.steps})
		case first.IsZero() || a.due.Before(first):
			first = a.due
		}
	}
	if first.IsZero() {
		return list, nil
	}
	return list, time.After(first.Sub(now))
}

// receive takes an answer in and does what follows for the clock.
func (c *Clock) receive(got answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := got.of
	a.asking = false
	if !slices.Contains(c.associations, a) {
		return
	}
	if got.steps != c.steps { // it was measured by two different clocks
		a.due = time.Now()
		return
	}
	state, err := c.options.Adjust.read()
	if err != nil {
		c.complain(err.Error())
		state = kernelState{now: time.Now()}
	}
	c.workedOff(state.offset)
	if a.hear(got) && time.Since(c.hurried) > maxPoll { // a server that jumps all the time must not drive the others
		c.hurried = time.Now()
		c.hurry(burst) // either that server has jumped or this clock
	}
	if err == nil {
		c.decide(time.Now(), state)
	}
	a.schedule(got.asked, c.poll)
	c.options.Log.Debug("time server asked", "server", a.server, "address", a.address, "reach", a.reach, "mark", a.mark,
		"problem", a.problem, "again_in", time.Until(a.due).Round(time.Second))
}

// hurry asks every server n times in quick succession, those excepted that
// do not want that.
func (c *Clock) hurry(n int) {
	for _, a := range c.associations {
		a.burst = max(a.burst, n)
		if soon := time.Now().Add(burstInterval); a.least == 0 && a.due.After(soon) {
			a.due = soon
		}
	}
}

// saveInterval is between saved times, and between saved drifts, while the
// clock is synchronised.
const saveInterval = time.Hour

// keeper saves, away from the lock, what the next boot needs.
func (c *Clock) keeper(ctx context.Context) {
	var trusted sync.WaitGroup
	defer trusted.Wait()
	if c.options.Trusted != nil {
		trusted.Go(func() { c.options.Trusted.run(ctx) })
	}
	tick := time.NewTicker(saveInterval)
	defer tick.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-c.keep:
			err = c.options.Save(ctx)
		case <-tick.C:
			state, unread := c.options.Adjust.read()
			if unread == nil && state.synchronised {
				err = errors.Join(c.options.Save(ctx), saveDrift(c.options.Drift, state.ppm))
			}
		}
		if err != nil && ctx.Err() == nil {
			c.options.Log.Warn("time not saved for the next boot", "error", err)
		}
	}
}

// restore gives the kernel the drift that an earlier boot had learnt, unless
// it has learnt one in this.
func (c *Clock) restore() {
	state, err := c.options.Adjust.read()
	if err != nil || state.synchronised || state.ppm != 0 {
		return // what the kernel refuses is told when a server is followed
	}
	ppm, err := loadDrift(c.options.Drift)
	if err == nil && ppm != 0 {
		_, err = c.options.Adjust(setFrequency(ppm))
	}
	if err != nil {
		c.options.Log.Warn("the drift of the clock is learnt anew", "error", err)
	}
}

// Synchronised reports that the clock is right, by the kernel's own flag: a
// server was followed within about nine hours, maybe by an earlier control of
// this boot.
func (c *Clock) Synchronised() bool {
	state, err := c.options.Adjust.read()
	return err == nil && state.synchronised
}
