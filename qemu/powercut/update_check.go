package powercut

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"causeway/board"
	"causeway/qemu/machine"
	"causeway/qemu/nvram"
	"causeway/qemu/smoke"
)

// UpdateReport is what was found at cuts of an update.
type UpdateReport struct {
	Cuts, Booted int
	Phases       map[Kind]int // cuts in each
	Stranded     []string     // a sentence for each cut after which the box would not work
}

// String gives the report, one key=value a line, and then what was wrong.
func (r UpdateReport) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "cuts=%d booted=%d stranded=%d\n", r.Cuts, r.Booted, len(r.Stranded))
	for _, phase := range updatePhases {
		fmt.Fprintf(&text, "cuts_%s=%d\n", phase, r.Phases[phase])
	}
	for _, stranded := range r.Stranded {
		text.WriteString(stranded + "\n")
	}
	return text.String()
}

// Check cuts the power of what was recorded. At each cut it looks at disk and
// variables: what would the firmware start, is that whole, does the box know its
// slots. From some a machine boots.
func (r *Updating) Check(ctx context.Context, u Update) (UpdateReport, error) {
	report := UpdateReport{Phases: map[Kind]int{}}
	log, err := OpenLog(r.path("log"))
	if err != nil {
		return report, err
	}
	defer log.Close()
	variables, err := os.Stat(r.path("variables"))
	if err != nil {
		return report, fmt.Errorf("the variables of the recorded box: %w", err)
	}
	for i := range log.Entries {
		if log.Entries[i].Offset >= r.diskSize {
			log.Entries[i].Flags |= FUA // flash has no cache
		}
	}
	replay := newReplay(log, 0, r.diskSize+variables.Size())
	if err := errors.Join(replay.hold(r.path("before"), 0), replay.hold(r.path("variables"), r.diskSize)); err != nil {
		return report, err
	}
	random := rand.New(rand.NewPCG(u.Seed, 0))
	for n, at := range r.cuts(u.Cuts, random) {
		made, err := replay.cut(at, random)
		if err != nil {
			return report, fmt.Errorf("replay up to entry %d: %w", at, err)
		}
		image := r.path("cut")
		if err := made.save(image); err != nil {
			return report, err
		}
		report.Cuts++
		report.Phases[r.phase(at)]++
		err = r.look(ctx, image, at)
		half := u.Cuts / 2 // so that those that are booted from are in the middle of their stretches
		if wanted := ((n+1)*u.Boots+half)/u.Cuts > (n*u.Boots+half)/u.Cuts; err == nil && wanted {
			report.Booted++
			err = r.boot(ctx, image)
		}
		if ctx.Err() != nil {
			return report, context.Cause(ctx)
		}
		said := fmt.Sprintf("cut at %d of %d, in %s", at, len(log.Entries), r.phase(at))
		if err != nil {
			said += ": " + err.Error()
			report.Stranded = append(report.Stranded, said)
		}
		fmt.Fprintln(u.Progress, said)
	}
	return report, nil
}

// look says why a box with this disk and these variables would not work, or would
// start what has not proved itself.
func (r *Updating) look(ctx context.Context, image string, at int) error {
	flash, err := readFrom(image, r.diskSize)
	if err != nil {
		return err
	}
	variables, err := nvram.Parse(flash)
	if err != nil {
		return err
	}
	partitions, err := machine.Partitions(image)
	if err != nil {
		return err
	}
	started, err := r.started(ctx, image, variables, partitions)
	if err != nil {
		return err
	}
	blessed, err := r.blessed(ctx, image, partitions)
	if err != nil {
		return err
	}
	if at >= r.marks[blessing] {
		return nil // either slot may be the one
	}
	next, err := variables.Numbers("BootNext")
	switch {
	case err != nil:
		return err
	case len(next) == 0 && started.Name != board.PartitionESPA:
		return fmt.Errorf("the firmware would start %s for good, which has not proved itself", started.Name)
	case blessed == "B":
		return errors.New("slot B is blessed, and has not proved itself")
	}
	return nil
}

