//go:build e2e

package e2e

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"causeway/qemu/lab"
	"causeway/qemu/machine"
	"causeway/qemu/smoke"
)

// withdrawn wants the history to say that a revision was withdrawn.
func withdrawn(t *testing.T, box *smoke.Box, revision int) {
	t.Helper()
	history := command(t, box, "show configuration history")
	if !regexp.MustCompile(`(?m)^\*?\s*` + strconv.Itoa(revision) + ` .* withdrawn `).MatchString(history) {
		t.Errorf("the history is\n%s\nwant revision %d withdrawn", history, revision)
	}
}

// TestConsoleCommitConfirmed commits what must not last: it goes by itself.
func TestConsoleCommitConfirmed(t *testing.T) {
	onFirstBoard(t, func(t *testing.T, image machine.Image) {
		t.Parallel()
		box, disk := goOn(t, image)
		commit(t, box, "hostname good")
		t.Run("the operator is cut off", func(t *testing.T) {
			configure(t, box, "hostname cut-off", "lan LAN1", "ip address 192.168.142.1 255.255.255.0", "exit")
			revision := enter(t, box, "commit confirmed 1")
			awaitCommand(t, box, "show interfaces", "192.168.142.1/24")
			awaitCommand(t, box, "show interfaces", "192.168.42.1/24")
			awaitAnswer(t, box.Lab.LAN1, lab.PeerLAN1, lab.BoxLAN1.String())
			expectHostName(t, box, "good")
			withdrawn(t, box, revision)
		})
		t.Run("the proxy does not stay up", func(t *testing.T) {
			configure(t, box, "hostname crashing")
			revision := enter(t, box, "commit confirmed 60")
			kills := 0
			await(t, box, "show running-config", "the configuration before", func(answer string) bool {
				if strings.Contains(answer, "hostname good\n") {
					return true
				}
				kills++
				command(t, box, "service restart proxy force")
				awaitSystem(t, box, "the proxy to be back", func(s smoke.System) bool { return s.Killed("proxy", kills) })
				return false
			})
			if kills < 3 {
				t.Errorf("the configuration was given up after %d ends of the proxy; want 3 or more", kills)
			}
			withdrawn(t, box, revision)
			awaitAnswer(t, box.Lab.LAN1, lab.PeerLAN1, lab.BoxLAN1.String())
		})
		whole := t // whose machines live through the parts
		t.Run("the power fails", func(t *testing.T) {
			configure(t, box, "hostname confirmed")
			enter(t, box, "commit confirmed 60")
			enter(t, box, "commit")
			configure(t, box, "hostname unconfirmed")
			revision := enter(t, box, "commit confirmed 60")
			expectHostName(t, box, "unconfirmed")
			box.Machine.Kill()
			box = boot(whole, smoke.Setup{Image: image, Disk: disk})
			expectHostName(t, box, "confirmed")
			withdrawn(t, box, revision)
		})
		powerOff(t, box)
	})
}
