package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"causeway/board"
	"causeway/images/disk"
	"causeway/images/signing"
	"causeway/rootfs"
	"causeway/rootfs/cache"
)

// errDiffers means that the two builds are not the same.
var errDiffers = errors.New("the builds differ")

func reproduceCommand(ctx context.Context, args []string, out, log io.Writer) error {
	flags := flag.NewFlagSet("images reproduce", flag.ContinueOnError)
	flags.SetOutput(log)
	boardName := flags.String("board", "x86_64", strings.Join(board.Names(), " or "))
	variant := flags.String("variant", string(rootfs.Release), "release or debug")
	keys := keysFlag(flags)
	made := flags.String("made", "", "`directory` of an image that was built with these options: if it is of this commit, it stands for the first build")
	fresh := flags.Bool("fresh", true, "compile everything anew for the second build")
	if err := parse(flags, args); err != nil {
		return err
	}
	source, err := moduleDir(ctx)
	if err != nil {
		return err
	}
	commit, err := git(ctx, source, "rev-parse", "HEAD")
	if err != nil {
		return err
	}
	changed, err := git(ctx, source, "status", "--porcelain")
	if err != nil {
		return err
	}
	if changed != "" {
		fmt.Fprintf(log, "building commit %s, without what is not committed\n", commit)
	}
	// The keys are what an image is of, too: both builds have the same.
	if *keys, err = keysDir(*keys, source); err != nil {
		return err
	}
	if *keys, err = filepath.Abs(*keys); err != nil {
		return err
	}
	if _, err := signing.Open(*keys); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "causeway-reproduce-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	surroundings, err := twoSurroundings(ctx, work, *fresh)
	if err != nil {
		return err
	}
	start := time.Now()
	var dirs []string
	if changed == "" && isOf(*made, commit) {
		fmt.Fprintf(log, "%s is of commit %s\n", *made, commit)
		dirs, surroundings = []string{*made}, surroundings[1:]
	}
	for _, s := range surroundings {
		dir, err := s.build(ctx, source, commit, []string{"-board", *boardName, "-variant", *variant, "-keys", *keys}, log)
		if err != nil {
			return fmt.Errorf("build in %s: %w", s.dir, err)
		}
		dirs = append(dirs, dir)
	}
	fmt.Fprintf(out, "board=%s\ncommit=%s\n", *boardName, commit)
	if err := compareImages(dirs[0], dirs[1], out); err != nil {
		return err
	}
	fmt.Fprintf(out, "reproducible=yes\nseconds=%.0f\n", time.Since(start).Seconds())
	return nil
}

// compareImages compares all files of two images, and prints their hashes.
func compareImages(a, b string, out io.Writer) error {
	names, err := sameFiles(a, b)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := compareFiles(filepath.Join(a, name), filepath.Join(b, name)); err != nil {
			fmt.Fprintln(out, "reproducible=no")
			return fmt.Errorf("%s: %w", name, err)
		}
		sum, err := hashFile(filepath.Join(a, name))
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s=%x\n", name, sum)
	}
	return nil
}

// surrounding is what must not get into an image: where, by whom and how it is
// built.
type surrounding struct {
	dir         string // for the source
	environment []string
	umask       int
	arguments   []string // of build
}

// twoSurroundings are this user's, and those of somebody else, who has another
// home, language, time zone, umask and processor count, an empty cache but for
// the Debian packages, and with fresh compiles everything anew.
func twoSurroundings(ctx context.Context, work string, fresh bool) ([]surrounding, error) {
	shared, err := cache.Default()
	if err != nil {
		return nil, err
	}
	other := filepath.Join(work, "somebody", "else", "and-a-longer-path")
	home := filepath.Join(other, "home")
	ownCache := filepath.Join(other, "cache")
	temporary := filepath.Join(other, "tmp")
	for _, dir := range []string{home, ownCache, temporary, filepath.Join(shared.Dir, "debian")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
	}
	// What apt has verified is the input of both.
	if err := os.Symlink(filepath.Join(shared.Dir, "debian"), filepath.Join(ownCache, "debian")); err != nil {
		return nil, err
	}
	modules, err := output(ctx, ".", "go", "env", "GOMODCACHE")
	if err != nil {
		return nil, err
	}
	compiled, err := output(ctx, ".", "go", "env", "GOCACHE")
	if err != nil {
		return nil, err
	}
	return []surrounding{
		{dir: filepath.Join(work, "a"), umask: 0o022},
		{
			dir:   filepath.Join(other, "b"),
			umask: 0o077,
			environment: []string{
				"HOME=" + home, "USER=somebody", "LOGNAME=somebody", "XDG_CACHE_HOME=" + filepath.Join(home, "x"),
				"TMPDIR=" + temporary, "TZ=Pacific/Kiritimati", "LC_ALL=C", "LANG=de_DE.UTF-8", "GOMAXPROCS=3",
				"CAUSEWAY_CACHE=" + ownCache, "GOMODCACHE=" + modules, "GOCACHE=" + compiled, "GOPROXY=off",
			},
			arguments: []string{fmt.Sprintf("-fresh=%t", fresh)},
		},
	}, nil
}

