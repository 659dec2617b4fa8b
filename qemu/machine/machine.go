// Package machine runs the appliance in QEMU: a board, an image, two network
// cards, a disk and a watchdog in; a console to talk to and the machine's
// own word about how it ended out.
package machine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Config is what one machine is made of.
type Config struct {
	Board  Board
	Kernel *Kernel // booted without firmware; nil boots Disk through UEFI
	Disk   string  // path of a raw disk, written to; empty means no disk
	// DiskLog is the path where every write to Disk is logged (package powercut reads
	// it); empty means nowhere. A machine that boots through UEFI gets its variables
	// behind the disk in the same file then, and in the same log, so that it can be
	// told which was written first.
	DiskLog string
	USB     bool // a USB 3 controller, for sticks
	// Stick is the path of a stick that is in it from the start, and that firmware starts
	// from if the disk has nothing; empty means none.
	Stick string
	// Certificate is the file (DER) of the one certificate that Secure Boot, always on,
	// takes programs by. Needed by a machine that boots through UEFI for the first time.
	Certificate string
	// Variables is the path of the UEFI variables, for one machine at a time, made if need
	// be: what one machine has written there the next one finds. Empty means that they
	// end with the machine.
	Variables string
	// TPM is the folder of the state of a TPM 2.0, for one machine at a time, made if need
	// be; empty means no TPM. The machine must boot through UEFI.
	TPM      string
	NICs     []NIC // in PCI order: LAN1 first
	MemoryMB int   // 0 means 256, the least the appliance runs in
	CPUs     int   // 0 means 2
	// SetupFile is a configuration for the appliance, handed over as the
	// fw_cfg item opt/causeway/config. Empty means none.
	SetupFile string
	// Saved is the file that Save wrote of a machine like this one, which goes on
	// instead of booting. Its clock has stood still meanwhile. Empty: it boots.
	Saved string
	// Terminal puts the serial console on the terminal of this process, where
	// Ctrl-A X leaves; Machine.Console is nil then.
	Terminal bool

	diskSize int64 // octets of the disk when variables are behind it
}

// Kernel is what a direct boot loads.
type Kernel struct {
	Image       string // path
	Initramfs   string // path
	CommandLine string
}

// NIC is one virtio network card: on a TAP device if Tap is set, else on
// user-mode networking.
type NIC struct {
	Tap  *os.File
	User UserNetwork
}

// UserNetwork is a network that QEMU plays within its own process.
type UserNetwork struct {
	Network  string   // "192.168.42.0/24"
	Host     string   // the address at which the guest sees this host
	Boot     string   // path of a program that firmware starts from this network (DHCP, TFTP); empty: none
	Forwards []string // as QEMU's hostfwd: "udp:127.0.0.1:5060-192.168.42.1:5060"
}

// UserLAN1 is LAN1 of a box with the built-in configuration: on this host's
// 127.0.0.1 the UDP port sip leads to its SIP port and the TCP port pages, if it is
// not 0, to its administration pages. The box sees this host as 192.168.42.2.
func UserLAN1(sip, pages uint16) UserNetwork {
	n := userLAN("192.168.42", sip)
	if pages != 0 {
		n.Forwards = append(n.Forwards, fmt.Sprintf("tcp:127.0.0.1:%d-192.168.42.1:443", pages))
	}
	return n
}

// UserLAN2 is LAN2 likewise, with this host as 192.168.43.2, and without pages.
func UserLAN2(sip uint16) UserNetwork { return userLAN("192.168.43", sip) }

func userLAN(prefix string, port uint16) UserNetwork {
	return UserNetwork{
		Network:  prefix + ".0/24",
		Host:     prefix + ".2",
		Forwards: []string{fmt.Sprintf("udp:127.0.0.1:%d-%s.1:5060", port, prefix)},
	}
}

// Machine is one running QEMU.
type Machine struct {
	Console *Console // nil with Config.Terminal
	Started time.Time

	board   Board
	command *exec.Cmd
	tpm     *exec.Cmd // nil without one
	monitor *monitor
	errors  *Console      // what QEMU itself complains of
	dir     string        // private files, removed at the end
	exited  chan struct{} // closed when QEMU is gone
	status  error         // its exit status; set before exited is closed
}

// Start starts QEMU. It ends when the guest powers off, by Close, when ctx
// ends, and with this process whatever happens to it.
func Start(ctx context.Context, config Config) (m *Machine, err error) {
	dir, err := os.MkdirTemp("", "causeway-qemu-")
	if err != nil {
		return nil, fmt.Errorf("start a machine: %w", err)
	}
	m = &Machine{board: config.Board, dir: dir, exited: make(chan struct{})}
	defer func() {
		if err != nil {
			m.endTPM()
			os.RemoveAll(dir)
		}
	}()

	ours, theirs, err := socketPair()
	if err != nil {
		return nil, fmt.Errorf("start a machine: %w", err)
	}
	defer theirs.Close()
	defer func() {
		if err != nil {
			ours.Close()
		}
	}()
	variables := ""
	if config.Kernel == nil {
		if variables, err = config.variables(dir); err != nil {
			return nil, fmt.Errorf("start a machine: %w", err)
		}
		if config.DiskLog != "" {
			if config.diskSize, err = appendFile(config.Disk, variables); err != nil {
				return nil, fmt.Errorf("start a machine: %w", err)
			}
		}
	}
	files := []*os.File{theirs}
	if config.TPM != "" {
		control, err := m.startTPM(config)
		if err != nil {
			return nil, fmt.Errorf("start a machine: %w", err)
		}
		defer control.Close()
		files = append(files, control)
	}
	m.command = exec.Command(config.Board.Emulator, config.arguments(thisHost(), variables, &files)...)
	m.command.ExtraFiles = files
	m.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := m.start(config.Terminal); err != nil {
		return nil, fmt.Errorf("start %s (Debian package %s): %w", config.Board.Emulator, config.Board.Package, err)
	}
	go m.wait(context.AfterFunc(ctx, m.Kill))

	theirs.Close() // so that the end of QEMU is seen
	m.monitor, err = newMonitor(ctx, ours)
	if err == nil && config.Saved != "" {
		err = m.goOn(ctx, config.Saved)
	}
	if err != nil {
		m.Kill()
		<-m.exited
		return nil, fmt.Errorf("start %s: %w: %s", config.Board.Emulator, err, m.complaint())
	}
	return m, nil
}

