package rootfs

import (
	"bytes"
	"context"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/u-root/mkuimage/cpio"

	"causeway/appliance/bundle"
	"causeway/appliance/model"
	"causeway/board"
	"causeway/board/modules"
	"causeway/rootfs/cache"
	"causeway/rootfs/debian"
	"causeway/rootfs/kernel"
)

// releaseKey is the example of RFC 8410 §10.1.
const releaseKey = `-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
`

// testSpec is a root file system with the test programs in it, for the board
// that this machine can run.
func testSpec(t *testing.T) *Spec {
	t.Helper()
	c, err := cache.Default()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{"amd64": "x86_64", "arm64": "arm64"}
	b, err := board.Find(names[runtime.GOARCH])
	if err != nil {
		t.Fatal(err)
	}
	k, err := kernel.Fetch(context.Background(), b, &debian.Archive{Architecture: b.DebianArch, Cache: c, Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	keys := filepath.Join(t.TempDir(), "release.pem")
	if err := os.WriteFile(keys, []byte(releaseKey), 0o600); err != nil {
		t.Fatal(err)
	}
	return &Spec{
		ReleaseKeys: keys,
		Board:       b, Variant: Release, Source: ".", Kernel: k, Cache: c, Log: t.Output(),
		Info:      model.BuildInfo{Version: "test", Time: time.Unix(1, 0).UTC(), Board: b.Name, Variant: "release"},
		Init:      "causeway/rootfs/testdata/hello",
		Appliance: "causeway/rootfs/testdata/service",
	}
}

// readArchive reads a packed archive, by path.
func readArchive(t *testing.T, file string) map[string]cpio.Record {
	t.Helper()
	packed, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	unpacker, err := zstd.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	defer unpacker.Close()
	archive, err := io.ReadAll(unpacker)
	if err != nil {
		t.Fatal(err)
	}
	list, err := cpio.ReadAllRecords(cpio.Newc.Reader(bytes.NewReader(archive)))
	if err != nil {
		t.Fatal(err)
	}
	records := map[string]cpio.Record{}
	for _, record := range list {
		if _, parent := records[path.Dir(record.Name)]; path.Dir(record.Name) != "." && !parent {
			t.Errorf("%s comes before its directory", record.Name)
		}
		records[record.Name] = record
	}
	return records
}

func content(t *testing.T, record cpio.Record) string {
	t.Helper()
	b := make([]byte, record.FileSize)
	if len(b) > 0 {
		if _, err := record.ReadAt(b, 0); err != nil {
			t.Fatalf("read %s: %v", record.Name, err)
		}
	}
	return string(b)
}

func TestWrite(t *testing.T) {
	spec := testSpec(t)
	spec.COMRoot = testCertificate(t, true)
	file := filepath.Join(t.TempDir(), "initramfs.cpio.zst")
	if err := spec.Write(context.Background(), file); err != nil {
		t.Fatal(err)
	}
	records := readArchive(t, file)
	for name, mode := range map[string]uint64{
		"init":                      cpio.S_IFREG | 0o755,
		"bin/appliance":             cpio.S_IFREG | 0o755,
		"bbin/bb":                   cpio.S_IFREG | 0o755,
		"bbin/ping":                 cpio.S_IFLNK | 0o777,
		"dev/console":               cpio.S_IFCHR | 0o600,
		"tmp":                       cpio.S_IFDIR | 0o1777,
		"bootflash":                 cpio.S_IFDIR | 0o755,
		"usb0":                      cpio.S_IFLNK | 0o777,
		"etc/passwd":                cpio.S_IFREG | 0o644,
		caBundle:                    cpio.S_IFREG | 0o644,
		modules.File[1:]:            cpio.S_IFREG | 0o644,
		"etc/causeway/com-root.pem": cpio.S_IFREG | 0o644,
		"etc/causeway/build.json":   cpio.S_IFREG | 0o644,
		bundle.KeysFile[1:]:         cpio.S_IFREG | 0o644,
	} {
		if got, ok := records[name]; !ok || got.Mode != mode {
			t.Errorf("%s: there %v, mode %o; want %o", name, ok, got.Mode, mode)
		}
	}
	for name, record := range records {
		const setID, open = 0o6000, 0o002
		openToAll := record.Mode&open != 0 && record.Mode&cpio.S_IFMT != cpio.S_IFLNK
		if record.Mode&setID != 0 || openToAll && name != "tmp" && name != "dev/null" {
			t.Errorf("%s has mode %o: set-uid, or open to all", name, record.Mode)
		}
		if record.MTime != 0 || record.UID != 0 || record.GID != 0 || record.Ino != 0 {
			t.Errorf("%s carries something of the build: %v", name, record.Info)
		}
		if base := path.Base(name); base == "sh" || base == "gosh" {
			t.Errorf("%s: a shell in a release image", name)
		}
	}
	table, err := modules.Read(strings.NewReader(content(t, records[modules.File[1:]])))
	if err != nil {
		t.Fatal(err)
	}
	for name, module := range table.Modules {
		if _, ok := records[module.Path[1:]]; !ok {
			t.Errorf("module %s: %s is not in the image", name, module.Path)
		}
	}
	runService(t, records)
}

// runService runs the image's /bin/appliance with the image's files and no
// others.
func runService(t *testing.T, records map[string]cpio.Record) {
	t.Helper()
	root := t.TempDir()
	for _, name := range []string{"bin/appliance", caBundle} {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content(t, records[name])), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("/bin/appliance")
	cmd.Dir = "/"
	cmd.Env = []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
	out, err := cmd.CombinedOutput()
	if want := "1970-01-01T01:00:00+01:00\n"; err != nil || string(out) != want {
		t.Errorf("/bin/appliance said %q, %v; want %q", out, err, want)
	}
}

// TestWriteSame: neither umask nor directories get into the image.
func TestWriteSame(t *testing.T) {
	spec := testSpec(t)
	write := func(name string) []byte {
		file := filepath.Join(t.TempDir(), name)
		if err := spec.Write(context.Background(), file); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	first := write("first")
	defer syscall.Umask(syscall.Umask(0o077))
	t.Setenv("TMPDIR", t.TempDir())
	t.Setenv("TZ", "Asia/Tokyo")
	if second := write("second"); !bytes.Equal(first, second) {
		t.Errorf("two images of one source differ: %d and %d bytes", len(first), len(second))
	}
}

func TestOnlyInit(t *testing.T) {
	spec := testSpec(t)
	spec.OnlyInit = true
	file := filepath.Join(t.TempDir(), "initramfs.cpio.zst")
	if err := spec.Write(context.Background(), file); err != nil {
		t.Fatal(err)
	}
	for name, record := range readArchive(t, file) {
		if record.Mode&cpio.S_IFMT == cpio.S_IFREG && name != "init" && path.Dir(name) != "etc" {
			t.Errorf("%s is in an image that should hold only init", name)
		}
	}
}

func TestWriteFails(t *testing.T) {
	spec := testSpec(t)
	spec.Appliance = "causeway/rootfs/testdata/nothing"
	err := spec.Write(context.Background(), filepath.Join(t.TempDir(), "x"))
	if err == nil || !strings.Contains(err.Error(), "testdata/nothing") {
		t.Errorf("Write of a package that does not exist = %v; want its name", err)
	}
}

// TestCommands: release has no shell, and go.mod keeps what every command needs.
func TestCommands(t *testing.T) {
	if release := Release.packages(); slices.Contains(release, commandPath+"core/gosh") {
		t.Error("release has gosh")
	}
	debug := Debug.packages()
	if !slices.Contains(debug, commandPath+"core/gosh") {
		t.Error("debug has no gosh")
	}
	source, err := parser.ParseFile(token.NewFileSet(), "tools.go", nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var imported []string
	for _, spec := range source.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		imported = append(imported, name)
	}
	slices.Sort(imported)
	if !slices.Equal(imported, debug) {
		t.Errorf("tools.go imports %q; want %q", imported, debug)
	}
}
