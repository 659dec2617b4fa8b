// Package chaos disturbs the network of a box behind control's back, and
// measures how long it takes until all is as before: `appliance control` of this
// host in a namespace, judged by what ip(8) and nft(8) print.
package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"causeway/qemu/lab"
)

// Config is the configuration of the box: addresses and routes of both
// families on both ports, and NAT.
const Config = `hostname chaos
lan LAN1
 ip address 192.168.42.1 255.255.255.0
 ipv6 address 2001:db8:42::1/64
 exit
lan LAN2
 ip address 192.168.43.1 255.255.255.0
 nat
 exit
ip route 0.0.0.0 0.0.0.0 192.168.42.2 LAN1
ip route 198.51.100.0 255.255.255.0 192.168.43.2 LAN2
ipv6 route 2001:db8:99::/48 2001:db8:42::2 LAN1
`

// wanted must be in the state that is called right, so that an empty box does
// not pass.
var wanted = []string{
	"inet 192.168.42.1/24", "inet 192.168.43.1/24", "inet6 2001:db8:42::1/64",
	"default via 192.168.42.2 dev lan1", "198.51.100.0/24 via 192.168.43.2 dev lan2",
	"2001:db8:99::/48 via 2001:db8:42::2 dev lan1",
	"from 192.168.42.1 lookup", "masquerade", "policy drop",
}

// Limits. A state that is not back by then is lost; what is promised is less,
// and for the caller to judge.
const (
	settleLimit  = 30 * time.Second
	repairLimit  = 30 * time.Second
	pollInterval = 5 * time.Millisecond
)

// Report is what the chaos did.
type Report struct {
	Rounds       int // of every disturbance, and of kills
	Disturbances int
	Kills        int
	Worst        time.Duration // from the end of a disturbance, or from the start of a new control
	WorstAfter   string        // which it was
	Median       time.Duration
	// Resources of control that lived through all the disturbances: of that
	// life after its first round and at its end. Goroutines of the first number
	// are those of a life with one disturbance.
	FilesBefore, FilesAfter           int
	ThreadsBefore, ThreadsAfter       int
	GoroutinesBefore, GoroutinesAfter int
}

// String gives the report, one key=value a line.
func (r Report) String() string {
	return fmt.Sprintf("rounds=%d\ndisturbances=%d\nkills=%d\nworst_ms=%d\nworst_after=%s\nmedian_ms=%d\n"+
		"fds_before=%d\nfds_after=%d\nthreads_before=%d\nthreads_after=%d\ngoroutines_before=%d\ngoroutines_after=%d\n",
		r.Rounds, r.Disturbances, r.Kills, r.Worst.Milliseconds(), r.WorstAfter, r.Median.Milliseconds(),
		r.FilesBefore, r.FilesAfter, r.ThreadsBefore, r.ThreadsAfter, r.GoroutinesBefore, r.GoroutinesAfter)
}

// Leaks says what control holds more of than a few disturbances explain; nil if
// nothing. Go keeps threads that it once needed, and
// questions to servers that are not there have goroutines for some seconds, so
// these are given room.
func (r Report) Leaks() error {
	var errs []error
	for _, kind := range []struct {
		what                string
		before, after, room int
	}{
		{"file descriptors", r.FilesBefore, r.FilesAfter, 0},
		{"threads", r.ThreadsBefore, r.ThreadsAfter, 8},
		{"goroutines", r.GoroutinesBefore, r.GoroutinesAfter, 25},
	} {
		if kind.after > kind.before+kind.room {
			errs = append(errs, fmt.Errorf("control had %d %s, and after %d disturbances %d", kind.before, kind.what, r.Disturbances, kind.after))
		}
	}
	return errors.Join(errs...)
}

// chaos is one run.
type chaos struct {
	lab     *lab.Lab
	box     *lab.Namespace
	control *lab.Control
	random  *rand.Rand
	right   State
	times   []time.Duration
	report  Report
}

// Run does as many rounds of each disturbance in one life of control, then
// kills control as often, each time with something broken while nobody is
// there. program is the appliance.
func Run(ctx context.Context, program string, rounds int, seed uint64) (report Report, err error) {
	c := &chaos{random: rand.New(rand.NewPCG(seed, 0)), report: Report{Rounds: rounds}}
	if c.lab, err = lab.New(); err != nil {
		return c.report, err
	}
	defer c.lab.Close()
	if c.box, err = c.lab.Box(); err != nil {
		return c.report, err
	}
	// Addresses are control's affair from the first.
	if _, err := shell(ctx, c.box, "ip address flush dev lan1 && ip address flush dev lan2"); err != nil {
		return c.report, err
	}
	if c.control, err = c.box.StartControl(program, Config); err != nil {
		return c.report, err
	}
	defer c.control.Close()
	err = c.settle(ctx)
	if err == nil {
		err = c.disturb(ctx, rounds)
	}
	if err == nil {
		err = c.kill(ctx, rounds)
	}
	if err != nil {
		return c.report, fmt.Errorf("%w\ncontrol's last lines:\n%s", err, c.control.Tail())
	}
	slices.Sort(c.times)
	c.report.Median = c.times[len(c.times)/2]
	return c.report, nil
}

