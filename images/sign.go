package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"causeway/appliance/bundle"
	"causeway/appliance/model"
	"causeway/board"
	"causeway/board/layout"
	"causeway/images/disk"
	"causeway/images/signing"
)

// signCommand signs what was built elsewhere: the keys need not be on the machine
// that builds.
func signCommand(ctx context.Context, args []string, out, log io.Writer) error {
	flags := flag.NewFlagSet("images sign", flag.ContinueOnError)
	flags.SetOutput(log)
	keys := flags.String("keys", os.Getenv("CAUSEWAY_KEYS"), "`directory` of the keys to sign with (default $CAUSEWAY_KEYS)")
	image := flags.String("image", "", "`directory` of the image, as build wrote it")
	if err := parse(flags, args); err != nil {
		return err
	}
	if *image == "" || *keys == "" {
		return errors.New("sign takes -image and -keys")
	}
	k, err := signing.Open(*keys)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(*image, ".making-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, name := range unsignedFiles {
		if err := link(filepath.Join(*image, name), filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	if err := sign(ctx, dir, k); err != nil {
		return err
	}
	if err := writeSums(dir); err != nil {
		return err
	}
	if err := moveInto(*image, dir); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "directory=%s\n", *image)
	return err
}

// sign makes all that holds a signature, from the other files in dir: the signed
// program, the bundle, and the disk.
func sign(ctx context.Context, dir string, keys *signing.Keys) error {
	info, err := readInfo(dir)
	if err != nil {
		return err
	}
	b, err := board.Find(info.Board)
	if err != nil {
		return err
	}
	if err := copyFile(keys.File(signing.CertificateDER), filepath.Join(dir, certificateFile)); err != nil {
		return err
	}
	signed := filepath.Join(dir, ukiFile)
	if err := keys.Program(ctx, signed, filepath.Join(dir, unsignedFile), info.Time); err != nil {
		return err
	}
	program, err := os.ReadFile(signed)
	if err != nil {
		return err
	}
	manifest, signature, err := writeBundle(dir, keys, info, program)
	if err != nil {
		return err
	}
	image := disk.File{Name: b.EFIFile, Content: program}
	installer := disk.Image{Layout: &layout.Installer, Time: info.Time, Files: []disk.File{
		image, {Name: `\` + bundle.ManifestName, Content: manifest}, {Name: `\` + bundle.SignatureName, Content: signature},
	}}
	if err := installer.Write(filepath.Join(dir, installerFile)); err != nil {
		return err
	}
	flashed := disk.Image{Layout: &layout.Box, Files: []disk.File{image}, Time: info.Time}
	return flashed.Write(filepath.Join(dir, diskFile))
}

// writeBundle makes the file that a box is updated with, and gives its manifest
// with the signature.
func writeBundle(dir string, keys *signing.Keys, info model.BuildInfo, program []byte) (text, signature []byte, err error) {
	notes, err := os.ReadFile(filepath.Join(dir, notesFile))
	if err != nil {
		return nil, nil, err
	}
	manifest := bundle.Manifest{Board: info.Board, Variant: info.Variant, Version: info.Version, Floor: info.Floor, Time: info.Time}
	text, signature, err = keys.Manifest(manifest, notes, program)
	if err != nil {
		return nil, nil, err
	}
	known, err := bundle.ReadKeys(filepath.Join(dir, releaseFile))
	if err != nil {
		return nil, nil, err
	}
	if _, err := bundle.Verify(text, signature, known); err != nil {
		return nil, nil, fmt.Errorf("a box with this image would not take its bundle: %w", err)
	}
	f, err := os.Create(filepath.Join(dir, bundleFile(info)))
	if err != nil {
		return nil, nil, err
	}
	return text, signature, errors.Join(bundle.Write(f, text, signature, notes, program), f.Close())
}

// bundleFile is the name of an image's bundle.
func bundleFile(info model.BuildInfo) string {
	return "causeway-" + info.Board + "-" + info.Version + bundle.Suffix
}
