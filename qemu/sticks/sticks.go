// Package sticks plugs damaged USB sticks into a running box, one after the
// other, with intact ones in between: images of FAT and ext4 that were flipped,
// cut off, tied into knots, or given sizes and names that nothing has. The box
// is to mount or refuse each, answer all the while, and crash at none.
//
// In: a booted box with a port for sticks; mtools and e2fsprogs, which make the
// intact images. Out: a Report.
package sticks

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	kib = 1 << 10
	mib = 1 << 20
)

// kind is a file system, and how an intact one is made.
type kind struct {
	name string
	size int64 // of the image, octets
	make func(ctx context.Context, image, files string) error
}

// kinds of sticks. Most of ext4 has no checksums of what tells where things
// are: with them the kernel refuses nearly all damage at once.
var kinds = []kind{
	{"FAT12", 1440 * kib, fat("-f", "1440")},
	{"FAT16", 16 * mib, fat("-h", "16", "-s", "32", "-T", "32768")},
	{"FAT32", 34 * mib, fat("-F", "-c", "1", "-h", "16", "-s", "32", "-T", "69632")},
	{"ext4", 16 * mib, ext("ext4", "-b", "4096")},
	{"ext4 without checksums", 16 * mib, ext("ext4", "-b", "1024", "-O", "^metadata_csum")},
	{"ext2", 8 * mib, ext("ext2", "-b", "1024")},
}

func (k kind) isFAT() bool { return strings.HasPrefix(k.name, "FAT") }

func fat(format ...string) func(ctx context.Context, image, files string) error {
	return func(ctx context.Context, image, files string) error {
		if err := run(ctx, "mformat", append([]string{"-i", image, "-v", "STICK"}, append(format, "::")...)...); err != nil {
			return err
		}
		entries, err := filepath.Glob(filepath.Join(files, "*"))
		if err != nil {
			return err
		}
		return run(ctx, "mcopy", append(append([]string{"-s", "-i", image}, entries...), "::")...)
	}
}

func ext(fstype string, options ...string) func(ctx context.Context, image, files string) error {
	return func(ctx context.Context, image, files string) error {
		return run(ctx, "mke2fs", append([]string{"-q", "-F", "-t", fstype, "-L", "STICK", "-d", files, image}, options...)...)
	}
}

// run runs a program of this host.
func run(ctx context.Context, name string, args ...string) error {
	if output, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, output)
	}
	return nil
}

// helloText is in hello.txt on every stick. Besides there are big.bin,
// folder/inner.txt and folder/deeper/last.txt.
const helloText = "hello from a stick\n"

// writeFiles makes the files that are on every stick.
func writeFiles(dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, "folder", "deeper"), 0o755); err != nil {
		return err
	}
	for name, text := range map[string]string{
		"hello.txt": helloText, "folder/inner.txt": "within\n", "folder/deeper/last.txt": "deep within\n",
		"big.bin": strings.Repeat("0123456789abcdef", 12*kib),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Maker makes the images of sticks.
type Maker struct {
	dir   string
	seed  uint64
	plain [][]byte // an intact image of each kind
}

// NewMaker makes the intact images, which all others are made from, in dir. The
// seed decides about all damage.
func NewMaker(ctx context.Context, dir string, seed uint64) (*Maker, error) {
	m := &Maker{dir: dir, seed: seed}
	files := filepath.Join(dir, "files")
	if err := writeFiles(files); err != nil {
		return nil, fmt.Errorf("files of sticks: %w", err)
	}
	for _, kind := range kinds {
		image := filepath.Join(dir, "plain.img")
		err := os.WriteFile(image, make([]byte, kind.size), 0o600)
		if err == nil {
			err = kind.make(ctx, image, files)
		}
		var content []byte
		if err == nil {
			content, err = os.ReadFile(image)
		}
		if err != nil {
			return nil, fmt.Errorf("stick with %s: %w", kind.name, err)
		}
		m.plain = append(m.plain, content)
	}
	return m, nil
}

// Stick is one that is made.
type Stick struct {
	Name   string // what it is: "ext4, bits flipped"
	Image  string // path
	Intact bool
}

// intactEvery is how many sticks there are to each that is intact.
const intactEvery = 5

// Make makes the i-th stick, from 0. Kinds and damages take turns; what comes
// before an image, nothing or a table of partitions, does so, too.
func (m *Maker) Make(i int) (Stick, error) {
	random := rand.New(rand.NewPCG(m.seed, uint64(i)))
	stick := Stick{Intact: i%intactEvery == 0, Image: filepath.Join(m.dir, fmt.Sprintf("stick-%d.img", i))}
	var image []byte
	if stick.Intact {
		at := i / intactEvery % len(kinds)
		stick.Name, image = kinds[at].name+", intact", bytes.Clone(m.plain[at])
	} else {
		nth := i - i/intactEvery - 1
		damage := damages[nth%len(damages)]
		at := nth / len(damages) % len(kinds)
		for damage.on != nil && !damage.on(kinds[at]) {
			at = (at + 1) % len(kinds)
		}
		stick.Name = kinds[at].name + ", " + damage.name
		for image == nil || bytes.Equal(image, m.plain[at]) { // what it came to was so before
			image = damage.do(random, bytes.Clone(m.plain[at]))
		}
	}
	if i%3 == 1 {
		stick.Name, image = stick.Name+", in a partition", partitioned(image)
	}
	return stick, os.WriteFile(stick.Image, image, 0o600)
}
