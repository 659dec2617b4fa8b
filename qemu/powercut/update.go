package powercut

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"causeway/board"
	"causeway/qemu/edition"
	"causeway/qemu/machine"
	"causeway/qemu/smoke"
)

// Update says how a box is updated, and how often its power is cut meanwhile.
type Update struct {
	Editions *edition.Maker // of the image that the box has
	Cuts     int
	Boots    int       // how many of the cuts a machine boots from
	Seed     uint64    // decides where is cut and what happens to writes that were not flushed
	Progress io.Writer // gets a line for each cut
}

// updateVersion is that of the image that the box is updated to.
const updateVersion = "v99.0.1"

// Run records an update of a box with slot A, from the command that brings the
// bundle until it is blessed in slot B, and checks the cuts.
func (u Update) Run(ctx context.Context) (UpdateReport, error) {
	dir, err := os.MkdirTemp("", "causeway-update-")
	if err != nil {
		return UpdateReport{}, fmt.Errorf("record an update: %w", err)
	}
	defer os.RemoveAll(dir)
	r, err := NewUpdating(ctx, u.Editions, dir)
	if err != nil {
		return UpdateReport{}, err
	}
	box, err := smoke.Boot(ctx, r.Setup())
	if err != nil {
		return UpdateReport{}, err
	}
	defer box.Close()
	if err := r.Update(ctx, box, updateVersion); err != nil {
		return UpdateReport{}, box.Explain(err)
	}
	box.Machine.Kill()
	fmt.Fprintf(u.Progress, "recorded an update\n")
	return r.Check(ctx, u)
}

// Updating is a box that is updated, with the record of its disk and of its
// firmware's variables.
type Updating struct {
	editions *edition.Maker
	dir      string
	diskSize int64
	marks    [blessed + 1]int  // entries of the log when each phase began, and when the last ended
	sums     map[string]string // of whole images: what they are, by SHA-256
}

// The phases of an update, in their order.
var updatePhases = [...]Kind{
	"stage",    // the bundle comes to harddisk:
	"activate", // the image is written to the slot, read back and chosen for one start
	"trial",    // the box goes down, the firmware starts the image, and that proves itself
	"bless",    // the image becomes what the box starts from
}

// The phases by their number.
const (
	staging = iota
	activating
	trying
	blessing
	blessed
)

// NewUpdating prepares a box with the image in slot A, and formatted volumes. What
// belongs to it lies in dir.
func NewUpdating(ctx context.Context, editions *edition.Maker, dir string) (*Updating, error) {
	r := &Updating{editions: editions, dir: dir}
	if err := editions.Image.CopyDisk(r.path("before")); err != nil {
		return nil, err
	}
	if err := formatVolumes(ctx, r.path("before")); err != nil {
		return nil, err
	}
	if err := machine.CopyDisk(r.path("disk"), r.path("before")); err != nil {
		return nil, err
	}
	info, err := os.Stat(r.path("disk"))
	if err != nil {
		return nil, err
	}
	r.diskSize = info.Size()
	return r, machine.CreateDisk(r.path("log"), 0)
}

func (r *Updating) path(name string) string { return filepath.Join(r.dir, name) }

// Setup is how the box is to be booted: once.
func (r *Updating) Setup() smoke.Setup {
	return smoke.Setup{
		Image: r.editions.Image, FromDisk: true, USB: true,
		Disk: r.path("disk"), DiskLog: r.path("log"), Variables: r.path("variables"),
	}
}

// Update brings a good image of that version to the box on a stick, and follows it
// until it is blessed.
func (r *Updating) Update(ctx context.Context, box *smoke.Box, version string) error {
	bundle := r.path("bundle")
	sum, err := r.editions.Bundle(ctx, edition.Edition{Version: version}, bundle)
	if err != nil {
		return err
	}
	old, err := fileSum(r.editions.Image.Slot())
	if err != nil {
		return err
	}
	r.sums = map[string]string{old: "the old image", sum: "the new image"}
	if err := MakeStick(ctx, r.path("stick"), bundle); err != nil {
		return err
	}
	if err := box.Machine.Plug(ctx, "bundle", machine.Stick{Image: r.path("stick")}); err != nil {
		return err
	}
	if _, err := await(ctx, box, "dir usb0:", filepath.Base(bundle)); err != nil {
		return err
	}
	console := box.Machine.Console
	if err := r.mark(staging); err != nil {
		return err
	}
	text, err := console.Command(ctx, "upgrade stage usb0:"+filepath.Base(bundle))
	if err == nil && !strings.Contains(text, "Staged ") {
		err = fmt.Errorf("it said %q", text)
	}
	if err != nil {
		return fmt.Errorf("upgrade stage: %w", err)
	}
	if err := box.Machine.Pull(ctx, "bundle"); err != nil {
		return err
	}
	if err := r.mark(activating); err != nil {
		return err
	}
	if err := console.Leave(ctx, "upgrade activate now"); err != nil {
		return err
	}
	if _, err := console.Expect(ctx, `init: shutting down \(reboot\): firmware \S+ on trial in slot B`); err != nil {
		return err
	}
	if err := r.mark(trying); err != nil {
		return err
	}
	return r.prove(ctx, box, version)
}

