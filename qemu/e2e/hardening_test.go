//go:build e2e

package e2e

import (
	"regexp"
	"strings"
	"testing"

	"causeway/qemu/smoke"
)

// notHeld is a row of show security of what does not hold.
var notHeld = regexp.MustCompile(`(?m)^! .*`)

// sealed fails unless the box is as docs/security.md says under "The running box
// is sealed", but for Secure Boot: it was started without firmware.
func sealed(t *testing.T, box *smoke.Box) {
	t.Helper()
	awaitCommand(t, box, "show security", "loading ended")
	said := command(t, box, "show security")
	contains(t, "show security", said, "Service proxy", "Service billing", "Service control", "Service console")
	for _, row := range notHeld.FindAllString(said, -1) {
		if !strings.Contains(row, "Secure Boot") {
			t.Errorf("show security: %s", row)
		}
	}
}

// undenied fails if a service was refused a system call, or could not be
// confined: what it does on a box it must be able to do.
func undenied(t *testing.T, box *smoke.Box) {
	t.Helper()
	for _, sign := range []string{"type=1326", "not confined"} {
		if said := command(t, box, "show logging | include "+sign); strings.Contains(said, sign) {
			t.Errorf("show logging: %s", said)
		}
	}
}
