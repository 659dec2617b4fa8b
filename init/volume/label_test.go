package volume

import (
	"bytes"
	"testing"
)

// What others' programs call a file system is found.
func TestLabel(t *testing.T) {
	for _, tt := range []struct {
		content  Content
		commands [][]string // the image's path is put in for @
		want     string
	}{
		{"ext4", [][]string{{"mke2fs", "-q", "-F", "-t", "ext4", "-L", "CAUSEWAY", "@"}}, "CAUSEWAY"},
		{"ext4", [][]string{{"mke2fs", "-q", "-F", "-t", "ext4", "@"}}, ""},
		{"vfat", [][]string{{"mformat", "-i", "@", "-v", "CAUSEWAY", "-F", "-T", "262144", "-h", "16", "-s", "32", "::"}}, "CAUSEWAY"},
		{"vfat", [][]string{{"mformat", "-i", "@", "-v", "CAUSEWAY", "-T", "65536", "-h", "16", "-s", "32", "::"}}, "CAUSEWAY"},
		{"vfat", [][]string{
			{"mformat", "-i", "@", "-v", "BEFORE", "-T", "65536", "-h", "16", "-s", "32", "::"},
			{"mlabel", "-i", "@", "::CAUSEWAY"},
		}, "CAUSEWAY"},
	} {
		file := image(t, 128*mib)
		for _, words := range tt.commands {
			for i, word := range words {
				if word == "@" {
					words[i] = file.Name()
				}
			}
			command(t, words[0], words[1:]...)
		}
		if got := label(file, tt.content); got != tt.want {
			t.Errorf("label of what %q made = %q; want %q", tt.commands, got, tt.want)
		}
	}
}

func FuzzLabel(f *testing.F) {
	f.Add([]byte{})
	f.Add(make([]byte, 4096))
	f.Add(bytes.Repeat([]byte{0xff}, 4096))
	f.Fuzz(func(t *testing.T, octets []byte) {
		for _, content := range []Content{"ext4", "vfat", Unknown} {
			if got := label(bytes.NewReader(octets), content); len(got) > ext4LabelLength {
				t.Errorf("label(%q, %s) = %q", octets, content, got)
			}
		}
	})
}

// Of several sticks that with updates is usb0:, wherever it is plugged in.
func TestStickWithUpdates(t *testing.T) {
	v, b := newBox(t)
	b.fat("sda", false)
	updates := b.fat("sdb", true)
	b.fat("sdc", false)
	command(t, "mlabel", "-i", updates.Name(), "::"+updateLabel)
	v.Plugged()
	b.want(v, stateMounted, "/dev/sdb1", "")
}
