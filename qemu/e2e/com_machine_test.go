//go:build e2e

package e2e

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"causeway/appliance/com/wire"
	"causeway/appliance/model"
	"causeway/qemu/lab"
	"causeway/qemu/lab/comd"
	"causeway/qemu/machine"
	"causeway/qemu/smoke"
)

// TestCOMBox has a new box in QEMU come up with nothing but a customer ID, a
// server, a gateway, DNS and a time server, and then be cut off from COM for 29
// days, and for 30.
func TestCOMBox(t *testing.T) {
	onFirstBoard(t, func(t *testing.T, image machine.Image) {
		t.Parallel()
		debug, dir := debugImage(t, image.Board)
		b := comMachine{t: t, Box: start(t, smoke.Setup{Image: debug, Disk: newDisk(t, diskSize), NewBox: true})}
		b.world(dir)
		b.firstBoot()
		b.subscribed()
		b.graceOf29Days()
		b.graceOver()
		powerOff(t, b.Box)
	})
}

// comMachine is a box in QEMU with COM on LAN1.
type comMachine struct {
	t *testing.T
	*smoke.Box
	com    *lab.COM
	serial string
}

func (b *comMachine) check(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// namesAndTime starts the servers of names and time on the LAN1 of a box.
func namesAndTime(t *testing.T, box *smoke.Box) {
	t.Helper()
	peers, err := lab.OpenPeers(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	named, err := box.Lab.LAN1.Named(t.Context(), peers, t.TempDir(), lab.PeerLAN1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(named.Kill)
	chronyd, err := box.Lab.LAN1.Chronyd(t.Context(), peers, t.TempDir(), lab.PeerLAN1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(chronyd.Kill)
}

// world starts the servers of LAN1: names, time, and COM, whose state is in dir.
func (b *comMachine) world(dir string) {
	b.t.Helper()
	namesAndTime(b.t, b.Box)
	var err error
	b.com, err = b.Lab.LAN1.COM(lab.PeerLAN1, comd.Options{Dir: dir, Names: []string{lab.COMName}})
	b.check(err)
	b.t.Cleanup(func() { b.com.Stop(0) })
}

// firstBoot answers the questions of a new box.
func (b *comMachine) firstBoot() {
	b.t.Helper()
	peer := lab.PeerLAN1.String()
	expect(b.t, b.Box, `Host name \[causeway\]: `)
	for _, step := range []struct{ answer, next string }{
		{"", `administrator \[admin\]: `},
		{"", `Password: `},
		{machine.Password + "\r" + machine.Password, `LAN1 .*\]: `},
		{"", `LAN2 .*\]: `},
		{"", `gateway.*\]: `},
		{peer, `DNS .*\]: `},
		{peer, `Time servers.*\]: `},
		{peer, `Time zone .*\]: `},
		{"", `Calls per second .*\]: `},
		{"", `Licence server.*\]: `},
		{"", `Customer ID.*\]: `},
		{comd.FirstCustomer, `Subscription server.*\]: `},
		{lab.COMName, `Call Home: .*\]: `},
		{"disabled", `\[yes\]: `},
		{"", `Username: `},
	} {
		keys(b.t, b.Box, step.answer+"\r", step.next)
	}
}

// subscribed has the box come up pending, and then subscribed.
func (b *comMachine) subscribed() {
	b.t.Helper()
	status := awaitCommand(b.t, b.Box, "show com", "Link: pending")
	contains(b.t, "show com", status, "COM is known by: authority of the image", "Services: none")
	b.serial = regexp.MustCompile(`Serial number: (\S+)`).FindStringSubmatch(status)[1]
	b.check(b.com.Approve(b.t.Context(), b.serial))
	awaitCommand(b.t, b.Box, "show com", "Link: connected")
	for feature, count := range map[string]int{wire.FeatureManagement: 1, wire.FeatureCalls: 20} {
		b.check(b.com.Subscribe(b.t.Context(), b.serial, wire.Subscription{Feature: feature, Count: count}))
	}
	commit(b.t, b.Box, "license source com")
	command(b.t, b.Box, "end")
	awaitCommand(b.t, b.Box, "show com subscriptions", "Calls: allowed, up to 10 a second")
}

// cutOff drops both ports.
func (b *comMachine) cutOff() {
	b.t.Helper()
	b.check(b.Lab.LAN1.DropTCP(model.COMPorts[:]...))
	command(b.t, b.Box, "clear com link")
	awaitCommand(b.t, b.Box, "show com subscriptions", "in grace, day 1 of 30")
}

// advance lets time pass, for the box and for COM.
func (b *comMachine) advance(by time.Duration) {
	b.t.Helper()
	b.check(b.com.AdvanceClock(b.t.Context(), by))
	command(b.t, b.Box, "test license advance "+strconv.Itoa(int(by/time.Second)))
}

// days lets day after day pass, from the first one on: each has its alarm, and
// all goes on.
func (b *comMachine) days(last int) {
	b.t.Helper()
	b.advance(6 * time.Minute)
	for n := 1; n <= last; n++ {
		if n > 1 {
			b.advance(day)
		}
		awaitAlarm(b.t, b.Box, fmt.Sprintf("com-grace day %d", n))
	}
	contains(b.t, "show com subscriptions", command(b.t, b.Box, "show com subscriptions"),
		fmt.Sprintf("in grace, day %d of 30", last), "Calls: allowed, up to 10 a second")
}

// raised is how often the alarm of a day of the grace was raised.
func (b *comMachine) raised() int {
	b.t.Helper()
	return len(regexp.MustCompile(`(?m) raise .*  com-grace day `).FindAllString(command(b.t, b.Box, "show alarms history"), -1))
}

// graceOf29Days cuts the box off; on day 29 the link is back, and the grace is
// whole again.
func (b *comMachine) graceOf29Days() {
	b.t.Helper()
	b.cutOff()
	b.days(29)
	if n := b.raised(); n != 29 {
		b.t.Errorf("in 29 days there were %d alarms; want one a day", n)
	}
	b.check(b.Lab.LAN1.DropTCP())
	command(b.t, b.Box, "clear com link")
	awaitCommand(b.t, b.Box, "show com subscriptions", "Subscription: 2 running")
	await(b.t, b.Box, "show alarms", "no com-grace", func(answer string) bool { return !strings.Contains(answer, "com-grace") })
}

// graceOver cuts it off for longer: at the end remote management stops, and, if
// the configuration says so, calls.
func (b *comMachine) graceOver() {
	b.t.Helper()
	b.cutOff()
	b.advance(29 * day)
	awaitCommand(b.t, b.Box, "show com subscriptions", "in grace, day 30 of 30")
	b.advance(day)
	over := awaitCommand(b.t, b.Box, "show com subscriptions", "the grace is over")
	contains(b.t, "show com subscriptions", over, "Calls: allowed, up to 10 a second", "remote-management   no: ")
	commit(b.t, b.Box, "com grace-end calls")
	command(b.t, b.Box, "end")
	awaitCommand(b.t, b.Box, "show com subscriptions", "Calls: refused")
	awaitCommand(b.t, b.Box, "show cps", "Rejecting: all calls, they are not licensed")
	b.check(b.Lab.LAN1.DropTCP())
	command(b.t, b.Box, "clear com link")
	awaitCommand(b.t, b.Box, "show com subscriptions", "Calls: allowed, up to 10 a second")
}
