package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"causeway/appliance/storage"
	"causeway/init/volume"
)

// A factory reset: when all parts are to be erased, both volumes are
// overwritten from their first octet to their last, with what anyone has put
// there. What files leave behind, in free blocks, journals and half-filled
// pages, needs no thought then.
//
// What tells of the box alone survives it. It waits on harddisk:, which is
// wiped first, while bootflash: is wiped. The order of the steps makes a cut
// anywhere good: until the file of what is kept is there bootflash: is whole
// and the next boot begins again; from then on the next boot goes on with
// bootflash:.

// ofTheBox are the files that a factory reset keeps.
var ofTheBox = []string{
	"/bootflash/init/serial",
	"/bootflash/init/clock",
	"/bootflash/init/slots",
	"/bootflash/control/clock-drift",
	"/bootflash/control/trusted-time",
}

// keptFile is one of them while bootflash: is wiped.
type keptFile struct {
	Path     string
	Mode     fs.FileMode
	UID, GID int
	Content  []byte
}

// keptLimit bounds each, in octets.
const keptLimit = 1 << 20

// keptPath is where they are then. Only root can make a file there.
func (m *machine) keptPath() string { return m.path("harddisk/init/reset") }

// resets reports whether to erase those parts is a factory reset, which needs
// both volumes.
func (m *machine) resets(asked []string) bool {
	for _, p := range parts {
		if !slices.Contains(asked, p.name) {
			return false
		}
	}
	return m.volumes.OnDisk(volume.Bootflash) && m.volumes.OnDisk(volume.Harddisk)
}

// reset wipes everything but what is of the box.
func (m *machine) reset() error {
	err := m.halfReset()
	if err == nil {
		_, err = m.finishReset()
	}
	if err != nil {
		return fmt.Errorf("factory reset: %w", err)
	}
	return nil
}

// halfReset wipes harddisk: and puts what is of the box there.
func (m *machine) halfReset() error {
	kept, err := m.readOfTheBox()
	if err != nil {
		return err
	}
	text, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	if err := m.wipe(volume.Harddisk); err != nil {
		return err
	}
	return storage.WriteFile(m.keptPath(), text, 0o600)
}

func (m *machine) readOfTheBox() (kept []keptFile, err error) {
	for _, path := range ofTheBox {
		info, err := os.Lstat(m.path(path))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if !info.Mode().IsRegular() || info.Size() > keptLimit {
			return nil, fmt.Errorf("%s is no file of at most %d octets", path, keptLimit)
		}
		content, err := os.ReadFile(m.path(path))
		if err != nil {
			return nil, err
		}
		owner := info.Sys().(*syscall.Stat_t)
		kept = append(kept, keptFile{path, info.Mode().Perm(), int(owner.Uid), int(owner.Gid), content})
	}
	return kept, nil
}

// finishReset does the second half of a reset if the first was done.
func (m *machine) finishReset() (done bool, err error) {
	if !m.volumes.OnDisk(volume.Harddisk) {
		return false, nil
	}
	kept, err := m.readKept()
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, errors.Join(err, os.Remove(m.keptPath()))
	}
	if err := m.wipe(volume.Bootflash); err != nil {
		return false, err
	}
	for _, file := range kept {
		err := storage.WriteFile(m.path(file.Path), file.Content, file.Mode)
		if err == nil {
			err = os.Chown(m.path(file.Path), file.UID, file.GID)
		}
		if err != nil {
			return false, err
		}
	}
	m.kernel.Sync()
	if err := os.Remove(m.keptPath()); err != nil {
		return false, err
	}
	m.log.Printf("erased: everything")
	return true, storage.SyncDir(filepath.Dir(m.keptPath()))
}

func (m *machine) readKept() (kept []keptFile, err error) {
	info, err := os.Lstat(m.keptPath())
	if err != nil {
		return nil, err
	}
	if owner := info.Sys().(*syscall.Stat_t); int(owner.Uid) != os.Getuid() || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is none that init has made", m.keptPath())
	}
	text, err := os.ReadFile(m.keptPath())
	if err == nil {
		err = json.Unmarshal(text, &kept)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", m.keptPath(), err)
	}
	for _, file := range kept {
		if !slices.Contains(ofTheBox, file.Path) {
			return nil, fmt.Errorf("%s names %q, which no reset keeps", m.keptPath(), file.Path)
		}
	}
	return kept, nil
}

// wipePause is the time between two lines about a wipe.
const wipePause = 10 * time.Second

// wipe wipes a volume and says how far it is. The watchdog is content while it
// goes on.
func (m *machine) wipe(name string) error {
	m.log.Printf("%s: overwriting all of it, as asked", name)
	said := m.kernel.Uptime()
	return m.volumes.Wipe(name, func(done, all int64) {
		now := m.kernel.Uptime()
		m.progress.Store(int64(now))
		if now-said >= wipePause {
			said = now
			m.log.Printf("%s: %d %% is overwritten", name, done*100/all)
		}
	})
}
