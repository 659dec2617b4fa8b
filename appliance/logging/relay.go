package logging

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"causeway/appliance/alarm"
	"causeway/appliance/link"
	"causeway/appliance/model"
)

// Options are what a Relay works with. Those without "nil:" are needed.
type Options struct {
	Log *slog.Logger
	// Read is init.log.
	Read func(context.Context, model.LogQuery) (model.LogPage, error)
	// Boot names this boot, in which Seq counts (BootID).
	Boot string
	// Dir is the directory of the log files; Relay does not make it.
	Dir string
	// Positions is the file that says how far each server is.
	Positions string
	Lookup    func(ctx context.Context, name string) ([]netip.Addr, error)
	Alarms    Alarms
	// TLS gives the configuration to reach a host with, or says why there
	// is none. nil: no trust anchor is installed.
	TLS  func(host string) (*tls.Config, error)
	Dial func(ctx context.Context, network, address string) (net.Conn, error) // nil: of this machine
}

// Alarms is the history of alarms: alarm.Alarms has it.
type Alarms interface {
	Events(after uint64, most int) alarm.Page
	Cursor(consumer string) uint64
	Advance(consumer string, number uint64) error
	Subscribe() (wake <-chan struct{}, stop func())
}

// pace is how fast a Relay works.
type pace struct {
	poll    time.Duration // between looks at the ring
	sync    time.Duration // between flushes of the file without a warning
	retry   time.Duration // until the file is tried again
	last    time.Duration // the most that the last read takes
	settle  time.Duration // see server
	first   time.Duration // until a server is tried again; doubles up to longest
	longest time.Duration
	probe   time.Duration // after the first datagram, for an ICMP error to come
	gap     time.Duration // between bursts of datagrams
	renew   time.Duration // between looks at where the name of a UDP server leads
}

var defaultPace = pace{
	poll: time.Second, sync: 5 * time.Second, retry: 10 * time.Second, last: time.Second,
	settle: 5 * time.Second, first: time.Second, longest: time.Minute,
	probe: 500 * time.Millisecond, gap: 50 * time.Millisecond, renew: time.Minute,
}

// Relay passes the log on to files and to the servers of the configuration.
type Relay struct {
	options   Options
	pace      pace
	ring      *ring
	file      *file
	positions positions
	kick      chan struct{} // holds one: the configuration changed

	mu      sync.Mutex
	config  model.Logging
	host    string
	servers []*server // those that run
	fault   string    // last complained of
}

// NewRelay makes a relay that does nothing until Run runs.
func NewRelay(o Options) *Relay {
	if o.TLS == nil {
		o.TLS = func(string) (*tls.Config, error) { return nil, errors.New("no trust anchor is installed") }
	}
	if o.Dial == nil {
		o.Dial = dial
	}
	return &Relay{
		options: o, pace: defaultPace, ring: newRing(o.Read), kick: make(chan struct{}, 1),
		file:      &file{dir: o.Dir, boot: o.Boot},
		positions: positions{path: o.Positions, boot: o.Boot},
	}
}

// Apply makes the servers of config those to send to.
func (r *Relay) Apply(config *model.Config) {
	r.mu.Lock()
	r.config, r.host = config.Logging, config.HostName
	r.mu.Unlock()
	select {
	case r.kick <- struct{}{}:
	default: // Run looks anyway
	}
}

// hostName is the name to write into lines, "-" while there is none.
func (r *Relay) hostName() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return cmp.Or(r.host, "-")
}

// Run passes lines on until ctx ends.
func (r *Relay) Run(ctx context.Context) error {
	if err := r.positions.load(); err != nil {
		r.options.Log.Warn("the syslog servers get the log of this boot again", "error", err)
	}
	var parts sync.WaitGroup
	defer parts.Wait()
	parts.Go(func() { r.ring.follow(ctx, r.pace.poll, r.options.Log) })
	parts.Go(func() { r.file.run(ctx, r.ring, r.hostName, r.pace, r.options.Log) })
	for {
		r.adopt(ctx, parts.Go)
		select {
		case <-ctx.Done():
			return nil
		case <-r.kick:
		}
	}
}

// adopt starts the servers that are new and stops those that are no longer
// configured.
func (r *Relay) adopt(ctx context.Context, start func(func())) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var servers []*server
	for _, want := range r.config.Servers {
		i := slices.IndexFunc(r.servers, func(s *server) bool { return s.config == want })
		if i >= 0 {
			servers = append(servers, r.servers[i])
			continue
		}
		s := &server{config: want, relay: r}
		ctx, stop := context.WithCancel(ctx)
		s.stop = stop
		start(func() { s.run(ctx) })
		servers = append(servers, s)
	}
	for _, s := range r.servers {
		if !slices.Contains(servers, s) {
			s.stop()
		}
	}
	r.servers = servers
}

// complain logs a fault that may come again and again, but not twice in a row.
func (r *Relay) complain(err error) {
	fault := ""
	if err != nil {
		fault = err.Error()
	}
	r.mu.Lock()
	known := fault == r.fault
	r.fault = fault
	r.mu.Unlock()
	if err != nil && !known {
		r.options.Log.Warn("a restart will send lines to syslog servers again", "error", err)
	}
}

// Status is the answer of control.logging.
type Status struct {
	File    FileStatus     `json:"file"`
	Servers []ServerStatus `json:"servers"`
}

// Status tells how far the log is passed on.
func (r *Relay) Status() Status {
	status := Status{File: r.file.status()}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.servers {
		status.Servers = append(status.Servers, s.status())
	}
	return status
}

// Methods are what the other processes may ask.
func (r *Relay) Methods() link.Methods {
	return link.Methods{
		"control.logging": func(context.Context) (Status, error) { return r.Status(), nil },
	}
}

// BootID gives the kernel's name of this boot; without one, a name that none
// has, so that nothing is taken for a part of this boot.
func BootID() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return rand.Text()
	}
	return strings.TrimSpace(string(text))
}
