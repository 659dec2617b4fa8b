package slot

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/u-root/u-root/pkg/efivarfs"

	"pgregory.net/rapid"

	"causeway/appliance/bundle"
	"causeway/appliance/model"
	"causeway/board"
	"causeway/init/volume"
)

// world is a machine: a disk with two slots, the firmware's memory, and a
// firmware that starts what these say. What is done to it can be cut off
// between any two writes.
type world struct {
	t       rapid.TB
	dir     string            // has the volumes
	slots   map[string]string // program by slot; none: the slot is empty
	aside   map[string]bool   // the program of a slot is where the firmware does not look by itself
	nvram   map[efivarfs.VariableDescriptor][]byte
	key     ed25519.PrivateKey
	board   *board.Board
	noFlash bool  // bootflash: is not on disk
	full    bool  // bootflash: takes nothing more
	booting bool  // the state has yet to be read
	refuse  error // what the firmware says to a write

	left     int      // writes until the power fails; negative: it does not
	evidence string   // of how the last run ended
	later    []func() // what goes on in the background
	restart  string   // why the box wants to go down
	logged   []string
	starts   int // of the firmware
}

// The images. What an image is called says how it behaves.
const (
	good    = "good"    // it proves itself
	bad     = "bad"     // it comes up and does not prove itself
	hanging = "hanging" // it does nothing once it is started
	stuck   = "stuck"   // it does nothing more once it is on trial
	refused = "refused" // the firmware does not start it
)

// Versions tell images of the same kind apart.
func program(kind, version string) string { return kind + " " + version }

// cut is the panic of a power cut.
type cut struct{}

