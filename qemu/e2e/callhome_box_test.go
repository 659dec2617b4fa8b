//go:build e2e

package e2e

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/appliance/callhome"
	"causeway/appliance/grammar"
	"causeway/qemu/lab"
	"causeway/qemu/lab/callhomed"
	"causeway/qemu/machine"
	"causeway/qemu/smoke"
)

// callHomeLines have a box call home, and watch a server that is not there.
var callHomeLines = fmt.Sprintf(`ip name-server %[1]v
ntp server %[1]v
server-group sip global-ping
server-group sip ping-options lan2 192.168.43.1 5038
 ping-type adaptive 500 500
 timeout 200
 exit
server-group sip group gateways lan2
 element ip-address 192.168.43.77 5060 udp
 exit
call-home
 contact-email-addr noc@example.com
 destination url https://%[2]s:8444/callhome
 include-traces
 eula accept
 exit
`, lab.PeerLAN1, lab.CallHomeName)

// TestCallHomeBox boots the image that is flashed in QEMU, through UEFI firmware.
// Its vendor gets an inventory that is true, and of what goes wrong, with a
// service that crashes, a full partition, a dead next hop and a reboot, one alert
// each.
func TestCallHomeBox(t *testing.T) {
	onFirstBoard(t, func(t *testing.T, image machine.Image) {
		t.Parallel()
		b := &callHomeMachine{t: t, dir: t.TempDir(), disk: filepath.Join(t.TempDir(), "disk.img"), image: image}
		b.check(image.CopyDisk(b.disk))
		b.boot(true)
		b.trust()
		b.inventory()
		b.nextHop()
		powerOff(t, b.Box)

		fillUp(t, b.disk, "harddisk", 90)
		debugfs(t, volume(t, b.disk, "bootflash"), "rm /proxy/call.key", "mkdir /proxy/call.key") // what the proxy cannot start with
		b.boot(false)
		b.sendAll()
		b.crash()
		b.partition()

		b.check(b.Machine.Console.Leave(within(t, time.Minute), "reload now"))
		expect(t, b.Box, `init: ready`)
		again := regexp.MustCompile(`Coredumpfilefound proxy, [1-9]\d* times since`)
		await(t, b.Box, "show call-home statistics", "more crashes", again.MatchString)
		powerOff(t, b.Box)
		for _, name := range []string{"RouteListExhausted", "Coredumpfilefound", "LowActivePartitionAvailableDiskSpace", "CriticalServiceDown"} {
			if n := len(b.alerts(name)); n != 1 {
				t.Errorf("%d alerts %s came; want one", n, name)
			}
		}
	})
}

// callHomeMachine is a box in QEMU with its vendor on LAN1. Both outlive their
// machines.
type callHomeMachine struct {
	t     *testing.T
	dir   string // of the vendor
	disk  string
	image machine.Image
	*smoke.Box
	vendor *lab.CallHomed
}

