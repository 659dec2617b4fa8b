// Package install is what init does when the box was started from the installer's
// stick: it asks at the console which disk the firmware is to be put on, and puts
// it there. Nothing else of the box is started then.
//
// The stick holds the program that runs, and the manifest that the vendor signed
// for it (package bundle): what is put on the disk is that program and no other.
package install

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"causeway/appliance/bundle"
	"causeway/appliance/model"
	"causeway/appliance/storage"
	"causeway/board"
	"causeway/board/layout"
	"causeway/init/volume"
)

// Disks are those of the box; volume.Volumes is one.
type Disks interface {
	FromInstaller(do func(point string) error) error
	InstallDisks() []volume.Disk
	Content(disk volume.Disk) (content volume.Content, ours bool, err error)
	Divide(disk volume.Disk) error
	InstallOn(disk, program, sum string, image func(io.Writer) error) error
}

// Installer is one installation.
type Installer struct {
	Disks   Disks
	Board   *board.Board
	Build   model.BuildInfo     // of what runs, from the stick
	Keys    []ed25519.PublicKey // whose image it must be
	Console io.ReadWriter       // lines, as a terminal gives them
}

// The stick is there some time after its controller.
const (
	patience = 30 * time.Second
	poll     = 200 * time.Millisecond
)

// Run installs, or lets who is asked leave. An error is one that the next try
// would meet too.
func (i *Installer) Run(ctx context.Context) error {
	for deadline := time.Now().Add(patience); ; {
		err := i.Disks.FromInstaller(func(point string) error { return i.from(point) })
		if !errors.Is(err, os.ErrNotExist) || time.Now().After(deadline) || ctx.Err() != nil {
			return err
		}
		time.Sleep(poll)
	}
}

// from installs from the stick that is mounted at a point.
func (i *Installer) from(point string) error {
	image, err := i.open(point)
	if err != nil {
		return fmt.Errorf("the installer's stick: %w", err)
	}
	i.say("\nThis is the installer of Causeway %s for %s. Nothing has been changed yet.\n", image.Version, image.Board)
	in := bufio.NewReader(i.Console)
	for {
		disk, err := i.choose(in)
		if err != nil {
			return err
		}
		if disk == nil {
			i.say("Nothing was changed. The box switches off.\n")
			return nil
		}
		if err := i.install(in, *disk, image); err != nil {
			i.say("%% %v\n", err)
			continue
		}
		i.say("Causeway %s is on /dev/%s. Take the stick out: the box switches off, and starts from the disk next time.\n", image.Version, disk.Name)
		return nil
	}
}

// image is the program on the stick.
type image struct {
	bundle.Manifest
	path string
}

// open reads the manifest. The program is looked at when it is copied.
func (i *Installer) open(point string) (*image, error) {
	manifest, err := storage.ReadFile(filepath.Join(point, bundle.ManifestName))
	if err != nil {
		return nil, err
	}
	signature, err := storage.ReadFile(filepath.Join(point, bundle.SignatureName))
	if err != nil {
		return nil, err
	}
	m, err := bundle.Verify(manifest, signature, i.Keys)
	if err != nil {
		return nil, err
	}
	if err := m.Fits(i.Build, ""); err != nil {
		return nil, err
	}
	return &image{m, volume.ProgramAt(point, i.Board.EFIFile)}, nil
}

// choose has somebody choose a disk; nil if none is wanted.
func (i *Installer) choose(in *bufio.Reader) (*volume.Disk, error) {
	for {
		disks := i.Disks.InstallDisks()
		i.say("\nDisks of this box:\n")
		for n, disk := range disks {
			i.say("  %d  %s\n", n+1, i.describe(disk))
		}
		if len(disks) == 0 {
			i.say("  none that is built in and can be written to\n")
		}
		answer, err := i.ask(in, "Number of the disk to install on, or q to leave")
		if err != nil || answer == "q" {
			return nil, err
		}
		n, err := strconv.Atoi(answer)
		switch {
		case err != nil || n < 1 || n > len(disks):
			i.say("%% %q is not the number of a disk\n", answer)
		case disks[n-1].Size < layout.Box.Smallest:
			i.say("%% /dev/%s is too small: it takes %d MiB\n", disks[n-1].Name, layout.Box.Smallest>>20)
		default:
			return &disks[n-1], nil
		}
	}
}

// describe tells a disk from others.
func (i *Installer) describe(disk volume.Disk) string {
	content, ours, err := i.Disks.Content(disk)
	text := fmt.Sprintf("/dev/%s  %.1f GB  %s", disk.Name, float64(disk.Size)/1e9, disk.Model)
	switch {
	case err != nil:
		return fmt.Sprintf("%s  (cannot be read: %v)", text, err)
	case ours:
		return text + "  (Causeway)"
	}
	return fmt.Sprintf("%s  (%s)", text, content)
}

// install puts the image on a disk, if who is asked wants it.
func (i *Installer) install(in *bufio.Reader, disk volume.Disk, image *image) error {
	_, ours, err := i.Disks.Content(disk)
	if err != nil {
		return err
	}
	keep := false
	for answer := ""; ours && answer != "yes" && answer != "no"; keep = answer == "yes" {
		if answer, err = i.ask(in, "Keep its configuration, licences and records (bootflash: and harddisk:)? yes or no"); err != nil {
			return err
		}
	}
	if keep {
		i.say("Both slots of /dev/%s become empty, and this version is put in slot A.\n", disk.Name)
	} else {
		i.say("All that is on /dev/%s will be lost.\n", disk.Name)
	}
	if answer, err := i.ask(in, "Type yes to go on"); err != nil || answer != "yes" {
		return errors.Join(errors.New("nothing was changed"), err)
	}
	if !keep {
		if err := i.Disks.Divide(disk); err != nil {
			return err
		}
	}
	i.say("Writing, and reading back:\n")
	return i.Disks.InstallOn(disk.Name, i.Board.EFIFile, image.SHA256, func(w io.Writer) error { return i.copy(w, image) })
}

// copy copies the program and says how far it is. That it is the one of the
// manifest shows when it is read back.
func (i *Installer) copy(w io.Writer, image *image) error {
	file, err := os.Open(image.path)
	if err != nil {
		return err
	}
	defer file.Close()
	const parts = 10
	for part := int64(1); part <= parts; part++ {
		size := image.Size*part/parts - image.Size*(part-1)/parts
		if _, err := io.CopyN(w, file, size); err != nil {
			return fmt.Errorf("read %s from the stick: %w", filepath.Base(image.path), err)
		}
		i.say("  %d %%\n", part*100/parts)
	}
	return nil
}

// ask gives the answer to a question.
func (i *Installer) ask(in *bufio.Reader, question string) (string, error) {
	i.say("%s: ", question)
	line, err := in.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("the console: %w", err)
	}
	return strings.TrimSpace(line), nil
}

func (i *Installer) say(format string, args ...any) { fmt.Fprintf(i.Console, format, args...) }
