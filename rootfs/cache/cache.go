// Package cache keeps what is slow to make: Debian packages, the parts of a
// kernel that a board needs, the busybox. An entry is a directory named by what
// it was made from; it appears whole or not at all, and any number of builds may
// use one cache at once.
package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Cache is a directory of entries.
type Cache struct {
	Dir string
}

// Default is the cache of this user: $CAUSEWAY_CACHE, or the directory causeway
// in the user's cache directory ($XDG_CACHE_HOME, ~/.cache).
func Default() (*Cache, error) {
	if dir := os.Getenv("CAUSEWAY_CACHE"); dir != "" {
		dir, err := filepath.Abs(dir)
		return &Cache{Dir: dir}, err
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("find a cache directory (or set CAUSEWAY_CACHE): %w", err)
	}
	return &Cache{Dir: filepath.Join(dir, "causeway")}, nil
}

// Key is a short name for everything that an entry is made from.
func Key(from ...string) string {
	h := sha256.New()
	for _, s := range from {
		fmt.Fprintf(h, "%d %s\n", len(s), s)
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// Entry gives the directory of the named entry. If there is none, build fills
// a directory, which becomes the entry when build returns nil; meanwhile others
// who ask for the same name wait.
func (c *Cache) Entry(name string, build func(dir string) error) (string, error) {
	entry := filepath.Join(c.Dir, name)
	unlock, err := c.Lock(name)
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(entry); err == nil {
		return entry, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("look for cache entry: %w", err)
	}
	temporary, err := os.MkdirTemp(filepath.Dir(entry), ".making-")
	if err != nil {
		return "", fmt.Errorf("make cache entry %s: %w", name, err)
	}
	defer os.RemoveAll(temporary)
	if err := build(temporary); err != nil {
		return "", err
	}
	if err := os.Rename(temporary, entry); err != nil {
		return "", fmt.Errorf("make cache entry %s: %w", name, err)
	}
	return entry, nil
}

// Lock waits until nobody else works on the named entry, in this process or
// another. A process that ends gives its locks back.
func (c *Cache) Lock(name string) (unlock func(), err error) {
	path := filepath.Join(c.Dir, name) + ".lock"
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("lock cache entry %s: %w", name, err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock cache entry %s: %w", name, err)
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if err != syscall.EINTR {
			f.Close()
			return nil, fmt.Errorf("lock cache entry %s: %w", name, err)
		}
	}
}
