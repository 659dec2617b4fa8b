//go:build e2e

package e2e

import (
	"path/filepath"
	"testing"

	"causeway/qemu/lab"
)

// TestPagesBackup saves the box, changes it, brings the backup as a file from the
// computer of the operator, and restores it.
func TestPagesBackup(t *testing.T) {
	t.Parallel()
	b := newPagesBox(t, "")
	v := b.operator("anna", lab.Screen{})
	v.visits("Backup / Restore")
	start := v.part("Start Backup")
	start.fills("To (may be left out)", "usb0:")
	start.follows("button", "Start backup")
	for _, question := range []string{"Passphrase:", "Passphrase again:"} {
		v.fills(question, backupPhrase)
		v.follows("button", "Go on")
	}
	v.sees("octets made")
	made, err := filepath.Glob(filepath.Join(b.control.Dir(), "usb0", "*.age"))
	b.check(err)
	if len(made) != 1 {
		t.Fatalf("on the stick are %q; want a backup", made)
	}

	v.loads("hostname changed")
	v.visits("Candidate Preview")
	v.follows("button", "Commit")
	b.inForce("hostname changed")

	v.visits("Backup / Restore")
	bring := v.part("Bring a backup")
	file, err := bring.scope.Find(b.ctx, "button", "File")
	b.check(err)
	b.check(file.Attach(b.ctx, made[0]))
	bring.follows("button", "Upload")
	v.sees("is on the box")
	v.part("Start Restore").follows("button", "Start restore")
	v.fills("Passphrase:", backupPhrase)
	v.follows("button", "Go on")
	v.follows("button", "Yes")
	v.visits("Candidate Preview")
	v.sees("- hostname changed", "+ hostname causeway")
	v.follows("button", "Commit")
	b.inForce("hostname causeway")
	v.visits("Files")
	v.misses(backupPhrase)
}