// prove follows the trial of an image of that version until it is blessed, and that
// is in the log.
func (r *Updating) prove(ctx context.Context, box *smoke.Box, version string) error {
	if err := box.Answers(ctx); err != nil {
		return err
	}
	console := box.Machine.Console
	r.marks[blessing] = r.marks[trying]
	for served := 0; ; {
		at, err := Position(r.path("log"))
		if err != nil {
			return err
		}
		text, err := console.Command(ctx, "show firmware")
		switch {
		case err != nil:
			return err
		case strings.Contains(text, "On trial"): // it was so when the log was there
			r.marks[blessing] = at
		case strings.Contains(text, "went back"):
			return fmt.Errorf("the image is not blessed: show firmware says\n%s", text)
		case !strings.Contains(text, version+" in slot B serves"):
		case served == 0:
			if served, err = Position(r.path("log")); err != nil {
				return err
			}
			if _, err := console.Command(ctx, "mkdir harddisk:after"); err != nil {
				return err
			}
		case at > served: // the log counts what was written to flash at the disk's next flush
			r.marks[blessed] = at
			return nil
		}
		time.Sleep(pause)
	}
}

// mark notes where the log is when a phase begins.
func (r *Updating) mark(phase int) (err error) {
	r.marks[phase], err = Position(r.path("log"))
	return err
}

// phase says in which phase a cut falls.
func (r *Updating) phase(cut int) Kind {
	for n := len(updatePhases) - 1; n > 0; n-- {
		if cut >= r.marks[n] {
			return updatePhases[n]
		}
	}
	return updatePhases[0]
}

// cuts chooses that many in ascending order: as many in each phase, with one
// anywhere in each stretch of it.
func (r *Updating) cuts(n int, random *rand.Rand) (cuts []int) {
	for phase := range updatePhases {
		first, length := r.marks[phase], r.marks[phase+1]-r.marks[phase]
		here := (phase+1)*n/len(updatePhases) - phase*n/len(updatePhases)
		for i := range here {
			begin, end := first+length*i/here, first+length*(i+1)/here
			cuts = append(cuts, begin+random.IntN(max(1, end-begin)))
		}
	}
	return cuts
}

// pause is how long is waited before a box is asked again: each answer takes it
// processor time.
const pause = 200 * time.Millisecond

// await asks the box until it answers with a text.
func await(ctx context.Context, box *smoke.Box, line, wanted string) (string, error) {
	for {
		text, err := box.Machine.Console.Command(ctx, line)
		if err != nil || strings.Contains(text, wanted) {
			return text, err
		}
		select {
		case <-ctx.Done():
			return text, fmt.Errorf("wait for %q in %q: %w; last:\n%s", wanted, line, context.Cause(ctx), text)
		case <-time.After(pause):
		}
	}
}

// formatVolumes makes the file systems of the box that its first boot would make:
// that writes too much for a log.
func formatVolumes(ctx context.Context, disk string) error {
	partitions, err := machine.Partitions(disk)
	if err != nil {
		return err
	}
	for _, p := range partitions {
		if p.Name != storeVolume && p.Name != board.PartitionHarddisk {
			continue
		}
		output, err := exec.CommandContext(ctx, "mkfs.ext4", "-q", "-F", "-L", p.Name, "-E", fmt.Sprintf("offset=%d", p.Start), disk, fmt.Sprintf("%dk", p.Size>>10)).CombinedOutput()
		if err != nil {
			return fmt.Errorf("format %s: %w: %s", p.Name, err, output)
		}
	}
	return nil
}

// MakeStick makes a stick at path that holds files.
func MakeStick(ctx context.Context, path string, files ...string) error {
	size := int64(8 << 20)
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			return err
		}
		size += info.Size()
	}
	const cylinder = 64 * 32 * 512 // octets: heads, sectors, see below
	size = (size + cylinder - 1) / cylinder * cylinder
	if err := machine.CreateDisk(path, size); err != nil {
		return err
	}
	format := exec.CommandContext(ctx, "mformat", "-i", path, "-v", "CAUSEWAY", "-h", "64", "-s", "32", "-T", fmt.Sprint(size/512), "::")
	copied := exec.CommandContext(ctx, "mcopy", append(append([]string{"-i", path}, files...), "::")...)
	for _, command := range []*exec.Cmd{format, copied} {
		if output, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("make a stick: %s: %w: %s", command.Path, err, output)
		}
	}
	return nil
}