// started gives the partition of what the firmware would start, which is whole.
// A file that is not there is passed over; one that is not whole ends the search:
// some firmware stops there.
func (r *Updating) started(ctx context.Context, image string, variables nvram.Variables, partitions []machine.Volume) (machine.Volume, error) {
	entries, err := variables.Order()
	if err != nil {
		return machine.Volume{}, err
	}
	entries = append(entries, nvram.Entry{Description: "the removable path"})
	for _, entry := range entries {
		if entry.Internal {
			continue
		}
		for _, p := range partitions {
			if p.Name != board.PartitionESPA && p.Name != board.PartitionESPB || entry.Partition != "" && !strings.EqualFold(entry.Partition, p.GUID) {
				continue
			}
			sum, err := r.programSum(ctx, image, p)
			if errors.Is(err, os.ErrNotExist) {
				continue
			}
			if err == nil && r.sums[sum] == "" {
				err = errors.New("it is not whole")
			}
			if err != nil {
				return p, fmt.Errorf("%v leads to the program of %s: %w", entry, p.Name, err)
			}
			return p, nil
		}
	}
	return machine.Volume{}, errors.New("the firmware would find nothing to start")
}

// programSum gives the SHA-256 of the program on an EFI system partition, as
// somebody else's FAT reads it.
func (r *Updating) programSum(ctx context.Context, image string, p machine.Volume) (string, error) {
	target, err := board.Find(r.editions.Image.Board.Name)
	if err != nil {
		return "", err
	}
	name := "::" + strings.ReplaceAll(target.EFIFile, `\`, "/")
	command := exec.CommandContext(ctx, "mcopy", "-i", fmt.Sprintf("%s@@%d", image, p.Start), name, "-")
	digest, complaint := sha256.New(), &bytes.Buffer{}
	command.Stdout, command.Stderr = digest, complaint
	if err := command.Run(); err != nil {
		if strings.Contains(complaint.String(), "not found") {
			return "", os.ErrNotExist
		}
		return "", fmt.Errorf("%w: %s", err, strings.TrimSpace(complaint.String()))
	}
	return fmt.Sprintf("%x", digest.Sum(nil)), nil
}

// blessed gives the slot that the state of the box has as blessed; empty if there is
// no state yet. The volume is mounted as the box would.
func (r *Updating) blessed(ctx context.Context, image string, partitions []machine.Volume) (string, error) {
	for _, p := range partitions {
		if p.Name != storeVolume {
			continue
		}
		dir, err := os.MkdirTemp(r.dir, "files-")
		if err != nil {
			return "", err
		}
		defer os.RemoveAll(dir)
		if err := readVolume(ctx, image, p, "init", dir); err != nil {
			return "", err
		}
		text, err := os.ReadFile(filepath.Join(dir, "slots"))
		if errors.Is(err, os.ErrNotExist) {
			return "", nil
		}
		var state struct {
			Blessed string `json:"blessed"`
		}
		line, _, _ := bytes.Cut(text, []byte("\n"))
		if err := errors.Join(err, json.Unmarshal(line, &state)); err != nil {
			return "", fmt.Errorf("the state of the slots: %w", err)
		}
		if state.Blessed != "A" && state.Blessed != "B" {
			return "", fmt.Errorf("the state of the slots is %q", line)
		}
		return state.Blessed, nil
	}
	return "", fmt.Errorf("disk has %+v; want a volume %s", partitions, storeVolume)
}

// boot starts a machine with what the cut left, and wants it to answer calls and to
// know where it is.
func (r *Updating) boot(ctx context.Context, image string) error {
	flash, err := readFrom(image, r.diskSize)
	if err != nil {
		return err
	}
	variables := r.path("cut.variables")
	if err := errors.Join(os.WriteFile(variables, flash, 0o600), os.Truncate(image, r.diskSize)); err != nil {
		return err
	}
	box, err := smoke.Boot(ctx, smoke.Setup{Image: r.editions.Image, FromDisk: true, Disk: image, Variables: variables})
	if err != nil {
		return err
	}
	defer box.Close()
	text, err := box.Machine.Console.Command(ctx, "show firmware")
	if err == nil && !strings.Contains(text, "Runs from: slot ") {
		err = errors.New("it does not know its slot")
	}
	if err != nil {
		return fmt.Errorf("show firmware: %w: it says\n%s", err, text)
	}
	return nil
}

// readFrom reads a file from an offset to its end.
func readFrom(path string, offset int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	content := make([]byte, info.Size()-offset)
	_, err = file.ReadAt(content, offset)
	return content, err
}

func fileSum(path string) (string, error) {
	content, err := os.ReadFile(path)
	return fmt.Sprintf("%x", sha256.Sum256(content)), err
}
