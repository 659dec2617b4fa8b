//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"

	"causeway/qemu/lab"
	"causeway/qemu/machine"
	"causeway/qemu/smoke"
)

// TestConsoleRescue kills control and has the rescue menu bring it back with the
// configuration that is chosen. Then the box is reset to what left the factory,
// from the prompt and, by nobody who could log in, from the menu: then no secret
// is left in an image of its disk.
func TestConsoleRescue(t *testing.T) {
	onFirstBoard(t, func(t *testing.T, image machine.Image) {
		t.Parallel()
		box, disk := goOn(t, image)
		commit(t, box, "hostname good")
		awaitCommand(t, box, "show configuration history", "proven")
		commit(t, box, "hostname newer")
		leaveConfiguration(t, box)

		t.Run("last good", func(t *testing.T) {
			contains(t, "rescue where control runs", command(t, box, "rescue"), "% control answers")
			killControl(t, box, "rescue", `Choice \[none\]: `, "last good", "built-in", "Show the log", "factory")
			contains(t, "the choice", keys(t, box, "2\r", `#`).Before, "control is being restarted")
			awaitCommand(t, box, "show running-config", "hostname good\n")
		})
		t.Run("built-in", func(t *testing.T) {
			killControl(t, box, "rescue 3", `#`, "control is being restarted")
			awaitCommand(t, box, "show running-config", "hostname causeway\n")
		})
		t.Run("factory reset", func(t *testing.T) {
			commit(t, box, "hostname to-be-wiped")
			leaveConfiguration(t, box)
			contains(t, "write erase", keys(t, box, "write erase\r", `\[confirm\]`).Before, "the configuration with all earlier revisions")
			keys(t, box, "\r", `reload`)
			reload(t, box)
			expectHostName(t, box, "causeway")
			if history := command(t, box, "show configuration history"); strings.Contains(history, machine.User) {
				t.Errorf("the history after a factory reset is\n%s\nwant what the machine handed in and nothing else", history)
			}
			awaitAnswer(t, box.Lab.LAN1, lab.PeerLAN1, lab.BoxLAN1.String())
		})
		commit(t, box, "hostname "+plantedHistory)
		commit(t, box, "hostname stuck")
		powerOff(t, box)
		secrets, serial := plantSecrets(t, disk)

		// Reading this key never ends, as on a disk that hangs.
		debugfs(t, volume(t, disk, "bootflash"),
			"cd /keys", "rm box.key", "mknod box.key p", "set_inode_field box.key mode 0010666")
		box = start(t, smoke.Setup{Image: image, Disk: disk})
		t.Run("factory reset where control is stuck", func(t *testing.T) {
			contains(t, "what is offered", expect(t, box, `Choice \[wait\]: `).Before, "control does not answer", "factory")
			contains(t, "what is wiped", keys(t, box, "5\r", `\[confirm\]`).Before, "keys", "licence", "billing", "logs")
			keys(t, box, "\r", `init: shutting down \(reboot\)`)
			if err := box.Answers(within(t, bootLimit)); err != nil {
				t.Fatal(err)
			}
			expectHostName(t, box, "causeway")
		})
		powerOff(t, box)
		t.Run("nothing is left after a factory reset", func(t *testing.T) {
			for name := range foundOn(t, disk, secrets) {
				t.Errorf("%s is on the disk", name)
			}
			if got := filesOf(t, disk, "bootflash")["init/serial"]; got == "" || got != serial {
				t.Errorf("the serial number is %q; want %q, as before", got, serial)
			}
		})
	})
}

// leaveConfiguration goes back to EXEC. There must be nothing to commit.
func leaveConfiguration(t *testing.T, box *smoke.Box) {
	t.Helper()
	answer, err := box.Machine.Console.Type(within(t, time.Minute), "end")
	if err != nil || answer.Mode != "" {
		t.Fatalf("end = %+v, %v; want the prompt of EXEC", answer, err)
	}
}

// killControl kills control and types a line in the moment in which it is not
// back yet. What is printed then ends with the pattern, and holds these texts.
func killControl(t *testing.T, box *smoke.Box, line, pattern string, wanted ...string) {
	t.Helper()
	ctx := within(t, 2*time.Minute)
	for {
		if err := box.Machine.Console.Enable(ctx); err != nil {
			t.Fatal(err)
		}
		keys(t, box, "service restart control force\r"+line+"\r", line+`\s*$`)
		match, err := box.Machine.Console.Expect(ctx, pattern)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(match.Before, "% control answers") {
			continue // it was back already
		}
		contains(t, line, match.Before, wanted...)
		return
	}
}
