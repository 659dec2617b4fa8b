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

// part is something that an operator may have wiped: files and directories by
// a pattern for their names in a directory.
type part struct {
	name  string
	needs string // a part that is of no use without this one, and so must go with it
	paths []string
}

// parts in the order in which they are wiped and spoken of. What tells of the
// customer is in one of them; addresses given to hosts go with their pools. What
// tells of the box alone is in none: its serial number, how fast its clock runs,
// and the times that never run backwards, which nobody resets for the sake of a
// licence.
var parts = []part{
	{"configuration", "", []string{"/bootflash/control/revisions/*", "/bootflash/control/dhcp.db*", "/bootflash/callhome/*"}},
	{"keys", "configuration", []string{"/bootflash/proxy/call.key*", "/bootflash/keys/*", "/bootflash/certificates/*"}}, // they seal its secrets
	{"licences", "", []string{"/bootflash/license/*", "/bootflash/control/license-state*", "/bootflash/com/*", "/bootflash/control/subscription-state*"}},
	{"billing", "", []string{"/harddisk/billcache/*", "/harddisk/cdr/*", "/bootflash/billing/*"}},
	{"logs", "", []string{
		"/harddisk/log/*", "/harddisk/crash/*", "/harddisk/trace/*", "/harddisk/reports/*",
		"/bootflash/control/alarm*", "/bootflash/control/log", "/bootflash/control/logins*", "/bootflash/control/backups*",
	}},
}

// Create wipes the part; what is not there is wiped already.
func (p part) Create(m *machine) error {
	for _, pattern := range p.paths {
		if err := wipe(m.path(pattern)); err != nil {
			return fmt.Errorf("erase %s: %w", p.name, err)
		}
	}
	return nil
}

// wipe removes what fits a pattern for the last name of a path. Not
// filepath.Glob: that takes a directory that cannot be read for an empty one.
func wipe(pattern string) error {
	dir, names := filepath.Split(pattern)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		fits, err := filepath.Match(names, entry.Name())
		if err == nil && fits {
			err = errors.Join(overwrite(filepath.Join(dir, entry.Name())), os.RemoveAll(filepath.Join(dir, entry.Name())))
		}
		if err != nil {
			return err
		}
	}
	return storage.SyncDir(dir)
}

// overwriteLimit is how long a file may be that is overwritten before it is
// removed, in octets: no key is longer, and billing records take long.
const overwriteLimit = 1 << 20

// overwrite makes zeros of a file, or of those below a directory, where they
// stand: ext4 writes to the same blocks. What they held before is not reached so;
// a factory reset does.
func overwrite(path string) error {
	return filepath.WalkDir(path, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err != nil || info.Size() > overwriteLimit {
			return err
		}
		file, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = file.Write(make([]byte, info.Size()))
		return errors.Join(err, file.Sync(), file.Close())
	})
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
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	for _, name := range names {
		i := slices.IndexFunc(parts, func(p part) bool { return p.name == name })
		if i < 0 {
			return fmt.Errorf("%q is none of the parts that can be erased", name)
		}
		if needs := parts[i].needs; needs != "" && !slices.Contains(names, needs) {
			return fmt.Errorf("%s cannot be erased without the %s", name, needs)
		}
	}
	if !m.volumes.OnDisk(volume.Bootflash) {
		return errors.New("bootflash: is not on a disk that can be written: nothing can be kept for the next boot")
	}
	return m.noteErase(names)
}

// noteErase has the parts wiped at the next boot, and no others.
func (m *machine) noteErase(names []string) error {
	if len(names) > 0 {
		return storage.WriteFile(m.eraseFile(), []byte(strings.Join(names, "\n")+"\n"), 0o640)
	}
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
	if done, err := m.finishReset(); done || err != nil {
		return err // bootflash: tells the next boot if all is to be done again
	}
	text, err := storage.ReadFile(m.eraseFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	asked := strings.Fields(string(text))
	var errs []error
	if m.resets(asked) {
		err := m.reset()
		if err == nil {
			return nil
		}
		errs = append(errs, err) // the files at least shall go
	}
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
	return errors.Join(append(errs, m.noteErase(left))...)
}

func (m *machine) eraseNow(p part) error {
	for _, name := range p.volumes() {
		if !m.volumes.OnDisk(name) {
			return fmt.Errorf("erase %s: %s: cannot be written, it is left for another boot", p.name, name)
		}
	}
	err := p.Create(m)
	for _, name := range p.volumes() { // directories that services have went too
		m.makeDirectories("/" + name)
	}
	return err
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
