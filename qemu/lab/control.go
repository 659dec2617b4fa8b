package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"causeway/appliance/model"
)

// Control is `appliance control` running on this host, without a machine
// around it: in the namespace of a box, with files of its own. It has the user
// and the capabilities that init gives it, except that it cannot set the clock:
// that would be this machine's.
type Control struct {
	program string
	where   *Namespace
	dir     string
	output  *lockedBuffer // of all its lives
	process *Process
}

// labSerial is the serial number of a box without a machine.
const labSerial = "LAB00000000"

// StartControl starts program's control in the namespace, with that
// configuration text as the one that the machine hands in.
func (n *Namespace) StartControl(program, config string) (*Control, error) {
	dir, err := os.MkdirTemp("", "causeway-control-")
	if err != nil {
		return nil, fmt.Errorf("start control: %w", err)
	}
	c := &Control{program: program, where: n, dir: dir, output: &lockedBuffer{}}
	for _, folder := range []string{"", "run/control", "bootflash/control", "bootflash/license", "bootflash/com", "bootflash/callhome", "bootflash/keys", "bootflash/certificates", "harddisk", "harddisk/log", "harddisk/crash", "run/volumes", "run/volumes/usb0"} {
		path := filepath.Join(dir, folder)
		err = errors.Join(err, os.MkdirAll(path, 0o750), os.Chown(path, model.UIDControl, model.GIDCauseway))
	}
	err = errors.Join(err,
		os.Symlink("run/volumes/usb0", filepath.Join(dir, "usb0")), // as on a box
		os.Chmod(dir, 0o755), os.Chmod(filepath.Join(dir, "run"), 0o755), os.Chmod(filepath.Join(dir, "bootflash"), 0o755),
		os.MkdirAll(filepath.Join(dir, "run/init"), 0o755),
		os.WriteFile(filepath.Join(dir, configFile), []byte(config), 0o644),
		os.WriteFile(filepath.Join(dir, "run/init/serial"), []byte(labSerial+"\n"), 0o644),
		os.WriteFile(filepath.Join(dir, "run/init/build.json"), fmt.Appendf(nil, `{"version":"lab","time":%q}`, time.Now().UTC().Format(time.RFC3339)), 0o644))
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		os.RemoveAll(dir)
		return nil, fmt.Errorf("start control: %w", err)
	}
	return c, nil
}

// Start starts it on the files of its last life, which has ended.
func (c *Control) Start() error {
	path := func(name string) string { return filepath.Join(c.dir, name) }
	command := exec.Command(c.program, "control", "-run", path("run"), "-volumes", c.dir, "-config-dir", path("bootflash/control"),
		"-license-dir", path("bootflash/license"), "-com-dir", path("bootflash/com"), "-callhome-dir", path("bootflash/callhome"), "-com-root", path("run/init/com-root.pem"), "-key-dir", path("bootflash/keys"), "-certificates", path("bootflash/certificates"), "-machine-config", path(configFile), "-build", path("run/init/build.json"), "-confine", c.dir)
	command.SysProcAttr = &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: model.UIDControl, Gid: model.GIDCauseway},
		AmbientCaps: []uintptr{unix.CAP_NET_ADMIN, unix.CAP_NET_BIND_SERVICE, unix.CAP_NET_RAW},
	}
	process, err := c.where.run("control", command, c.output)
	if err == nil {
		c.process = process
	}
	return err
}

// StartProxy starts the proxy of the same box: it gets configuration and grant
// from this control.
func (c *Control) StartProxy() (*Proxy, error) {
	p := &Proxy{program: c.program, where: c.where, dir: c.dir, output: &lockedBuffer{}, control: true}
	return p, p.start()
}

// Dir is where its files are; the volumes are bootflash, harddisk and usb0 in it.
func (c *Control) Dir() string { return c.dir }

// PID is that of its present life.
func (c *Control) PID() int { return c.process.PID() }

// Kill ends it as a fault would (SIGKILL).
func (c *Control) Kill() { c.process.Kill() }

// Tail is the end of what its lives have printed.
func (c *Control) Tail() string { return tail(c.output.String(), 40) }

// Running fails when it has ended.
func (c *Control) Running() error {
	select {
	case <-c.process.exited:
		return fmt.Errorf("control ended by itself: %w: %s", errors.Join(c.process.status), c.Tail())
	default:
		return nil
	}
}

var goroutine = regexp.MustCompile(`(?m)^goroutine \d+ `)

// Goroutines ends it and gives how many goroutines it had: a Go program that
// gets SIGQUIT prints them.
func (c *Control) Goroutines() (int, error) {
	before := len(c.output.String())
	if err := c.process.command.Process.Signal(syscall.SIGQUIT); err != nil {
		return 0, fmt.Errorf("ask control for its goroutines: %w", err)
	}
	<-c.process.exited
	said := c.output.String()[before:]
	if count := len(goroutine.FindAllString(said, -1)); count > 0 {
		return count, nil
	}
	return 0, fmt.Errorf("control printed no goroutines: %s", tail(said, 40))
}

// Close ends it (SIGKILL if it must be) and removes its files.
func (c *Control) Close() error {
	c.Kill()
	return os.RemoveAll(c.dir)
}
