package powercut

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"causeway/appliance/billing/journal"
	"causeway/qemu/audit"
	"causeway/qemu/lab"
	"causeway/qemu/machine"
	"causeway/qemu/smoke"
)

// CallsReport is what was found at some cuts.
type CallsReport struct {
	Cuts       int
	Boots      int           // cuts that a machine booted from
	Records    int           // event messages that came to a record keeper in the end, of all cuts
	Lost       int           // that did not, though the peers of the calls had seen what they tell of
	Duplicates int           // that came again
	OnStick    int           // cuts of a box with its records on a stick
	Unflushed  int           // cuts at which there were writes that no flush covered
	Writes     int           // such writes
	SetUp      int           // cuts in the set-up of a call
	Open       int           // cuts in calls that all were answered
	Withheld   int           // event messages that were found missing where disks had kept back their last writes
	Longest    time.Duration // the longest time before a cut of which events were allowed to be lost
	Bad        []string      // a sentence for each cut at which something was wrong
}

// String gives the report, one key=value a line, and then what was wrong.
func (r CallsReport) String() string {
	text := fmt.Sprintf("cuts=%d\nboots=%d\nrecords=%d\nlost=%d\nduplicates=%d\n", r.Cuts, r.Boots, r.Records, r.Lost, r.Duplicates)
	text += fmt.Sprintf("cuts_harddisk=%d\ncuts_usb0=%d\ncuts_flushed=%d\ncuts_unflushed=%d\nwrites_unflushed=%d\n",
		r.Cuts-r.OnStick, r.OnStick, r.Cuts-r.Unflushed, r.Unflushed, r.Writes)
	text += fmt.Sprintf("cuts_set_up=%d\ncuts_open=%d\ncuts_between=%d\n", r.SetUp, r.Open, r.Cuts-r.SetUp-r.Open)
	text += fmt.Sprintf("window_ms=%d\nwindow_flushes=%d\nlongest_window_ms=%d\nlost_withheld=%d\n",
		Window.Milliseconds(), WindowFlushes, r.Longest.Milliseconds(), r.Withheld)
	for _, bad := range r.Bad {
		text += bad + "\n"
	}
	return text
}

// Fault says that something was lost or wrong.
func (r CallsReport) Fault() error {
	if r.Lost == 0 && len(r.Bad) == 0 {
		return nil
	}
	return fmt.Errorf("%d event messages are lost at %d cuts, %d faults", r.Lost, r.Cuts, len(r.Bad))
}

// RunBoth does half of the cuts with the records on the disk, half on a stick.
func (c Calls) RunBoth(ctx context.Context) (report CallsReport, err error) {
	all := c.Cuts
	for _, c.Stick = range []bool{false, true} {
		c.Cuts = all / 2
		if c.Stick {
			c.Cuts = all - all/2
		}
		part, err := c.Run(ctx)
		if err != nil {
			return report, err
		}
		report.Cuts += part.Cuts
		report.Boots += part.Boots
		report.Records += part.Records
		report.Lost += part.Lost
		report.Duplicates += part.Duplicates
		report.OnStick += part.OnStick
		report.Unflushed += part.Unflushed
		report.Writes += part.Writes
		report.SetUp += part.SetUp
		report.Open += part.Open
		report.Withheld += part.Withheld
		report.Longest = max(report.Longest, part.Longest)
		report.Bad = append(report.Bad, part.Bad...)
	}
	return report, nil
}

// Run records the box, cuts it and looks at what is left each time: a billing
// process on its files, on this host or in a machine, must bring a record keeper
// all that the callers had seen before the window.
func (c Calls) Run(ctx context.Context) (report CallsReport, err error) {
	dir, err := os.MkdirTemp("", "causeway-powercut-")
	if err != nil {
		return report, fmt.Errorf("record a box: %w", err)
	}
	defer os.RemoveAll(dir)
	fmt.Fprintf(c.Progress, "%d calls, records wait on %s\n", c.Seconds*c.Rate, c.cachePath())
	r, err := c.record(ctx, dir)
	if err != nil {
		return report, err
	}
	defer r.close()
	random := rand.New(rand.NewPCG(c.Seed, 0))
	cuts, err := r.newCuts()
	if err != nil {
		return report, err
	}
	for n := range c.Cuts {
		boots := n*c.Boots/c.Cuts != (n+1)*c.Boots/c.Cuts
		cut, err := cuts.make(r.pick(n, random), random)
		if err != nil {
			return report, err
		}
		found, err := r.look(ctx, cut)
		if err == nil && boots {
			report.note(n, cut, found)
			report.Boots++
			found, err = r.boot(ctx, cut)
		}
		if err != nil {
			return report, err
		}
		report.Cuts++
		report.note(n, cut, found)
		report.count(r, cut)
		fmt.Fprintf(c.Progress, "cut %d of %d, at %s: %d records, %d lost\n", n+1, c.Cuts, cut.at.Format(clockTime), found.Records, found.Lost)
	}
	if report.Withheld, err = r.withhold(ctx); report.Withheld == 0 {
		report.Bad = append(report.Bad, "nothing was missing where the disk had kept back its last writes")
	}
	return report, err
}

