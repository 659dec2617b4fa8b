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
	"strings"
	"time"

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
	Worst      time.Duration // before a cut, of what was lost
	Bad        []string      // a sentence for each cut at which something was wrong
}

// String gives the report, one key=value a line, and then what was wrong.
func (r CallsReport) String() string {
	text := fmt.Sprintf("cuts=%d\nboots=%d\nwindow_ms=%d\nrecords=%d\nlost=%d\nduplicates=%d\nworst_ms=%d\n",
		r.Cuts, r.Boots, Window.Milliseconds(), r.Records, r.Lost, r.Duplicates, r.Worst.Milliseconds())
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
	return fmt.Errorf("%d event messages are lost at %d of %d cuts", r.Lost, len(r.Bad), r.Cuts)
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
		report.Worst = max(report.Worst, part.Worst)
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
		fmt.Fprintf(c.Progress, "cut %d of %d, at %s: %d records, %d lost\n", n+1, c.Cuts, cut.at.Format(time.TimeOnly+".000"), found.Records, found.Lost)
	}
	return report, nil
}

func (r *CallsReport) note(n int, c cut, found audit.Findings) {
	r.Records += found.Records
	r.Lost += found.Lost
	r.Duplicates += found.Duplicates
	if !found.Oldest.IsZero() {
		r.Worst = max(r.Worst, c.at.Sub(found.Oldest))
	}
	if fault := found.Fault(); fault != nil {
		r.Bad = append(r.Bad, fmt.Sprintf("cut %d, at %s: %v", n, c.at.Format(time.TimeOnly+".000"), fault))
	}
}

// pick chooses the n-th of the cuts: each stretch of the run has one.
func (r *recorded) pick(n int, random *rand.Rand) int {
	begin, end := (len(r.moments)-1)*n/r.Cuts, (len(r.moments)-1)*(n+1)/r.Cuts
	return begin + random.IntN(max(1, end-begin))
}

// cut is a box whose power failed: images of its disk and its stick.
type cut struct {
	at          time.Time // at this time or later
	disk, stick *disk     // nil: there was no stick
	volume      *disk     // harddisk:
}

// cuts makes them, in ascending order.
type cuts struct {
	r                   *recorded
	disk, volume, stick *replay
	atDisk, atStick     int // entries of the last cut
}

func (r *recorded) newCuts() (*cuts, error) {
	c := &cuts{r: r, disk: newReplay(r.log, 0, callsDisk), volume: newReplay(r.log, r.diskVolume.Start, r.diskVolume.Size)}
	if r.Stick {
		c.stick = newReplay(r.stickLog, 0, callsStick)
		return c, c.stick.hold(r.path("stick.before"))
	}
	return c, nil
}

// make cuts the power at a moment or just after it: between that moment's last
// flush and the next one.
func (c *cuts) make(n int, random *rand.Rand) (made cut, err error) {
	from, to := c.r.moments[n], c.r.moments[n+1]
	between := func(last *int, from, to int) int {
		*last = max(*last, from+random.IntN(max(1, to-from)))
		return *last
	}
	made.at = from.at
	seed := random.Uint64() // both replays of the disk lose the same writes
	entries := between(&c.atDisk, from.disk, to.disk)
	made.disk, err = c.disk.cut(entries, rand.New(rand.NewPCG(seed, 1)))
	if err == nil {
		made.volume, err = c.volume.cut(entries, rand.New(rand.NewPCG(seed, 1)))
	}
	if err == nil && c.stick != nil {
		made.stick, err = c.stick.cut(between(&c.atStick, from.stick, to.stick), rand.New(rand.NewPCG(seed, 2)))
	}
	if err != nil {
		return made, fmt.Errorf("replay up to %v: %w", made.at, err)
	}
	return made, nil
}

// until is the time up to which events must be there.
func (c cut) until() time.Time { return c.at.Add(-Window) }

// Nothing more is waited for when no record has come for so long.
const (
	quietHost    = 2 * time.Second
	quietMachine = 20 * time.Second // it boots, and asks for its servers every 10 s
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
	billing, err := where.StartBilling(ctx, r.Program, dir, r.config(at, key))
	if err != nil {
		return audit.Findings{}, err
	}
	found, err := r.compare(ctx, c, keeper, quietHost)
	if found.Fault() != nil {
		found.Wrong = append(found.Wrong, "billing printed: "+billing.Output())
	}
	return found, errors.Join(err, billing.Close())
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
		if found = audit.Compare(r.calls, records, c.until()); found.Fault() == nil {
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
	err := errors.Join(os.MkdirAll(cache, 0o700), os.WriteFile(filepath.Join(dir, "serial"), r.serial, 0o600), c.volume.save(image))
	if err == nil {
		err = readVolume(ctx, image, "billcache", cache)
	}
	if err != nil || c.stick == nil {
		return err
	}
	stick := filepath.Join(dir, "usb0")
	if err := errors.Join(os.MkdirAll(stick, 0o700), c.stick.save(image)); err != nil {
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
	}
	found, err := r.compare(ctx, c, keeper, quietMachine)
	if found.Fault() != nil {
		found.Wrong = append(found.Wrong, "the console printed: "+box.Machine.Console.Tail(20))
	}
	return found, err
}
