// Package kernel takes from Debian's kernel package what an image needs of it:
// the kernel, and the modules of a board with the table that init loads them by.
package kernel

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"causeway/board"
	"causeway/board/modules"
	"causeway/rootfs/cache"
	"causeway/rootfs/debian"
)

// layout changes when what is kept in the cache changes.
const layout = "kernel 3"

// Kernel is the kernel of one board, as files.
type Kernel struct {
	Package string // Debian's name of it
	Version string // of that package
	Image   string // what a boot loader or the EFI stub starts
	// Direct is what QEMU starts fastest: on x86 the unpacked ELF file, else
	// Image.
	Direct  string
	Modules string // a directory: the module files under their paths in the image
	Table   *modules.Table
	// Copyright is the package's file of that name: who made it, and its licences.
	Copyright string
}

// Fetch gets the board's kernel from the archive, or from the cache.
func Fetch(ctx context.Context, b *board.Board, archive *debian.Archive) (*Kernel, error) {
	newest, err := archive.Fetch(ctx, b.KernelPackage)
	if err != nil {
		return nil, err
	}
	name := newest.DependsOn("linux-image-")
	if name == "" {
		return nil, fmt.Errorf("package %s names no kernel among its dependencies: %q", newest.Name, newest.Depends)
	}
	pkg, err := archive.Fetch(ctx, name)
	if err != nil {
		return nil, err
	}
	key := cache.Key(layout, pkg.Name, pkg.Version,
		strings.Join(b.AllModules(), " "), strings.Join(b.Always, " "))
	dir, err := archive.Cache.Entry(filepath.Join("kernel", b.Name+"-"+key), func(dir string) error {
		fmt.Fprintf(archive.Log, "unpacking %s %s\n", pkg.Name, pkg.Version)
		return extract(ctx, b, pkg, dir)
	})
	if err != nil {
		return nil, fmt.Errorf("kernel %s for %s: %w", pkg.Version, b.Name, err)
	}
	return open(dir, pkg)
}

// open reads what extract wrote.
func open(dir string, pkg *debian.Package) (*Kernel, error) {
	k := &Kernel{
		Package:   pkg.Name,
		Version:   pkg.Version,
		Image:     filepath.Join(dir, "image"),
		Direct:    filepath.Join(dir, "vmlinux"),
		Modules:   filepath.Join(dir, "modules"),
		Copyright: filepath.Join(dir, "copyright"),
	}
	if _, err := os.Stat(k.Direct); err != nil {
		k.Direct = k.Image
	}
	f, err := os.Open(filepath.Join(dir, "table"))
	if err != nil {
		return nil, fmt.Errorf("open kernel %s: %w", pkg.Version, err)
	}
	defer f.Close()
	k.Table, err = modules.Read(f)
	return k, err
}

// extract fills dir from the package.
func extract(ctx context.Context, b *board.Board, pkg *debian.Package, dir string) error {
	unpacked := filepath.Join(dir, "package")
	if err := os.Mkdir(unpacked, 0o755); err != nil {
		return err
	}
	defer os.RemoveAll(unpacked)
	err := pkg.Unpack(ctx, unpacked, func(path string) bool {
		return strings.HasPrefix(path, "boot/vmlinuz-") || strings.HasPrefix(path, "lib/modules/") || path == pkg.Copyright()
	})
	if err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(unpacked, pkg.Copyright()), filepath.Join(dir, "copyright")); err != nil {
		return err
	}
	if err := extractImage(b, unpacked, dir); err != nil {
		return err
	}
	tree, err := openTree(unpacked)
	if err != nil {
		return err
	}
	table, err := tree.table(b.AllModules(), b.Always)
	if err != nil {
		return err
	}
	for _, module := range table.Modules {
		kept := filepath.Join(dir, "modules", module.Path)
		if err := os.MkdirAll(filepath.Dir(kept), 0o755); err != nil {
			return err
		}
		if err := os.Rename(filepath.Join(unpacked, module.Path), kept); err != nil {
			return err
		}
	}
	f, err := os.Create(filepath.Join(dir, "table"))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := table.Write(f); err != nil {
		return err
	}
	return f.Close()
}

func extractImage(b *board.Board, unpacked, dir string) error {
	found, err := filepath.Glob(filepath.Join(unpacked, "boot/vmlinuz-*"))
	if err != nil || len(found) != 1 {
		return fmt.Errorf("%d files boot/vmlinuz-*; want one (%v)", len(found), err)
	}
	image := filepath.Join(dir, "image")
	if err := os.Rename(found[0], image); err != nil {
		return err
	}
	if b.GOARCH != "amd64" {
		return nil
	}
	packed, err := os.ReadFile(image)
	if err != nil {
		return err
	}
	kernel, err := vmlinux(packed)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "vmlinux"), kernel, 0o644)
}
