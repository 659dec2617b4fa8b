// Package control is the management process: it builds the subjects, connects
// them, and hands them the configuration in force. This file shows the whole.
//
// In: what operators say, the revisions on bootflash:, and the state of the
// kernel and of the other processes. Out: LAN1 and LAN2, the clock, the
// revision and the grant on proxy, the revision on billing, and the methods of
// control. Which configuration is in force is decided in one place, package
// change. Every subject is level-triggered: it looks again and again and
// repairs what differs, so each may start, fail and start again in any order.
//
// The kernel's host name is set by init at boot; a process with the rights of
// control cannot change it. The configured name is in control.status, for
// the prompt of the console.
package control

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"causeway/appliance/access"
	"causeway/appliance/access/ssh"
	"causeway/appliance/alarm"
	"causeway/appliance/backup"
	"causeway/appliance/callhome"
	"causeway/appliance/certificates"
	"causeway/appliance/certificates/tpm"
	"causeway/appliance/clock"
	"causeway/appliance/com"
	"causeway/appliance/com/gate"
	"causeway/appliance/com/line"
	"causeway/appliance/com/outbox"
	"causeway/appliance/com/services"
	"causeway/appliance/com/subscription"
	"causeway/appliance/config"
	"causeway/appliance/config/change"
	"causeway/appliance/license"
	"causeway/appliance/link"
	"causeway/appliance/logging"
	"causeway/appliance/metrics"
	"causeway/appliance/model"
	"causeway/appliance/network"
	"causeway/appliance/network/dhcp"
	"causeway/appliance/network/firewall"
	"causeway/appliance/reports"
	"causeway/appliance/resolver"
	"causeway/appliance/storage/files"
	"causeway/appliance/system"
	"causeway/appliance/update"
	"causeway/appliance/web"
)

// control is the running whole.
type control struct {
	options Options
	log     *slog.Logger
	version string // of the image

	configuration *change.Configuration
	access        *access.Access
	ssh           *ssh.Server
	web           *web.Server
	gate          *gate.Gate
	firewall      *firewall.Firewall
	network       *network.Reconciler
	dhcpClient    *dhcp.Client
	dhcpServer    *dhcp.Server
	resolver      *resolver.Resolver
	clock         *clock.Clock
	trusted       *clock.Trusted
	moved         movedClock // under trusted; nothing in a release
	certificates  *certificates.Store
	license       *license.Agent
	subscription  *subscription.Subscription
	com           *com.Link
	consoles      *consoles
	comChanges    *services.Config
	comFiles      *services.Files
	fileStore     *services.Store
	firmware      *services.Firmware
	line          *line.Line
	outbox        *outbox.Outbox
	callhome      *callhome.CallHome
	logins        chan access.Entry // that COM is to be told of
	alarms        *alarm.Alarms
	watch         *watch
	logs          *logging.Relay
	reports       *reports.Reports
	metrics       *metrics.Metrics
	backup        *backup.Service
	files         *files.Service
	reload        *system.Reload
	update        *update.Update
	tpm           *tpm.TPM // nil: the box has none
	proxy         *follower
	billing       *follower
}

// Run is the process, until ctx ends. An error means that there is no
// configuration to run with, not even the built-in one.
func Run(ctx context.Context, o Options) error {
	return build(o, defaultPace).run(ctx)
}

// build makes the subjects and connects them. Nothing runs yet.
func build(o Options, pace pace) *control {
	if o.Adjust == nil {
		o.Adjust = unix.Adjtimex
	}
	image := readBuild(o.Build, o.Log)
	c := &control{options: o, log: o.Log, version: image.Version, logins: make(chan access.Entry, 32), tpm: findTPM(o.TPM, o.Log)}
	key, hasher := boxKey(o.KeyDir, o.Log), config.NewHasher()
	c.configuration = change.New(change.Options{
		Grammar:  o.Grammar.Sealing(key).Hashing(hasher),
		BuiltIn:  o.BuiltIn,
		Version:  image.Version,
		Dir:      filepath.Join(o.ConfigDir, "revisions"),
		Machine:  o.MachineConfig,
		Choice:   filepath.Join(o.Run, "init", "configuration"),
		StateDir: filepath.Join(o.Run, "control"),
		Adopt:    c.adopt,
		Remark:   callhome.Remark,
		Log:      o.Log,
	})
	c.buildNetwork(image.Time)
	c.buildAccess(key, hasher)
	c.proxy = newFollower("proxy", c, pace)
	c.proxy.proven = c.configuration.Prove
	c.billing = newFollower("billing", c, pace)
	c.configuration.Peers = []change.Peer{c.billing, c.proxy} // who reads events knows what they are for before they come
	c.certificates = certificates.New(certificates.Options{
		Dir:     o.Certificates,
		Serial:  filepath.Join(o.Run, "init", "serial"),
		Trusted: c.trusted.Now,
		Names:   c.names,
		Keys:    c.keys(),
		Log:     o.Log,
	})
	c.files = files.New(o.Volumes, c.filesTLS)
	c.buildSubscription(key)
	c.buildLicense(key)
	c.consoles = newConsoles(o, image)
	c.metrics = metrics.New(metrics.Options{Sources: c.sources(), Version: image.Version, Log: o.Log})
	c.buildUpdate(image)
	c.buildServices(image)
	c.buildGate()
	c.buildCOM(image)
	c.buildCare(key, hasher, image)
	c.buildOutbox()
	c.buildCallHome(key, image)
	c.buildSSH()
	c.buildWeb(image)
	return c
}

