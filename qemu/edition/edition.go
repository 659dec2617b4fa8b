// Package edition makes bundles that are not for release: an image under another
// version, or with a fault (package faulty), signed with the keys of the tree as
// the build signs; and bundles that a box has to refuse.
package edition

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/u-root/mkuimage/cpio"

	"causeway/appliance/bundle"
	"causeway/appliance/model"
	"causeway/board"
	"causeway/images/signing"
	"causeway/images/uki"
	"causeway/qemu/machine"
	"causeway/rootfs/cache"
	"causeway/rootfs/debian"
)

// Edition is what is other than in the image it is made of.
type Edition struct {
	Version string // semantic version
	Fault   string // of package faulty; empty: it is good
}

// Maker makes editions of one image.
type Maker struct {
	Image machine.Image
	Keys  *signing.Keys

	board *board.Board
	info  model.BuildInfo
	parts map[string][]byte
}

// The files of an image that editions are made of.
const (
	kernelFile    = "kernel"
	initramfsFile = "initramfs.cpio.zst"
	cmdlineFile   = "cmdline"
	infoFile      = "build.json"
	stubPart      = "stub"
)

// Open reads what the editions of an image have in common with it. The keys are
// in dir.
func Open(ctx context.Context, image machine.Image, dir string) (*Maker, error) {
	m := &Maker{Image: image, parts: map[string][]byte{}}
	var err error
	if m.Keys, err = signing.Open(dir); err != nil {
		return nil, err
	}
	if m.board, err = board.Find(image.Board.Name); err != nil {
		return nil, err
	}
	for _, name := range []string{kernelFile, initramfsFile, cmdlineFile, infoFile} {
		if m.parts[name], err = os.ReadFile(filepath.Join(image.Dir, name)); err != nil {
			return nil, fmt.Errorf("image of %s: %w", image.Board.Name, err)
		}
	}
	if err := json.Unmarshal(m.parts[infoFile], &m.info); err != nil {
		return nil, fmt.Errorf("image of %s: %s: %w", image.Board.Name, infoFile, err)
	}
	m.parts[stubPart], err = m.stub(ctx)
	return m, err
}

// Version is that of the image itself.
func (m *Maker) Version() string { return m.info.Version }

// stub takes the EFI stub out of Debian's package.
func (m *Maker) stub(ctx context.Context) ([]byte, error) {
	c, err := cache.Default()
	if err != nil {
		return nil, err
	}
	archive := &debian.Archive{Architecture: m.board.DebianArch, Cache: c, Log: os.Stderr}
	pkg, err := archive.Fetch(ctx, m.board.StubPackage)
	if err != nil {
		return nil, err
	}
	return pkg.ReadFile(ctx, m.board.StubFile)
}

// Bundle makes an edition's bundle at path, and gives the SHA-256 of the image in
// it.
func (m *Maker) Bundle(ctx context.Context, e Edition, path string) (sum string, err error) {
	image, err := m.program(ctx, e)
	if err != nil {
		return "", fmt.Errorf("edition %s: %w", e.Version, err)
	}
	manifest := bundle.Manifest{Board: m.board.Name, Variant: m.info.Variant, Version: e.Version, Floor: m.info.Floor, Time: m.info.Time}
	return fmt.Sprintf("%x", sha256.Sum256(image)), m.Sign(manifest, image, path)
}

// Sign makes a bundle of an image with that manifest, whatever that says.
func (m *Maker) Sign(manifest bundle.Manifest, image []byte, path string) error {
	notes := []byte("An edition for tests.\n")
	text, signature, err := m.Keys.Manifest(manifest, notes, image)
	if err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(bundle.Write(file, text, signature, notes, image), file.Close())
}

// program makes the signed EFI program of an edition.
func (m *Maker) program(ctx context.Context, e Edition) ([]byte, error) {
	info := m.info
	info.Version = e.Version
	encoded, err := json.Marshal(info)
	if err != nil {
		return nil, err
	}
	files := []cpio.Record{cpio.StaticFile("etc/causeway/build.json", string(encoded), 0o644)}
	line := strings.TrimSpace(string(m.parts[cmdlineFile]))
	if e.Fault != "" {
		harmful, err := m.faulty(ctx)
		if err != nil {
			return nil, err
		}
		files = append(files, harmful)
		line += " " + Words(e.Fault)
	}
	initrd, err := m.initramfs(files)
	if err != nil {
		return nil, err
	}
	program, err := uki.Build(uki.Image{
		Stub:        m.parts[stubPart],
		OSRelease:   fmt.Appendf(nil, "ID=causeway\nVERSION_ID=%s\n", e.Version),
		CommandLine: line,
		Initrd:      initrd,
		Linux:       m.parts[kernelFile],
	})
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "causeway-edition-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	unsigned, signed := filepath.Join(dir, "unsigned.efi"), filepath.Join(dir, "signed.efi")
	if err := os.WriteFile(unsigned, program, 0o600); err != nil {
		return nil, err
	}
	if err := m.Keys.Program(ctx, signed, unsigned, info.Time); err != nil {
		return nil, err
	}
	return os.ReadFile(signed)
}

// Words are what a kernel's command line has at its end for a fault.
func Words(fault string) string { return "rdinit=/faulty -- " + fault }

// Initramfs makes a root file system at path, for a direct boot, that has the
// faults in it: Words choose one.
func (m *Maker) Initramfs(ctx context.Context, path string) error {
	harmful, err := m.faulty(ctx)
	if err != nil {
		return err
	}
	initrd, err := m.initramfs([]cpio.Record{harmful})
	if err != nil {
		return err
	}
	return os.WriteFile(path, initrd, 0o600)
}

// initramfs gives the image's root file system with files that come after its own:
// the kernel unpacks one archive after the other.
func (m *Maker) initramfs(files []cpio.Record) ([]byte, error) {
	var more bytes.Buffer
	archive := cpio.Newc.Writer(&more)
	if err := errors.Join(cpio.WriteRecords(archive, files), cpio.WriteTrailer(archive)); err != nil {
		return nil, err
	}
	const alignment = 4 // of an archive that is not compressed
	first := m.parts[initramfsFile]
	padding := make([]byte, -len(first)&(alignment-1))
	return bytes.Join([][]byte{first, padding, more.Bytes()}, nil), nil
}

// faulty builds the program that does harm, for the board.
func (m *Maker) faulty(ctx context.Context) (record cpio.Record, err error) {
	dir, err := os.MkdirTemp("", "causeway-faulty-")
	if err != nil {
		return record, err
	}
	defer os.RemoveAll(dir)
	built := filepath.Join(dir, "faulty")
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", built, "causeway/qemu/faulty")
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+m.board.GOARCH)
	if output, err := command.CombinedOutput(); err != nil {
		return record, fmt.Errorf("build package faulty: %w: %s", err, output)
	}
	content, err := os.ReadFile(built)
	if err != nil {
		return record, err
	}
	return cpio.StaticFile("faulty", string(content), 0o755), nil
}
