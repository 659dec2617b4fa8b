// Package debian takes packages from Debian's archive as this machine's apt
// knows it: with its sources, its keyrings and its proxy, so that apt's
// signatures vouch for every package. Lists and packages live in a root of our
// own in the cache; what the machine has installed, its lists and its
// architectures are neither used nor changed, and no privilege is needed.
package debian

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"causeway/rootfs/cache"
)

// Archive is Debian's archive for one architecture. A package that is in the
// cache is taken from there without asking anyone, so that a build needs no
// network and two builds get the same; Refresh asks for newer ones.
type Archive struct {
	Architecture string // Debian's name: "amd64", "arm64"
	Cache        *cache.Cache
	Refresh      bool
	Log          io.Writer // says what is fetched

	updated bool // the lists have been fetched by this Archive
}

// Package is one fetched package.
type Package struct {
	Name    string
	Version string
	Depends string // the control field, as written
	File    string // the .deb
}

// Fetch gives the newest package of that name, or the cached one.
func (a *Archive) Fetch(ctx context.Context, name string) (*Package, error) {
	folder := filepath.Join("debian", a.Architecture)
	unlock, err := a.Cache.Lock(folder)
	if err != nil {
		return nil, err
	}
	defer unlock()
	dir := filepath.Join(a.Cache.Dir, folder)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("fetch package %s: %w", name, err)
	}
	cached, err := filepath.Glob(filepath.Join(dir, name+"_*.deb"))
	if err != nil {
		return nil, fmt.Errorf("fetch package %s: %w", name, err)
	}
	if len(cached) == 1 && !a.Refresh {
		return inspect(ctx, cached[0])
	}
	file, err := a.download(ctx, dir, name)
	if err != nil {
		return nil, fmt.Errorf("fetch package %s for %s: %w", name, a.Architecture, err)
	}
	for _, old := range cached {
		if old != file {
			os.Remove(old)
		}
	}
	return inspect(ctx, file)
}

// download fetches the lists, unless this Archive has, and then the package,
// which apt verifies against them.
func (a *Archive) download(ctx context.Context, dir, name string) (string, error) {
	config, updateErr, err := a.update(ctx, dir)
	if err != nil {
		return "", err
	}
	uri, err := apt(ctx, dir, config, "--print-uris", "download", name)
	if err != nil {
		return "", errors.Join(err, updateErr)
	}
	if fields := strings.Fields(uri); len(fields) > 1 { // 'URI' FILE SIZE HASH
		file := filepath.Join(dir, filepath.Base(fields[1]))
		if _, err := os.Stat(file); err == nil {
			return file, nil
		}
	}
	fmt.Fprintf(a.Log, "fetching %s for %s\n", name, a.Architecture)
	fetched, err := os.MkdirTemp(dir, ".fetching-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(fetched)
	if _, err := apt(ctx, fetched, config, "download", name); err != nil {
		return "", errors.Join(err, updateErr)
	}
	debs, err := filepath.Glob(filepath.Join(fetched, name+"_*.deb"))
	if err != nil || len(debs) != 1 {
		return "", fmt.Errorf("apt-get download left %q (%v)", debs, err)
	}
	file := filepath.Join(dir, filepath.Base(debs[0]))
	return file, os.Rename(debs[0], file)
}

// update makes the root of our own, fetches the lists unless this Archive has,
// and gives apt's configuration. A source that cannot be reached (updateErr)
// matters only if what is wanted is in none of the others.
func (a *Archive) update(ctx context.Context, dir string) (config string, updateErr, err error) {
	root := filepath.Join(dir, "apt")
	for _, sub := range []string{"state/lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(root, sub), 0o755); err != nil {
			return "", nil, err
		}
	}
	config = filepath.Join(root, "apt.conf")
	if err := os.WriteFile(config, []byte(aptConfig(root, a.Architecture)), 0o644); err != nil {
		return "", nil, err
	}
	if err := os.WriteFile(filepath.Join(root, "status"), nil, 0o644); err != nil {
		return "", nil, err
	}
	if !a.updated {
		fmt.Fprintf(a.Log, "fetching Debian's package lists for %s\n", a.Architecture)
		_, updateErr = apt(ctx, dir, config, "update")
		a.updated = updateErr == nil
	}
	return config, updateErr, nil
}

// machineStatus is the file in which dpkg notes what this machine has installed.
const machineStatus = "/var/lib/dpkg/status"

