package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/CycloneDX/cyclonedx-go"

	"causeway/images/sbom"
	"causeway/rootfs"
	"causeway/rootfs/debian"
	"causeway/rootfs/kernel"
)

// caCertificates is Debian's package of the CA certificates that are taken from
// this machine.
const caCertificates = "ca-certificates"

// writeMaterials writes what the image is made of: for programs, and for people.
func (i *image) writeMaterials(ctx context.Context, dir string, root *rootfs.Spec, stub *debian.Package) error {
	var components []sbom.Component
	modules, err := root.Modules(ctx)
	if err != nil {
		return err
	}
	for _, module := range modules {
		c, err := sbom.Module(module)
		if err != nil {
			return err
		}
		components = append(components, c)
	}
	env, err := output(ctx, i.source, "go", "env", "GOVERSION", "GOROOT")
	if err != nil {
		return err
	}
	version, goroot, _ := strings.Cut(env, "\n")
	library, err := sbom.Go(goroot, version)
	if err != nil {
		return err
	}
	components = append(components, library)
	if err := sbom.Verify(filepath.Join(dir, initramfsFile), version, components); err != nil {
		return err
	}
	packages, err := i.packages(ctx, dir, root.Kernel, stub)
	if err != nil {
		return err
	}
	components = append(components, packages...)

	var bill, licences bytes.Buffer
	return errors.Join(
		sbom.Write(&bill, root.Info, components),
		sbom.WriteLicences(&licences, root.Info, components),
		os.WriteFile(filepath.Join(dir, sbomFile), bill.Bytes(), 0o644),
		os.WriteFile(filepath.Join(dir, licencesFile), licences.Bytes(), 0o644))
}

// packages are the components that are Debian's.
func (i *image) packages(ctx context.Context, dir string, k *kernel.Kernel, stub *debian.Package) (list []sbom.Component, err error) {
	version, err := output(ctx, ".", "dpkg-query", "--show", "--showformat=${Version}", caCertificates)
	if err != nil {
		return nil, fmt.Errorf("the certificates of this machine: %w", err)
	}
	installed := debian.Package{Name: caCertificates, Version: version}
	certificates, err := os.ReadFile("/" + installed.Copyright())
	if err != nil {
		return nil, err
	}
	linux, err := os.ReadFile(k.Copyright)
	if err != nil {
		return nil, err
	}
	boot, err := stub.ReadFile(ctx, stub.Copyright())
	if err != nil {
		return nil, err
	}
	for _, p := range []struct {
		name, version, architecture string
		copyright                   []byte
		files                       string // of its source: what the image has of it
		kind                        cyclonedx.ComponentType
	}{
		{k.Package, k.Version, i.board.DebianArch, linux, "*", cyclonedx.ComponentTypeOS},
		{stub.Name, stub.Version, i.board.DebianArch, boot, "*", cyclonedx.ComponentTypeFirmware},
		{installed.Name, installed.Version, "all", certificates, "mozilla/certdata.txt", cyclonedx.ComponentTypeData},
	} {
		c, err := sbom.Debian(p.name, p.version, p.architecture, p.copyright, p.files, p.kind)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, nil
}
