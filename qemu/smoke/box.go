package smoke

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"causeway/appliance/grammar"
	"causeway/qemu/lab"
	"causeway/qemu/machine"
)

// Setup says how a box is booted.
type Setup struct {
	Image    machine.Image
	FromDisk bool   // through firmware from a copy of the disk image, else the kernel directly
	Disk     string // path of its disk, which stays; empty: a private one
	DiskLog  string // path of an empty file for a log of what is written to the disk
	NoDisk   bool
	USB      bool   // a port for sticks
	Stick    string // path of a stick that is in it from the start; empty: none
	// Variables is the path of its UEFI variables, which stay; empty: private ones.
	Variables string
	TPM       string // folder of the state of its TPM; empty: it has none
	FewNICs   int    // network cards left out, the last first
	Config    string // configuration text that the machine hands in, between callsLicensed and machine.Users; empty: the built-in one
	NewBox    bool   // the machine hands in nothing: the box has no user
	MemoryMB  int    // 0 means 256
	Words     string // added to the kernel's command line in a direct boot
	// Initramfs is the path of another root file system for a direct boot.
	Initramfs string

	saved string // path of the state that it goes on from; empty: it boots
}

// callsLicensed begins the configuration that a machine hands in, so that no test
// is held up by the ten calls a second of a new box. A Setup's own line replaces it.
const callsLicensed = "license smart activate cusp 10000\n"

// emptyDisk is the size of a disk of a box that boots without it, in octets.
const emptyDisk = 1 << 30

// Box is an appliance in a machine, between the two LANs of a lab.
type Box struct {
	Lab     *lab.Lab
	Machine *machine.Machine
	Times   Times
	disk    string // empty: none
	dir     string
}

// Times is how long a boot took, each from the start of QEMU.
type Times struct {
	Init   time.Duration // init's first line
	Ready  time.Duration // all services run
	Answer time.Duration // an OPTIONS on LAN1 was answered 200
}

// Start starts a box; nothing is awaited. It ends with ctx or by Close.
func Start(ctx context.Context, setup Setup) (box *Box, err error) {
	b := &Box{}
	defer func() {
		if err != nil {
			b.Close()
		}
	}()
	if b.dir, err = os.MkdirTemp("", "causeway-box-"); err != nil {
		return nil, fmt.Errorf("start a box: %w", err)
	}
	config := machine.Config{
		Board: setup.Image.Board, MemoryMB: setup.MemoryMB, DiskLog: setup.DiskLog, USB: setup.USB, Stick: setup.Stick, TPM: setup.TPM,
		Certificate: setup.Image.Certificate(), Variables: setup.Variables, Saved: setup.saved,
	}
	if err := b.giveDisk(setup, &config); err != nil {
		return nil, err
	}
	if !setup.FromDisk {
		if config.Kernel, err = setup.Image.Kernel(); err != nil {
			return nil, err
		}
		config.Kernel.CommandLine += " " + setup.Words
		config.Kernel.Initramfs = cmp.Or(setup.Initramfs, config.Kernel.Initramfs)
	}
	if !setup.NewBox {
		config.SetupFile = filepath.Join(b.dir, "config")
		text := callsLicensed + cmp.Or(setup.Config, grammar.BuiltIn()) + "\n" + machine.Users
		if err := os.WriteFile(config.SetupFile, []byte(text), 0o600); err != nil {
			return nil, fmt.Errorf("start a box: %w", err)
		}
	}
	if b.Lab, err = lab.New(); err != nil {
		return nil, err
	}
	lan1, lan2, err := b.Lab.Taps()
	if err != nil {
		return nil, err
	}
	cards := []machine.NIC{{Tap: lan1}, {Tap: lan2}}
	config.NICs = cards[:len(cards)-setup.FewNICs]
	if b.Machine, err = machine.Start(ctx, config); err != nil {
		return nil, err
	}
	return b, nil
}

// giveDisk prepares the disk of the box.
func (b *Box) giveDisk(setup Setup, config *machine.Config) error {
	b.disk = setup.Disk
	switch {
	case setup.NoDisk:
		b.disk = ""
	case setup.Disk != "":
	case setup.FromDisk:
		b.disk = filepath.Join(b.dir, "disk.img")
		if err := setup.Image.CopyDisk(b.disk); err != nil {
			return err
		}
	default:
		b.disk = filepath.Join(b.dir, "disk.img")
		if err := machine.CreateDisk(b.disk, emptyDisk); err != nil {
			return err
		}
	}
	config.Disk = b.disk
	return nil
}

// Boot starts a box and waits until it answers OPTIONS on LAN1. On failure the
// error holds the end of what it printed.
func Boot(ctx context.Context, setup Setup) (*Box, error) {
	b, err := Start(ctx, setup)
	if err != nil {
		return nil, err
	}
	if err := b.Answers(ctx); err != nil {
		err = b.Explain(err)
		b.Close()
		return nil, err
	}
	return b, nil
}