// FetchAll downloads into dir, which exists, the packages of these names and
// all that they need to run on this machine and it has not installed, and gives
// the files. The archive's architecture must be the machine's.
func (a *Archive) FetchAll(ctx context.Context, dir string, names ...string) ([]string, error) {
	folder := filepath.Join("debian", a.Architecture)
	unlock, err := a.Cache.Lock(folder)
	if err != nil {
		return nil, err
	}
	defer unlock()
	config, updateErr, err := a.update(ctx, filepath.Join(a.Cache.Dir, folder))
	if err != nil {
		return nil, fmt.Errorf("fetch packages: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "partial"), 0o755); err != nil {
		return nil, fmt.Errorf("fetch packages: %w", err)
	}
	fmt.Fprintf(a.Log, "fetching %s\n", strings.Join(names, ", "))
	_, err = apt(ctx, dir, config, append([]string{
		"install", "--download-only", "--reinstall", "--no-install-recommends", "--yes", "-o", "Debug::NoLocking=true",
		"-o", "Dir::State::status=" + machineStatus, "-o", "Dir::Cache::archives=" + dir,
	}, names...)...)
	if err != nil {
		return nil, fmt.Errorf("fetch packages: %w", errors.Join(err, updateErr))
	}
	return filepath.Glob(filepath.Join(dir, "*.deb"))
}

// aptConfig makes apt work in root for one foreign architecture. It is read
// after the machine's own configuration, whose hooks it drops.
func aptConfig(root, architecture string) string {
	return fmt.Sprintf(`
#clear APT::Architectures;
#clear APT::Update;
#clear DPkg::Post-Invoke;
#clear DPkg::Pre-Install-Pkgs;
APT::Architecture "%[2]s";
APT::Architectures { "%[2]s"; };
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Dir::State "%[1]s/state";
Dir::State::status "%[1]s/status";
Dir::Cache "%[1]s/cache";
`, root, architecture)
}

func apt(ctx context.Context, dir, config string, args ...string) (output string, err error) {
	cmd := exec.CommandContext(ctx, "apt-get", append([]string{"--config-file", config, "-qq"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	return run(cmd)
}

// run gives what the command prints; an error holds what it complained of.
func run(cmd *exec.Cmd) (output string, err error) {
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, bytes.TrimSpace(complaint.Bytes()))
	}
	return out.String(), nil
}

// inspect reads what the package says of itself.
func inspect(ctx context.Context, file string) (*Package, error) {
	fields, err := run(exec.CommandContext(ctx,
		"dpkg-deb", "--show", "--showformat=${Package}\n${Version}\n${Depends}\n", file))
	if err != nil {
		return nil, fmt.Errorf("read package: %w", err)
	}
	lines := strings.Split(fields, "\n")
	if len(lines) < 3 {
		return nil, fmt.Errorf("read package %s: dpkg-deb printed %q", file, fields)
	}
	return &Package{Name: lines[0], Version: lines[1], Depends: lines[2], File: file}, nil
}

var dependency = regexp.MustCompile(`^([a-z0-9][a-z0-9+.-]+)`)

// DependsOn gives the first package with that prefix that p depends on, or "".
func (p *Package) DependsOn(prefix string) string {
	for field := range strings.SplitSeq(p.Depends, ",") {
		name := dependency.FindString(strings.TrimSpace(field))
		if name != "" && strings.HasPrefix(name, prefix) {
			return name
		}
	}
	return ""
}

// Copyright is the path of the package's file that says who made it, and under
// which licences (Debian Policy §12.5).
func (p *Package) Copyright() string { return "usr/share/doc/" + p.Name + "/copyright" }

// ReadFile gives one file of the package, by its path without a leading slash.
func (p *Package) ReadFile(ctx context.Context, file string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "causeway-"+p.Name+"-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := p.Unpack(ctx, dir, func(path string) bool { return path == file }); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, file))
}

// Unpack writes the package's files whose path (without a leading slash)
// passes keep below dir; nil keeps all.
func (p *Package) Unpack(ctx context.Context, dir string, keep func(path string) bool) error {
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", p.File)
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("unpack %s: %w", p.File, err)
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("unpack %s: %w", p.File, err)
	}
	untarErr := untar(pipe, dir, keep)
	// dpkg-deb must come to its end even when we have read enough.
	_, drainErr := io.Copy(io.Discard, pipe)
	if err := cmd.Wait(); err != nil {
		err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(said.Bytes()))
		return fmt.Errorf("unpack %s: %w", p.File, errors.Join(untarErr, drainErr, err))
	}
	if untarErr != nil {
		return fmt.Errorf("unpack %s: %w", p.File, untarErr)
	}
	return nil
}