func (b *callHomeMachine) check(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// boot starts the box, through its firmware or, which is faster, directly; and on
// LAN1 the servers of names and time, and the vendor.
func (b *callHomeMachine) boot(firmware bool) {
	b.t.Helper()
	b.Box = start(b.t, smoke.Setup{Image: b.image, FromDisk: firmware, Disk: b.disk, USB: true, Config: grammar.BuiltIn() + callHomeLines})
	namesAndTime(b.t, b.Box)
	vendor, err := b.Lab.LAN1.CallHomed(lab.PeerLAN1, callhomed.Options{Dir: b.dir, Schema: filepath.Join(root, "docs", "callhome.xsd")})
	b.check(err)
	b.t.Cleanup(func() { vendor.Stop() })
	b.vendor = vendor
}

// trust brings the vendor's authority on a stick.
func (b *callHomeMachine) trust() {
	b.t.Helper()
	plug(b.t, b.Box, newStick(b.t, map[string][]byte{"root.pem": b.vendor.Root()}), 0)
	awaitCommand(b.t, b.Box, "dir usb0:", "root.pem")
	keys(b.t, b.Box, "crypto pki authenticate callhome usb0:root.pem\r", `\[confirm\]`)
	keys(b.t, b.Box, "\r", "Authorities added: 1")
	b.sendAll()
}

// sendAll waits until the vendor has all that waits for it, as soon as it can be
// reached: what failed before is tried again only after minutes.
func (b *callHomeMachine) sendAll() {
	b.t.Helper()
	awaitCommand(b.t, b.Box, "call-home send all", callhome.AllSent)
}

// inventory has an inventory sent, and holds it against what is known of the
// machine from outside, or is typed.
func (b *callHomeMachine) inventory() {
	b.t.Helper()
	image, parts := command(b.t, b.Box, "show version"), command(b.t, b.Box, "show inventory")
	said := func(text, pattern string) string {
		b.t.Helper()
		found := regexp.MustCompile(pattern).FindStringSubmatch(text)
		if found == nil {
			b.t.Fatalf("the box says\n%s\nwant %s in it", text, pattern)
		}
		return regexp.QuoteMeta(found[1])
	}
	version, kernel := said(image, `(?m)^Version: (\S+)`), said(image, `(?m)^Kernel release: (\S+)`)
	serial, memory := said(parts, `NAME: "Chassis"[^\n]*\n[^\n]*SN: (\S+)`), said(parts, `NAME: "Memory", DESCR: "(\d+) kB"`)
	awaitCommand(b.t, b.Box, "call-home send alert-group inventory", "  sent")
	sent, err := b.vendor.Newest(serial, "inventory")
	b.check(err)
	fields := map[string]string{}
	for _, f := range sent.Message.Fields {
		fields[f.Name] = f.Text
	}
	for name, want := range map[string]string{
		"SystemInfo/Name": "^causeway$", "SerialNumber": "^" + serial + "$", "ActiveVersion": "^" + version + "$", "InactiveVersion": "^$",
		"OSVersion": "^Linux " + kernel + "$", "Model": "Q35", "BIOSInformation": ".", "BIOSVersion": ".", "FirmwareVersion": "^UEFI, 64 bits",
		"CPUSpeed/1/Count": "^[1-9]", "CPUSpeed/1/SpeedMHz": "^[1-9]", "RAMKiB": "^" + memory + "$", "RAIDConfiguration": "^none$",
		"StoragePartitions/1/Name": "^slot A$", "StoragePartitions/1/UsedKiB": "^[1-9]", "StoragePartitions/2/Name": "^slot B$",
		"StoragePartitions/3/Name": "^bootflash$", "StoragePartitions/4/Name": "^harddisk$",
		"ActiveServices/1/Name": "^proxy$", "ActiveServices/1/State": "^up$", "ServerIPAddress/1/Address": `^192\.168\.42\.1/24$`, "ProductShortName": "^Causeway$",
	} {
		if !regexp.MustCompile(want).MatchString(fields[name]) {
			b.t.Errorf("%s of the inventory is %q; want %s", name, fields[name], want)
		}
	}
	if b.t.Failed() {
		b.t.Logf("the inventory is %v", fields)
	}
}

// nextHop waits for the alert about the group whose one server is not there.
func (b *callHomeMachine) nextHop() {
	b.t.Helper()
	b.told("RouteListExhausted", "gateways", "show status server-group sip", "192.168.43.77")
}

// crash waits for the alerts about the proxy that cannot start, with its last
// words.
func (b *callHomeMachine) crash() {
	b.t.Helper()
	d := b.told("Coredumpfilefound", "proxy", "show version", "Board: "+b.image.Board.Name)
	i := slices.IndexFunc(d.Message.Attachments, func(a callhomed.Attachment) bool { return a.Type == "trace" })
	if i < 0 || !strings.Contains(string(d.Message.Attachments[i].Data), "call.key: is a directory") {
		b.t.Errorf("the alert has the attachments %+v; want the proxy's last words", d.Message.Attachments)
	}
	b.told("CriticalServiceDown", "proxy", "show system", "proxy")
}

// partition waits for the alert about the full volume.
func (b *callHomeMachine) partition() {
	b.t.Helper()
	b.told("LowActivePartitionAvailableDiskSpace", "harddisk", "show storage", "harddisk:")
}

// told waits until the vendor has an alert, of which a command says more.
func (b *callHomeMachine) told(name, object, command, says string) (told callhomed.Delivery) {
	b.t.Helper()
	for ctx := within(b.t, 5*time.Minute); ; { // it may have been tried in vain before
		if alerts := b.alerts(name); len(alerts) > 0 {
			told = alerts[0]
			break
		}
		select {
		case <-ctx.Done():
			b.t.Fatalf("no alert %s came; the vendor has %+v", name, b.vendor.Arrivals())
		case <-time.After(100 * time.Millisecond):
		}
	}
	a := told.Message.Alert
	if a.Object != object || a.Impact == "" || a.Remedy == "" || a.Node != "causeway" {
		b.t.Errorf("%s is %+v; want it about %s, with impact and remedy", name, a, object)
	}
	i := slices.IndexFunc(told.Message.Attachments, func(a callhomed.Attachment) bool { return a.Name == command })
	if i < 0 || !strings.Contains(string(told.Message.Attachments[i].Data), says) {
		b.t.Errorf("%s has the attachments %+v; want %q, which says %q", name, told.Message.Attachments, command, says)
	}
	return told
}

// alerts are those of a name that the vendor has.
func (b *callHomeMachine) alerts(name string) []callhomed.Delivery {
	return slices.DeleteFunc(b.vendor.Deliveries(), func(d callhomed.Delivery) bool {
		return d.Message.Alert == nil || d.Message.Alert.Name != name
	})
}

// fillUp takes so many percent of a volume on a disk.
func fillUp(t *testing.T, disk, name string, percent int64) {
	t.Helper()
	const block = 4096
	size := findVolume(t, disk, name).Size
	debugfs(t, volume(t, disk, name), "write /dev/null /filler", fmt.Sprintf("fallocate /filler 0 %d", size/block*percent/100))
}
