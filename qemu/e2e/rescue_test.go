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

// TestConsoleRescue kills control again and again, until init takes its time
// with the next start: calls go on, and the rescue menu brings it back with the
// configuration that is chosen. Then the box is reset to what left the factory.
func TestConsoleRescue(t *testing.T) {
	onFirstBoard(t, func(t *testing.T, image machine.Image) {
		t.Parallel()
		box := boot(t, smoke.Setup{Image: image, Disk: formattedDisk(t, image)})
		commit(t, box, "hostname good")
		awaitCommand(t, box, "show configuration history", "proven")
		commit(t, box, "hostname newer")
		leaveConfiguration(t, box)

		t.Run("last good", func(t *testing.T) {
			takeControlDown(t, box)
			if err := smoke.NotARelay(t.Context(), box.Lab); err != nil {
				t.Errorf("calls without control: %v", err)
			}
			contains(t, "a command that needs control", command(t, box, "show configuration history"), "% ")
			contains(t, "show logging", command(t, box, "show logging last 5"), "init: ")
			menu := keys(t, box, "rescue\r", `Choice .*: `)
			contains(t, "rescue", menu.Before, "last good", "built-in", "Show the log", "factory")
			contains(t, "the choice", keys(t, box, "2\r", `#`).Before, "control is being restarted")
			awaitCommand(t, box, "show running-config", "hostname good\n")
		})
		t.Run("built-in", func(t *testing.T) {
			takeControlDown(t, box)
			command(t, box, "rescue 3")
			awaitCommand(t, box, "show running-config", "hostname causeway\n")
			contains(t, "rescue where control runs", command(t, box, "rescue"), "% ")
		})
		t.Run("factory reset", func(t *testing.T) {
			commit(t, box, "hostname to-be-wiped")
			leaveConfiguration(t, box)
			contains(t, "write erase", keys(t, box, "write erase\r", `\[confirm\]`).Before, "Wipe the configuration")
			keys(t, box, "\r", `reload`)
			reload(t, box)
			expectHostName(t, box, "causeway")
			if history := command(t, box, "show configuration history"); strings.Contains(history, "committed") || strings.Contains(history, "proven") {
				t.Errorf("the history after a factory reset is\n%s\nwant none", history)
			}
			awaitAnswer(t, box.Lab.LAN1, lab.PeerLAN1, lab.BoxLAN1.String())
		})
		powerOff(t, box)
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

// takeControlDown kills control each time that it is up, until the next start
// is so far away that there is time to look around.
func takeControlDown(t *testing.T, box *smoke.Box) {
	t.Helper()
	for range 9 {
		await(t, box, "show system", "control to run", func(answer string) bool {
			for line := range strings.Lines(answer) {
				if strings.HasPrefix(line, "control ") {
					return !strings.Contains(line, "PID: 0 ")
				}
			}
			return false
		})
		command(t, box, "service restart control force")
	}
}