// start connects the console and starts the process.
func (m *Machine) start(terminal bool) error {
	if terminal {
		m.command.Stdin, m.command.Stdout, m.command.Stderr = os.Stdin, os.Stdout, os.Stderr
		m.Started = time.Now()
		return m.command.Start()
	}
	input, err := m.command.StdinPipe()
	if err != nil {
		return err
	}
	// Pipes of our own: exec's would be closed by Wait before the last octets
	// of a machine that powered off are read.
	output, outputEnd, err := os.Pipe()
	if err != nil {
		return err
	}
	complaints, complaintsEnd, err := os.Pipe()
	if err != nil {
		output.Close()
		outputEnd.Close()
		return err
	}
	m.command.Stdout, m.command.Stderr = outputEnd, complaintsEnd
	m.Started = time.Now()
	err = m.command.Start()
	outputEnd.Close()
	complaintsEnd.Close()
	m.Console = NewConsole(output, input)
	m.errors = NewConsole(complaints, io.Discard)
	return err
}

// wait ends when QEMU does; release lets go of the context.
func (m *Machine) wait(release func() bool) {
	m.status = m.command.Wait()
	release()
	m.endTPM()
	os.RemoveAll(m.dir)
	close(m.exited)
}

// Shutdown is how a machine ended.
type Shutdown struct {
	Guest  bool   // the guest asked for it
	Reason string // QEMU's word: "guest-shutdown", "host-qmp-quit"
}

// Wait waits until QEMU has exited by itself and says why it did. It fails
// when QEMU ended without saying so, or with an error, or when ctx ends.
func (m *Machine) Wait(ctx context.Context) (Shutdown, error) {
	select {
	case <-m.exited:
	case <-ctx.Done():
		return Shutdown{}, fmt.Errorf("wait for the end of the machine: %w", context.Cause(ctx))
	}
	if m.status != nil {
		return Shutdown{}, fmt.Errorf("%s: %w: %s", m.board.Emulator, m.status, m.complaint())
	}
	event, err := m.monitor.event(ctx, "SHUTDOWN", 1)
	if err != nil {
		return Shutdown{}, err
	}
	return Shutdown{Guest: event.Data.Guest, Reason: event.Data.Reason}, nil
}

// Event waits for the n-th event (from 1) of that name since the start: RESET,
// WATCHDOG, SHUTDOWN.
func (m *Machine) Event(ctx context.Context, name string, n int) (Event, error) {
	return m.monitor.event(ctx, name, n)
}

// Execute runs a command of QEMU's machine protocol, such as
// "system_powerdown" (the power button), "stop", "cont" or "device_del" with
// {"id": …}.
func (m *Machine) Execute(ctx context.Context, command string, arguments map[string]any) error {
	return m.monitor.execute(ctx, command, arguments)
}

// PID is QEMU's process.
func (m *Machine) PID() int { return m.command.Process.Pid }

// Kill ends QEMU at once, like a power cut seen from the guest (what the host
// has cached is kept), and returns when its disk can be used again. It does
// nothing when QEMU is gone.
func (m *Machine) Kill() {
	select {
	case <-m.exited:
	default:
		m.command.Process.Kill()
		<-m.exited
	}
}

// Close ends QEMU, whatever state it is in, and removes what it left.
func (m *Machine) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	err := m.monitor.execute(ctx, "quit", nil)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, syscall.EPIPE) {
		m.Kill()
	}
	select {
	case <-m.exited:
	case <-ctx.Done():
		m.Kill()
	}
	return m.monitor.conn.Close()
}

// complaint is what QEMU printed on its standard error.
func (m *Machine) complaint() string {
	if m.errors == nil {
		return "see above"
	}
	return m.errors.Tail(10)
}

// socketPair gives the two ends of a Unix stream socket: one for us, one for
// a child.
func socketPair() (ours net.Conn, theirs *os.File, err error) {
	file, theirs, err := filePair("monitor")
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	if ours, err = net.FileConn(file); err != nil {
		theirs.Close()
		return nil, nil, fmt.Errorf("make a socket pair: %w", err)
	}
	return ours, theirs, nil
}

// filePair gives the two ends of a Unix stream socket for what the name says.
func filePair(name string) (one, other *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make a socket pair: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), name), os.NewFile(uintptr(fds[1]), name+" of QEMU"), nil
}

// appendFile appends a file to another, and gives the size that had before.
func appendFile(to, from string) (before int64, err error) {
	data, err := os.ReadFile(from)
	if err != nil {
		return 0, fmt.Errorf("append %s: %w", from, err)
	}
	file, err := os.OpenFile(to, os.O_WRONLY, 0)
	if err != nil {
		return 0, fmt.Errorf("append %s: %w", from, err)
	}
	if before, err = file.Seek(0, io.SeekEnd); err == nil {
		_, err = file.Write(data)
	}
	return before, errors.Join(err, file.Close())
}
