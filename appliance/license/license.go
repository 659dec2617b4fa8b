package license

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"causeway/appliance/license/ela"
	"causeway/appliance/model"
	"causeway/appliance/storage"
	"causeway/appliance/storage/files"
)

// Options are what an Agent works with.
type Options struct {
	File   string               // of the state: /bootflash/license/state
	Copy   string               // of its second copy, in another directory
	Key    []byte               // authenticates both files; nobody but control has it
	Serial string               // file of the serial number of the box: model.SerialFile
	Clock  Clock                // the trusted time
	Uptime func() time.Duration // CLOCK_BOOTTIME, which grants count by
	// Synchronised says that the system clock follows a time server: only then
	// is what a certificate says about dates held against the server.
	Synchronised func() bool
	Identity     Identity
	Dial         func(ctx context.Context, network, address string) (net.Conn, error)
	HostName     func() string
	Files        *files.Service        // for requests and answers as files
	Changed      func()                // the grant is another now; must not block
	Subscription func() model.Prospect // what COM allows, in time; nil: there is no COM
	Journal      *Log                  // the licence log
	Log          *slog.Logger

	write  func(file string, content []byte, mode os.FileMode) error // nil: storage.WriteFile
	spread func() float64                                            // from 0 to 1; nil: by chance
}

// Clock is the time that licences go by (clock.Trusted).
type Clock interface {
	Now() time.Time           // never runs backwards but by Correct
	Elapsed() time.Duration   // for which the box has run since it was new
	Raise(to time.Time) error // it is at least this time
	// Correct raises it, too. Where it was led astray by a day or more, it sets it
	// back to what the server has signed just now.
	Correct(to time.Time) error
	Dates() time.Time // that certificates may be valid at in place of Now, if that was led astray
	Tampered() string // what cannot have happened by itself; empty: nothing
}

// Identity is the key and certificate of the box towards the licence server,
// and whom it trusts there.
type Identity interface {
	// Request gives a certificate request (PKCS #10, DER) and the key that has
	// signed it: the one that waits for its certificate, or a new one.
	Request(subject string) (der []byte, key crypto.Signer, err error)
	// Import puts a certificate in force, with its chain and the key that
	// waited for it; text is PEM.
	Import(text []byte) error
	// Certificate is the one in force, with its key; nil: there is none.
	Certificate() (*tls.Certificate, error)
	InTPM() bool // where the key is
	// Forget removes key and certificate.
	Forget() error
	// Roots are the authorities that the server and its answers lead to; none:
	// nobody is trusted.
	Roots() ([]*x509.Certificate, error)
}

// Agent is the licence agent of the box. Its methods may be called at any time
// from any goroutine.
type Agent struct {
	options    Options
	store      storage.Pair[facts]
	kick       chan struct{} // holds one: there may be something to do
	exchanging chan struct{} // holds one while an exchange is under way
	saving     sync.Mutex    // held while the disk is waited for; taken before mu

	mu           sync.Mutex
	facts        facts
	dirty        bool // facts are not what the files have
	config       model.License
	applied      bool           // config is one
	subscription model.Prospect // by COM, when it was looked at last
	grant        model.Grant
	problem      string        // what is wrong with the stored state; empty: nothing
	unread       bool          // it is there, and the disk does not give it: nothing is written over it
	unsaved      string        // why it could not be saved
	copied       string        // what tells that a copy of this box is about
	looked       time.Duration // elapsed when the state was last brought up to now
	changes      []change      // that are not logged yet
	exchanges    []Exchange    // the last ones, oldest first
	counters     map[string]int64
}

// New makes the agent with what an earlier life has kept, verified again. It
// allows nothing before Apply.
func New(o Options) *Agent {
	if o.spread == nil {
		o.spread = rand.Float64
	}
	if o.Subscription == nil {
		o.Subscription = func() model.Prospect { return model.Prospect{} }
	}
	a := &Agent{
		options: o, store: newStore(o),
		kick: make(chan struct{}, 1), exchanging: make(chan struct{}, 1), counters: map[string]int64{},
	}
	a.recall()
	return a
}

