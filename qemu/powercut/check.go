package powercut

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"causeway/appliance/config/change"
	"causeway/qemu/machine"
)

// The store of the revisions on the disk of a box.
const (
	storeVolume = "bootflash"
	storeFolder = "control/revisions"
)

// Report is what was found at some cuts.
type Report struct {
	Cuts   int
	Phases map[Kind]int // cuts in each
	Bad    []string     // a sentence for each cut at which something was wrong
}

// String gives the report, one key=value a line, and then what was wrong.
func (r Report) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "cuts=%d\n", r.Cuts)
	for _, phase := range []Kind{Commit, Confirmed, Confirm, Rollback, Between} {
		fmt.Fprintf(&text, "cuts_%s=%d\n", phase, r.Phases[phase])
	}
	fmt.Fprintf(&text, "bad=%d\n", len(r.Bad))
	for _, bad := range r.Bad {
		text.WriteString(bad + "\n")
	}
	return text.String()
}

// Check cuts the power at each of these points, which ascend, and looks at the
// store of the revisions. An error means that it could not look.
func (r Recording) Check(ctx context.Context, volume machine.Volume, cuts []int, random *rand.Rand) (Report, error) {
	report := Report{Phases: map[Kind]int{}}
	dir, err := os.MkdirTemp("", "causeway-cut-")
	if err != nil {
		return report, fmt.Errorf("check a power cut: %w", err)
	}
	defer os.RemoveAll(dir)
	replay := newReplay(r.Log, volume.Start, volume.Size)
	for _, cut := range cuts {
		made, err := replay.cut(cut, random)
		if err != nil {
			return report, fmt.Errorf("replay up to entry %d: %w", cut, err)
		}
		image := filepath.Join(dir, "image")
		if err := made.save(image); err != nil {
			return report, err
		}
		phase, boots := r.Expected(cut)
		report.Cuts++
		report.Phases[phase]++
		if err := r.look(ctx, image, boots); err != nil {
			report.Bad = append(report.Bad, fmt.Sprintf("cut at %d of %d, in %s: %v", cut, len(r.Log.Entries), phase, err))
		}
		if ctx.Err() != nil {
			return report, context.Cause(ctx)
		}
	}
	return report, nil
}

// look says what is wrong with the store on the volume in image, of a box that
// should boot with one of these revisions.
func (r Recording) look(ctx context.Context, image string, boots []int) error {
	dir, err := os.MkdirTemp(filepath.Dir(image), "files-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := readVolume(ctx, image, machine.Volume{}, storeFolder, dir); err != nil {
		return err
	}
	store, err := change.OpenStore(dir)
	if err != nil {
		return err
	}
	if damaged := store.Damaged(); damaged != nil {
		return errors.New(strings.Join(damaged, "; "))
	}
	standing := func(r change.Revision) bool { return r.State == change.StateCommitted || r.State == change.StateProven }
	if boot := store.Newest(standing).Number; !slices.Contains(boots, boot) {
		return fmt.Errorf("the box would run revision %d; want one of %d", boot, boots)
	}
	for _, step := range r.Steps {
		_, text, err := store.Text(step.Revision)
		if err != nil {
			if step.Revision <= boots[0] {
				return err
			}
			continue
		}
		if err := step.check(text); err != nil {
			return fmt.Errorf("revision %d: %w", step.Revision, err)
		}
	}
	return goesOn(store, dir)
}

// check says what of a text is not what the operator typed.
func (s Step) check(text string) error {
	for _, line := range s.typed() {
		if !strings.Contains(text, line+"\n") {
			return fmt.Errorf("%q is not in it", line)
		}
	}
	if routes := strings.Count(text, "\nip route "); routes != bulk {
		return fmt.Errorf("it has %d routes; want %d", routes, bulk)
	}
	return nil
}

// goesOn keeps one more revision in the store, and finds it.
func goesOn(store *change.Store, dir string) error {
	added, err := store.Add(change.Revision{State: change.StateCommitted}, "hostname after\n")
	if err != nil {
		return fmt.Errorf("commit after the cut: %w", err)
	}
	again, err := change.OpenStore(dir)
	if err != nil {
		return fmt.Errorf("open the store again: %w", err)
	}
	if _, _, err := again.Text(added.Number); err != nil {
		return fmt.Errorf("commit after the cut: %w", err)
	}
	return nil
}

// readVolume mounts the ext4 of a volume in image and copies a folder of it to
// dir; the zero volume is all of the image. The mount is in a namespace of its own,
// so it ends with the process that made it.
func readVolume(ctx context.Context, image string, volume machine.Volume, folder, dir string) error {
	point := filepath.Join(filepath.Dir(image), "mounted")
	if err := os.MkdirAll(point, 0o700); err != nil {
		return fmt.Errorf("mount a volume: %w", err)
	}
	options := fmt.Sprintf("loop,offset=%d,sizelimit=%d", volume.Start, volume.Size)
	const script = `mount -t ext4 -o "$4" "$0" "$1" && cp -r "$1/$2/." "$3"`
	output, err := exec.CommandContext(ctx, "unshare", "--mount", "sh", "-c", script, image, point, folder, dir, options).CombinedOutput()
	if err != nil {
		return fmt.Errorf("read the volume: %w: %s", err, strings.TrimSpace(string(output)))
	}
	return nil
}
