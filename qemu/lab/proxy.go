package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"

	"causeway/appliance/link"
	"causeway/appliance/model"
)

// Proxy is `appliance proxy` running on this host, without a machine around
// it: in the namespace of a box, with files of its own.
type Proxy struct {
	program string
	flags   []string
	memory  int64 // octets that it may have; 0: as many as it likes
	control bool  // dir is that of a Control, which configures it
	where   *Namespace
	dir     string
	output  *lockedBuffer // of all its lives
	process *Process
}

// BuildAppliance builds the appliance for this host into dir, which it opens to
// the users that the box's processes have, and gives the program's path. root is
// the project's folder; flags are more ones of go build.
func BuildAppliance(ctx context.Context, root, dir string, flags ...string) (string, error) {
	program := filepath.Join(dir, "appliance")
	build := exec.CommandContext(ctx, "go", slices.Concat([]string{"build", "-o", program}, flags, []string{"./appliance"})...)
	build.Dir = root
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the appliance: %w: %s", err, output)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", fmt.Errorf("build the appliance: %w", err)
	}
	return program, nil
}

// StartProxy starts program's proxy with that configuration text in the
// namespace, and more flags than it needs. It may not listen yet.
func (n *Namespace) StartProxy(program, config string, flags ...string) (*Proxy, error) {
	return n.StartProxyWithin(0, program, config, flags...)
}

// StartProxyWithin lets the proxy have that many octets of memory, as init does.
func (n *Namespace) StartProxyWithin(memory int64, program, config string, flags ...string) (*Proxy, error) {
	dir, err := os.MkdirTemp("", "causeway-proxy-")
	if err != nil {
		return nil, fmt.Errorf("start the proxy: %w", err)
	}
	p := &Proxy{program: program, flags: flags, memory: memory, where: n, dir: dir, output: &lockedBuffer{}}
	err = errors.Join(os.MkdirAll(p.path(filepath.Dir(configFile)), 0o755), os.WriteFile(p.path(configFile), []byte(config), 0o600))
	if err != nil {
		os.RemoveAll(dir)
		return nil, fmt.Errorf("start the proxy: %w", err)
	}
	if err := p.start(); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return p, nil
}

// Where a box has what it was started with and the certificate of SIP.
const (
	configFile = "run/init/startup-config"
	tlsDir     = "bootflash/certificates/sip"
)

// Dir is the folder of its files, laid out like those of a box.
func (p *Proxy) Dir() string { return p.dir }

func (p *Proxy) path(name string) string { return filepath.Join(p.dir, name) }

// journalDir is where a box has the journal of call events, and by default the
// records of the calls.
const journalDir = "harddisk/billcache"

func (p *Proxy) start() error {
	for _, dir := range []string{"run/init", "run/proxy", "bootflash/proxy", tlsDir, journalDir, "harddisk/log"} {
		if err := os.MkdirAll(p.path(dir), 0o755); err != nil {
			return fmt.Errorf("start the proxy: %w", err)
		}
	}
	flags := []string{"proxy", "-run", p.path("run"), "-journal", p.path(journalDir),
		"-key", p.path("bootflash/proxy/call.key"), "-serial", p.path("run/init/serial"), "-tls", p.path(tlsDir), "-volumes", p.dir,
		"-failed-calls", p.path("harddisk/log/failed-calls"), "-traces", p.path("harddisk/trace")}
	if !p.control {
		flags = append(flags, "-config", p.path(configFile))
	}
	if !slices.ContainsFunc(p.flags, func(flag string) bool { return flag == "-tls" || flag == "-cpuprofile" }) { // files anywhere
		flags = append(flags, "-confine", p.dir)
	}
	command := exec.Command(p.program, append(flags, p.flags...)...)
	if p.control {
		command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 0, Gid: model.GIDCauseway}} // control may use its socket
	}
	if p.memory > 0 {
		command.Env = append(os.Environ(), fmt.Sprintf("GOMEMLIMIT=%d", p.memory/10*9))
	}
	var err error
	p.process, err = p.where.run("the proxy", command, p.output)
	return err
}

// PID is the proxy's process; it has no others.
func (p *Proxy) PID() int { return p.process.PID() }

// Restart kills the proxy (SIGKILL) and starts it again on the same files, as
// init does.
func (p *Proxy) Restart(context.Context) error {
	p.process.Kill()
	return p.start()
}

// Call asks the proxy, as other processes of a box do (package link).
func (p *Proxy) Call(ctx context.Context, method string, params, result any) error {
	return link.Call(ctx, link.Socket(p.path("run"), "proxy"), method, params, result)
}

// Status is what it says of itself.
func (p *Proxy) Status(ctx context.Context) (status model.ProxyStatus, err error) {
	err = p.Call(ctx, "proxy.status", nil, &status)
	return status, err
}

// Configure puts another configuration in force, now and after a restart.
func (p *Proxy) Configure(ctx context.Context, config string) error {
	if err := os.WriteFile(p.path(configFile), []byte(config), 0o600); err != nil {
		return fmt.Errorf("configure the proxy: %w", err)
	}
	if err := p.Call(ctx, "proxy.prepare", map[string]string{"revision": config}, nil); err != nil {
		return fmt.Errorf("configure the proxy: %w", err)
	}
	if err := p.Call(ctx, "proxy.switch", nil, nil); err != nil {
		return fmt.Errorf("configure the proxy: %w", err)
	}
	return nil
}

// Output is what all its lives have printed.
func (p *Proxy) Output() string { return p.output.String() }

// Close ends the proxy (SIGTERM) and removes its files, unless they are a
// control's. It fails when the proxy had ended before or does not end well.
func (p *Proxy) Close() error {
	if !p.control {
		defer os.RemoveAll(p.dir)
	}
	if err := p.process.Stop(); err != nil {
		return err
	}
	if p.process.status != nil {
		return fmt.Errorf("end the proxy: %w: %s", p.process.status, p.Output())
	}
	return nil
}
