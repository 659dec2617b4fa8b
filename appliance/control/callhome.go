package control

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"sync"
	"time"

	"causeway/appliance/callhome"
	"causeway/appliance/callhome/facts"
	"causeway/appliance/callhome/message"
	"causeway/appliance/callhome/transport"
	"causeway/appliance/certificates"
	"causeway/appliance/clock"
	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/hardware"
	"causeway/appliance/link"
	"causeway/appliance/model"
	"causeway/appliance/reports"
	"causeway/appliance/storage"
)

// buildCallHome makes what tells the vendor of the box.
func (c *control) buildCallHome(key *config.BoxKey, image model.BuildInfo) {
	gathered, crashes := c.facts(image), filepath.Join(c.options.Volumes, "harddisk", "crash")
	c.callhome = callhome.Open(callhome.Options{
		File:         filepath.Join(c.options.CallHomeDir, "queue.db"),
		Serial:       filepath.Join(c.options.Run, "init", "serial"),
		Version:      image.Version,
		Now:          c.trusted.Now,
		Zone:         c.zone,
		Synchronised: c.moved.synchronised(c.clock.Synchronised),
		Uptime:       c.moved.running(clock.BootTime),
		Alarms:       c.alarms,
		Facts:        func(ctx context.Context) message.Facts { return gathered.Gather(ctx) },
		Diagnose:     newDiagnosis(c.options, c.zone).run,
		Volumes:      c.options.Volumes,
		Sender: transport.New(transport.Options{
			Dial:     c.dial,
			Identity: callHomeIdentity{c.certificates},
			Open:     key.Open,
			Trace:    patiently(func(file string) (io.ReadCloser, error) { return openCrash(crashes, file) }),
			HostName: func() string { return c.configuration.InForce().Config.HostName },
			Version:  image.Version,
			Now:      c.trusted.Now,
			Log:      c.log,
		}),
		Log: c.log,
	})
}

