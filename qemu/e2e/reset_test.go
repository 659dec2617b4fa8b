//go:build e2e

package e2e

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What is on the disk of a box that is reset, beside its own secrets.
const (
	plantedFile    = "Planted-File-2718-"    // in a file of an operator
	plantedDeleted = "Planted-Deleted-3141-" // in one that was deleted
	plantedHistory = "planted-earlier-name"  // in an earlier configuration
)

// secretPlaces are where bootflash: has what nobody may find after a reset, and
// no other box has.
var secretPlaces = []string{"keys/", "proxy/", "certificates/"}

// plantSecrets puts secrets on a disk that no machine has, as an operator does
// who deletes some of them again. It gives what is to be searched for after a
// reset, these and octets of all secret files, by what it is, all of which is
// found now; and the serial number of the box.
func plantSecrets(t *testing.T, disk string) (secrets map[string][]byte, serial string) {
	t.Helper()
	secrets = map[string][]byte{"an earlier host name": []byte(plantedHistory)}
	for _, name := range []string{"bootflash", "harddisk"} {
		secrets["a file on "+name] = []byte(plantedFile + name)
		secrets["a deleted file on "+name] = []byte(plantedDeleted + name)
		requests := []string{"rm gone.txt"}
		for file, text := range map[string]string{"gone.txt": plantedDeleted, "notes.txt": plantedFile} {
			path := filepath.Join(t.TempDir(), file)
			writeText(t, path, strings.Repeat(text+name+"\n", 1000))
			requests = append([]string{"write " + path + " " + file}, requests...)
		}
		debugfs(t, volume(t, disk, name), requests...)
	}
	files := filesOf(t, disk, "bootflash")
	for name, text := range files {
		secret := slices.ContainsFunc(secretPlaces, func(place string) bool { return strings.HasPrefix(name, place) })
		if secret && len(text) >= 16 {
			secrets[name] = []byte(text[len(text)/2-8:][:16]) // not how every PEM begins or ends
		}
	}
	found := foundOn(t, disk, secrets)
	for name := range secrets {
		if !found[name] {
			t.Errorf("%s is not on the disk before the reset", name)
		}
	}
	for _, must := range []string{"keys/box.key", "proxy/call.key"} {
		if !found[must] {
			t.Errorf("the box has no %s; want it where its secrets are looked for", must)
		}
	}
	return secrets, files["init/serial"]
}

// filesOf gives the files of a volume of a disk that no machine has, by their
// paths there.
func filesOf(t *testing.T, disk, name string) map[string]string {
	t.Helper()
	dir := t.TempDir()
	debugfs(t, volume(t, disk, name), "rdump / "+dir)
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, dir+"/")] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// foundOn gives which of the secrets, of at most 64 octets, an image of a disk
// holds anywhere.
func foundOn(t *testing.T, disk string, secrets map[string][]byte) map[string]bool {
	t.Helper()
	file, err := os.Open(disk)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	const step, overlap = 1 << 20, 64
	found, part, zeros := map[string]bool{}, make([]byte, step+overlap), make([]byte, step+overlap)
	for at := int64(0); ; at += step {
		n, err := file.ReadAt(part, at)
		if err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if !bytes.Equal(part[:n], zeros[:n]) {
			for name, secret := range secrets {
				if bytes.Contains(part[:n], secret) {
					found[name] = true
				}
			}
		}
		if err != nil {
			return found
		}
	}
}

// TestResetSearch: the search finds what stands across two of its steps.
func TestResetSearch(t *testing.T) {
	disk := filepath.Join(t.TempDir(), "disk.img")
	writeText(t, disk, strings.Repeat("\x00", 3<<20))
	damage(t, disk, 1<<20-5, []byte("across"))
	damage(t, disk, 3<<20-3, []byte("end"))
	got := foundOn(t, disk, map[string][]byte{"a": []byte("across"), "b": []byte("end"), "c": []byte("nowhere")})
	if len(got) != 2 || !got["a"] || !got["b"] {
		t.Errorf("found %v; want a and b", got)
	}
}
