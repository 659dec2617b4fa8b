package main

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"causeway/appliance/bundle"
	"causeway/appliance/model"
)

// link makes a file of an image out of one in the cache, without copying it
// where both are on one file system.
func link(from, to string) error {
	if err := os.Link(from, to); err == nil {
		return nil
	}
	return copyFile(from, to)
}

// copyFile makes a file of an image out of one that may be changed later.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// readInfo reads what image is in a directory.
func readInfo(dir string) (info model.BuildInfo, err error) {
	text, err := os.ReadFile(filepath.Join(dir, infoFile))
	if err == nil {
		err = json.Unmarshal(text, &info)
	}
	if err != nil {
		return info, fmt.Errorf("what image is in %s: %w", dir, err)
	}
	return info, nil
}

func fileSize(name string) (int64, error) {
	info, err := os.Stat(name)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// writeSums writes the hashes of all files of the image, as sha256sum does.
func writeSums(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var sums strings.Builder
	for _, entry := range entries {
		sum, err := hashFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sum, entry.Name())
	}
	return os.WriteFile(filepath.Join(dir, sumsFile), []byte(sums.String()), 0o644)
}

func hashFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return nil, err
	}
	return h.Sum(nil), nil
}

// moveInto replaces the image in dir by the one in made. Files of the old one
// that the new one does not have go away: they would not fit the others.
func moveInto(dir, made string) error {
	entries, err := os.ReadDir(made)
	if err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(dir, "causeway-*"+bundle.Suffix))
	if err != nil {
		return err
	}
	for _, name := range slices.Concat(unsignedFiles, signedFiles, []string{sumsFile}) {
		old = append(old, filepath.Join(dir, name))
	}
	for _, file := range old {
		if _, err := os.Stat(filepath.Join(made, filepath.Base(file))); err == nil {
			continue // it is replaced, and there all the time
		}
		if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	for _, entry := range entries {
		if err := os.Rename(filepath.Join(made, entry.Name()), filepath.Join(dir, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}
