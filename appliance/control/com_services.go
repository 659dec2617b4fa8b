package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"causeway/appliance/access"
	"causeway/appliance/backup"
	"causeway/appliance/com/gate"
	"causeway/appliance/com/line"
	"causeway/appliance/com/outbox"
	"causeway/appliance/com/services"
	"causeway/appliance/com/wire"
	"causeway/appliance/config/change"
	"causeway/appliance/logging"
	"causeway/appliance/metrics"
	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// buildServices makes what COM may do that has a state of its own.
func (c *control) buildServices(image model.BuildInfo) {
	c.comChanges = services.NewConfig(c.configuration, func(reason string) { c.com.Redial(reason) })
	c.line = line.New()
	c.fileStore = &services.Store{
		Host:  func() string { return cmp.Or(c.comConfig().FileStore, model.DefaultFileStore) },
		Proxy: func() string { return c.comConfig().Proxy() },
		TLS:   c.filesTLS,
		Dial:  c.dial,
		Line:  c.line,
	}
	c.firmware = c.comFirmware(image)
	c.comFiles = &services.Files{
		Files: c.files, CDR: c.cdrDirectory, Backup: c.backupDirectory, Store: c.fileStore, Line: c.line,
	}
}

// comMethods are what COM may call.
func (c *control) comMethods() []gate.Method {
	return slices.Concat(
		c.comChanges.Methods(),
		c.remoteCLI().Methods(),
		c.comFiles.Methods(),
		c.firmware.Methods(),
		services.Backup{Make: c.makeBackup, Take: c.comChanges.Take, Restore: c.restoreBackup}.Methods(),
		services.Look{Metrics: c.metricsText, Alarms: c.activeAlarms, Log: c.logTail}.Methods(),
	)
}

// comStreams are what COM may open.
func (c *control) comStreams() []gate.Stream {
	return slices.Concat(
		c.comFiles.Streams(),
		c.remoteCLI().Streams(),
		c.tunnels().Streams(),
	)
}

// buildOutbox makes what COM is told with.
func (c *control) buildOutbox() {
	c.outbox = outbox.Open(outbox.Options{
		File:    filepath.Join(c.options.COMDir, "outbox.db"),
		Trusted: c.trusted.Now,
		Now:     time.Now,
		Alarms:  c.alarms,
		Allowed: func() bool { return c.subscription.Allows(wire.FeatureManagement) },
		Log:     c.log,
	})
}

// tellOf tells COM of the boot, and of the configuration in force.
func (c *control) tellOf(f change.InForce) {
	c.outbox.Apply(f.Config)
	c.outbox.Tell(wire.ClassInformational, "boot", logging.BootID(), struct {
		Boot    string `json:"boot_id"`
		Version string `json:"fw"`
	}{logging.BootID(), c.version})
	c.outbox.Tell(wire.ClassInformational, "configuration", fmt.Sprint(f.Number, " ", f.ID), struct {
		Revision int    `json:"rev"`
		Source   string `json:"source"`
	}{f.Number, f.Source})
}

// noteLogin has COM told that somebody has logged in, other than over COM. Whoever
// logs in does not wait for the disk; in a flood of logins some are not told.
func (c *control) noteLogin(e access.Entry) {
	if e.User == model.COMAdmin {
		return
	}
	select {
	case c.logins <- e:
	default:
	}
}

// tellCOM tells COM of logins, and of the licence when its state changes.
func (c *control) tellCOM(ctx context.Context) error {
	const look = 15 * time.Second
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		c.tellOfLicense()
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		case e := <-c.logins:
			by := struct {
				User   string `json:"user"`
				Origin string `json:"origin"`
				Method string `json:"method"`
			}{e.User, e.Origin, e.Method}
			if err := c.outbox.Put(wire.ClassInformational, "login", "", by); err != nil {
				c.log.Warn("COM may not be told of a login", "error", err)
			}
		}
	}
}

func (c *control) tellOfLicense() {
	s := c.license.Status()
	c.outbox.Tell(wire.ClassLicence, "licence", fmt.Sprint(s.State, " ", s.Calls, " ", s.LimitCPS), struct {
		State string `json:"state"`
		Calls bool   `json:"calls"` // may be set up
		Limit int    `json:"limit"` // calls per second
	}{s.State.String(), s.Calls, s.LimitCPS})
}

func (c *control) comConfig() *model.COM { return &c.configuration.InForce().Config.COM }

// defaultBackups is where backups are that the schedule does not bring elsewhere.
var defaultBackups = storage.Path{Volume: storage.Harddisk, Name: "backup"}

// backupPlace is where the schedule has backups.
func (c *control) backupPlace() string {
	return cmp.Or(c.configuration.InForce().Config.Backup.Schedule.To, defaultBackups.String())
}

// backupDirectory is where backups are on the box.
func (c *control) backupDirectory() storage.Path {
	directory, err := storage.ParsePath(c.backupPlace())
	if err != nil { // it is on another system
		return defaultBackups
	}
	return directory
}

// backupLimit is how long a backup may take: another system may be slow.
const backupLimit = 10 * time.Minute

func (c *control) makeBackup(ctx context.Context, by model.Operator) (file string, octets int, err error) {
	ctx, cancel := context.WithTimeout(ctx, backupLimit)
	defer cancel()
	var made backup.Made
	err = c.call(ctx, "control", "backup.now", backup.NowRequest{Operator: by}, &made)
	return strings.TrimSuffix(made.Dir, "/") + "/" + made.Name, made.Size, err
}

func (c *control) restoreBackup(ctx context.Context, by model.Operator, name, passphrase string) (lines int, faults []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, backupLimit)
	defer cancel()
	from := strings.TrimSuffix(c.backupPlace(), "/") + "/" + name
	request := backup.RestoreRequest{ReadRequest: backup.ReadRequest{Operator: by, From: from, Secret: passphrase}}
	var opened backup.Opened
	if err := c.call(ctx, "control", "backup.read", request.ReadRequest, &opened); err != nil {
		return 0, nil, err
	}
	if opened.Manifest == nil {
		return 0, nil, errors.New("nothing opens the backup")
	}
	request.SHA256 = opened.SHA256
	var restored backup.Restored
	err = c.call(ctx, "control", "backup.restore", request, &restored)
	for _, f := range restored.Faults {
		faults = append(faults, fmt.Sprintf("line %d, column %d: %s", f.Line, f.Column, f.Rule))
	}
	return restored.Lines, faults, err
}

func (c *control) metricsText(ctx context.Context) (string, error) {
	var text metrics.Text
	err := c.call(ctx, "control", "metrics", nil, &text)
	return text.Text, err
}

func (c *control) activeAlarms() []model.Alarm { return c.alarms.Active() }

func (c *control) logTail(ctx context.Context, lines int) (string, error) {
	return logging.Tail(ctx, c.readLog, lines)
}
