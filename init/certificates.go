package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// formerCertificates are where firmware before control kept them had the
// certificates of proxy and billing, key and certificate in two files.
var formerCertificates = []struct {
	dir     string
	purpose model.Purpose
}{
	{"/bootflash/proxy/tls", model.ForSIP},
	{"/bootflash/billing/tls", model.ForRADIUS},
}

// moveCertificates puts the certificates of an earlier firmware where control
// keeps them: a box in the field goes on to be known by its own. Only init may
// read them all.
func (m *machine) moveCertificates() {
	for _, former := range formerCertificates {
		err := moveCertificate(m.path(former.dir), m.path(certificates+string(former.purpose)), model.UIDControl)
		if err != nil {
			m.miss(fmt.Sprintf("move the certificate for %s: %v", former.purpose, err))
		}
	}
}

// moveCertificate empties from once all that is in it stands in to. A cut on the
// way has the next boot do it again.
func moveCertificate(from, to string, owner int) error {
	if _, err := os.Stat(from); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, file := range []struct {
		name  string
		parts []string // of which it is made, if all are there
	}{
		{model.IdentityFile, []string{"key.pem", "certificate.pem"}},
		{model.TrustFile, []string{"trust.pem"}},
	} {
		path := filepath.Join(to, file.name)
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			text, err := join(from, file.parts)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err == nil {
				err = storage.WriteFile(path, text, 0o640) // of the group of its directory
			}
			if err != nil {
				return err
			}
		}
		if err := os.Lchown(path, owner, -1); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(from); err != nil {
		return err
	}
	return storage.SyncDir(filepath.Dir(from))
}

// formerMax bounds a file of an earlier firmware, in octets.
const formerMax = 256 << 10

// join reads files of a directory, one behind the other. Another process owns
// what is above it: nothing leads out of there, or keeps the boot waiting.
func join(dir string, names []string) ([]byte, error) {
	root, err := os.OpenRoot(filepath.Dir(dir))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var all []byte
	for _, name := range names {
		text, err := readRegular(root, filepath.Join(filepath.Base(dir), name))
		if err != nil {
			return nil, err
		}
		all = append(append(all, text...), '\n')
	}
	return all, nil
}

// readRegular reads a file that is no pipe, and no longer than formerMax.
func readRegular(root *os.Root, name string) ([]byte, error) {
	file, err := root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() || info.Size() > formerMax {
		return nil, errors.Join(fmt.Errorf("%s is not a file of certificates", name), err)
	}
	return io.ReadAll(file)
}
