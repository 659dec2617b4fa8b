package rootfs

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/u-root/gobusybox/src/pkg/golang"
	"github.com/u-root/mkuimage/cpio"
	"github.com/u-root/mkuimage/uimage"
	"github.com/u-root/mkuimage/uimage/initramfs"
	"github.com/u-root/uio/llog"

	"causeway/rootfs/cache"
)

// commands are the u-root commands of every image; debugCommands come with the
// shell. Each is imported in tools.go, so that go.mod keeps what it needs.
var (
	commands = []string{
		"core/cat", "core/df", "core/dmesg", "core/free", "core/ip", "core/ls", "core/lsmod", "core/netstat",
		"core/ntpdate", "core/pci", "core/ping", "core/ps", "core/uname", "core/uptime",
		"exp/tcpdump", "exp/traceroute",
	}
	debugCommands = []string{
		"core/blkid", "core/cp", "core/date", "core/echo", "core/find", "core/gosh", "core/grep", "core/head",
		"core/hexdump", "core/id", "core/kill", "core/lsfd", "core/mkdir", "core/mount", "core/mv", "core/netcat",
		"core/printenv", "core/rm", "core/shasum", "core/sleep", "core/sort", "core/strace", "core/sync",
		"core/tail", "core/umount", "core/wc",
	}
)

const commandPath = "github.com/u-root/u-root/cmds/"

// packages are the Go packages of the variant's commands, sorted.
func (v Variant) packages() []string {
	list := commands
	if v == Debug {
		list = slices.Concat(commands, debugCommands)
	}
	var packages []string
	for _, command := range list {
		packages = append(packages, commandPath+command)
	}
	slices.Sort(packages)
	return packages
}

// addBusybox adds /bbin. Building the busybox takes half a minute, because
// gobusybox compiles everything each time, so the cache keeps it by what went
// in: the Go release, the commands, and the versions of their modules.
func (s *Spec) addBusybox(ctx context.Context, files *initramfs.Files) error {
	var archive string
	build := func(dir string) error {
		archive = filepath.Join(dir, "bb.cpio")
		return s.buildBusybox(ctx, archive)
	}
	if s.Fresh {
		dir, err := os.MkdirTemp("", "causeway-busybox-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		if err := build(dir); err != nil {
			return err
		}
	} else {
		key, err := s.busyboxKey(ctx)
		if err != nil {
			return err
		}
		dir, err := s.Cache.Entry(filepath.Join("busybox", s.Board.GOARCH+"-"+key), build)
		if err != nil {
			return err
		}
		archive = filepath.Join(dir, "bb.cpio")
	}
	if s.Variant == Debug {
		if err := files.AddRecord(cpio.Symlink("bin/sh", "/bbin/gosh")); err != nil {
			return err
		}
	}
	return addBin(files, archive)
}

func (s *Spec) busyboxKey(ctx context.Context) (string, error) {
	packages := s.Variant.packages()
	versions, err := s.goTool(ctx, append([]string{"list", "-deps", "-f",
		"{{with .Module}}{{.Path}} {{.Version}}{{with .Replace}} {{.Path}} {{.Version}}{{end}}{{end}}"}, packages...)...)
	if err != nil {
		return "", err
	}
	release, err := s.goTool(ctx, "env", "GOVERSION")
	if err != nil {
		return "", err
	}
	lines := strings.Split(versions, "\n")
	slices.Sort(lines)
	from := []string{"busybox 1", release, s.Board.GOARCH, strings.Join(packages, " ")}
	return cache.Key(append(from, slices.Compact(lines)...)...), nil
}

// buildBusybox writes an archive with the busybox and its links.
func (s *Spec) buildBusybox(ctx context.Context, archive string) error {
	fmt.Fprintf(s.Log, "building u-root's commands for %s\n", s.Board.GOARCH)
	temporary, err := os.MkdirTemp("", "causeway-busybox-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temporary)
	root, err := s.goTool(ctx, "env", "GOROOT")
	if err != nil {
		return err
	}
	return uimage.Create(llog.New(slog.LevelWarn, llog.WritePrintf(s.Log)),
		uimage.WithReplaceEnv(golang.Default(
			golang.DisableCGO(),
			golang.WithGOOS("linux"),
			golang.WithGOARCH(s.Board.GOARCH),
			golang.WithGOROOT(strings.TrimSpace(root)),
			golang.WithWorkingDir(s.Source),
		)),
		uimage.WithBusyboxCommands(s.Variant.packages()...),
		uimage.WithSkipLDD(),
		uimage.WithTempDir(temporary),
		uimage.WithCPIOOutput(archive),
	)
}

// addBin adds what is in /bbin of an archive, with our own modes.
func addBin(files *initramfs.Files, archive string) error {
	content, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer content.Close()
	records, err := cpio.ReadAllRecords(cpio.Newc.Reader(content))
	if err != nil {
		return fmt.Errorf("read %s: %w", archive, err)
	}
	for _, record := range records {
		switch record.Mode & cpio.S_IFMT {
		case cpio.S_IFREG:
			program := make([]byte, record.FileSize)
			if _, err := record.ReadAt(program, 0); err != nil {
				return fmt.Errorf("read %s from %s: %w", record.Name, archive, err)
			}
			record = cpio.StaticFile(record.Name, string(program), 0o755)
		case cpio.S_IFLNK:
			record = cpio.MakeReproducible(record)
			target := make([]byte, record.FileSize)
			if _, err := record.ReadAt(target, 0); err != nil {
				return fmt.Errorf("read %s from %s: %w", record.Name, archive, err)
			}
			record = cpio.Symlink(record.Name, string(target))
		default:
			continue // directories
		}
		if err := files.AddRecord(record); err != nil {
			return err
		}
	}
	return nil
}