func newWorld(t rapid.TB, dir string) *world {
	target, err := board.Find("x86_64")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, dir: dir, board: target, left: -1,
		aside: map[string]bool{},
		slots: map[string]string{"A": program(good, "v1.0.0")}, nvram: map[efivarfs.VariableDescriptor][]byte{},
		key: ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize)),
	}
	for _, dir := range []string{"bootflash/init", "harddisk"} {
		if err := os.MkdirAll(filepath.Join(w.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// memory gives a directory that no disk slows down, where the host has one:
// thousands of states are written and flushed.
func memory(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "slot-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func (w *world) stateFile() string { return filepath.Join(w.dir, "bootflash/init/slots") }

// write counts a write, before it is done.
func (w *world) write() {
	if w.left == 0 {
		w.left = -1
		panic(cut{})
	}
	w.left--
}

// The firmware's variables.

func (w *world) Get(name efivarfs.VariableDescriptor) (efivarfs.VariableAttributes, []byte, error) {
	content, there := w.nvram[name]
	if !there {
		return 0, nil, fs.ErrNotExist
	}
	return lasting, bytes.Clone(content), nil
}

func (w *world) Set(name efivarfs.VariableDescriptor, attributes efivarfs.VariableAttributes, content []byte) error {
	if attributes != lasting {
		w.t.Errorf("%s is written with attributes %#x", name.Name, attributes)
	}
	if w.refuse != nil {
		return w.refuse
	}
	w.write()
	w.nvram[name] = bytes.Clone(content)
	return nil
}

func (w *world) Remove(name efivarfs.VariableDescriptor) error {
	if w.refuse != nil {
		return w.refuse
	}
	w.write()
	delete(w.nvram, name)
	return nil
}

func (w *world) List() ([]efivarfs.VariableDescriptor, error) {
	return slices.Collect(maps.Keys(w.nvram)), nil
}

// The disk.

func (w *world) OnDisk(name string) bool {
	if w.left >= 0 && name == volume.Bootflash {
		w.write() // it is asked before each writing of the state
	}
	reading := w.booting
	w.booting = false
	return !w.noFlash && (reading || !w.full)
}

func (w *world) Slot(slot string) *volume.Partition {
	number := 1 + strings.Index("AB", slot)
	return &volume.Partition{Name: fmt.Sprint("vda", number), Number: number, Start: int64(number) << 20, Size: 96 << 20, BlockSize: 512}
}

func (w *world) Slots() (list []model.SlotStatus) {
	for _, slot := range []string{"A", "B"} {
		_, version, _ := strings.Cut(w.slots[slot], " ")
		list = append(list, model.SlotStatus{Name: slot, Version: version, TotalKB: 96 << 10})
	}
	return list
}

func (w *world) SlotSum(slot string, programs ...string) (string, error) {
	content, there := w.slots[slot]
	name := w.board.EFIFile
	if w.aside[slot] {
		name = unprovenFile
	}
	if !there || !slices.Contains(programs, name) {
		return "", fs.ErrNotExist
	}
	return sumOf(content), nil
}

func sumOf(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

func (w *world) WriteSlot(slot, program, sum string, image func(io.Writer) error) error {
	if slot == w.running() {
		w.t.Errorf("slot %s is written while it runs", slot)
	}
	w.write()
	delete(w.slots, slot)
	var content bytes.Buffer
	w.write()
	if err := image(&content); err != nil {
		return err
	}
	if sumOf(content.String()) != sum {
		return errors.New("it is not what was read back")
	}
	w.write()
	w.slots[slot], w.aside[slot] = content.String(), program == unprovenFile
	return nil
}

func (w *world) RenameSlot(slot, from, to string) error {
	if from != unprovenFile || to != w.board.EFIFile {
		w.t.Errorf("%s is renamed to %s", from, to)
	}
	if !w.aside[slot] {
		return fs.ErrNotExist
	}
	w.write()
	w.aside[slot] = false
	return nil
}

// bundle puts a bundle on harddisk: and gives its path.
func (w *world) bundle(kind, version, floor string) string {
	w.t.Helper()
	content := []byte(program(kind, version))
	_, manifest, err := bundle.Make(bundle.Manifest{Board: "x86_64", Variant: bundle.Release, Version: version, Floor: floor}, nil, content)
	if err != nil {
		w.t.Fatal(err)
	}
	var file bytes.Buffer
	if err := bundle.Write(&file, manifest, ed25519.Sign(w.key, manifest), nil, content); err != nil {
		w.t.Fatal(err)
	}
	name := kind + version + bundle.Suffix
	if err := os.WriteFile(filepath.Join(w.dir, "harddisk", name), file.Bytes(), 0o644); err != nil {
		w.t.Fatal(err)
	}
	return "harddisk:/" + name
}

// flip turns a bit of the one bundle, so many octets before its end.
func (w *world) flip(at int) {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(w.dir, "harddisk", "*"+bundle.Suffix))
	if err != nil || len(files) != 1 {
		w.t.Fatalf("bundles %q, %v", files, err)
	}
	content, err := os.ReadFile(files[0])
	if err != nil {
		w.t.Fatal(err)
	}
	content[len(content)+at] ^= 1
	if err := os.WriteFile(files[0], content, 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// The firmware.

// start is what firmware does at power-on: it gives the slot that it starts;
// empty if there is none to start.
func (w *world) start() (slot string) {
	w.starts++
	delete(w.nvram, startedFrom)
	numbers, _ := variables{w}.numbers(bootNext)
	delete(w.nvram, bootNext)
	order, _ := variables{w}.numbers(bootOrder)
	for _, number := range append(numbers, order...) {
		if slot, file := w.entrySlot(number); slot != "" && w.startable(slot, file) {
			return w.started(slot)
		}
	}
	for _, slot := range []string{"A", "B"} { // the removable path
		if w.startable(slot, w.board.EFIFile) {
			return w.started(slot)
		}
	}
	return ""
}

func (w *world) startable(slot, file string) bool {
	content, there := w.slots[slot]
	return there && w.aside[slot] == (file == unprovenFile) && !strings.HasPrefix(content, refused)
}

// started leaves what the stub does.
func (w *world) started(slot string) string {
	w.nvram[startedFrom] = encodeText(slots[strings.Index("AB", slot)].guid)
	return slot
}

// running is the slot that runs.
func (w *world) running() string {
	running, _ := Running(w)
	return running
}

// entrySlot gives the slot and the file that a boot entry leads to.
func (w *world) entrySlot(number uint16) (slot, file string) {
	content := w.nvram[entryVariable(number)]
	for _, slot := range slots {
		part := w.Slot(slot.name)
		for description, file := range map[string]string{
			"Causeway " + slot.name: w.board.EFIFile, "Causeway trial": unprovenFile,
		} {
			if want, err := entry(description, slot.guid, part, file); err == nil && bytes.Equal(content, want) {
				return slot.name, file
			}
		}
	}
	return "", ""
}

// up makes what init has of the slots, in a box that was started.
func (w *world) up() *Slots {
	running, err := Running(w)
	if err != nil {
		w.t.Fatal(err)
	}
	_, version, _ := strings.Cut(w.slots[running], " ")
	w.restart, w.later, w.booting = "", nil, true
	return New(Options{
		Running: running, Variables: w, Disk: w, File: w.stateFile(), Root: w.dir, Board: w.board,
		Build: model.BuildInfo{Board: "x86_64", Variant: bundle.Release, Version: version, Floor: "v0.1.0"},
		Keys: func() ([]ed25519.PublicKey, error) {
			return []ed25519.PublicKey{w.key.Public().(ed25519.PublicKey)}, nil
		},
		Uptime:  func() time.Duration { return 3 * time.Second },
		Now:     func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) },
		Log:     func(format string, args ...any) { w.logged = append(w.logged, fmt.Sprintf(format, args...)) },
		Restart: func(reason string) { w.restart = reason },
		Go:      func(f func()) { w.later = append(w.later, f) },
	})
}

// run is one run of the box, from power-on until it would do nothing more by
// itself, or goes down. It gives the slots of a box that stays up; then does
// what then says, if that is not nil.
func (w *world) run(then func(*Slots)) (s *Slots) {
	defer func() {
		if r := recover(); r != nil {
			if _, power := r.(cut); !power {
				panic(r)
			}
			s = nil
		}
	}()
	slot := w.start()
	if slot == "" {
		w.t.Fatalf("the box has nothing to start: slots %q", w.slots)
	}
	s = w.up()
	if strings.HasPrefix(w.slots[slot], hanging) {
		return nil
	}
	restart, err := s.Boot(w.evidence)
	if err != nil && !errors.Is(err, errDamaged) && !w.noFlash {
		w.t.Errorf("Boot = %v", err)
	}
	if restart != "" {
		return nil
	}
	if err := s.Settle(); err != nil && w.refuse == nil && !w.noFlash && !w.full {
		w.t.Errorf("Settle = %v", err)
	}
	s.Look()
	s.Verify()
	if s.OnTrial() {
		if strings.HasPrefix(w.slots[slot], stuck) {
			return nil
		}
		if !strings.HasPrefix(w.slots[slot], good) {
			if err := s.Ending("the gate did not open"); err != nil && !w.noFlash && !w.full {
				w.t.Errorf("Ending = %v", err)
			}
			return nil
		}
		if err := s.Bless(); err != nil {
			if !w.noFlash && !w.full {
				w.t.Errorf("Bless = %v", err)
			}
			return nil
		}
	}
	if then != nil {
		then(s)
	}
	for _, f := range w.later {
		f()
	}
	if w.restart != "" {
		return nil
	}
	return s
}

// settle runs the box until it stays up.
func (w *world) settle() *Slots {
	w.t.Helper()
	for range 6 {
		if s := w.run(nil); s != nil {
			return s
		}
	}
	w.t.Fatalf("the box does not come to rest:\n%s", strings.Join(w.logged, "\n"))
	return nil
}
