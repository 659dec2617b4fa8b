// Package rootfs makes the root file system: an initramfs with everything that
// runs on the box, packed as newc cpio in zstd. There is no other root: nothing
// in it can be damaged by a power cut, and nothing written to it stays.
//
//	/init               PID 1
//	/bin/appliance      the services, with the time zones inside
//	/bbin/              u-root's network and diagnostic commands, one busybox
//	/lib/modules/       the board's kernel modules and their table
//	/etc/               users, CA certificates, what image this is
//	/bootflash, /run …  empty: init mounts them
//
// The same commit gives the same bytes wherever and whenever it is built: no
// path, time, user or umask gets in.
package rootfs

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/u-root/mkuimage/cpio"
	"github.com/u-root/mkuimage/uimage/initramfs"

	"causeway/appliance/bundle"
	"causeway/appliance/model"
	"causeway/board"
	"causeway/board/modules"
	"causeway/rootfs/cache"
	"causeway/rootfs/kernel"
)

// Variant says for whom the image is.
type Variant string

// Release has no shell; Debug has one, and the commands one wants in it.
const (
	Release Variant = bundle.Release
	Debug   Variant = bundle.Debug
)

// tags are the build tags of /bin/appliance.
func (v Variant) tags() string {
	if v == Debug {
		return "timetzdata,testclock" // tests move the time that licences go by
	}
	return "timetzdata"
}

// Spec says what goes into a root file system.
type Spec struct {
	Board   *board.Board
	Variant Variant
	Source  string // the directory of the Go module that all packages are built in
	Info    model.BuildInfo
	Kernel  *kernel.Kernel

	Init      string // Go package of /init
	Appliance string // Go package of /bin/appliance
	// COMRoot and LicenseRoot are PEM files of the authorities that COM and the
	// licence server are known by where the box trusts no others; empty: none.
	COMRoot, LicenseRoot string
	// ReleaseKeys is a PEM file of the public keys that the box knows its next
	// firmware by.
	ReleaseKeys string
	// OnlyInit leaves out everything but /init: the least that boots, to
	// compare with.
	OnlyInit bool

	Cache *cache.Cache
	Fresh bool // compile everything anew and take no busybox from the cache
	Log   io.Writer
}

// Write makes the root file system and writes it to file.
func (s *Spec) Write(ctx context.Context, file string) error {
	files := initramfs.NewFiles()
	parts := []struct {
		name string
		add  func(context.Context, *initramfs.Files) error
	}{
		{"skeleton", s.addSkeleton},
		{"programs", s.addPrograms},
		{"busybox", s.addBusybox},
		{"kernel modules", s.addModules},
		{"certificates", s.addCertificates},
		{"authorities", s.addAuthorities},
		{"release keys", s.addReleaseKeys},
		{"build information", s.addInfo},
	}
	if s.OnlyInit {
		parts = parts[:2]
	}
	for _, part := range parts {
		if err := part.add(ctx, files); err != nil {
			return fmt.Errorf("root file system: %s: %w", part.name, err)
		}
	}
	if err := refuseSecrets(files); err != nil {
		return fmt.Errorf("root file system: %w", err)
	}
	if err := initramfs.Write(&initramfs.Opts{Files: files, OutputFile: zstdFile(file)}); err != nil {
		return fmt.Errorf("root file system: write %s: %w", file, err)
	}
	return nil
}

// addFile takes content from the build machine, but mode and time from us.
func addFile(files *initramfs.Files, name, source string, mode uint64) error {
	content, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	return files.AddRecord(cpio.StaticFile(name, string(content), mode))
}

func (s *Spec) addPrograms(ctx context.Context, files *initramfs.Files) error {
	dir, err := os.MkdirTemp("", "causeway-programs-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	programs := []struct{ name, pkg, tags string }{
		{"init", s.Init, ""},
		{"bin/appliance", s.Appliance, s.Variant.tags()},
	}
	if s.OnlyInit {
		programs = programs[:1]
	}
	for _, program := range programs {
		built := filepath.Join(dir, filepath.Base(program.name))
		if err := s.compile(ctx, program.pkg, program.tags, built); err != nil {
			return err
		}
		if err := addFile(files, program.name, built, 0o755); err != nil {
			return err
		}
	}
	return nil
}

func (s *Spec) addModules(_ context.Context, files *initramfs.Files) error {
	for _, module := range s.Kernel.Table.Modules {
		if err := addFile(files, module.Path[1:], filepath.Join(s.Kernel.Modules, module.Path), 0o644); err != nil {
			return err
		}
	}
	return addText(files, modules.File[1:], s.Kernel.Table.Write)
}

// caBundle is where Debian's package ca-certificates keeps all its certificates
// in one file; Go looks for it in the same place.
const caBundle = "etc/ssl/certs/ca-certificates.crt"

func (s *Spec) addCertificates(_ context.Context, files *initramfs.Files) error {
	if err := addFile(files, caBundle, "/"+caBundle, 0o644); err != nil {
		return fmt.Errorf("%w (Debian's package ca-certificates brings it)", err)
	}
	return nil
}

func (s *Spec) addReleaseKeys(_ context.Context, files *initramfs.Files) error {
	if _, err := bundle.ReadKeys(s.ReleaseKeys); err != nil {
		return err
	}
	return addFile(files, bundle.KeysFile[1:], s.ReleaseKeys, 0o644)
}

func (s *Spec) addInfo(_ context.Context, files *initramfs.Files) error {
	return addText(files, "etc/causeway/build.json", func(w io.Writer) error {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(s.Info)
	})
}