const clockTime = "15:04:05.000"

func (r *CallsReport) note(n int, c cut, found audit.Findings) {
	r.Records += found.Records
	r.Lost += found.Lost
	r.Duplicates += found.Duplicates
	r.Longest = max(r.Longest, c.at.Sub(c.until))
	if fault := found.Fault(); fault != nil {
		r.Bad = append(r.Bad, fmt.Sprintf("cut %d, at %s, up to %s: the first that is missing was seen at %s: %v", n,
			c.at.Format(clockTime), c.until.Format(clockTime), found.Oldest.Format(clockTime), fault))
	}
}

// count counts what the power was cut in.
func (r *CallsReport) count(of *recorded, c cut) {
	if of.Stick {
		r.OnStick++
	}
	if c.unflushed > 0 {
		r.Unflushed++
	}
	r.Writes += c.unflushed
	setUp, open := 0, 0
	for _, call := range of.calls {
		switch before := func(t time.Time) bool { return t.IsZero() || c.at.Before(t) }; {
		case before(call.Sent) || !before(call.Over):
		case before(call.Answered):
			setUp++
		default:
			open++
		}
	}
	switch {
	case setUp > 0:
		r.SetUp++
	case open > 0:
		r.Open++
	}
}

// withholding is for how long a disk keeps back what it is told to flush.
const withholding = 2 * time.Second

// withhold looks at a box whose disk, and stick, had kept back the writes of its last
// seconds, and says how many event messages were found missing.
func (r *recorded) withhold(ctx context.Context) (lost int, err error) {
	last := len(r.moments) - 1
	kept := last
	for kept > 0 && r.moments[last].at.Sub(r.moments[kept].at) < withholding {
		kept--
	}
	of, err := r.newCuts()
	if err != nil {
		return 0, err
	}
	made, err := of.make(kept, rand.New(rand.NewPCG(r.Seed, 1)))
	if err != nil {
		return 0, err
	}
	made.until = r.until(last, r.moments[last].disk)
	found, err := r.look(ctx, made)
	return found.Lost, err
}

// Nothing more is waited for when no record has come for so long.
const (
	quietHost    = 2 * time.Second
	quietMachine = 40 * time.Second // it boots, and asks for its servers every 10 s
)

// look has a billing process of this host bring what the cut left to a record
// keeper.
func (r *recorded) look(ctx context.Context, c cut) (audit.Findings, error) {
	dir, err := os.MkdirTemp(r.dir, "look-")
	if err != nil {
		return audit.Findings{}, err
	}
	defer os.RemoveAll(dir)
	if err := r.extract(ctx, c, dir); err != nil {
		return audit.Findings{}, err
	}
	where, err := lab.NewNamespace()
	if err != nil {
		return audit.Findings{}, err
	}
	defer where.Close()
	at := netip.MustParseAddrPort("127.0.0.1:1813")
	keeper, err := r.keeper(ctx, where, at)
	if err != nil {
		return audit.Findings{}, err
	}
	defer keeper.Kill()
	key, err := lab.Seal(dir, keeperSecret)
	if err != nil {
		return audit.Findings{}, err
	}
	if err := openJournal(dir); err != nil {
		return audit.Findings{}, err
	}
	billing, err := where.StartBilling(ctx, r.Program, dir, r.config(at, key))
	if err != nil {
		return audit.Findings{}, err
	}
	found, err := r.compare(ctx, c, keeper, quietHost)
	if found.Fault() != nil {
		found.Wrong = slices.Insert(found.Wrong, 0, "billing printed: "+billing.Output())
	}
	return found, errors.Join(err, billing.Close())
}

// serialFile is where a box has its serial number, below its root.
const serialFile = "run/init/serial"

// openJournal does what the proxy of a box does when it starts: it takes the
// journal into use, with all that is whole in it.
func openJournal(dir string) error {
	box, err := journal.ReadBox(filepath.Join(dir, serialFile))
	if err != nil {
		return err
	}
	writer, _, err := journal.Open(filepath.Join(dir, "harddisk", "billcache"), journal.Options{Box: box})
	if err != nil {
		return err
	}
	return writer.Close()
}