// Answers waits for the end of a boot and notes its times.
func (b *Box) Answers(ctx context.Context) error {
	prober, err := b.Lab.LAN1.Probe(netip.AddrPortFrom(lab.PeerLAN1, 0))
	if err != nil {
		return err
	}
	defer prober.Close()
	booted := make(chan error, 1)
	go func() { booted <- b.runs(ctx) }()
	answered, err := prober.AwaitOptions(ctx, lab.BoxLAN1)
	if err := errors.Join(err, <-booted); err != nil {
		return err
	}
	b.Times.Answer = answered.Sub(b.Machine.Started)
	return nil
}

// runs waits until init says that all services run.
func (b *Box) runs(ctx context.Context) error {
	first, err := b.Machine.Console.Expect(ctx, `init: causeway \S+ on \S+ starting`)
	if err != nil {
		return err
	}
	ready, err := b.Machine.Console.Expect(ctx, `init: ready`)
	if err != nil {
		return err
	}
	b.Times.Init = first.At.Sub(b.Machine.Started)
	b.Times.Ready = ready.At.Sub(b.Machine.Started)
	return nil
}

// Explain adds the end of the console to an error.
func (b *Box) Explain(err error) error {
	return fmt.Errorf("%w\nthe console's last lines:\n%s", err, b.Machine.Console.Tail(60))
}

// KillProxy has init kill the proxy, by the console.
func (b *Box) KillProxy(ctx context.Context) error {
	_, err := b.Machine.Console.Command(ctx, "service restart proxy force")
	return err
}

// Commit types lines into the configuration and commits them.
func (b *Box) Commit(ctx context.Context, lines ...string) error {
	if err := b.Machine.Console.Configure(ctx, lines...); err != nil {
		return err
	}
	answer, err := b.Machine.Console.Type(ctx, "commit")
	if err == nil && !saidRevision.MatchString(answer.Text) {
		err = fmt.Errorf("it said %q", answer.Text)
	}
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// saidRevision is in what a commit prints.
var saidRevision = regexp.MustCompile(`Revision (\d+) is (?:in force|confirmed)`)

// System is what `show system` says, as text and in the parts that are tested.
type System struct {
	Text         string
	MemoryUsedKB int
}

var memoryUsed = regexp.MustCompile(`(?m)^Memory used \(kB\): (\d+)$`)

// System asks the console.
func (b *Box) System(ctx context.Context) (System, error) {
	text, err := b.Machine.Console.Command(ctx, "show system")
	if err != nil {
		return System{}, err
	}
	memory := memoryUsed.FindStringSubmatch(text)
	if memory == nil {
		return System{}, fmt.Errorf("show system says no memory used:\n%s", text)
	}
	used, err := strconv.Atoi(memory[1])
	if err != nil {
		return System{}, fmt.Errorf("show system: memory used: %w", err)
	}
	return System{Text: text, MemoryUsedKB: used}, nil
}

// Killed says whether init started the service again that often after it
// was killed.
func (s System) Killed(service string, times int) bool {
	row := fmt.Sprintf(`(?m)^%s +PID: \d+ .* Restarts: %d .*\n.* Last exit: signal: killed$`, service, times)
	return regexp.MustCompile(row).MatchString(s.Text)
}

// PowerOff powers the box off from inside and waits until the machine has
// gone by itself. It fails unless the guest asked for it and every file system
// was unmounted.
func (b *Box) PowerOff(ctx context.Context) error {
	console := b.Machine.Console
	if err := console.Leave(ctx, "power-off now"); err != nil {
		return err
	}
	if _, err := console.Expect(ctx, `init: powering off`); err != nil {
		return err
	}
	shutdown, err := b.Machine.Wait(ctx)
	if err != nil {
		return err
	}
	if !shutdown.Guest || shutdown.Reason != "guest-shutdown" {
		return fmt.Errorf("the machine ended by %+v; want the guest's shutdown", shutdown)
	}
	if b.disk == "" {
		return nil
	}
	volumes, err := machine.Volumes(b.disk)
	if err != nil {
		return err
	}
	if len(volumes) == 0 {
		return fmt.Errorf("disk %s holds no file system after a boot", b.disk)
	}
	for _, volume := range volumes {
		if !volume.Unmounted {
			return fmt.Errorf("%s was not unmounted", volume.Name)
		}
	}
	return nil
}

// Close ends the box, whatever state it is in, and removes what it left.
func (b *Box) Close() error {
	var errs []error
	if b.Machine != nil {
		errs = append(errs, b.Machine.Close())
	}
	if b.Lab != nil {
		errs = append(errs, b.Lab.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(b.dir))...)
}
