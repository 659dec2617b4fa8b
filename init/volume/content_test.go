package volume

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// image makes a sparse file.
func image(t *testing.T, size int64) *os.File {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "image"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	if err := file.Truncate(size); err != nil {
		t.Fatal(err)
	}
	return file
}

// command runs a program of the build machine.
func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// What others' programs make is recognised.
func TestDetectRealImages(t *testing.T) {
	for _, tt := range []struct {
		want    Content
		command []string // the image's path is appended
	}{
		{"ext4", []string{"mke2fs", "-q", "-F", "-t", "ext4"}},
		{"ext4", []string{"mke2fs", "-q", "-F", "-t", "ext2"}},
		{"ext4", []string{"mke2fs", "-q", "-F", "-O", "journal_dev"}},
		{"vfat", []string{"mformat", "-F", "-T", "262144", "-h", "16", "-s", "32", "::", "-i"}},
		{"vfat", []string{"mformat", "-T", "65536", "-h", "16", "-s", "32", "::", "-i"}},
		{"swap", []string{"mkswap"}},
	} {
		t.Run(string(tt.want), func(t *testing.T) {
			const size = 128 * mib
			file := image(t, size)
			command(t, tt.command[0], append(tt.command[1:], file.Name())...)
			if got, err := Detect(file, size); got != tt.want || err != nil {
				t.Errorf("Detect of what %q made = %q, %v; want %q", tt.command, got, err, tt.want)
			}
		})
	}
}

// Every row of the table is found where it says.
func TestDetectSignatures(t *testing.T) {
	const size = 4 * mib
	for _, signature := range signatures {
		file := image(t, size)
		if _, err := file.WriteAt([]byte(signature.magic), int64(signature.offset)); err != nil {
			t.Fatal(err)
		}
		if got, err := Detect(file, size); got != signature.content || err != nil {
			t.Errorf("Detect of %q at %d = %q, %v; want %q", signature.magic, signature.offset, got, err, signature.content)
		}
	}
}

func TestDetect(t *testing.T) {
	const size = 4 * mib
	for _, tt := range []struct {
		name  string
		at    int64
		octet string
		want  Content
	}{
		{"nothing", 0, "", Blank},
		{"an octet in front", 0, "x", Unknown},
		{"an octet at the end of the head", blankHead - 1, "x", Unknown},
		{"an octet at the very end", size - 1, "x", Unknown},
		{"an octet in the middle", blankHead, "x", Blank},
		{"our mark", 0, unfinished, Unfinished},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := image(t, size)
			if _, err := file.WriteAt([]byte(tt.octet), tt.at); err != nil {
				t.Fatal(err)
			}
			if got, err := Detect(file, size); got != tt.want || err != nil {
				t.Errorf("Detect = %q, %v; want %q", got, err, tt.want)
			}
		})
	}
	if got, err := Detect(image(t, 10), size); err == nil {
		t.Errorf("Detect beyond the end = %q; want an error", got)
	}
}

func FuzzDetect(f *testing.F) {
	f.Add([]byte(unfinished))
	f.Add(make([]byte, 600))
	f.Add(append(make([]byte, 0x438), 0x53, 0xef))
	f.Fuzz(func(t *testing.T, octets []byte) {
		got, err := Detect(bytes.NewReader(octets), int64(len(octets)))
		if err != nil {
			t.Fatal(err)
		}
		if got == Blank && !isZero(octets) && len(octets) <= blankHead {
			t.Errorf("Detect(%q) = %q", octets, got)
		}
	})
}
