package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/pe"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/fat32"
	"github.com/diskfs/go-diskfs/partition/gpt"

	"causeway/appliance/bundle"
	"causeway/appliance/model"
	"causeway/board"
	"causeway/board/layout"
	"causeway/images/signing"
	"causeway/rootfs"
	"causeway/rootfs/cache"
)

// testImage is an image with the test programs in it.
func testImage(t *testing.T, name string) *image {
	t.Helper()
	b, err := board.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	c, err := cache.Default()
	if err != nil {
		t.Fatal(err)
	}
	source, err := moduleDir(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	keys := filepath.Join(t.TempDir(), "keys")
	if _, err := signing.Make(keys); err != nil {
		t.Fatal(err)
	}
	return &image{
		board: b, variant: rootfs.Release, source: source, dir: filepath.Join(t.TempDir(), "image"),
		initPkg: "causeway/rootfs/testdata/hello", appliance: "causeway/rootfs/testdata/service",
		keys: keys, cache: c, log: t.Output(),
	}
}

func TestBuild(t *testing.T) {
	for _, name := range board.Names() {
		t.Run(name, func(t *testing.T) {
			i := testImage(t, name)
			result, err := i.build(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			read := func(name string) []byte {
				b, err := os.ReadFile(filepath.Join(i.dir, name))
				if err != nil {
					t.Fatal(err)
				}
				return b
			}
			var info model.BuildInfo
			if err := json.Unmarshal(read(infoFile), &info); err != nil || info != result.info || info.Board != name || info.Time.IsZero() || info.Kernel == "" {
				t.Errorf("%s = %+v, %v; want %+v", infoFile, info, err, result.info)
			}
			program := read(ukiFile)
			if int64(len(program)) != result.slot {
				t.Errorf("slot of %d bytes; %s has %d", result.slot, ukiFile, len(program))
			}
			file, err := pe.NewFile(bytes.NewReader(program))
			if err != nil {
				t.Fatal(err)
			}
			for section, want := range map[string][]byte{
				".linux":   read(kernelFile),
				".initrd":  read(initramfsFile),
				".cmdline": []byte(i.board.CommandLine()),
			} {
				if got, err := file.Section(section).Data(); err != nil || !bytes.HasPrefix(got, want) {
					t.Errorf("section %s has %d bytes, %v; want %d", section, len(got), err, len(want))
				}
			}
			i.checkBundle(t, program)
			i.checkInstaller(t, program)
			for _, want := range []string{"pkg:deb/debian/linux-image-", "pkg:deb/debian/" + i.board.StubPackage, "pkg:golang/std@", "pkg:golang/github.com/u-root/u-root@"} {
				if !bytes.Contains(read(sbomFile), []byte(want)) {
					t.Errorf("%s lacks %s", sbomFile, want)
				}
			}
			if script := string(read(ipxeFile)); !strings.HasPrefix(script, "#!ipxe\n") || strings.Contains(script, i.board.CommandLine()) != (name == "x86_64") {
				t.Errorf("%s is\n%s", ipxeFile, script)
			}
			for line := range strings.Lines(string(read(sumsFile))) {
				sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
				if got, err := hashFile(filepath.Join(i.dir, name)); err != nil || fmt.Sprintf("%x", got) != sum {
					t.Errorf("%s: SHA-256 %x, %v; %s says %s", name, got, err, sumsFile, sum)
				}
			}
			left, err := filepath.Glob(filepath.Join(i.dir, ".*"))
			if err != nil || len(left) > 0 {
				t.Errorf("left behind: %q, %v", left, err)
			}

			// Without the disk, the old one does not stay.
			i.kernelOnly, i.onlyInit = true, true
			if _, err := i.build(context.Background()); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{ukiFile, unsignedFile, diskFile, installerFile, sbomFile} {
				if _, err := os.Stat(filepath.Join(i.dir, name)); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("%s after a build without it: %v; want none", name, err)
				}
			}
		})
	}
}

// TestSign builds an image on a machine that has no secret key, and signs it on
// another: the files are those of a build that has the keys.
func TestSign(t *testing.T) {
	i := testImage(t, board.Names()[0])
	if _, err := i.build(context.Background()); err != nil {
		t.Fatal(err)
	}
	sums := func() string {
		text, err := os.ReadFile(filepath.Join(i.dir, sumsFile))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	want, keys := sums(), i.keys

	public, err := os.ReadFile(filepath.Join(keys, signing.ReleaseKeys))
	if err != nil {
		t.Fatal(err)
	}
	i.keys, i.unsigned = t.TempDir(), true
	if err := os.WriteFile(filepath.Join(i.keys, signing.ReleaseKeys), public, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := i.build(context.Background()); err != nil {
		t.Fatal(err)
	}
	if left := sums(); strings.Contains(left, ukiFile) || strings.Contains(left, bundle.Suffix) || strings.Contains(left, diskFile) {
		t.Errorf("without the keys:\n%s\nwant nothing signed", left)
	}
	sign := func(keys string) error {
		return run(context.Background(), []string{"sign", "-image", i.dir, "-keys", keys}, io.Discard, io.Discard)
	}
	others := filepath.Join(t.TempDir(), "others")
	if err := sign(others); err == nil || errors.Is(err, bundle.ErrSignature) {
		t.Errorf("sign with keys that are not there = %v; want that none are made", err)
	}
	if _, err := signing.Make(others); err != nil {
		t.Fatal(err)
	}
	if err := sign(others); !errors.Is(err, bundle.ErrSignature) {
		t.Errorf("sign with keys that are not in the image = %v; want %v", err, bundle.ErrSignature)
	}
	if err := sign(keys); err != nil {
		t.Fatal(err)
	}
	if got := sums(); got != want {
		t.Errorf("signed elsewhere:\n%s\nwant\n%s", got, want)
	}
}

// checkInstaller sees that the installer's stick has the program, and the manifest of
// it that a box with this image believes.
func (i *image) checkInstaller(t *testing.T, program []byte) {
	t.Helper()
	stick, err := os.Open(filepath.Join(i.dir, installerFile))
	if err != nil {
		t.Fatal(err)
	}
	defer stick.Close()
	table, err := gpt.Read(stick, 512, 512)
	if err != nil || !layout.Installer.Made(table, layout.Installer.Size) {
		t.Fatalf("the stick's table: %+v, %v", table, err)
	}
	esp := table.Partitions[0]
	fat, err := fat32.Read(file.New(stick, true), esp.GetSize(), esp.GetStart(), 512)
	if err != nil {
		t.Fatal(err)
	}
	content := func(name string) []byte {
		text, err := fs.ReadFile(fat, strings.ReplaceAll(strings.TrimPrefix(name, `\`), `\`, "/"))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	keys, err := bundle.ReadKeys(filepath.Join(i.keys, signing.ReleaseKeys))
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := bundle.Verify(content(bundle.ManifestName), content(bundle.SignatureName), keys)
	if err != nil || manifest.SHA256 != fmt.Sprintf("%x", sha256.Sum256(program)) {
		t.Errorf("the stick's manifest: %+v, %v; want that of the program", manifest, err)
	}
	if !bytes.Equal(content(i.board.EFIFile), program) {
		t.Error("the stick's program is another")
	}
}

// checkBundle sees that a box with this image takes its bundle.
func (i *image) checkBundle(t *testing.T, program []byte) {
	t.Helper()
	keys, err := bundle.ReadKeys(filepath.Join(i.keys, signing.ReleaseKeys))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(i.dir, "causeway-"+i.board.Name+"-"+version+"*"+bundle.Suffix))
	if err != nil || len(files) != 1 {
		t.Fatalf("bundles %q, %v; want one", files, err)
	}
	f, err := os.Open(files[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := bundle.Open(f, keys)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Manifest.Fits(model.BuildInfo{Board: i.board.Name, Variant: string(i.variant)}, floor); err != nil {
		t.Error(err)
	}
	var got bytes.Buffer
	if notes, err := b.Unpack(context.Background(), &got); err != nil || notes == "" || !bytes.Equal(got.Bytes(), program) {
		t.Errorf("notes %q, image of %d octets, %v; want %d", notes, got.Len(), err, len(program))
	}
}

func TestCommandErrors(t *testing.T) {
	for args, want := range map[string]string{
		"":                            "which command?",
		"bake":                        "reproduce",
		"build -board toaster":        "x86_64, arm64",
		"build -variant large":        "only release, debug",
		"sign -keys k":                "-image",
		"build x86_64":                `no argument "x86_64"`,
		"build -only-init causeway/x": "causeway/x",
	} {
		if strings.Contains(args, "only-init") {
			args += " -kernel-only -o " + t.TempDir()
		}
		err := run(context.Background(), strings.Fields(args), io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("images %s = %v; want %q", args, err, want)
		}
	}
}

func TestFirstDifference(t *testing.T) {
	long := strings.Repeat("x", 200_000)
	broken := errors.New("broken")
	for _, tt := range []struct {
		name   string
		a, b   io.Reader
		offset int64
		same   bool
		err    error
	}{
		{"empty", strings.NewReader(""), strings.NewReader(""), 0, true, nil},
		{"same", strings.NewReader(long), iotest.HalfReader(strings.NewReader(long)), 200_000, true, nil},
		{"first byte", strings.NewReader("a"), strings.NewReader("b"), 0, false, nil},
		{"last byte", strings.NewReader(long + "a"), strings.NewReader(long + "b"), 200_000, false, nil},
		{"shorter", strings.NewReader(long), strings.NewReader(long + "b"), 200_000, false, nil},
		{"unreadable", iotest.ErrReader(broken), strings.NewReader(""), 0, false, broken},
	} {
		offset, same, err := firstDifference(tt.a, tt.b)
		if offset != tt.offset || same != tt.same || !errors.Is(err, tt.err) {
			t.Errorf("%s: firstDifference = %d, %v, %v; want %d, %v, %v", tt.name, offset, same, err, tt.offset, tt.same, tt.err)
		}
	}
}

func TestCompareFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return name
	}
	a, b, c := write("a", "one two"), write("b", "one two"), write("c", "one too")
	if err := compareFiles(a, b); err != nil {
		t.Errorf("compareFiles of equal files = %v", err)
	}
	if err := compareFiles(a, c); !errors.Is(err, errDiffers) || !strings.Contains(err.Error(), "byte 5") {
		t.Errorf("compareFiles = %v; want a difference at byte 5", err)
	}
	if err := compareFiles(a, filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("compareFiles with a missing file = %v", err)
	}
}

// TestDescribe: outside git somebody must say when the source was made.
func TestDescribe(t *testing.T) {
	t.Setenv("GIT_CEILING_DIRECTORIES", "/")
	dir := t.TempDir()
	t.Setenv("SOURCE_DATE_EPOCH", "")
	if info, err := describe(context.Background(), dir); err == nil {
		t.Errorf("describe without git = %+v; want an error", info)
	}
	t.Setenv("SOURCE_DATE_EPOCH", "1000000000")
	info, err := describe(context.Background(), dir)
	if err != nil || info.Version != version || info.Floor != floor || info.Time.Unix() != 1000000000 {
		t.Errorf("describe = %+v, %v; want %s, %s, 1000000000", info, err, version, floor)
	}
}