// settle waits until the state is right and has not changed for a while.
func (c *chaos) settle(ctx context.Context) error {
	const calm = time.Second
	var last State
	start := time.Now()
	since := start
	for {
		state, err := c.read(ctx)
		if err != nil {
			return err
		}
		if difference(last, state) != "" {
			last, since = state, time.Now()
		}
		missing := missing(state)
		if missing == "" && time.Since(since) > calm {
			c.right = state
			return nil
		}
		if time.Since(start) > settleLimit {
			return fmt.Errorf("after %v the network is without %q, or changes all the time:\n%s", settleLimit, missing, difference(nil, state))
		}
		time.Sleep(pollInterval)
	}
}

// missing is the first of wanted that the state lacks.
func missing(state State) string {
	text := difference(nil, state)
	for _, want := range wanted {
		if !strings.Contains(text, want) {
			return want
		}
	}
	return ""
}

func (c *chaos) read(ctx context.Context) (State, error) {
	if err := c.control.Running(); err != nil {
		return nil, err
	}
	return readState(ctx, c.box)
}

// disturb is the first part: one life.
func (c *chaos) disturb(ctx context.Context, rounds int) error {
	for round := range rounds + 1 {
		for _, i := range c.random.Perm(len(disturbances)) {
			d := disturbances[i]
			if err := c.apply(ctx, d); err != nil {
				return err
			}
			if err := c.repaired(ctx, d.name); err != nil {
				return err
			}
			c.report.Disturbances++
		}
		if round == 0 {
			c.report.FilesBefore, c.report.ThreadsBefore = c.resources()
		}
	}
	// What was opened for a moment is closed soon.
	for deadline := time.Now().Add(settleLimit); ; time.Sleep(pollInterval) {
		c.report.FilesAfter, c.report.ThreadsAfter = c.resources()
		if c.report.FilesAfter <= c.report.FilesBefore || time.Now().After(deadline) {
			break
		}
	}
	var err error
	if c.report.GoroutinesAfter, err = c.control.Goroutines(); err != nil {
		return err
	}
	return c.restart(ctx, "quit")
}

// kill is the second part: a life for each round.
func (c *chaos) kill(ctx context.Context, rounds int) error {
	for range rounds {
		d := disturbances[c.random.IntN(len(disturbances))]
		c.control.Kill()
		c.report.Kills++
		if err := c.apply(ctx, d); err != nil {
			return err
		}
		if err := c.restart(ctx, "kill and "+d.name); err != nil {
			return err
		}
	}
	if err := c.settle(ctx); err != nil {
		return err
	}
	var err error
	c.report.GoroutinesBefore, err = c.control.Goroutines()
	return err
}

// apply does the damage.
func (c *chaos) apply(ctx context.Context, d disturbance) error {
	where := c.box
	if d.far {
		where = c.lab.LAN1
	}
	if _, err := shell(ctx, where, d.script(c.right, c.random)); err != nil {
		return fmt.Errorf("disturb the %s: %w", d.name, err)
	}
	return nil
}

// restart starts control again.
func (c *chaos) restart(ctx context.Context, after string) error {
	if err := c.control.Start(); err != nil {
		return err
	}
	return c.repaired(ctx, after)
}

// repaired waits until the state is as it was, and notes how long that took
// from now.
func (c *chaos) repaired(ctx context.Context, after string) error {
	start := time.Now()
	for {
		state, err := c.read(ctx)
		if err != nil {
			return err
		}
		differs := difference(c.right, state)
		if differs == "" {
			took := time.Since(start)
			if c.times = append(c.times, took); took > c.report.Worst {
				c.report.Worst, c.report.WorstAfter = took, after
			}
			return nil
		}
		if time.Since(start) > repairLimit {
			return fmt.Errorf("%v after the %s the network still differs:\n%s", repairLimit, after, differs)
		}
		time.Sleep(pollInterval)
	}
}

// resources counts what control holds.
func (c *chaos) resources() (files, threads int) {
	proc := filepath.Join("/proc", fmt.Sprint(c.control.PID()))
	for folder, count := range map[string]*int{"fd": &files, "task": &threads} {
		if entries, err := os.ReadDir(filepath.Join(proc, folder)); err == nil {
			*count = len(entries)
		}
	}
	return files, threads
}
