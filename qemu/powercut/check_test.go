package powercut

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"causeway/appliance/config/change"
	"causeway/qemu/machine"
)

// writer is a box on paper: it keeps revisions with the real store, on an ext4
// that is written to behind the kernel's back, so that a test decides about the
// flushes.
type writer struct {
	*recorder
	t     *testing.T
	image string // the file system as the box sees it
	kept  []byte // as the log has it
	files string // the folder of the store
	store *change.Store
	steps []Step
	// position is the number of entries up to the last flush.
	position int
}

const volumeSize = 4 << 20

func newWriter(t *testing.T) *writer {
	t.Helper()
	dir := t.TempDir()
	w := &writer{
		recorder: newRecorder(), t: t, image: filepath.Join(dir, "image"), kept: make([]byte, volumeSize), files: filepath.Join(dir, "files"),
	}
	var err error
	if w.store, err = change.OpenStore(w.files); err != nil {
		t.Fatal(err)
	}
	if err := machine.CreateDisk(w.image, volumeSize); err != nil {
		t.Fatal(err)
	}
	w.run("mkfs.ext4", "-q", "-F", w.image)
	w.edit("mkdir /control\nmkdir /" + storeFolder + "\n")
	w.log()
	w.flush()
	return w
}

func (w *writer) run(name string, args ...string) {
	w.t.Helper()
	if output, err := exec.CommandContext(w.t.Context(), name, args...).CombinedOutput(); err != nil {
		w.t.Fatalf("%s %q: %v: %s", name, args, err, output)
	}
}

// edit has debugfs change the image.
func (w *writer) edit(requests string) {
	w.t.Helper()
	script := filepath.Join(w.t.TempDir(), "requests")
	if err := os.WriteFile(script, []byte(requests), 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.run("debugfs", "-w", "-f", script, w.image)
}

// log logs what changed in the image.
func (w *writer) log() {
	w.t.Helper()
	image, err := os.ReadFile(w.image)
	if err != nil {
		w.t.Fatal(err)
	}
	for at := 0; at < volumeSize; at += pageSize {
		if block := image[at : at+pageSize]; !bytes.Equal(block, w.kept[at:at+pageSize]) {
			w.write(int64(at), block)
		}
	}
	w.kept = image
}

func (w *writer) flush() {
	w.recorder.flush()
	w.position = w.entries
}

// keep brings a revision to the image, as the store writes it.
func (w *writer) keep(change int) (file string) {
	w.t.Helper()
	before, _ := os.ReadDir(w.files)
	w.add(change)
	after, err := os.ReadDir(w.files)
	if err != nil {
		w.t.Fatal(err)
	}
	name := after[len(before)].Name()
	w.edit(fmt.Sprintf("write %s /%s/%s\n", filepath.Join(w.files, name), storeFolder, name))
	return name
}

func (w *writer) add(number int) {
	w.t.Helper()
	step := Step{Change: number}
	lines := step.typed()
	for n := range bulk {
		lines = slices.Insert(lines, 1, fmt.Sprintf("ip route 198.51.100.%d 255.255.255.255 192.168.42.%d LAN1", n, 2+n))
	}
	text := strings.Join(lines, "\n") + "\n"
	if _, err := w.store.Add(change.Revision{State: change.StateCommitted}, text); err != nil {
		w.t.Fatal(err)
	}
}

// commit keeps a revision and tells the operator so when told is called for.
func (w *writer) commit(flushes, flushesLate bool) {
	w.t.Helper()
	step := Step{Kind: Commit, Begun: w.position, Change: len(w.steps) + 1, Revision: len(w.steps) + 1, Boots: len(w.steps) + 1}
	w.keep(step.Change)
	w.log()
	if flushes {
		w.flush()
	}
	step.Done = w.position
	w.steps = append(w.steps, step)
	if flushesLate {
		w.flush()
	}
}

func (w *writer) check(cuts []int) Report {
	w.t.Helper()
	recording := Recording{Log: w.recorder.log(w.t), Steps: w.steps}
	report, err := recording.Check(w.t.Context(), machine.Volume{Size: volumeSize}, cuts, testRandom())
	if err != nil {
		w.t.Fatal(err)
	}
	return report
}

// afterEach gives the cuts at which a commit was just acknowledged, or would
// have been with a flush.
func (w *writer) afterEach() []int {
	var cuts []int
	for n := range w.steps {
		cuts = append(cuts, w.steps[n].Done)
	}
	return append(cuts, w.entries)
}

// TestCheckFindsNothing looks at a box that flushes before it says that a
// revision is kept.
func TestCheckFindsNothing(t *testing.T) {
	w := newWriter(t)
	for range 5 {
		w.commit(true, false)
	}
	report := w.check(w.afterEach())
	if len(report.Bad) > 0 || report.Cuts != 6 {
		t.Errorf("a box that flushes: %v", report)
	}
}

// TestCheckFindsFaults looks at boxes that each do one thing wrong.
func TestCheckFindsFaults(t *testing.T) {
	for _, test := range []struct {
		name string
		work func(w *writer)
		bad  string // in what is found
	}{
		{"never flushes", func(w *writer) {
			for range 5 {
				w.commit(false, false)
			}
		}, "cut at"},
		{"acknowledges before it flushes", func(w *writer) {
			for range 5 {
				w.commit(false, true)
			}
		}, "would run revision"},
		{"forgets the newest revision", func(w *writer) {
			w.commit(true, false)
			w.commit(true, false)
			w.edit(fmt.Sprintf("rm /%s/000002.conf\n", storeFolder))
			w.log()
			w.flush()
		}, "would run revision 1; want one of [2]"},
		{"forgets an old revision", func(w *writer) {
			w.commit(true, false)
			w.commit(true, false)
			w.edit(fmt.Sprintf("rm /%s/000001.conf\n", storeFolder))
			w.log()
			w.flush()
		}, "there is no revision 1"},
		{"cuts a file short", func(w *writer) {
			w.commit(true, false)
			w.commit(true, false)
			w.edit(fmt.Sprintf("set_inode_field /%s/000002.conf size 700\n", storeFolder))
			w.log()
			w.flush()
		}, "revision 2 is damaged"},
		{"keeps something else than was typed", func(w *writer) {
			w.commit(true, false)
			w.steps[0].Change = 7
		}, `"hostname change-7" is not in it`},
		{"commits what nobody asked for", func(w *writer) {
			w.commit(true, false)
			w.commit(true, false)
			w.steps = w.steps[:1]
		}, "would run revision 2; want one of [1]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWriter(t)
			test.work(w)
			report := w.check(w.afterEach())
			if !strings.Contains(strings.Join(report.Bad, "\n"), test.bad) {
				t.Errorf("a box that %s: %v\nwant a fault with %q", test.name, report, test.bad)
			}
		})
	}
}

