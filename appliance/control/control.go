// Package control is the management process: it finds the configuration to
// run with, builds the subjects and connects them. This file shows the whole.
//
// In: configuration text from bootflash: or the machine, and the state of the
// kernel and of the other processes. Out: LAN1 and LAN2, the clock, the
// revision and the grant on proxy, the revision on billing, and the methods
// control.status and control.running. Every subject is level-triggered: it
// looks again and again and repairs what differs, so each may start, fail and
// start again in any order.
//
// The kernel's host name is set by init at boot; a process with the rights of
// control cannot change it. The configured name is in control.status, for
// the prompt of the console.
package control

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"causeway/appliance/clock"
	"causeway/appliance/link"
	"causeway/appliance/model"
	"causeway/appliance/network"
	"causeway/appliance/resolver"
)

// Options are what the process is started with.
type Options struct {
	Run           string // directory of the sockets
	ConfigDir     string // directory of startup-config and startup-config.good
	MachineConfig string // file of the configuration handed in by the machine
	Build         string // file of the image's model.BuildInfo
	// Parse reads a configuration with the grammar of the appliance.
	Parse   func(text string) (*model.Config, error)
	BuiltIn string // the configuration of a new box
	Log     *slog.Logger

	Kernel network.Kernel                           // nil: the one of this machine
	Adjust func(*unix.Timex) (state int, err error) // nil: the clock of this machine
	Grants GrantSource                              // nil: Unlimited
}

// Flags declares the options on a flag set, with the box's own values as
// defaults.
func (o *Options) Flags(set *flag.FlagSet) {
	set.StringVar(&o.Run, "run", link.RunDir, "`directory` of the sockets")
	set.StringVar(&o.ConfigDir, "config-dir", "/bootflash/control", "`directory` of the saved configuration")
	set.StringVar(&o.MachineConfig, "machine-config", "/run/init/startup-config", "`file` of the configuration handed in by the machine")
	set.StringVar(&o.Build, "build", "/etc/causeway/build.json", "`file` that says when the image was built")
}

// control is the running whole.
type control struct {
	options Options
	log     *slog.Logger

	network  *network.Reconciler
	resolver *resolver.Resolver
	clock    *clock.Clock
	proxy    *follower
	billing  *follower

	mu         sync.Mutex // guards what follows; held while a revision is adopted
	candidates candidates
	current    revision
	refusals   []string // why candidates before the current one are not used
}

// Run is the process, until ctx ends. An error means that there is no
// configuration to run with, not even the built-in one.
func Run(ctx context.Context, o Options) error {
	return build(o, defaultPace).run(ctx)
}

// build makes the subjects and connects them. Nothing happens yet.
func build(o Options, pace pace) *control {
	if o.Kernel == nil {
		o.Kernel = network.NewNetlink()
	}
	if o.Adjust == nil {
		o.Adjust = unix.Adjtimex
	}
	if o.Grants == nil {
		o.Grants = NewUnlimited()
	}
	c := &control{options: o, log: o.Log, candidates: newCandidates(o)}
	c.network = network.NewReconciler(o.Kernel, o.Log)
	c.resolver = &resolver.Resolver{}
	c.clock = clock.New(clock.Options{
		Lookup: c.resolver.LookupHost,
		Query:  clock.Query,
		Adjust: o.Adjust,
		Save:   func(ctx context.Context) error { return c.call(ctx, "init", "clock", nil, nil) },
		Floor:  buildTime(o.Build, o.Log),
		Log:    o.Log,
	})
	c.proxy = newFollower("proxy", c, pace)
	c.proxy.grants, c.proxy.proven = o.Grants, c.remember
	c.billing = newFollower("billing", c, pace)
	return c
}

