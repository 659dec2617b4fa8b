//go:build e2e

package e2e

import (
	"context"
	"testing"
	"time"

	"causeway/qemu/lab"
	"causeway/qemu/machine"
	"causeway/qemu/smoke"
)

// TestAccessFirstBoot sets a new box up at its serial port, after a power cut in
// the middle of that, and locks its first user out and lets him in.
func TestAccessFirstBoot(t *testing.T) {
	onFirstBoard(t, func(t *testing.T, image machine.Image) {
		t.Parallel()
		const (
			first      = `Host name \[causeway\]: `
			newAddress = "192.168.42.9:5060"
		)
		setup := smoke.Setup{Image: image, Disk: newDisk(t, diskSize), NewBox: true}
		box := start(t, setup)
		expect(t, box, first)
		keys(t, box, "cut\r", `administrator \[admin\]: `)
		keys(t, box, "\r", `Password: `)
		box.Machine.Kill()

		box = boot(t, setup)
		expect(t, box, first)
		keys(t, box, "edge1\r", `administrator \[admin\]: `)
		keys(t, box, "\r", `Password: `)
		for _, known := range []string{"cisco", "Test@123"} {
			keys(t, box, known+"\r"+known+"\r", `% .*password.*\s+Password: `)
		}
		keys(t, box, machine.Password+"\r"+machine.Password+"\r", `LAN1 .*\[192\.168\.42\.1/24\]: `)
		keys(t, box, "192.168.42.9/24\r", `LAN2 .*\[192\.168\.43\.1/24\]: `)
		keys(t, box, "\r", `gateway.*\[none\]: `)
		keys(t, box, "192.168.42.2\r", `DNS .*\[automatic\]: `)
		keys(t, box, "\r", `Time servers.*\[automatic\]: `)
		keys(t, box, "\r", `Time zone \[UTC\]: `)
		keys(t, box, "Europe/Berlin\r", `Calls per second \[10\]: `)
		keys(t, box, "20\r", `Licence server.*\[none\]: `)
		keys(t, box, "\r", `Customer ID.*\[none\]: `)
		keys(t, box, "AB 12\r", `% .*\s+Customer ID.*: `)
		keys(t, box, "AB-12\r", `Subscription server.*\[none\]: `)
		keys(t, box, "\r", `Call Home: .*\[smart\]: `)
		keys(t, box, "\r", `E-mail address.*\[none\]: `)
		keys(t, box, "noc@example.com\r", `Call Home to.*\[none\]: `)
		contains(t, "the agreement", keys(t, box, "https://callhome.example.com\r", `--More-- `).Before, "AGREEMENT ON CALL HOME")
		keys(t, box, "q", `accept.*\[no\]: `)
		contains(t, "the summary", keys(t, box, "yes\r", `\[yes\]: `).Before, "edge1", "admin", "192.168.42.9/24", "192.168.42.2", "AB-12", "noc@example.com")
		contains(t, "the commit", keys(t, box, "\r", `Username: `).Before, "Revision 1 is in force and saved")
		awaitAnswer(t, box.Lab.LAN1, lab.PeerLAN1, newAddress)

		for range 3 {
			keys(t, box, "admin\rwrong\r", `% login invalid\s+Username: `)
		}
		keys(t, box, "admin\r"+machine.Password+"\r", `% too many failures.*\s+Username: `)
		for ctx := within(t, 3*time.Minute); ; {
			if match := keys(t, box, "admin\r"+machine.Password+"\r", `edge1>|% too many.*`); match.Groups[0] == "edge1>" {
				break
			}
			select {
			case <-ctx.Done():
				t.Fatalf("the lock-out lasts: %v", context.Cause(ctx))
			case <-time.After(5 * time.Second):
			}
		}
		contains(t, "show configuration history", command(t, box, "show configuration history"), "setup on ttyS0")
		contains(t, "show running-config", command(t, box, "show running-config"),
			"ip route 0.0.0.0 0.0.0.0 192.168.42.2 LAN1", "sip listen lan1 udp 192.168.42.9 5060", "clock timezone Europe/Berlin", "license smart activate cusp 20", "com customer-id AB-12", "destination url https://callhome.example.com", "eula accept")
		powerOff(t, box)

		box = start(t, setup)
		contains(t, "what is asked after a restart", expect(t, box, `^(?:Host name|Username).*: `).Groups[0], "Username")
		powerOff(t, box)
	})
}