// Apply takes the configuration in force.
func (a *Agent) Apply(c *model.Config) {
	a.update(func(m moment) {
		if a.applied && a.config == c.License {
			return
		}
		a.config, a.applied = c.License, true
		a.configure(m)
		a.rest(m)
		a.facts.Authorizing.Wait, a.facts.Renewing.Wait = 0, 0 // what failed may do now
	})
	a.wake()
}

// rests says that the subscription governs calls, and this agent does not: it
// consumes no evaluation, asks nobody and tells nothing. It keeps what it
// has, and goes on from there. a.mu is held.
func (a *Agent) rests() bool { return a.config.Governor() == model.SourceCOM }

// rest stops the evaluation, or lets it go on. a.mu is held.
func (a *Agent) rest(m moment) {
	if running := a.facts.State.evaluates() && !a.rests(); running != a.facts.Evaluation.Running {
		a.facts.Evaluation.run(running, m)
		a.dirty = true
	}
}

// configure has licensing on or off as the configuration says. a.mu is held.
func (a *Agent) configure(m moment) {
	switch off := a.facts.State == Unconfigured; {
	case a.config.Off:
		a.fire(m, disabled, "no license smart enable")
	case off:
		a.enable(m)
	}
}

// enable leads from Unconfigured to where the box was.
func (a *Agent) enable(m moment) {
	a.fire(m, enabled, "license smart enable")
	a.resume(m, "it was before")
}

// resume leads to where the answers of the server have the box.
func (a *Agent) resume(m moment, why string) {
	if a.facts.Registration != nil {
		a.fire(m, registered, why)
	}
	if a.facts.Authorization != nil {
		a.fire(m, answered(a.facts.Authorization.is.Compliance), why)
	}
}

// answered is the event that a compliance_status stands for.
func answered(compliance string) event {
	if compliance == ela.OutOfCompliance {
		return outOfCompliance
	}
	return inCompliance
}

// update does something with the facts, brings the state up to now and the
// grant up to that.
func (a *Agent) update(do func(moment)) {
	m, subscription := moment{a.options.Clock.Now(), a.options.Clock.Elapsed()}, a.options.Subscription()
	a.mu.Lock()
	a.subscription = subscription
	a.advance(m)
	do(m)
	a.advance(m)
	changed, changes := a.regrant(m), a.changes
	a.changes = nil
	a.mu.Unlock()
	a.report(changes)
	if changed {
		a.options.Changed()
	}
}

// advance fires what time alone brings. a.mu is held.
func (a *Agent) advance(m moment) {
	if !a.applied || a.rests() {
		a.looked = m.elapsed
		return
	}
	for {
		e, left, moves := a.facts.next(a.facts.State, a.config.Profile, m)
		if !moves || left > 0 {
			break
		}
		// It came when it was due. What was due before the last look came while
		// the box was without power, or licensing off.
		ago := min(-left, max(m.elapsed-a.looked, 0))
		a.fire(moment{m.now.Add(-ago), m.elapsed - ago}, e, e.String())
	}
	a.looked = max(a.looked, m.elapsed)
}

// fire brings an event on. a.mu is held.
func (a *Agent) fire(m moment, e event, why string) {
	from := a.facts.State
	to := from.after(e, a.config.Profile)
	if e == deregistered || e == idExpired && to == Unidentified {
		a.facts.forget()
		a.dirty = true
		if e == idExpired {
			a.facts.Failure = "the ID certificate has ended: register the box anew"
		}
	}
	if to == from {
		return
	}
	a.facts.State, a.facts.Since, a.dirty = to, m.now, true
	a.rest(m)
	a.changes = append(a.changes, change{from, to, why})
	a.wake()
}

// change is one of the state.
type change struct {
	from, to State
	why      string
}

// report logs changes of the state. Nobody waits for a disk under a.mu.
func (a *Agent) report(changes []change) {
	for _, c := range changes {
		a.options.Journal.State(c.from, c.to, c.why)
		a.options.Log.Info("licence state", "from", c.from, "to", c.to, "because", c.why)
	}
}

