package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"causeway/appliance/model"
	"causeway/board"
	"causeway/images/signing"
	"causeway/images/uki"
	"causeway/rootfs"
	"causeway/rootfs/cache"
	"causeway/rootfs/debian"
	"causeway/rootfs/kernel"
)

// The files of an image, in its directory.
const (
	kernelFile    = "kernel"             // vmlinuz or Image
	vmlinuxFile   = "vmlinux"            // what QEMU starts directly: unpacked on x86
	initramfsFile = "initramfs.cpio.zst" // the root file system
	cmdlineFile   = "cmdline"            // of the kernel
	infoFile      = "build.json"         // model.BuildInfo
	notesFile     = "notes.txt"          // release notes
	sbomFile      = "sbom.cdx.json"      // what it is made of
	licencesFile  = "licences.txt"       // and under which licences
	releaseFile   = signing.ReleaseKeys  // the public keys that are in it: a box with it takes bundles of them
	ipxeFile      = "causeway.ipxe"      // starts it from a network

	unsignedFile    = "causeway.unsigned.efi" // kernel, command line and root as one EFI program
	ukiFile         = "causeway.efi"          // the same, signed: what fills a slot
	certificateFile = signing.CertificateDER  // what firmware takes it by
	diskFile        = "disk.img"              // the disk, with slot A filled
	installerFile   = "installer.img"         // a USB stick that puts itself on the disk of a box
	// Besides, the bundle: bundleFile.

	sumsFile = "SHA256SUMS" // of all the others
)

var (
	// unsignedFiles are those that no secret key is needed for.
	unsignedFiles = []string{kernelFile, vmlinuxFile, initramfsFile, cmdlineFile, infoFile, notesFile, sbomFile, licencesFile, releaseFile, ipxeFile, unsignedFile}
	signedFiles   = []string{ukiFile, certificateFile, diskFile, installerFile} // and the bundle
)

// image is what to build.
type image struct {
	board       *board.Board
	variant     rootfs.Variant
	source      string // the module's directory
	dir         string // where the files go
	comRoot     string // PEM file of the authority that COM is known by; empty: none
	licenseRoot string // of the licence server, likewise
	keys        string // directory of keys (package signing)
	unsigned    bool   // of the keys there is only signing.ReleaseKeys: leave out what is signed
	kernelOnly  bool   // only what boots without a disk
	fresh       bool   // compile everything anew
	refresh     bool   // ask for newer Debian packages
	initPkg     string
	appliance   string
	onlyInit    bool
	cache       *cache.Cache
	log         io.Writer
}

// built is what came out.
type built struct {
	info      model.BuildInfo
	slot      int64 // bytes on flash: the EFI program, or kernel, command line and initramfs
	initramfs int64 // bytes
}

func buildCommand(ctx context.Context, args []string, out, log io.Writer) error {
	flags := flag.NewFlagSet("images build", flag.ContinueOnError)
	flags.SetOutput(log)
	boardName := flags.String("board", "x86_64", strings.Join(board.Names(), " or "))
	variant := flags.String("variant", string(rootfs.Release), "release (no shell) or debug")
	dir := flags.String("o", "", "`directory` for the files (default out/BOARD-VARIANT)")
	comRoot := flags.String("com-root", "", "PEM `file` of the authority that COM is known by")
	licenseRoot := flags.String("license-root", "", "PEM `file` of the authority that the licence server is known by")
	keys := keysFlag(flags)
	unsigned := flags.Bool("unsigned", false, "leave out what is signed: of the keys, only "+signing.ReleaseKeys+" is needed")
	kernelOnly := flags.Bool("kernel-only", false, "make only what QEMU's -kernel needs")
	fresh := flags.Bool("fresh", false, "compile everything anew")
	refresh := flags.Bool("refresh", false, "ask for newer Debian packages than those in the cache")
	onlyInit := flags.String("only-init", "", "a root file system with nothing but this Go `package` as /init")
	if err := parse(flags, args); err != nil {
		return err
	}
	b, err := board.Find(*boardName)
	if err != nil {
		return err
	}
	if v := rootfs.Variant(*variant); v != rootfs.Release && v != rootfs.Debug {
		return fmt.Errorf("there is no variant %q, only release, debug", v)
	}
	source, err := moduleDir(ctx)
	if err != nil {
		return err
	}
	c, err := cache.Default()
	if err != nil {
		return err
	}
	if *dir == "" {
		*dir = filepath.Join(source, "out", b.Name+"-"+*variant)
	}
	if *keys, err = keysDir(*keys, source); err != nil {
		return err
	}
	i := image{
		board: b, variant: rootfs.Variant(*variant), source: source, dir: *dir,
		comRoot: *comRoot, licenseRoot: *licenseRoot,
		keys: *keys, unsigned: *unsigned,
		kernelOnly: *kernelOnly, fresh: *fresh, refresh: *refresh,
		initPkg: "causeway/init", appliance: "causeway/appliance",
		cache: c, log: log,
	}
	if *onlyInit != "" {
		i.initPkg, i.onlyInit = *onlyInit, true
	}
	start := time.Now()
	result, err := i.build(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "board=%s\nvariant=%s\nkernel=%s\nversion=%s\nslot_bytes=%d\ninitramfs_bytes=%d\nseconds=%.1f\ndirectory=%s\n",
		b.Name, *variant, result.info.Kernel, result.info.Version, result.slot, result.initramfs, time.Since(start).Seconds(), *dir)
	return nil
}

