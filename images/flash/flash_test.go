package flash

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/diskfs/go-diskfs/partition/gpt"

	"causeway/board/layout"
	"causeway/images/disk"
)

const mib = 1 << 20

// image makes a disk image of a layout.
func image(t *testing.T, layout *layout.Layout) *os.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "disk.img")
	content := make([]byte, 5*mib+77)
	rand.NewChaCha8([32]byte{1}).Read(content)
	made := disk.Image{Layout: layout, Files: []disk.File{{Name: `\EFI\BOOT\BOOTX64.EFI`, Content: content}}, Time: time.Unix(1e9, 0)}
	if err := made.Write(name); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file
}

// medium is a disk whose every octet is 0xA5 until it is written to.
type medium struct {
	size    int64
	written map[int64][]byte // chunks
	alter   func(at int64, p []byte)
	refuse  error
	flushed bool
}

func (m *medium) WriteAt(p []byte, at int64) (int, error) {
	if m.refuse != nil || at+int64(len(p)) > m.size {
		return 0, errors.Join(m.refuse, errors.New("beyond the end"))
	}
	if m.written == nil {
		m.written = map[int64][]byte{}
	}
	m.written[at] = nil // zeros
	if m.alter != nil || len(bytes.Trim(p, "\x00")) > 0 {
		m.written[at] = bytes.Clone(p)
	}
	if m.alter != nil {
		m.alter(at, m.written[at])
	}
	return len(p), nil
}

func (m *medium) ReadAt(p []byte, at int64) (int, error) {
	kept, ok := m.written[at/chunk*chunk]
	switch {
	case !ok:
		return copy(p, bytes.Repeat([]byte{0xA5}, len(p))), nil
	case kept == nil:
		clear(p)
		return len(p), nil
	}
	return copy(p, kept[at%chunk:]), nil
}

func (m *medium) Flush() error { m.flushed = true; return nil }

func quiet(string, int64, int64) {}

func TestWrite(t *testing.T) {
	box, stick := image(t, &layout.Box), image(t, &layout.Installer)
	for _, tt := range []struct {
		name string
		file *os.File
		size int64
		last string // the last partition
		end  int64  // where it ends
	}{
		{"as large as the image", box, layout.Box.Size, "harddisk", layout.Box.Size - mib},
		{"a sector more", box, layout.Box.Size + 512, "harddisk", layout.Box.Size - mib},
		{"large and odd", box, 10_000_000_000, "harddisk", 10_000_000_000/mib*mib - mib},
		{"installer", stick, 4_000_000_000, "installer", 97 * mib},
	} {
		t.Run(tt.name, func(t *testing.T) {
			info, err := tt.file.Stat()
			if err != nil {
				t.Fatal(err)
			}
			fitted, err := Fit(tt.file, info.Size(), tt.size)
			if err != nil {
				t.Fatal(err)
			}
			written := &medium{size: tt.size}
			steps := map[string]int64{}
			err = fitted.Write(context.Background(), written, func(step string, done, all int64) { steps[step] = done * 100 / all })
			if err != nil || !written.flushed || steps["writing"] != 100 || steps["reading back"] != 100 {
				t.Fatalf("Write = %v, flushed %v, steps %v; want both whole", err, written.flushed, steps)
			}
			// What firmware and kernel see.
			on := backendOf(t, written)
			table, err := gpt.Read(on, block, block)
			if err != nil {
				t.Fatal(err)
			}
			if err := table.Verify(on, uint64(tt.size/block*block)); err != nil || table.RecoveredFromBackup {
				t.Errorf("table: %v, from the backup %v", err, table.RecoveredFromBackup)
			}
			var last *gpt.Partition
			for _, p := range table.Partitions {
				if p != nil && p.Type != gpt.Unused {
					last = p
				}
			}
			if end := int64(last.End+1) * block; last.Name != tt.last || end != tt.end {
				t.Errorf("the last partition is %s, up to %d; want %s, %d", last.Name, end, tt.last, tt.end)
			}
			tail := make([]byte, 64<<10)
			if on.ReadAt(tail, int64(last.End+1)*block-int64(len(tail))); tt.last == "harddisk" && len(bytes.Trim(tail, "\x00")) > 0 {
				t.Error("harddisk: does not end in zeros: init would take it for somebody's")
			}
			// The files are those of the image, at the same place.
			for at := int64(mib); at < 8*mib; at += mib {
				want, got := make([]byte, mib), make([]byte, mib)
				tt.file.ReadAt(want, at)
				on.ReadAt(got, at)
				if !bytes.Equal(want, got) {
					t.Errorf("MiB %d is not that of the image", at/mib)
				}
			}
		})
	}
}

func TestWriteFails(t *testing.T) {
	file := image(t, &layout.Installer)
	fitted, err := Fit(file, layout.Installer.Size, layout.Installer.Size)
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("medium error")
	stopped, stop := context.WithCancel(context.Background())
	stop()
	for _, tt := range []struct {
		name string
		ctx  context.Context
		disk *medium
		want error
	}{
		{"one bit is another", context.Background(), &medium{alter: func(at int64, p []byte) {
			if at == chunk {
				p[chunk-1] ^= 1
			}
		}}, ErrLies},
		{"its end stays as it was", context.Background(), &medium{alter: func(at int64, p []byte) {
			if at > layout.Installer.Size-chunk {
				copy(p, bytes.Repeat([]byte{0xA5}, len(p)))
			}
		}}, ErrLies},
		{"it does not write", context.Background(), &medium{refuse: full}, full},
		{"stopped", stopped, &medium{}, context.Canceled},
	} {
		tt.disk.size = layout.Installer.Size
		if err := fitted.Write(tt.ctx, tt.disk, quiet); !errors.Is(err, tt.want) {
			t.Errorf("%s: Write = %v; want %v", tt.name, err, tt.want)
		}
	}
}

func TestFitRefuses(t *testing.T) {
	file := image(t, &layout.Installer)
	if _, err := Fit(file, layout.Installer.Size, layout.Installer.Size-1); err == nil || !strings.Contains(err.Error(), "the disk has") {
		t.Errorf("Fit on a disk one octet too small = %v; want an error with both sizes", err)
	}
	none, err := os.Create(filepath.Join(t.TempDir(), "none"))
	if err != nil {
		t.Fatal(err)
	}
	defer none.Close()
	if err := none.Truncate(mib); err != nil {
		t.Fatal(err)
	}
	if _, err := Fit(none, mib, 2*mib); err == nil {
		t.Error("Fit of a file without a partition table = nil; want an error")
	}
}

// backendOf puts what was written in a sparse file, for those who read disks.
func backendOf(t *testing.T, m *medium) *os.File {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "medium"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	if err := file.Truncate(m.size); err != nil {
		t.Fatal(err)
	}
	for at, content := range m.written { // zeros are holes
		if _, err := file.WriteAt(content, at); err != nil {
			t.Fatal(err)
		}
	}
	return file
}
