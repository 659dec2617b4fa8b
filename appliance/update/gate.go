package update

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"causeway/appliance/config/change"
	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// Look is the box at one moment, as far as its health is about the firmware. The
// world around it is none of that: links, DNS, time, record keepers, COM and the
// licence say nothing about an image.
type Look struct {
	Health  model.SystemHealth
	Control model.ControlStatus
	Proxy   model.ProxyStatus
	Billing model.BillingStatus
	Config  *model.Config
	Saved   bool  // there is a revision that should be in force
	Disks   bool  // harddisk: could be written before the trial
	SIP     error // why the proxy does not answer at an address of the box
}

// checks is the health gate: all of it must hold at once, for settle. Each says
// what is missing; empty: nothing.
var checks = []func(l *Look) string{
	configurationServes, processesFollow, servicesRun, listensBound, sipAnswers, disksMounted,
}

func configurationServes(l *Look) string {
	source := l.Control.ConfigSource
	if source == change.SourceRevision || !l.Saved && (source == change.SourceMachine || source == change.SourceBuiltIn) {
		return ""
	}
	return fmt.Sprintf("the configuration in force is the %s one, not the saved one: %s",
		source, cmp.Or(strings.Join(l.Control.Problems, "; "), "nobody says why"))
}

func processesFollow(l *Look) string {
	for _, p := range []struct{ name, revision, status string }{
		{"the proxy", l.Proxy.Revision, l.Control.Proxy}, {"billing", l.Billing.Revision, l.Control.Billing},
	} {
		if p.revision != l.Control.RevisionID {
			return fmt.Sprintf("%s does not run with the configuration: %s", p.name, p.status)
		}
	}
	return ""
}

func servicesRun(l *Look) string {
	for _, s := range l.Health.Services {
		if s.PID == 0 {
			return fmt.Sprintf("%s does not run; its last end: %s", s.Name, cmp.Or(s.LastExit, "none"))
		}
	}
	if len(l.Health.Services) == 0 {
		return "no service runs"
	}
	return ""
}

func listensBound(l *Look) string {
	for _, network := range l.Config.SIP.Networks {
		for _, listen := range network.Listens {
			point := fmt.Sprintf("%s %v %v", network.Name, listen.Transport, listen.Address)
			if !slices.Contains(l.Proxy.Listens, point) {
				return "the proxy does not listen at " + point
			}
		}
	}
	return ""
}

func sipAnswers(l *Look) string {
	if l.SIP != nil {
		return "the proxy does not answer: " + l.SIP.Error()
	}
	return ""
}

func disksMounted(l *Look) string {
	for _, v := range l.Health.Volumes {
		if wanted := v.Name == storage.Bootflash || v.Name == storage.Harddisk && l.Disks; wanted && !writable(v) {
			return fmt.Sprintf("%s: cannot be written: %s", v.Name, cmp.Or(v.Problem, v.State))
		}
	}
	return ""
}

func writable(v model.VolumeStatus) bool {
	return v.State == "mounted" && !v.ReadOnly && v.Device != "memory"
}

// gate remembers how long the box has been healthy.
type gate struct {
	since    time.Time // zero: it was not at the last look
	restarts int       // of all services then
	missing  string    // at the last look
	passed   bool
}

const (
	// settle is how long all checks must hold.
	settle = 15 * time.Second
	// giveUp is how long before init ends a trial control does, which can say why.
	giveUp = 10 * time.Second
)

// look takes what was seen now.
func (g *gate) look(now time.Time, l *Look, err error) {
	g.missing, g.passed = "", false
	if err != nil {
		g.missing = err.Error()
	} else {
		for _, check := range checks {
			if g.missing = check(l); g.missing != "" {
				break
			}
		}
	}
	restarts := 0
	for _, s := range l.Health.Services {
		restarts += s.Restarts
	}
	if g.missing != "" {
		g.since = time.Time{}
		return
	}
	if g.since.IsZero() || restarts != g.restarts {
		g.since, g.restarts = now, restarts
	}
	g.passed = now.Sub(g.since) >= settle
}

// waits says what a trial waits for.
func (g *gate) waits() string {
	return cmp.Or(g.missing, fmt.Sprintf("the box is healthy, and must stay so for %v", settle))
}

// lookLimit is how long the processes may take to answer.
const lookLimit = 4 * time.Second

// judge looks at a box on trial, and ends the trial when it is clear how.
func (u *Update) judge(ctx context.Context, t model.Trial) {
	looking, cancel := context.WithTimeout(ctx, lookLimit)
	l, err := u.options.Look(looking)
	cancel()
	l.Disks = u.hadDisks()
	if ctx.Err() != nil {
		return
	}
	u.mu.Lock()
	before := u.gate.missing
	u.gate.look(time.Now(), &l, err)
	g := u.gate
	u.mu.Unlock()
	if g.missing != before {
		u.options.Log.Info("the image on trial", "waits_for", g.waits())
	}
	switch {
	case g.passed && !u.waitsForCOM(t):
		u.bless(ctx, t)
	case t.Left <= giveUp && g.passed:
		u.fallBack(ctx, "nobody confirmed it over COM in time")
	case t.Left <= giveUp:
		u.fallBack(ctx, g.waits())
	}
}

func (u *Update) bless(ctx context.Context, t model.Trial) {
	ctx, cancel := context.WithTimeout(ctx, activateLimit)
	defer cancel()
	if err := u.options.Init(ctx, "bless", nil, nil); err != nil {
		u.options.Log.Error("the image has proved itself, and is not blessed", "error", err)
		return
	}
	u.options.Log.Warn("the image has proved itself: the box starts from it from now on", "version", t.Version, "slot", t.Slot)
}

// fallBack has the box go back to the blessed slot.
func (u *Update) fallBack(ctx context.Context, reason string) error {
	u.options.Log.Error("the box goes back to the firmware of before", "because", reason)
	ctx, cancel := context.WithTimeout(ctx, initLimit)
	defer cancel()
	return u.options.Init(ctx, "fallback", struct {
		Reason string `json:"reason"`
	}{reason}, nil)
}
