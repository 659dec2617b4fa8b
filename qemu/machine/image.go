package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Image is what the build made for one board: the folder out/<board>-<variant>.
type Image struct {
	Board Board
	Dir   string
}

// OpenImage gives the image of that board and variant ("release" or "debug")
// below the project's folder root, building it first if it is not there.
func OpenImage(ctx context.Context, root, board, variant string) (Image, error) {
	b, err := FindBoard(board)
	if err != nil {
		return Image{}, err
	}
	image := Image{Board: b, Dir: filepath.Join(root, "out", b.Name+"-"+variant)}
	_, err = os.Stat(image.DiskImage())
	if errors.Is(err, os.ErrNotExist) {
		build := exec.CommandContext(ctx, "go", "run", "./images", "build", "-board", b.Name, "-variant", variant)
		build.Dir, build.Stderr = root, os.Stderr
		if _, err := build.Output(); err != nil {
			return Image{}, fmt.Errorf("build the image of %s: %w", b.Name, err)
		}
	} else if err != nil {
		return Image{}, fmt.Errorf("open the image of %s: %w", b.Name, err)
	}
	return image, nil
}

// DiskImage is the path of the image that is flashed.
func (i Image) DiskImage() string { return filepath.Join(i.Dir, "disk.img") }

// Installer is the path of the image of the installer's stick.
func (i Image) Installer() string { return filepath.Join(i.Dir, "installer.img") }

// Slot is the path of the file that fills one slot: kernel and userland.
func (i Image) Slot() string { return filepath.Join(i.Dir, "causeway.efi") }

// Certificate is the path of the certificate that firmware takes this image by.
func (i Image) Certificate() string { return filepath.Join(i.Dir, "secureboot.cer") }

// Kernel gives what a direct boot of this image loads.
func (i Image) Kernel() (*Kernel, error) {
	line, err := os.ReadFile(filepath.Join(i.Dir, "cmdline"))
	if err != nil {
		return nil, fmt.Errorf("open the image of %s: %w", i.Board.Name, err)
	}
	return &Kernel{
		Image:       filepath.Join(i.Dir, i.Board.Kernel),
		Initramfs:   filepath.Join(i.Dir, "initramfs.cpio.zst"),
		CommandLine: strings.TrimSpace(string(line)),
	}, nil
}

// SlotBytes gives the size of what one slot holds.
func (i Image) SlotBytes() (int64, error) {
	info, err := os.Stat(i.Slot())
	if err != nil {
		return 0, fmt.Errorf("measure the slot: %w", err)
	}
	return info.Size(), nil
}

// CopyDisk makes a machine's own copy of the disk image at path.
func (i Image) CopyDisk(path string) error { return CopyDisk(path, i.DiskImage()) }