func (c *control) run(ctx context.Context) error {
	c.mu.Lock()
	err := c.adoptNext()
	c.mu.Unlock()
	if err != nil {
		return err
	}
	socket := link.Socket(c.options.Run, "control")
	var subjects sync.WaitGroup
	for _, subject := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"network", c.network.Run},
		{"clock", c.clock.Run},
		{"proxy", c.proxy.run},
		{"billing", c.billing.run},
		{"link", func(ctx context.Context) error { return link.Serve(ctx, socket, c.methods()) }},
	} {
		subjects.Go(func() { keep(ctx, c.log.With("subject", subject.name), subject.run) })
	}
	subjects.Wait()
	return nil
}

// keep runs a subject until ctx ends; one that fails starts again, at first
// after a second, at last after a minute.
func keep(ctx context.Context, log *slog.Logger, run func(context.Context) error) {
	const shortest, longest = time.Second, time.Minute
	wait := shortest
	for {
		started := time.Now()
		err := run(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(started) > longest {
			wait = shortest
		}
		log.Error("subject failed, it starts again", "error", err, "after", wait)
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = min(2*wait, longest)
	}
}

// call asks another process.
func (c *control) call(ctx context.Context, process, method string, params, result any) error {
	return link.Call(ctx, link.Socket(c.options.Run, process), process+"."+method, params, result)
}

// wanted gives the revision that every subject should have.
func (c *control) wanted() revision {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current
}

// abandon replaces a revision that does not serve, if it is the current one,
// by the next candidate. Without another candidate it stays.
func (c *control) abandon(r revision, reason error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current.id != r.id {
		return // another process was faster
	}
	c.refuse(r.source, reason)
	if err := c.adoptNext(); err != nil {
		c.refuse(r.source, err)
	}
}

// adoptNext takes the next candidate that can be read. c.mu is held.
func (c *control) adoptNext() error {
	for {
		next, err := c.candidates.next()
		switch {
		case errors.Is(err, errNoneLeft):
			return err
		case err != nil:
			c.refuse(next.source, err)
		default:
			c.adopt(next)
			return nil
		}
	}
}

// refuse tells the console and the show commands why a configuration is not
// used: every line with its rule, once.
func (c *control) refuse(source string, reason error) {
	text := fmt.Sprintf("%s: %v", source, reason)
	if slices.Contains(c.refusals, text) {
		return
	}
	c.refusals = append(c.refusals, text)
	for _, fault := range faults(reason) {
		c.log.Error("configuration not used", "configuration", source, "fault", fault)
	}
}

// faults takes apart an error that joins several.
func faults(err error) []error {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		return joined.Unwrap()
	}
	return []error{err}
}

// adopt hands a revision to the subjects, each of which brings it about.
func (c *control) adopt(r revision) {
	c.current = r
	c.log.Info("configuration", "source", r.source, "revision", r.id)
	c.network.Apply(r.config)
	c.resolver.Apply(r.config)
	c.clock.Apply(r.config)
	c.proxy.wake()
	c.billing.wake()
}

// remember keeps a saved configuration that has proved good, for the day when
// the saved one does not.
func (c *control) remember(r revision) {
	if r.source != sourceStartup {
		return
	}
	if err := keepGood(c.options.ConfigDir, r.text); err != nil {
		c.log.Error("the configuration serves, but is not kept as the last good one", "error", err)
	}
}

// Running is the answer of control.running.
type Running struct {
	Text string `json:"text"` // of the revision in force, as it was loaded
}

func (c *control) methods() link.Methods {
	return link.Methods{
		"control.status":  func(context.Context) (model.ControlStatus, error) { return c.status(), nil },
		"control.running": func(context.Context) (Running, error) { return Running{c.wanted().text}, nil },
	}
}

func (c *control) status() model.ControlStatus {
	c.mu.Lock()
	current, refusals := c.current, strings.Join(c.refusals, "; ")
	c.mu.Unlock()
	return model.ControlStatus{
		HostName:      current.config.HostName,
		ConfigSource:  current.source,
		ConfigProblem: refusals,
		Interfaces:    c.network.Status(),
		Clock:         c.clock.Status(),
		Resolver:      c.resolver.Status(),
		Proxy:         c.proxy.status(),
		Billing:       c.billing.status(),
	}
}
