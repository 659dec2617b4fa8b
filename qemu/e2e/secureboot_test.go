//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/board"
	"causeway/images/disk"
	"causeway/images/signing"
	"causeway/qemu/machine"
)

// TestImagesSecureBoot has firmware that trusts the tree's own key and no other
// refuse what that has not signed: it says so on the console, and starts nothing
// of it. Of the same disk it starts our program.
func TestImagesSecureBoot(t *testing.T) {
	onBoards(t, func(t *testing.T, image machine.Image) {
		t.Parallel()
		signed, unsigned := content(t, image.Slot()), content(t, filepath.Join(image.Dir, "causeway.unsigned.efi"))
		altered := slices.Clone(signed)
		altered[len(altered)/2] ^= 1

		// Each machine has variables of its own: killed while it writes them, QEMU's
		// firmware for arm64 makes them anew, without keys.
		config := machine.Config{Board: image.Board, Certificate: image.Certificate(), Disk: filepath.Join(t.TempDir(), "disk.img")}
		if err := image.CopyDisk(config.Disk); err != nil {
			t.Fatal(err)
		}
		const refused, started = "Access Denied", "UEFI Secure Boot is enabled"
		for _, tt := range []struct {
			name    string
			program []byte
			want    string
		}{
			{"unsigned", unsigned, refused},
			{"altered", altered, refused},
			{"other key", signedByOthers(t, unsigned), refused},
			{"ours", signed, started},
		} {
			fillSlotA(t, image, config.Disk, tt.program)
			m, err := machine.Start(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			match, err := m.Console.Expect(within(t, bootLimit), refused+"|"+started)
			if err != nil || match.Groups[0] != tt.want {
				t.Errorf("%s: %q, %v; want %q\n%s", tt.name, match.Groups, err, tt.want, m.Console.Tail(30))
			}
			m.Kill()
		}
	})
}

// signedByOthers signs a program with keys that the firmware does not know.
func signedByOthers(t *testing.T, program []byte) []byte {
	t.Helper()
	dir := t.TempDir()
	keys, err := signing.Make(filepath.Join(dir, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	unsigned, signed := filepath.Join(dir, "unsigned.efi"), filepath.Join(dir, "signed.efi")
	if err := os.WriteFile(unsigned, program, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := keys.Program(t.Context(), signed, unsigned, time.Now()); err != nil {
		t.Fatal(err)
	}
	return content(t, signed)
}

// fillSlotA puts a program in the place of that in slot A.
func fillSlotA(t *testing.T, image machine.Image, path string, program []byte) {
	t.Helper()
	b, err := board.Find(image.Board.Name)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "program.efi")
	if err := os.WriteFile(file, program, 0o600); err != nil {
		t.Fatal(err)
	}
	start, _ := disk.ESP()
	run(t, "mcopy", "-o", "-i", fmt.Sprintf("%s@@%d", path, start), file, "::"+strings.ReplaceAll(b.EFIFile, `\`, "/"))
}

func content(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