// keeper starts a record keeper that has nothing stored.
func (r *recorded) keeper(ctx context.Context, where *lab.Namespace, at netip.AddrPort) (*lab.RADIUS, error) {
	dir, err := os.MkdirTemp(r.dir, "keeper-")
	if err != nil {
		return nil, err
	}
	keeper, err := where.RADIUS(r.Peers, dir, lab.RADIUS{At: at, Secret: keeperSecret})
	if err != nil {
		return nil, err
	}
	return keeper, keeper.Start(ctx)
}

// compare waits until the keeper has all, or no more has come for so long.
func (r *recorded) compare(ctx context.Context, c cut, keeper *lab.RADIUS, quiet time.Duration) (found audit.Findings, err error) {
	last := time.Now()
	for before := -1; ctx.Err() == nil && time.Since(last) < quiet; time.Sleep(20 * time.Millisecond) {
		stored, err := keeper.Stored()
		if err != nil {
			return found, err
		}
		records, err := audit.Read(stored)
		if err != nil {
			return found, err
		}
		if found = audit.Compare(r.calls, records, c.until); found.Fault() == nil {
			return found, nil
		}
		if found.Records > before {
			before, last = found.Records, time.Now()
		}
	}
	return found, context.Cause(ctx)
}

// extract lays out the files of a box below dir as they are after the cut.
func (r *recorded) extract(ctx context.Context, c cut, dir string) error {
	image := filepath.Join(dir, "image")
	cache := filepath.Join(dir, "harddisk", "billcache")
	serial := filepath.Join(dir, serialFile)
	err := errors.Join(os.MkdirAll(cache, 0o700), os.MkdirAll(filepath.Dir(serial), 0o700), os.WriteFile(serial, r.serial, 0o600), c.volume.save(image))
	if err == nil {
		err = readVolume(ctx, image, machine.Volume{}, "billcache", cache)
	}
	if err != nil || c.stick == nil {
		return err
	}
	const mounted = "run/volumes/usb0"
	stick := filepath.Join(dir, mounted)
	if err := errors.Join(os.MkdirAll(stick, 0o700), os.Symlink(mounted, filepath.Join(dir, "usb0")), c.stick.save(image)); err != nil {
		return err
	}
	output, err := exec.CommandContext(ctx, "mcopy", "-s", "-n", "-i", image, "::billcache", stick).CombinedOutput()
	if err != nil && !strings.Contains(string(output), "not found") {
		return fmt.Errorf("read the stick: %w: %s", err, output)
	}
	return nil
}

// boot boots a machine from the cut whose record keeper is up.
func (r *recorded) boot(ctx context.Context, c cut) (audit.Findings, error) {
	dir, err := os.MkdirTemp(r.dir, "boot-")
	if err != nil {
		return audit.Findings{}, err
	}
	defer os.RemoveAll(dir)
	image, stick := filepath.Join(dir, "disk"), filepath.Join(dir, "stick")
	if err := c.disk.save(image); err != nil {
		return audit.Findings{}, err
	}
	box, err := smoke.Start(ctx, smoke.Setup{Image: r.Image, Disk: image, USB: r.Stick, Config: r.config(keeperAt, keeperSecret)})
	if err != nil {
		return audit.Findings{}, err
	}
	defer box.Close()
	keeper, err := r.keeper(ctx, box.Lab.LAN2, keeperAt)
	if err != nil {
		return audit.Findings{}, err
	}
	defer keeper.Kill()
	if err := box.Answers(ctx); err != nil {
		return audit.Findings{}, box.Explain(err)
	}
	if c.stick != nil {
		if err := c.stick.save(stick); err != nil {
			return audit.Findings{}, err
		}
		if err := box.Machine.Plug(ctx, "stick", machine.Stick{Image: stick}); err != nil {
			return audit.Findings{}, err
		}
		if err := mountAnyhow(ctx, box); err != nil {
			return audit.Findings{}, box.Explain(err)
		}
	}
	found, err := r.compare(ctx, c, keeper, quietMachine)
	if found.Fault() != nil {
		said, _ := box.Machine.Console.Command(ctx, "show billing status")
		found.Wrong = slices.Insert(found.Wrong, 0, "show billing status: "+said+"the console printed: "+box.Machine.Console.Tail(20))
	}
	return found, err
}

// mountAnyhow does what the box asks for when a stick was not unmounted.
func mountAnyhow(ctx context.Context, box *smoke.Box) error {
	for {
		said, err := box.Machine.Console.Command(ctx, "mount usb0: write")
		if err != nil || !strings.Contains(said, "no stick is plugged in") {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}
