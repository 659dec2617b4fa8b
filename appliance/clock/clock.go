// Package clock keeps the system clock at the time of the configured NTP
// servers (RFC 5905; NET-9, COM-20).
//
// In: the servers of the configuration (Apply), answers of the servers. Out:
// the kernel's clock, stepped when it is far off and slewed by the kernel's
// own phase-locked loop when it is near; the floor that init keeps for a boot
// without time; a status line for show commands. The clock is never set to
// before the time at which the image was built.
package clock

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/beevik/ntp"
	"golang.org/x/sys/unix"

	"causeway/appliance/model"
)

// How often the servers are asked.
const (
	// retryInterval is between the first tries without an answer, doubling
	// up to maxPoll. RFC 4330 §10 forbids less than 15 s.
	retryInterval = 16 * time.Second
	minPoll       = 64 * time.Second   // after an answer
	maxPoll       = 1024 * time.Second // reached by doubling while the clock is steady
	steadyOffset  = 16 * time.Millisecond
	saveInterval  = time.Hour // between saved floors while synchronised
)

// stepThreshold is the offset above which the clock is stepped, not slewed
// (RFC 5905 §12, STEPT). A clock that was right before is stepped only when a
// second round agrees.
const stepThreshold = 128 * time.Millisecond

// Options is what a Clock uses.
type Options struct {
	Lookup func(ctx context.Context, name string) ([]netip.Addr, error)
	Query  func(ctx context.Context, server netip.AddrPort) (*ntp.Response, error) // Query
	Adjust func(*unix.Timex) (state int, err error)                                // unix.Adjtimex
	Save   func(context.Context) error                                             // keeps the time for the next boot
	Floor  time.Time                                                               // the build time
	Log    *slog.Logger
}

// Clock disciplines the system clock.
type Clock struct {
	options Options
	kick    chan struct{} // holds one: the configuration changed

	mu      sync.Mutex
	servers []string
	state   state
}

// state is what is known since the servers were configured.
type state struct {
	interval   time.Duration // until the next round
	denied     []string      // servers that told us to stay away
	source     netip.Addr    // the server last followed; invalid: never synchronised
	offset     time.Duration // from it, when it was followed
	followed   time.Time
	saved      time.Time
	unexpected bool   // the last round wanted to step a clock that was right
	problem    string // of the last round
}

// New makes a clock that does nothing until Run runs.
func New(options Options) *Clock {
	return &Clock{options: options, kick: make(chan struct{}, 1)}
}

// Apply makes the time servers of config those to follow.
func (c *Clock) Apply(config *model.Config) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if slices.Equal(c.servers, config.TimeServers) {
		return
	}
	c.servers, c.state = slices.Clone(config.TimeServers), state{}
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

// Status says in a line whether the clock is right, or why not.
func (c *Clock) Status() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.state
	synchronised := fmt.Sprintf("synchronised to %s, offset %d ms", s.source, s.offset.Round(time.Millisecond).Milliseconds())
	switch {
	case len(c.servers) == 0:
		return "no time server configured"
	case s.source.IsValid() && s.problem == "":
		return synchronised
	case s.source.IsValid():
		return fmt.Sprintf("%s, %s ago; now %s", synchronised, time.Since(s.followed).Round(time.Second), s.problem)
	case s.problem == "":
		return "not synchronised: not asked yet"
	}
	return "not synchronised: " + s.problem
}

// Run follows the servers until ctx ends.
func (c *Clock) Run(ctx context.Context) error {
	for {
		c.mu.Lock()
		servers, s := slices.Clone(c.servers), c.state
		select {
		case <-c.kick: // it was for these servers
		default:
		}
		c.mu.Unlock()

		var due <-chan time.Time
		if len(servers) > 0 {
			s = c.round(ctx, servers, s)
			due = time.After(s.interval)
		}
		if ctx.Err() != nil {
			return nil
		}
		c.mu.Lock()
		if slices.Equal(servers, c.servers) { // else this round was about others
			c.state = s
		}
		c.mu.Unlock()

		select {
		case <-ctx.Done():
			return nil
		case <-c.kick:
		case <-due:
		}
	}
}

// round asks the servers once, does what follows for the clock, and gives the
// state after it.
func (c *Clock) round(ctx context.Context, servers []string, s state) state {
	previous := s.problem
	s.problem = ""
	best, problems := c.ask(ctx, servers, &s)
	if best == nil {
		s.problem = strings.Join(problems, "; ")
		s.interval = min(max(2*s.interval, retryInterval), maxPoll)
	} else if err := c.follow(ctx, best, &s); err != nil {
		s.problem = err.Error()
		s.interval = min(max(2*s.interval, retryInterval), maxPoll)
	}
	c.options.Log.Debug("time servers asked", "source", s.source, "offset", s.offset, "problem", s.problem, "again_in", s.interval)
	if s.problem != "" && s.problem != previous && ctx.Err() == nil {
		c.options.Log.Warn("clock not synchronised", "problem", s.problem)
	}
	return s
}

// follow brings the clock to a sample, and sets when to ask again.
func (c *Clock) follow(ctx context.Context, from *sample, s *state) error {
	offset := from.response.ClockOffset
	step := offset.Abs() > stepThreshold
	switch {
	case step && time.Now().Add(offset).Before(c.options.Floor):
		return fmt.Errorf("%s says %s, which is before this image was built", from.address, time.Now().Add(offset).UTC().Format(time.DateTime))
	case step && s.source.IsValid() && !s.unexpected:
		s.unexpected, s.interval = true, retryInterval
		s.problem = fmt.Sprintf("%s is off by %s, asking again", from.address, offset.Round(time.Millisecond))
		return nil
	case step, offset.Abs() > stepThreshold/2, s.interval < minPoll:
		s.interval = minPoll
	case offset.Abs() <= steadyOffset:
		s.interval = min(2*s.interval, maxPoll)
	}

	adjustment := slew(from.response, s.interval)
	if step {
		adjustment = stepBy(from.response)
	}
	if _, err := c.options.Adjust(adjustment); err != nil {
		return fmt.Errorf("set the clock: %w", err)
	}
	if step || !s.source.IsValid() {
		c.options.Log.Info("clock synchronised", "server", from.address, "offset", offset, "stepped", step)
	}
	s.source, s.offset, s.followed, s.unexpected = from.address, offset, time.Now(), false
	if step || time.Since(s.saved) >= saveInterval {
		if err := c.options.Save(ctx); err != nil {
			c.options.Log.Warn("time not saved for the next boot", "error", err)
		}
		s.saved = time.Now()
	}
	return nil
}
