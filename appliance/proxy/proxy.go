// Package proxy is the data-plane process: the SIP core (sip), who may call
// (admission) and the journal that call events go to, wired together.
//
// In come a revision and a grant from control over link, both kept in the run
// directory, so that after a crash the process is back within a moment without
// asking anyone. Out go calls, their events in the journal, and proxy.status.
package proxy

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/pprof"
	"sync"
	"sync/atomic"

	"causeway/appliance/admission"
	"causeway/appliance/billing/journal"
	"causeway/appliance/certificates"
	"causeway/appliance/link"
	"causeway/appliance/model"
	"causeway/appliance/resolver"
	"causeway/appliance/routing"
	"causeway/appliance/routing/servergroup"
	"causeway/appliance/sip"
	"causeway/appliance/sip/hop"
	"causeway/appliance/sip/locate"
	"causeway/appliance/sip/trace"
	"causeway/appliance/storage"
)

// Options are what the process is started with.
type Options struct {
	// Config is a configuration file to run with on a plain host: without
	// control, with a grant of its own. Empty on the box.
	Config  string
	Run     string // directory of the sockets and of what survives a crash
	Journal string // directory of the journal; empty records no call events
	Key     string // file of the key that signs call keys
	Serial  string // file of the box's serial number, which marks its journal
	Volumes string // directory of the volumes: "/" on the box
	TLS     string // directory of the certificate, its key and the authorities that are trusted
	Failed  string // directory of the failed-calls log; empty keeps it in memory
	Traces  string // directory of traces
	Profile string // file for a CPU profile, for default.pgo
	// Parse reads a revision with the grammar of the appliance.
	Parse func(text string) (*model.Config, error)
	Log   *slog.Logger
	Debug link.Methods // switches the debug lines of Log
}

// Flags declares the options on a flag set, with the box's own values as
// defaults.
func (o *Options) Flags(set *flag.FlagSet) {
	set.StringVar(&o.Config, "config", "", "run with this configuration `file` and without control")
	set.StringVar(&o.Run, "run", link.RunDir, "`directory` of sockets and of what survives a crash")
	set.StringVar(&o.Journal, "journal", "/harddisk/billcache", "`directory` of the call event journal; empty records no events")
	set.StringVar(&o.Key, "key", "/bootflash/proxy/call.key", "`file` of the key that signs call keys, made if it is not there")
	set.StringVar(&o.Serial, "serial", model.SerialFile, "`file` of the box's serial number")
	set.StringVar(&o.Volumes, "volumes", "/", "`directory` of the volumes")
	set.StringVar(&o.TLS, "tls", filepath.Join(model.CertificateDir, string(model.ForSIP)), "`directory` of the certificate, its key and the trusted authorities")
	set.StringVar(&o.Failed, "failed-calls", "/harddisk/log/failed-calls", "`directory` of the failed-calls log; empty keeps it in memory")
	set.StringVar(&o.Traces, "traces", "/harddisk/trace", "`directory` of traces")
	set.StringVar(&o.Profile, "cpuprofile", "", "write a CPU profile to this `file`")
}

// process is the running whole.
type process struct {
	options Options
	gate    *admission.Gate
	router  *routing.Router
	servers *servergroup.Registry
	locator *locate.Locator
	trace   *trace.Buffer
	core    *sip.Proxy
	journal *journal.Writer // nil when no events are recorded
	opened  chan struct{}   // closed when all parts are made

	dns      atomic.Pointer[model.SIPDNS] // in force
	prepared *model.Config                // by the last prepare
	revision link.Revision
	grants   sync.Mutex // over putting a grant in force and keeping it
	commits  sync.Mutex // over taking events and writing them
}

// Main runs the process until ctx ends.
func Main(ctx context.Context, o Options) error {
	debug.SetGCPercent(300) // garbage is only what transactions leave behind
	if o.Profile != "" {
		stop, err := profile(o.Profile)
		if err != nil {
			return err
		}
		defer stop()
	}
	p := &process{options: o, opened: make(chan struct{})}
	if err := p.open(); err != nil {
		return err
	}
	p.revision = link.Revision{Process: "proxy", Parse: o.Parse, Log: o.Log, Apply: p.apply, Prepare: p.prepare}
	if o.Config == "" {
		p.revision.File = p.stateFile("revision")
	}
	return p.run(ctx)
}

// open makes the parts.
func (p *process) open() (err error) {
	key, err := loadKey(p.options.Key)
	if err != nil {
		return err
	}
	p.gate = admission.New(admission.Options{FailedCalls: p.options.Failed, Log: p.options.Log})
	p.trace = trace.New(trace.Options{Dir: p.options.Traces})
	identity := identity{certificates.NewReader(p.options.TLS, p.options.Log)}
	p.dns.Store(new(model.SIPDNS))
	p.locator = locate.New(locate.Options{
		Resolver: &resolver.Client{},
		DNS:      func() model.SIPDNS { return *p.dns.Load() },
		Speaks:   func(t model.Transport, ipv6 bool) bool { return p.core.Speaks(t, ipv6) },
	})
	p.servers = servergroup.New(servergroup.Options{
		Dial:      servergroup.Dialer{TLS: identity.client}.Dial,
		Locator:   p.locator,
		OpenCalls: func() map[hop.Element]int { return p.core.CallsByElement() },
	})
	if p.router, err = routing.New(routing.Options{
		Servers: func(c *model.Config, adjacency routing.Adjacency) (routing.Groups, error) {
			return p.servers.Compile(c, adjacency)
		},
		OpenFile: p.openFile,
	}); err != nil {
		return err
	}
	options := sip.Options{Routing: plans{p.router}, Admission: p.gate, Locator: p.locator, Tracer: p.trace, Identity: identity.load,
		Key: key, Memory: callMemory(debug.SetMemoryLimit(-1)), Log: p.options.Log}
	recovery, err := p.openJournal(&options)
	if err != nil {
		return err
	}
	if p.core, err = sip.New(options); err != nil {
		return err
	}
	if recovery != nil {
		p.restore(recovery)
	}
	close(p.opened)
	return nil
}