// build makes all files in a directory beside the image's, and moves them in
// when they are complete: who reads the image meanwhile has the old one.
func (i *image) build(ctx context.Context) (*built, error) {
	info, err := describe(ctx, i.source)
	if err != nil {
		return nil, err
	}
	archive := &debian.Archive{Architecture: i.board.DebianArch, Cache: i.cache, Refresh: i.refresh, Log: i.log}
	k, err := kernel.Fetch(ctx, i.board, archive)
	if err != nil {
		return nil, err
	}
	var keys *signing.Keys
	if !i.unsigned {
		if keys, err = signing.Open(i.keys); err != nil {
			return nil, err
		}
	}
	info.Board, info.Variant, info.Kernel = i.board.Name, string(i.variant), k.Version

	if err := os.MkdirAll(i.dir, 0o755); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(i.dir, ".making-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	root := i.root(k, info)
	if err := i.writeBootFiles(ctx, dir, root); err != nil {
		return nil, err
	}
	if err := copyFile(root.ReleaseKeys, filepath.Join(dir, releaseFile)); err != nil {
		return nil, err
	}
	slot := []string{kernelFile, initramfsFile, cmdlineFile}
	if !i.kernelOnly {
		if err := i.writeProgram(ctx, dir, archive, root); err != nil {
			return nil, err
		}
		slot = []string{unsignedFile}
	}
	if !i.kernelOnly && keys != nil {
		if err := sign(ctx, dir, keys); err != nil {
			return nil, err
		}
		slot = []string{ukiFile}
	}
	result := &built{info: info}
	for _, name := range slot {
		size, err := fileSize(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		result.slot += size
	}
	if result.initramfs, err = fileSize(filepath.Join(dir, initramfsFile)); err != nil {
		return nil, err
	}
	if err := writeSums(dir); err != nil {
		return nil, err
	}
	return result, moveInto(i.dir, dir)
}

// root says what the root file system is made of.
func (i *image) root(k *kernel.Kernel, info model.BuildInfo) *rootfs.Spec {
	return &rootfs.Spec{
		Board: i.board, Variant: i.variant, Source: i.source, Info: info, Kernel: k,
		Init: i.initPkg, Appliance: i.appliance, OnlyInit: i.onlyInit,
		COMRoot: i.comRoot, LicenseRoot: i.licenseRoot, ReleaseKeys: filepath.Join(i.keys, signing.ReleaseKeys),
		Cache: i.cache, Fresh: i.fresh, Log: i.log,
	}
}

// writeBootFiles makes what a boot without a disk needs.
func (i *image) writeBootFiles(ctx context.Context, dir string, root *rootfs.Spec) error {
	if err := link(root.Kernel.Image, filepath.Join(dir, kernelFile)); err != nil {
		return err
	}
	if err := link(root.Kernel.Direct, filepath.Join(dir, vmlinuxFile)); err != nil {
		return err
	}
	encoded, err := json.MarshalIndent(root.Info, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, infoFile), append(encoded, '\n'), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, cmdlineFile), []byte(i.board.CommandLine()+"\n"), 0o644); err != nil {
		return err
	}
	return root.Write(ctx, filepath.Join(dir, initramfsFile))
}

// writeProgram makes the unified kernel image, not signed, and what is to be said
// about it.
func (i *image) writeProgram(ctx context.Context, dir string, archive *debian.Archive, root *rootfs.Spec) error {
	loader, err := archive.Fetch(ctx, i.board.StubPackage)
	if err != nil {
		return err
	}
	stub, err := loader.ReadFile(ctx, i.board.StubFile)
	if err != nil {
		return err
	}
	initrd, err := os.ReadFile(filepath.Join(dir, initramfsFile))
	if err != nil {
		return err
	}
	linux, err := os.ReadFile(filepath.Join(dir, kernelFile))
	if err != nil {
		return err
	}
	program, err := uki.Build(uki.Image{
		Stub:        stub,
		OSRelease:   osRelease(root.Info),
		CommandLine: i.board.CommandLine(),
		Initrd:      initrd,
		Linux:       linux,
	})
	if err != nil {
		return fmt.Errorf("unified kernel image: %w", err)
	}
	notes, err := releaseNotes(i.source)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, unsignedFile), program, 0o644),
		os.WriteFile(filepath.Join(dir, notesFile), notes, 0o644),
		writeNetboot(dir, i.board, root),
		i.writeMaterials(ctx, dir, root, loader))
}

// osRelease is what a boot menu shows (os-release(5)).
func osRelease(info model.BuildInfo) []byte {
	return fmt.Appendf(nil, "ID=causeway\nNAME=Causeway\nPRETTY_NAME=\"Causeway %[1]s\"\nVERSION_ID=%[1]s\n", info.Version)
}
