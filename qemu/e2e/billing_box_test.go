//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"

	"causeway/qemu/lab"
	"causeway/qemu/machine"
	"causeway/qemu/powercut"
)

// typedBilling is typed on the console. Its records wait on a stick.
const typedBilling = `sbc mySbc
sbe
radius accounting set1
retry-interval 200
retry-limit 1
server moon
address ipv4 192.168.43.2
key cisco
exit
activate
exit
billing
element-id 4711
cache path usb0:billcache/
method packetcable-em
packetcable-em 0 transport radius set1
attach
exit
activate`

// TestConsoleBilling has a box bill to FreeRADIUS on LAN2. Its cache is on a
// stick, which is pulled while no server answers and put back.
func TestConsoleBilling(t *testing.T) {
	onFirstBoard(t, func(t *testing.T, image machine.Image) {
		t.Parallel()
		ctx := within(t, 4*time.Minute)
		peers, err := lab.OpenPeers(ctx, t.Output())
		if err != nil {
			t.Fatal(err)
		}
		box, _ := goOn(t, image)
		b := &billed{t: t, lab: box.Lab, peers: peers}
		stick := newStick(t, nil)
		plug(t, box, stick, 0)
		commit(t, box, strings.Split(typedBilling, "\n")...)
		awaitCommand(t, box, "dir usb0:billcache", "em-")
		keeper := b.begin(ctx, b.keeper(1813, "cisco"))

		calls := ordinary(10, 10)
		calls.repeats = true // others have the processor, too
		b.place(ctx, calls)
		b.recorded(ctx, keeper)
		contains(t, "show billing instance", command(t, box, "show sbc mySbc sbe billing instance"),
			"Cache path: usb0:", "Transport Mechanism Status: UP", "Type: PACKET-CABLE")

		keeper.Kill()
		calls.calls = 40
		busy := b.start(ctx, calls)
		b.underWay(ctx, busy, 10)
		pull(t, box)
		b.underWay(ctx, busy, 30)
		plug(t, box, stick, 0)
		b.finish(busy)
		awaitCommand(t, box, "dir usb0:billcache", "em-")
		command(t, box, "mount usb0: write") // it was pulled while it was in use
		b.begin(ctx, keeper)
		b.recorded(ctx, keeper)
		powerOff(t, box)
	})
}

// TestConsolePowerCutCalls cuts the power of a box under calls whose record
// keepers are down, with the records on the disk and on a stick.
func TestConsolePowerCutCalls(t *testing.T) {
	onFirstBoard(t, func(t *testing.T, image machine.Image) {
		t.Parallel()
		peers, err := lab.OpenPeers(t.Context(), t.Output())
		if err != nil {
			t.Fatal(err)
		}
		path, err := program()
		if err != nil {
			t.Fatal(err)
		}
		for name, setup := range map[string]powercut.Calls{"disk": {Boots: 1}, "stick": {Stick: true}} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				setup.Image, setup.Program, setup.Peers, setup.Progress = image, path, peers, t.Output()
				setup.Seconds, setup.Rate, setup.Cuts, setup.Seed = 6, 10, 5, 1
				report, err := setup.Run(within(t, 5*time.Minute))
				if err != nil {
					t.Fatal(err)
				}
				t.Logf("\n%s", report)
				if err := report.Fault(); err != nil || report.Cuts != 5 || report.Boots != setup.Boots || report.Unflushed == 0 || report.Records == 0 {
					t.Errorf("%v; want 5 cuts with records, some in unflushed writes, %d of them booted", err, setup.Boots)
				}
			})
		}
	})
}