// buildAccess makes what decides who may log in.
func (c *control) buildAccess(key *config.BoxKey, hasher *config.Hasher) {
	c.access = access.New(access.Options{
		Hasher:   hasher,
		Open:     key.Open,
		Lookup:   c.resolver.LookupHost,
		Dial:     new(net.Dialer).DialContext,
		LockFile: filepath.Join(c.options.ConfigDir, "logins"),
		LogDirs:  []string{filepath.Join(c.options.Volumes, "harddisk", "log", "access"), filepath.Join(c.options.ConfigDir, "log")},
		Boot:     logging.BootID(),
		Uptime:   clock.BootTime,
		LoggedIn: c.noteLogin,
		Log:      c.log,
	})
}

// buildCare makes the subjects that look after the box and tell of it.
func (c *control) buildCare(key *config.BoxKey, hasher *config.Hasher, image model.BuildInfo) {
	harddisk := filepath.Join(c.options.Volumes, "harddisk")
	c.alarms = alarm.Open(alarm.Options{File: filepath.Join(c.options.ConfigDir, "alarms.db"), Log: c.log})
	c.backup = backup.New(backup.Options{
		Configuration: c.configuration,
		Grammar:       c.options.Grammar,
		Key:           key,
		Certificates:  c.certificates,
		Files:         c.files,
		Serial:        filepath.Join(c.options.Run, "init", "serial"),
		Build:         image,
		StateFile:     filepath.Join(c.options.ConfigDir, "backups"),
		Alone:         hasher.Alone,
		Now:           c.now,
		Log:           c.log,
	})
	c.watch = newWatch(c, filepath.Join(harddisk, "crash"), c.alarms)
	c.logs = logging.NewRelay(logging.Options{
		Log:       c.log,
		Read:      c.readLog,
		Boot:      logging.BootID(),
		Dir:       filepath.Join(harddisk, "log"),
		Positions: filepath.Join(c.options.Run, "control", "syslog"),
		Lookup:    c.resolver.LookupHost,
		Alarms:    c.alarms,
		TLS:       c.syslogTLS,
	})
	c.reports = reports.New(reports.Options{
		File:  filepath.Join(harddisk, "reports", "calls.ring"),
		Proxy: ask[model.ProxyStatus](c, "proxy", "status"),
		Log:   c.log,
	})
	c.reload = system.NewReload(system.ReloadOptions{
		File:   filepath.Join(c.options.Run, "control", "reload"),
		Now:    c.now,
		Uptime: clock.BootTime,
		Reboot: c.reboot,
		Log:    c.log,
	})
}

// zone is the time zone of the box. One that this image does not know is UTC.
func (c *control) zone() *time.Location {
	zone, err := c.configuration.InForce().Config.Time.Zone.Location()
	if err != nil {
		return time.UTC
	}
	return zone
}

// now is the clock of the box, in its zone.
func (c *control) now() time.Time { return time.Now().In(c.zone()) }

// readLog asks init for a part of the log.
func (c *control) readLog(ctx context.Context, q model.LogQuery) (page model.LogPage, err error) {
	err = c.call(ctx, "init", "log", q, &page)
	return page, err
}

// reboot has init restart the box.
func (c *control) reboot(ctx context.Context, reason string) error {
	return c.call(ctx, "init", "reboot", map[string]string{"mode": "reboot", "reason": reason}, nil)
}

// subject is a part of control: what runs by itself, and the methods that it
// answers. Either may be nil.
type subject struct {
	name    string
	run     func(context.Context) error
	methods link.Methods
}

