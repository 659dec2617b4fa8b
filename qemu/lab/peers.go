package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"causeway/rootfs/cache"
	"causeway/rootfs/debian"
)

// peerPackages are Debian's packages of the peers that are daemons or come with
// some, of nmap and of age.
var peerPackages = []string{"age", "bind9", "bind9-dnsutils", "chrony", "exim4-daemon-light", "freeradius", "freeradius-common", "freeradius-utils", "isc-dhcp-client",
	"isc-dhcp-server", "kamailio", "libfreeradius3", "nmap", "openssh-server"}

// Peers is software of Debian that a box is tried against. It is unpacked in
// the cache and never installed: no daemon of it starts on this machine, now or
// at its next boot, none takes the place of one that is there, and no AppArmor
// profile keeps it from temporary files.
type Peers struct {
	Root string // the folder they are unpacked in
}

// OpenPeers gives the peers, fetched if they are not in the cache. log says
// what is fetched.
func OpenPeers(ctx context.Context, log io.Writer) (*Peers, error) {
	packages, err := cache.Default()
	if err != nil {
		return nil, err
	}
	release, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return nil, fmt.Errorf("find the peers: %w", err)
	}
	key := cache.Key(runtime.GOARCH, string(release), strings.Join(peerPackages, " "))
	root, err := packages.Entry(filepath.Join("peers", key), func(dir string) error {
		archive := &debian.Archive{Architecture: runtime.GOARCH, Cache: packages, Log: log}
		return unpackPeers(ctx, archive, dir)
	})
	if err != nil {
		return nil, fmt.Errorf("unpack the peers: %w", err)
	}
	return &Peers{Root: root}, nil
}

func unpackPeers(ctx context.Context, archive *debian.Archive, root string) error {
	fetched, err := os.MkdirTemp("", "causeway-peers-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(fetched)
	files, err := archive.FetchAll(ctx, fetched, peerPackages...)
	if err != nil {
		return err
	}
	for _, file := range files {
		if output, err := exec.CommandContext(ctx, "dpkg-deb", "--extract", file, root).CombinedOutput(); err != nil {
			return fmt.Errorf("unpack %s: %w: %s", filepath.Base(file), err, output)
		}
	}
	return nil
}

// Where Debian puts programs, and libraries; some are in a folder of their own,
// because there are several of that name to choose from.
var (
	programFolders = []string{"usr/sbin", "usr/bin", "sbin", "bin"}
	libraryFolders = []string{"usr/lib/*-linux-gnu*", "lib/*-linux-gnu*", "usr/lib/*-linux-gnu*/blas", "usr/lib/freeradius"}
)

// Command makes a command of a peer, with its libraries.
func (p *Peers) Command(ctx context.Context, program string, args ...string) (*exec.Cmd, error) {
	var libraries []string
	for _, pattern := range libraryFolders {
		found, err := filepath.Glob(filepath.Join(p.Root, pattern))
		if err != nil {
			return nil, fmt.Errorf("look for the libraries of %s: %w", program, err)
		}
		libraries = append(libraries, found...)
	}
	for _, folder := range programFolders {
		path := filepath.Join(p.Root, folder, program)
		if _, err := os.Stat(path); err == nil {
			command := exec.CommandContext(ctx, path, args...)
			command.Env = append(os.Environ(), "LC_ALL=C", "LD_LIBRARY_PATH="+strings.Join(libraries, ":"))
			return command, nil
		}
	}
	return nil, fmt.Errorf("the peers have no program %s", program)
}

// Glob gives the files of the peers that match, at least one. The pattern has
// no leading slash.
func (p *Peers) Glob(pattern string) ([]string, error) {
	found, err := filepath.Glob(filepath.Join(p.Root, pattern))
	if err == nil && len(found) == 0 {
		err = errors.New("no such file")
	}
	if err != nil {
		return nil, fmt.Errorf("look for %s of the peers: %w", pattern, err)
	}
	return found, nil
}