// TestExpected walks a log with a commit, a commit that is confirmed, and
// another commit.
func TestExpected(t *testing.T) {
	r := Recording{Log: &Log{Entries: make([]Entry, 100)}, Steps: []Step{
		{Kind: Commit, Begun: 10, Done: 20, Boots: 1},
		{Kind: Confirmed, Begun: 25, Done: 30, Boots: 1},
		{Kind: Confirm, Begun: 30, Done: 40, Boots: 2},
		{Kind: Commit, Begun: 50, Done: 60, Boots: 3},
	}}
	for _, test := range []struct {
		cut   int
		phase Kind
		boots []int
	}{
		{20, Between, []int{1}}, {25, Confirmed, []int{1, 1}}, {30, Confirm, []int{1, 2}}, {39, Confirm, []int{1, 2}},
		{40, Between, []int{2}}, {55, Commit, []int{2, 3}}, {60, Between, []int{3}}, {100, Between, []int{3}},
	} {
		phase, boots := r.Expected(test.cut)
		if phase != test.phase || !slices.Equal(boots, test.boots) {
			t.Errorf("Expected(%d) = %s, %d; want %s, %d", test.cut, phase, boots, test.phase, test.boots)
		}
	}
	cuts := r.Cuts(40, testRandom())
	if len(cuts) != 40 || !slices.IsSorted(cuts) || cuts[0] < 20 || cuts[0] > 22 || cuts[39] > 100 || cuts[39] < 97 {
		t.Errorf("Cuts(40) = %d; want 40 from 20 to 100, spread", cuts)
	}
}
