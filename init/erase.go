package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"causeway/appliance/storage"
	"causeway/init/volume"
)

// part is something that an operator may have wiped, and the patterns of the
// files and directories that it consists of.
type part struct {
	name  string
	paths []string
}

// parts in the order in which they are wiped and spoken of.
var parts = []part{
	{"configuration", []string{"/bootflash/control/revisions/*", "/bootflash/control/startup-config*", "/bootflash/control/candidate*"}},
	{"keys", []string{"/bootflash/control/box.key*", "/bootflash/proxy/call.key*", "/bootflash/keys/*"}},
	{"licences", []string{"/bootflash/license/*"}},
	{"billing", []string{"/harddisk/billcache/*", "/bootflash/billing/*"}},
	{"logs", []string{"/harddisk/log/*", "/harddisk/crash/*", "/harddisk/reports/*", "/bootflash/control/alarm*"}},
}

// Create wipes the part; what is not there is wiped already.
func (p part) Create(m *machine) error {
	for _, pattern := range p.paths {
		found, err := filepath.Glob(m.path(pattern))
		if err != nil {
			return fmt.Errorf("erase %s: %w", p.name, err)
		}
		for _, path := range found {
			if err := os.RemoveAll(path); err != nil {
				return fmt.Errorf("erase %s: %w", p.name, err)
			}
		}
		if len(found) == 0 {
			continue
		}
		if err := storage.SyncDir(filepath.Dir(found[0])); err != nil {
			return fmt.Errorf("erase %s: %w", p.name, err)
		}
	}
	return nil
}

// volumes gives those that the part is on.
func (p part) volumes() []string {
	var all []string
	for _, pattern := range p.paths {
		all = append(all, strings.Split(pattern, "/")[1])
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// eraseFile holds the names of the parts that the next boot wipes, one a line.
func (m *machine) eraseFile() string { return m.path("bootflash/init/erase") }

// eraseLater has the next boot wipe the parts of those names, and none that
// were asked for before. No names: nothing is wiped.
func (m *machine) eraseLater(names []string) error {
	var text strings.Builder
	for _, p := range parts {
		if slices.Contains(names, p.name) {
			text.WriteString(p.name + "\n")
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(parts, func(p part) bool { return p.name == name }) {
			return fmt.Errorf("%q is none of the parts that can be erased", name)
		}
	}
	if !m.volumes.OnDisk(volume.Bootflash) {
		return errors.New("bootflash: is not on a disk that can be written: nothing can be kept for the next boot")
	}
	if text.Len() == 0 {
		return m.forgetErase()
	}
	return storage.WriteFile(m.eraseFile(), []byte(text.String()), 0o640)
}

func (m *machine) forgetErase() error {
	if err := os.Remove(m.eraseFile()); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	return storage.SyncDir(filepath.Dir(m.eraseFile()))
}

// erase wipes what the last run of the box was told to. A cut on the way has
// the next boot begin again; what cannot be wiped now stays to be wiped.
func (m *machine) erase() error {
	text, err := os.ReadFile(m.eraseFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	asked := strings.Fields(string(text))
	var errs []error
	var left []string
	for _, p := range parts {
		if !slices.Contains(asked, p.name) {
			continue
		}
		err := m.eraseNow(p)
		if err != nil {
			errs, left = append(errs, err), append(left, p.name)
			continue
		}
		m.log.Printf("erased: %s", p.name)
	}
	if len(left) == 0 {
		return m.forgetErase()
	}
	return errors.Join(append(errs, m.eraseLater(left))...)
}

func (m *machine) eraseNow(p part) error {
	for _, name := range p.volumes() {
		if !m.volumes.OnDisk(name) {
			return fmt.Errorf("erase %s: %s: cannot be written, it is left for another boot", p.name, name)
		}
	}
	return p.Create(m)
}

// choices are what an operator may have control begin with instead of the
// saved configuration.
var choices = []string{"last good", "built-in"}

// choose tells control which configuration to take when it starts next, until
// the next boot; empty for the saved one.
func (m *machine) choose(configuration string) error {
	path := m.path("run/init/configuration")
	switch {
	case slices.Contains(choices, configuration):
		return storage.WriteFile(path, []byte(configuration+"\n"), 0o640)
	case configuration == "":
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	return fmt.Errorf("configuration %q is none of %q", configuration, choices)
}
