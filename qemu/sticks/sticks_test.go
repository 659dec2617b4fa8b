package sticks

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func newMaker(t *testing.T) *Maker {
	t.Helper()
	m, err := NewMaker(t.Context(), t.TempDir(), 1)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// make1 makes a stick and reads it.
func make1(t *testing.T, m *Maker, i int) (Stick, []byte) {
	t.Helper()
	stick, err := m.Make(i)
	if err != nil {
		t.Fatal(err)
	}
	image, err := os.ReadFile(stick.Image)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(stick.Image); err != nil {
		t.Fatal(err)
	}
	return stick, image
}

// TestMake: each damage comes to each kind that it is for, none leaves an image
// as it was, and the same numbers make the same sticks.
func TestMake(t *testing.T) {
	m := newMaker(t)
	names := map[string]int{}
	const all = 200
	for i := range all {
		stick, image := make1(t, m, i)
		name, _ := strings.CutSuffix(stick.Name, ", in a partition")
		names[name]++
		plain := slices.ContainsFunc(m.plain, func(plain []byte) bool {
			return bytes.Equal(image, plain) || bytes.Equal(image, partitioned(plain))
		})
		if plain != stick.Intact {
			t.Errorf("stick %d, %s: is as it was made: %v", i, stick.Name, plain)
		}
		if i%10 != 1 {
			continue
		}
		if _, again := make1(t, m, i); !bytes.Equal(image, again) {
			t.Errorf("stick %d, %s: another image the second time", i, stick.Name)
		}
	}
	for _, damage := range damages {
		reached := 0
		for _, kind := range kinds {
			if names[kind.name+", "+damage.name] > 0 {
				reached++
			}
		}
		if reached < 2 {
			t.Errorf("%s: came to %d kinds of %d sticks", damage.name, reached, all)
		}
	}
}

// TestPlain: what is called intact is, by the word of other programs, and has
// the file that the box is asked for.
func TestPlain(t *testing.T) {
	m := newMaker(t)
	for i, kind := range kinds {
		image := filepath.Join(t.TempDir(), "image")
		if err := os.WriteFile(image, m.plain[i], 0o600); err != nil {
			t.Fatal(err)
		}
		commands := [][]string{{"e2fsck", "-fn", image}, {"debugfs", "-R", "cat hello.txt", image}}
		if kind.isFAT() {
			commands = [][]string{{"minfo", "-i", image}, {"mtype", "-i", image, "::hello.txt"}}
		}
		for j, command := range commands {
			output, err := exec.CommandContext(t.Context(), command[0], command[1:]...).Output()
			if err != nil || j == 1 && string(output) != helloText {
				t.Errorf("%s: %q: %v\n%s", kind.name, command, err, output)
			}
		}
	}
}

// TestDamageHits: what is aimed at a place gets there.
func TestDamageHits(t *testing.T) {
	m := newMaker(t)
	for i, kind := range kinds {
		image := bytes.Clone(m.plain[i])
		if kind.isFAT() {
			fatKnot(nil, image)
			if folder, deeper := entry(image, fatFolder), entry(image, fatDeeper); !bytes.Equal(folder[entryCluster:][:2], deeper[entryCluster:][:2]) {
				t.Errorf("%s: folder begins at % x, deeper at % x", kind.name, folder[entryCluster:][:2], deeper[entryCluster:][:2])
			}
			continue
		}
		hello := inode(image, int(numberOf(image, extHello)[0]))
		if size := number(hello, inodeSizeLow); size != len(helloText) {
			t.Errorf("%s: the inode of hello.txt says %d octets; want %d", kind.name, size, len(helloText))
		}
		if onExt4(kind) {
			journal := image[number(inode(image, journalInode), firstExtent)*blockSize(image):]
			if !bytes.HasPrefix(journal, []byte("\xc0\x3b\x39\x98")) {
				t.Errorf("%s: no journal where it is said to be: % x", kind.name, journal[:4])
			}
		}
	}
}