// subjects is the table of all that runs. What adopts the configuration is in
// adopt as well.
func (c *control) subjects() []subject {
	return []subject{
		{"configuration", c.configuration.Run, c.configuration.Methods()},
		{"access", c.access.Run, c.access.Methods()},
		{"ssh", c.ssh.Run, nil},
		{"web", c.web.Run, nil},
		{"com gate", c.gate.Run, c.gate.Methods()},
		{"firewall", c.firewall.Run, c.firewall.Methods()},
		{"network", c.runNetwork, c.network.Methods()},
		{"dhcp client", c.dhcpClient.Run, c.dhcpClient.Methods()},
		{"dhcp server", c.dhcpServer.Run, c.dhcpServer.Methods()},
		{"resolver", c.resolver.Run, c.resolver.Methods()},
		{"clock", c.clock.Run, c.clock.Methods()},
		{"steps of the clock", c.watchSteps, nil},
		{"moved clock", nil, c.moved.methods(func() {
			c.adopt(c.configuration.InForce())
			c.callhome.Hurry()
			c.watch.hurry()
		})},
		{"certificates", c.certificates.Run, c.certificates.Methods()},
		{"license", c.license.Run, c.license.Methods()},
		{"subscription", c.subscription.Run, c.subscription.Methods()},
		{"com", c.com.Run, c.com.Methods()},
		{"line to com", nil, c.line.Methods()},
		{"outbox", c.outbox.Run, c.outbox.Methods()},
		{"events for com", c.tellCOM, nil},
		{"fetched firmware", c.update.RunFetches, nil},
		{"call home", c.callhome.Run, c.callhome.Methods()},
		{"alarms", c.alarms.Run, c.alarms.Methods()},
		{"watch", c.watch.run, nil},
		{"log", c.logs.Run, c.logs.Methods()},
		{"reports", c.reports.Run, c.reports.Methods()},
		{"metrics", c.metrics.Run, c.metrics.Methods()},
		{"files", nil, c.files.Methods()},
		{"reload", c.reload.Run, c.reload.Methods()},
		{"update", c.update.Run, c.update.Methods()},
		{"tpm", nil, c.tpm.Methods()},
		{"backup", c.backup.Run, c.backup.Methods()},
		{"debug", nil, c.options.Debug},
		{"proxy", c.proxy.run, nil},
		{"billing", c.billing.run, nil},
	}
}

// adopt hands a revision to the subjects, each of which brings it about.
func (c *control) adopt(f change.InForce) {
	c.access.Apply(f.Access, f.Config.COM.Admin(), f.Config.HostName)
	doors := *f.Config
	doors.Access.Users = f.Access.Users // they log in over SSH and on the pages as well
	c.ssh.Apply(doors.Access)
	c.web.Apply(doors.Access)
	c.gate.Apply(f.Config)
	c.firmware.Apply(f.Config)
	c.firewall.Apply(&doors)
	c.dhcpClient.Apply(f.Config) // before the network: it tells of the leases that are kept
	c.network.Apply(f.Config)
	c.dhcpServer.Apply(f.Config)
	c.resolver.Apply(f.Config)
	c.clock.Apply(f.Config)
	c.subscription.Apply(f.Config) // before the licence, which asks it
	c.license.Apply(f.Config)      // before the proxy follows: it has a grant from then on
	c.alarms.Apply(f.Config)
	c.logs.Apply(f.Config)
	c.metrics.Apply(f.Config)
	c.backup.Apply()
	c.com.Apply(f.Config)
	c.tellOf(f)
	c.callhome.Apply(f.Config)
	c.proxy.wake()
	c.billing.wake()
}

func (c *control) run(ctx context.Context) error {
	if err := c.configuration.Start(); err != nil {
		return err
	}
	socket, methods := link.Socket(c.options.Run, "control"), c.methods()
	var running sync.WaitGroup
	for _, s := range append(c.subjects(), subject{
		"link", func(ctx context.Context) error { return link.Serve(ctx, socket, methods) }, nil,
	}) {
		if s.run != nil {
			running.Go(func() { keep(ctx, c.log.With("subject", s.name), s.run) })
		}
	}
	running.Wait()
	return errors.Join(c.alarms.Close(), c.reports.Close(), c.outbox.Close(), c.callhome.Close())
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

// Running is the answer of control.running.
type Running struct {
	Text string `json:"text"` // of the configuration in force, in canonical form
}

// methods are those of control itself and of all subjects.
func (c *control) methods() link.Methods {
	methods := link.Methods{
		"control.status": func(context.Context) (model.ControlStatus, error) { return c.status(), nil },
		"control.running": link.ForOperators(func(context.Context, struct{}) (Running, error) {
			return Running{c.configuration.InForce().Text}, nil
		}),
	}
	for _, s := range c.subjects() {
		maps.Copy(methods, s.methods)
	}
	return methods
}

func (c *control) status() model.ControlStatus {
	configuration := c.configuration.Status()
	f := configuration.InForce
	return model.ControlStatus{
		HostName:     f.Config.HostName,
		ConfigSource: f.Source,
		Revision:     f.Number,
		RevisionID:   f.ID,
		Pending:      configuration.Pending,
		Aside:        len(f.Aside),
		Problems:     configuration.Problems,
		Reminders:    callhome.Reminders(f.Config.CallHome),
		Interfaces:   c.network.Status(),
		Clock:        c.clock.Status(),
		Resolver:     c.resolver.Status(),
		TimeZone:     f.Config.Time.Zone,
		Proxy:        c.proxy.status(),
		Billing:      c.billing.status(),
		COM:          c.gate.Visitors(),
	}
}