// callMemory is what calls and transactions may take of what the process may
// (GOMEMLIMIT): half, so that there is room for garbage. 0: there is no limit.
func callMemory(limit int64) int {
	if limit == math.MaxInt64 {
		return 0
	}
	return int(limit / 2)
}

// openJournal opens the journal, if there is to be one. The recovery is nil
// where it cannot be read yet.
func (p *process) openJournal(options *sip.Options) (recovery *journal.Recovery, err error) {
	if p.options.Journal == "" {
		return nil, nil
	}
	box, err := journal.ReadBox(p.options.Serial)
	if err != nil {
		return nil, err
	}
	report := func(err error) { p.options.Log.Error("journal", "error", err) }
	if p.journal, recovery, err = journal.Open(p.options.Journal, journal.Options{Box: box, Report: report, Recovered: p.restoreLate}); err != nil {
		return nil, err
	}
	options.Ledger = ledger{p.journal}
	return recovery, nil
}

// plans lets the SIP core use the router.
type plans struct{ router *routing.Router }

// Plan implements sip.Routing.
func (p plans) Plan(c *model.Config) (sip.Plan, error) { return p.router.Plan(c) }

// openFile opens a file that the configuration names, such as
// "harddisk:routes.txt".
func (p *process) openFile(name string) (io.ReadCloser, error) {
	path, err := storage.ParsePath(name)
	if err != nil {
		return nil, err
	}
	volume, err := storage.OpenVolume(p.options.Volumes, path.Volume)
	if err != nil {
		return nil, err
	}
	defer volume.Close()
	return storage.OpenIn(volume, path.Name, os.O_RDONLY, 0)
}

// prepare checks a configuration and binds what it adds.
func (p *process) prepare(c *model.Config) error {
	if err := p.gate.Check(c); err != nil {
		return err
	}
	if err := p.core.Prepare(c); err != nil {
		return err
	}
	p.prepared = c
	return nil
}

// apply puts in force what was prepared last.
func (p *process) apply() error {
	if err := p.core.Switch(); err != nil {
		return err
	}
	p.gate.Apply(p.prepared)
	p.dns.Store(&p.prepared.SIP.DNS)
	p.locator.Renew()
	return nil
}

// restore takes over the calls that an earlier life of the process left open.
func (p *process) restore(r *journal.Recovery) {
	var open []sip.RestoredCall
	for _, call := range r.Calls {
		open = append(open, sip.RestoredCall{Key: call.Key, Answered: !call.Answered.IsZero()})
	}
	p.core.Restore(open)
	p.options.Log.Info("journal opened", "open_calls", len(open), "repaired", r.Repaired, "cut_octets", r.Cut, "set_aside", r.Aside)
}

// restoreLate takes over the calls of a journal that could not be read at the start.
func (p *process) restoreLate(r *journal.Recovery) {
	<-p.opened
	p.restore(r)
}

// run works until ctx ends, and then sees the last events to the disk.
func (p *process) run(ctx context.Context) error {
	if p.options.Config != "" {
		if err := p.standAlone(); err != nil {
			return err
		}
	} else {
		p.recall()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var parts sync.WaitGroup
	start := func(part func(context.Context) error) {
		parts.Go(func() {
			if err := part(ctx); err != nil {
				cancel(err)
			}
		})
	}
	for _, part := range []func(context.Context) error{p.core.Run, p.serve, p.gate.Run, p.servers.Run, p.locator.Run, p.trace.Run} {
		start(part)
	}
	if p.journal != nil {
		start(p.recordEvents)
	}
	parts.Wait()
	if p.journal != nil {
		if err := errors.Join(p.commitEvents(), p.journal.Close()); err != nil {
			return err
		}
	}
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// standAlone takes the configuration from a file and grants itself all calls.
func (p *process) standAlone() error {
	text, err := os.ReadFile(p.options.Config)
	if err != nil {
		return err
	}
	if err := p.revision.Use(string(text)); err != nil {
		return fmt.Errorf("%s: %w", p.options.Config, err)
	}
	return p.gate.SetGrant(model.Grant{Now: model.Allowance{Calls: true}})
}

// serve answers the other processes.
func (p *process) serve(ctx context.Context) error {
	return link.Serve(ctx, link.Socket(p.options.Run, "proxy"), p.methods())
}

func profile(path string) (stop func(), err error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, fmt.Errorf("profile to %s: %w", path, err)
	}
	return func() {
		pprof.StopCPUProfile()
		file.Close()
	}, nil
}

// stateFile is the path of something that survives a crash.
func (p *process) stateFile(name string) string {
	return filepath.Join(p.options.Run, "proxy", name)
}