// openCrash opens a crash file of a directory, and no other file of the box: what
// a trace is called comes from an alarm, which any process may raise, and from the
// queue on the disk.
func openCrash(dir, file string) (io.ReadCloser, error) {
	if filepath.Dir(file) != dir {
		return nil, fmt.Errorf("%s is not a crash file", file)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return storage.OpenIn(root, filepath.Base(file), os.O_RDONLY, 0)
}

// diskPatience is how long a crash file is waited for.
const diskPatience = 30 * time.Second

// patiently reads files ahead, as much as messages carry of them: a disk that
// hangs costs a message its trace, and does not hold up all others.
func patiently(open message.Opener) message.Opener {
	return func(file string) (io.ReadCloser, error) {
		text, failed := make(chan []byte, 1), make(chan error, 1)
		go func() {
			opened, err := open(file)
			if err != nil {
				failed <- err
				return
			}
			defer opened.Close()
			read, err := io.ReadAll(io.LimitReader(opened, message.InlineMost+1))
			if err != nil {
				failed <- err
				return
			}
			text <- read
		}()
		select {
		case read := <-text:
			return io.NopCloser(bytes.NewReader(read)), nil
		case err := <-failed:
			return nil, err
		case <-time.After(diskPatience):
			return nil, fmt.Errorf("%s cannot be read within %s", file, diskPatience)
		}
	}
}

// facts are where Call Home learns of the box.
func (c *control) facts(image model.BuildInfo) facts.Sources {
	return facts.Sources{
		Machine:  hardware.Machine{Files: os.DirFS("/")},
		Build:    image,
		Serial:   c.com.Serial,
		Now:      func() time.Time { return c.trusted.Now().In(c.zone()) },
		Uptime:   clock.BootTime,
		Grammar:  c.options.Grammar,
		InForce:  c.configuration.InForce,
		Ports:    c.network.Status,
		DNS:      c.resolver.Upstreams,
		License:  c.licensing,
		Upgrades: func() []message.Upgrade { return c.callhome.Upgrades() },
		Health:   ask[model.SystemHealth](c, "init", "health"),
		Proxy:    ask[model.ProxyStatus](c, "proxy", "status"),
		Elements: c.elementsUp,
		Calls:    c.callsBetween,
	}
}

// licensing is what the product is to the licence server, and where that is.
func (c *control) licensing() (pid, url string) {
	status := c.license.Status()
	if status.Offline {
		return status.PID, ""
	}
	return status.PID, status.URL
}

// elementsUp counts the elements of all server groups that are up.
func (c *control) elementsUp(ctx context.Context) (up int, err error) {
	elements, err := c.elements(ctx)
	for _, e := range elements {
		if e.Up {
			up++
		}
	}
	return up, err
}

// callsBetween adds up what the reports have of some time.
func (c *control) callsBetween(from, to time.Time) (calls facts.Calls, err error) {
	const day = 24 * 60 // minutes
	series, err := c.reports.Query(reports.Query{From: from, To: to, Step: day})
	for _, p := range series.Points {
		calls.Offered += int64(p.Calls)
		calls.Refused += int64(p.Refused)
		calls.Failed += int64(p.Failed)
		calls.PeakRate = max(calls.PeakRate, int64(math.Round(p.PeakCPS)))
		calls.PeakOpen = max(calls.PeakOpen, p.PeakOpen)
	}
	return calls, err
}

// callHomeIdentity is who the box is to the vendor and to mail servers.
type callHomeIdentity struct{ store *certificates.Store }

// Roots implements transport.Identity.
func (i callHomeIdentity) Roots() (*x509.CertPool, error) { return i.store.Roots(model.ForCallHome) }

// Certificate implements transport.Identity.
func (i callHomeIdentity) Certificate() (*tls.Certificate, error) {
	credentials, err := i.store.Credentials(model.ForCallHome)
	return credentials.Certificate, err
}

// diagnosis types commands when something is wrong, with the rights of control.
type diagnosis struct {
	sockets string // directory of them
	zone    func() *time.Location
	table   func() (*exec.Table, error) // of all EXEC commands
}

func newDiagnosis(o Options, zone func() *time.Location) diagnosis {
	return diagnosis{o.Run, zone, sync.OnceValues(func() (*exec.Table, error) { return exec.NewTable(o.Commands) })}
}

// run types a line and gives what it printed; an error is printed as the console
// does.
func (d diagnosis) run(ctx context.Context, line string) message.Attachment {
	s := &silentSession{sockets: d.sockets, zone: d.zone()}
	if err := d.typed(ctx, s, line); err != nil {
		fmt.Fprintf(&s.printed, "%% %v\n", err)
	}
	return message.Attachment{Name: line, Type: "command", Text: config.Redact(s.printed.String())}
}

func (d diagnosis) typed(ctx context.Context, s exec.Session, line string) error {
	table, err := d.table()
	if err != nil {
		return err
	}
	run, err := table.Find(line)
	if err != nil {
		return err
	}
	return run(ctx, s)
}

// silentSession is a session that nobody sits at: what is printed is kept, and
// what is asked is declined.
type silentSession struct {
	sockets string // directory of them
	zone    *time.Location
	printed bytes.Buffer
}

var errNobody = errors.New("there is nobody to ask")

// printedMost bounds what one command may print here, in octets; messages carry
// less of it.
const printedMost = 1 << 20

// Write implements exec.Session.
func (s *silentSession) Write(text []byte) (int, error) {
	if s.printed.Len()+len(text) > printedMost {
		return 0, fmt.Errorf("that is more than %d octets", printedMost)
	}
	return s.printed.Write(text)
}

// Call implements exec.Session.
func (s *silentSession) Call(ctx context.Context, process, method string, params, result any) error {
	return link.Call(ctx, link.Socket(s.sockets, process), method, params, result)
}

// Confirm implements exec.Session.
func (s *silentSession) Confirm(string) error { return exec.ErrDeclined }

// Paste implements exec.Session.
func (s *silentSession) Paste(string, bool) (string, error) { return "", errNobody }

// Secret implements exec.Session.
func (s *silentSession) Secret(string) (string, error) { return "", errNobody }

// Operator implements exec.Session.
func (s *silentSession) Operator() model.Operator {
	return model.Operator{User: "call-home", Origin: "control"}
}

// Zone implements exec.Session.
func (s *silentSession) Zone() *time.Location { return s.zone }