// forget has the box not registered.
func (f *facts) forget() {
	f.Registration, f.Authorization, f.Signing, f.Saved, f.Doubted = nil, nil, nil, nil, nil
	f.Authorizing, f.Renewing, f.Reentitling, f.Leaving = attempts{}, attempts{}, 0, time.Time{}
}

// wake has Run look at once.
func (a *Agent) wake() {
	select {
	case a.kick <- struct{}{}:
	default: // it looks anyway
	}
}

// lookEvery is how often Run looks whether there is something to do: the
// trusted time may jump.
const lookEvery = 5 * time.Second

// Run asks the server when it is time to, until ctx ends.
func (a *Agent) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		a.step(ctx)
		a.save()
		select {
		case <-ctx.Done():
			return nil
		case <-a.kick:
		case <-tick.C:
		}
	}
}

// step brings the state up to now and makes the exchange that is due, if one is.
func (a *Agent) step(ctx context.Context) {
	a.reconsider(ctx)
	var due string
	synchronised := a.options.Synchronised()
	a.update(func(m moment) { due = a.facts.due(a.config, m, synchronised) })
	if due != "" && ctx.Err() == nil {
		_, _ = a.ask(ctx, order{kind: due}) // it is noted, and tried again
	}
}

// saveEvery is how old the times in the files may get: so much of the evaluation
// can be unknown when the record of running time is lost.
const saveEvery = time.Hour

// save writes the facts if they are other ones. What is about to be relied on
// calls it first.
func (a *Agent) save() {
	a.saving.Lock()
	defer a.saving.Unlock()
	m := moment{a.options.Clock.Now(), a.options.Clock.Elapsed()}
	a.mu.Lock()
	if a.unread || !a.dirty && m.now.Sub(a.facts.Time) < saveEvery {
		a.mu.Unlock()
		return
	}
	a.facts.Number++
	a.facts.Time = m.now
	a.facts.Evaluation.run(a.facts.Evaluation.Running, m) // holds though the record of running time be lost
	keep := a.facts
	a.dirty = false
	a.mu.Unlock()

	err := a.store.Save(keep)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err == nil {
		a.unsaved = ""
		return
	}
	a.dirty = true
	if a.unsaved == "" {
		a.options.Log.Error("licence state not saved", "error", err)
	}
	a.unsaved = err.Error()
}

// udi says which box this is.
func (a *Agent) udi() (ela.UDI, error) {
	serial, err := os.ReadFile(a.options.Serial)
	if err != nil {
		return ela.UDI{}, fmt.Errorf("read the serial number: %w", err)
	}
	return ela.UDI{PID: productID, SN: strings.TrimSpace(string(serial))}, nil
}

// trust is whose answers are believed at a time.
func (a *Agent) trust(signing []string, now time.Time) (ela.Trust, error) {
	roots, err := a.options.Identity.Roots()
	if err != nil {
		return ela.Trust{}, err
	}
	trust := ela.Trust{Roots: pool(roots), Now: now}
	for _, text := range signing {
		list, err := ela.ParseCertificates(text)
		if err != nil {
			return trust, fmt.Errorf("the signing certificates that were kept: %w", err)
		}
		trust.Signing = append(trust.Signing, list...)
	}
	return trust, nil
}

// pool is nil without certificates: nobody is trusted.
func pool(list []*x509.Certificate) *x509.CertPool {
	if len(list) == 0 {
		return nil
	}
	pool := x509.NewCertPool()
	for _, c := range list {
		pool.AddCert(c)
	}
	return pool
}

// signingMost is how many answers' signing certificates are kept.
const signingMost = 8

// knowSigning adds signing certificates to those that are known.
func (f *facts) knowSigning(text string) {
	f.Signing = append(slices.DeleteFunc(slices.Clone(f.Signing), func(known string) bool { return known == text }), text)
	f.Signing = f.Signing[max(len(f.Signing)-signingMost, 0):]
}