// build builds the commit there and gives the directory of the image.
func (s *surrounding) build(ctx context.Context, source, commit string, args []string, log io.Writer) (string, error) {
	if _, err := git(ctx, ".", "clone", "--quiet", "--no-checkout", source, s.dir); err != nil {
		return "", err
	}
	if _, err := git(ctx, s.dir, "checkout", "--quiet", "--detach", commit); err != nil {
		return "", err
	}
	image := filepath.Join(s.dir, "image")
	args = append([]string{"run", "./images", "build", "-o", image}, append(args, s.arguments...)...)
	fmt.Fprintf(log, "in %s, umask %03o: go %s\n", s.dir, s.umask, strings.Join(args, " "))
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), s.environment...)
	cmd.Stdout, cmd.Stderr = log, log
	ours := syscall.Umask(s.umask)
	err := cmd.Start()
	syscall.Umask(ours)
	if err != nil {
		return "", err
	}
	return image, cmd.Wait()
}

// isOf reports whether the image in a directory was built of a commit, without
// changes.
func isOf(dir, commit string) bool {
	info, err := readInfo(dir)
	return err == nil && info.Commit == commit && !strings.HasSuffix(info.Version, dirty)
}

// sameFiles gives the names of the files of two images, which must be the same.
// Folders are no part of an image: make run keeps its disk in one.
func sameFiles(a, b string) ([]string, error) {
	var names [2][]string
	for i, dir := range []string{a, b} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			if !entry.IsDir() {
				names[i] = append(names[i], entry.Name())
			}
		}
	}
	if !slices.Equal(names[0], names[1]) {
		return nil, fmt.Errorf("%w: the files are %q and %q", errDiffers, names[0], names[1])
	}
	return names[0], nil
}

// compareFiles gives an error that wraps errDiffers and names the first byte
// that is not the same.
func compareFiles(a, b string) error {
	fa, err := os.Open(a)
	if err != nil {
		return err
	}
	defer fa.Close()
	fb, err := os.Open(b)
	if err != nil {
		return err
	}
	defer fb.Close()
	offset, same, err := firstDifference(bufio.NewReaderSize(fa, 1<<20), bufio.NewReaderSize(fb, 1<<20))
	if err != nil || same {
		return err
	}
	if start, length := disk.ESP(); filepath.Base(a) == diskFile && offset >= start && offset < start+length {
		return fmt.Errorf("%w at byte %d, %d into slot A", errDiffers, offset, offset-start)
	}
	return fmt.Errorf("%w at byte %d", errDiffers, offset)
}

// firstDifference gives where two streams part; same if they do not.
func firstDifference(a, b io.Reader) (offset int64, same bool, err error) {
	var blockA, blockB [64 << 10]byte
	for {
		n, errA := io.ReadFull(a, blockA[:])
		m, errB := io.ReadFull(b, blockB[:])
		for i := range min(n, m) {
			if blockA[i] != blockB[i] {
				return offset + int64(i), false, nil
			}
		}
		if n != m {
			return offset + int64(min(n, m)), false, nil
		}
		offset += int64(n)
		for _, err := range []error{errA, errB} {
			if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				return offset, false, err
			}
		}
		if errA != nil {
			return offset, true, nil
		}
	}
}
