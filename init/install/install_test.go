package install

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"causeway/appliance/bundle"
	"causeway/appliance/model"
	"causeway/board"
	"causeway/init/volume"
)

// box is a box with a stick in it: what was done to it is written down.
type box struct {
	stick   string // empty: none
	late    int    // how often the stick is not there yet
	disks   []volume.Disk
	ours    bool
	refuse  error
	written []byte
	done    []string
}

func (b *box) FromInstaller(do func(point string) error) error {
	if b.late--; b.late >= 0 || b.stick == "" {
		return fmt.Errorf("no stick: %w", os.ErrNotExist)
	}
	return do(b.stick)
}

func (b *box) InstallDisks() []volume.Disk { return b.disks }

func (b *box) Content(volume.Disk) (volume.Content, bool, error) { return "ext4", b.ours, nil }

func (b *box) Divide(disk volume.Disk) error {
	b.done = append(b.done, "divide "+disk.Name)
	return b.refuse
}

func (b *box) InstallOn(disk, program, sum string, image func(io.Writer) error) error {
	b.done = append(b.done, "install on "+disk)
	var written bytes.Buffer
	if err := image(&written); err != nil {
		return err
	}
	if got := sha256.Sum256(written.Bytes()); hex.EncodeToString(got[:]) != sum || program != `\EFI\BOOT\BOOTX64.EFI` {
		return errors.New("the disk does not give back what was written to it")
	}
	b.written = written.Bytes()
	return nil
}

// console is one at which somebody types lines.
type console struct {
	io.Reader
	bytes.Buffer
}

func (c *console) Read(p []byte) (int, error)  { return c.Reader.Read(p) }
func (c *console) Write(p []byte) (int, error) { return c.Buffer.Write(p) }

var program = bytes.Repeat([]byte("program"), 12345)

// stick makes the files of an installer's stick for a board, and the keys that it is known by.
func stick(t *testing.T, boardName string) (dir string, keys []ed25519.PublicKey) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	_, manifest, err := bundle.Make(bundle.Manifest{Board: boardName, Variant: bundle.Release, Version: "v1.2.3", Floor: "v1.0.0"}, nil, program)
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	for name, content := range map[string][]byte{
		bundle.ManifestName: manifest, bundle.SignatureName: ed25519.Sign(private, manifest), "EFI/BOOT/BOOTX64.EFI": program,
	} {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir, []ed25519.PublicKey{public}
}

var (
	small = volume.Disk{Name: "sda", Size: 64 << 20}
	large = volume.Disk{Name: "nvme0n1", Model: "Flash 1", Size: 16e9}
)

func TestRun(t *testing.T) {
	target, err := board.Find("x86_64")
	if err != nil {
		t.Fatal(err)
	}
	dir, keys := stick(t, "x86_64")
	other, otherKeys := stick(t, "arm64")
	damaged, damagedKeys := stick(t, "x86_64")
	if err := os.Truncate(filepath.Join(damaged, "EFI/BOOT/BOOTX64.EFI"), 1000); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		box   box
		keys  []ed25519.PublicKey
		typed string
		done  string // to the disks
		said  string // at last
		want  string // error
	}{
		{"a disk of somebody's", box{stick: dir, disks: []volume.Disk{small, large}}, keys,
			"2\nyes\n", "divide nvme0n1, install on nvme0n1", "Causeway v1.2.3 is on /dev/nvme0n1", ""},
		{"the stick comes late", box{stick: dir, late: 3, disks: []volume.Disk{large}}, keys,
			"1\nyes\n", "divide nvme0n1, install on nvme0n1", "is on /dev/nvme0n1", ""},
		{"ours, kept", box{stick: dir, disks: []volume.Disk{large}, ours: true}, keys,
			"1\nperhaps\nyes\nyes\n", "install on nvme0n1", "is on /dev/nvme0n1", ""},
		{"ours, not kept", box{stick: dir, disks: []volume.Disk{large}, ours: true}, keys,
			"1\nno\nyes\n", "divide nvme0n1, install on nvme0n1", "is on /dev/nvme0n1", ""},
		{"nothing is confirmed", box{stick: dir, disks: []volume.Disk{large}}, keys,
			"1\nY\n1\n\nq\n", "", "Nothing was changed. The box switches off.", ""},
		{"no such disk", box{stick: dir, disks: []volume.Disk{small, large}}, keys,
			"0\n3\nnvme0n1\n\n1\nq\n", "", "Nothing was changed", ""},
		{"no disk", box{stick: dir}, keys, "1\nq\n", "", "Nothing was changed", ""},
		{"a disk that fails", box{stick: dir, disks: []volume.Disk{large}, refuse: errors.New("medium error")}, keys,
			"1\nyes\nq\n", "divide nvme0n1", "Nothing was changed", ""},
		{"a damaged stick", box{stick: damaged, disks: []volume.Disk{large}}, damagedKeys,
			"1\nyes\nq\n", "divide nvme0n1, install on nvme0n1", "", ""},
		{"the console ends", box{stick: dir, disks: []volume.Disk{large}}, keys, "1\n", "", "", "the console"},
		{"for another board", box{stick: other, disks: []volume.Disk{large}}, otherKeys, "1\nyes\n", "", "", "it is for the board arm64"},
		{"signed by somebody else", box{stick: dir, disks: []volume.Disk{large}}, otherKeys, "1\nyes\n", "", "", bundle.ErrSignature.Error()},
		{"not a stick of ours", box{stick: t.TempDir(), disks: []volume.Disk{large}}, keys, "1\nyes\n", "", "", bundle.ManifestName},
		{"no stick", box{disks: []volume.Disk{large}}, keys, "1\nyes\n", "", "", "no stick"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				screen := &console{Reader: strings.NewReader(tt.typed)}
				installer := Installer{Disks: &tt.box, Board: target, Build: model.BuildInfo{Board: target.Name, Variant: bundle.Release}, Keys: tt.keys, Console: screen}
				err := installer.Run(context.Background())
				if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
					t.Errorf("Run = %v; want %q", err, tt.want)
				}
				if got := strings.Join(tt.box.done, ", "); got != tt.done {
					t.Errorf("done: %q; want %q", got, tt.done)
				}
				if !strings.Contains(screen.String(), tt.said) {
					t.Errorf("the console shows\n%s\nwant %q", &screen.Buffer, tt.said)
				}
				if installed := strings.Contains(screen.String(), "Take the stick out"); installed != bytes.Equal(tt.box.written, program) {
					t.Errorf("it says that it is installed: %v; %d octets are on the disk", installed, len(tt.box.written))
				}
			})
		})
	}
}
