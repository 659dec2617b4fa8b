package drivers

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"causeway/board/modules"
)

const table = `
always efivarfs
module efivarfs /m/efivarfs.ko
module virtio /m/virtio.ko
module virtio_ring /m/virtio_ring.ko virtio
module virtio_pci /m/virtio_pci.ko virtio virtio_ring
module virtio_blk /m/virtio_blk.ko virtio virtio_ring
module crc32c /m/crc32c.ko
module iTCO_wdt /m/iTCO_wdt.ko
alias virtio_pci pci:v00001AF4d*
alias virtio_blk virtio:d00000002v*
module ahci /m/ahci.ko
module sd_mod /m/sd_mod.ko crc32c
alias iTCO_wdt platform:iTCO_wdt
alias ahci pci:v*bc01sc06i01*
alias sd_mod scsi:t-0x00*
`

// fakeKernel is a kernel and its sysfs: loading a file may bring devices.
type fakeKernel struct {
	sys    string
	loaded []string
	fail   map[string]error
	brings map[string]string // module file → modalias of a device it brings

	parameters []string // "file: parameters"
}

func (k *fakeKernel) load(path, parameters string) error {
	if parameters != "" {
		k.parameters = append(k.parameters, path+": "+parameters)
	}
	if err := k.fail[path]; err != nil {
		return err
	}
	k.loaded = append(k.loaded, strings.TrimSuffix(filepath.Base(path), ".ko"))
	if modalias, ok := k.brings[path]; ok {
		k.plug(modalias)
	}
	return nil
}

func (k *fakeKernel) plug(modalias string) {
	bus, _, _ := strings.Cut(modalias, ":")
	dir := filepath.Join(k.sys, "bus", bus, "devices", modalias)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		panic(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "modalias"), []byte(modalias+"\n"), 0o644); err != nil {
		panic(err)
	}
}

func newTest(t *testing.T) (*Loader, *fakeKernel) {
	t.Helper()
	k := &fakeKernel{sys: t.TempDir(), fail: map[string]error{}, brings: map[string]string{}}
	parsed, err := modules.Read(strings.NewReader(table))
	if err != nil {
		t.Fatal(err)
	}
	return NewLoader(parsed, k.sys, k.load), k
}

func TestQuick(t *testing.T) {
	l, k := newTest(t)
	k.plug("pci:v00001AF4d00001001sv")
	k.plug("pci:v00008086d00001234sv")
	k.brings["/m/virtio_pci.ko"] = "virtio:d00000002v00001AF4"
	if err := os.MkdirAll(filepath.Join(k.sys, "bus", "usb", "devices", "without modalias"), 0o755); err != nil {
		t.Fatal(err)
	}
	l.Always()
	if err := l.Quick(); err != nil {
		t.Fatal(err)
	}
	want := []string{"efivarfs", "virtio", "virtio_ring", "virtio_pci", "virtio_blk"}
	if !slices.Equal(k.loaded, want) {
		t.Errorf("loaded %q; want %q", k.loaded, want)
	}
	if got := l.Loaded(); got != len(want) {
		t.Errorf("Loaded = %d; want %d", got, len(want))
	}
	if err := l.Quick(); err != nil || len(k.loaded) != len(want) {
		t.Errorf("a second look loaded %q, %v; want nothing new", k.loaded[len(want):], err)
	}
	if got := l.Problems(); len(got) != 0 {
		t.Errorf("Problems = %q; want none", got)
	}
}

// After Close no module is loaded, and who asks for one is told so once.
func TestClose(t *testing.T) {
	l, k := newTest(t)
	l.Names("virtio_blk")
	l.Close()
	for range 2 {
		l.Device("pci:v00001AF4d00001001sv")
		l.Names("virtio_blk", "iTCO_wdt")
	}
	if want := []string{"virtio", "virtio_ring", "virtio_blk"}; !slices.Equal(k.loaded, want) {
		t.Errorf("loaded %q; want %q", k.loaded, want)
	}
	want := []string{
		"module virtio_pci is wanted for a new device: it is loaded when the box restarts",
		"module iTCO_wdt is wanted for a new device: it is loaded when the box restarts",
	}
	if got := l.Problems(); !slices.Equal(got, want) {
		t.Errorf("Problems = %q; want %q", got, want)
	}
}

// What takes long waits until it is asked for; then it is loaded at once.
func TestAll(t *testing.T) {
	l, k := newTest(t)
	k.plug("pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01")
	k.plug("virtio:d00000002v00001AF4")
	k.brings["/m/ahci.ko"] = "scsi:t-0x00"
	if err := l.Quick(); err != nil {
		t.Fatal(err)
	}
	want := []string{"virtio", "virtio_ring", "virtio_blk"}
	if !slices.Equal(k.loaded, want) {
		t.Errorf("Quick loaded %q; want %q", k.loaded, want)
	}
	for range 2 {
		if err := l.All(); err != nil {
			t.Fatal(err)
		}
	}
	want = append(want, "ahci", "crc32c", "sd_mod")
	if !slices.Equal(k.loaded, want) {
		t.Errorf("All loaded %q; want %q", k.loaded, want)
	}
	l.Device("pci:v00001B21d00000612sv00001B21sd00001060bc01sc06i01")
	k.plug("virtio:d00000002v00001AF5")
	if err := l.All(); err != nil || len(k.loaded) != len(want) {
		t.Errorf("more of the same loaded %q, %v; want nothing new", k.loaded, err)
	}
}

func TestBeside(t *testing.T) {
	l, k := newTest(t)
	l.Beside("virtio_blk", "sd_mod", "vfat")
	want := []string{"virtio", "virtio_ring", "virtio_blk", "crc32c", "sd_mod"}
	if !slices.Equal(k.loaded, want) {
		t.Errorf("loaded %q; want %q", k.loaded, want)
	}
	if want := []string{"module vfat is not in this image"}; !slices.Equal(l.Problems(), want) {
		t.Errorf("Problems = %q; want %q", l.Problems(), want)
	}
}

func TestFailures(t *testing.T) {
	for _, tt := range []struct {
		name string
		fail error
		want []string
	}{
		{"loaded already", unix.EEXIST, nil},
		{"no such hardware", unix.ENODEV, nil},
		{"bad file", unix.ENOEXEC, []string{"load module iTCO_wdt: exec format error"}},
		{"file missing", os.ErrNotExist, []string{"load module iTCO_wdt: file does not exist"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, k := newTest(t)
			k.fail["/m/iTCO_wdt.ko"] = tt.fail
			for range 2 { // a failure is said once
				l.Device("platform:iTCO_wdt")
				l.Names("iTCO_wdt")
			}
			if got := l.Problems(); !slices.Equal(got, tt.want) {
				t.Errorf("Problems = %q; want %q", got, tt.want)
			}
		})
	}
}

// TestParameters: modules get their words of the command line, as modprobe gives
// them.
func TestParameters(t *testing.T) {
	l, k := newTest(t)
	l.Parameters("console=ttyS0 crc32c.force=1 virtio-ring.a=x,y panic=5 sd_mod.b virtio_ring.c=2 .d=1 ext4.=2\n")
	l.Names("virtio_blk", "sd_mod")
	if want := []string{"/m/virtio_ring.ko: a=x,y c=2", "/m/crc32c.ko: force=1", "/m/sd_mod.ko: b"}; !slices.Equal(k.parameters, want) {
		t.Errorf("parameters %q; want %q", k.parameters, want)
	}
}

func TestMissingModule(t *testing.T) {
	l, k := newTest(t)
	l.Names("vfat", "crc32c")
	l.Names("vfat")
	if want := []string{"module vfat is not in this image"}; !slices.Equal(l.Problems(), want) {
		t.Errorf("Problems = %q; want %q", l.Problems(), want)
	}
	if want := []string{"crc32c"}; !slices.Equal(k.loaded, want) {
		t.Errorf("loaded %q; want %q", k.loaded, want)
	}
}

// What cannot be loaded for one need does not keep the rest from loading.
func TestNeedFails(t *testing.T) {
	l, k := newTest(t)
	k.fail["/m/virtio.ko"] = unix.ENOMEM
	l.Names("virtio_blk")
	if want := []string{"virtio_ring", "virtio_blk"}; !slices.Equal(k.loaded, want) {
		t.Errorf("loaded %q; want %q", k.loaded, want)
	}
	if got := l.Problems(); len(got) != 1 {
		t.Errorf("Problems = %q; want one", got)
	}
}

func TestNoSysfs(t *testing.T) {
	l, _ := newTest(t)
	l.sys = "/nonexistent"
	if err := l.Quick(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Quick = %v; want %v", err, os.ErrNotExist)
	}
}

func TestParseEvent(t *testing.T) {
	for _, tt := range []struct {
		datagram string
		want     Event
		err      error
	}{
		{"add@/devices/usb1/1-1\x00ACTION=add\x00DEVPATH=/devices/usb1/1-1\x00SUBSYSTEM=usb\x00DEVTYPE=usb_device\x00MODALIAS=usb:v1234p\x00SEQNUM=7\x00",
			Event{Action: "add", Path: "/devices/usb1/1-1", Subsystem: "usb", Type: "usb_device", Modalias: "usb:v1234p"}, nil},
		{"remove@/devices/x/block/sda/sda1\x00SUBSYSTEM=block\x00DEVNAME=sda1\x00",
			Event{Action: "remove", Path: "/devices/x/block/sda/sda1", Subsystem: "block", Device: "sda1"}, nil},
		{"libudev\x00\xfe\xed\xca\xfe", Event{}, errNotEvent},
		{"", Event{}, errNotEvent},
		{"@/devices", Event{}, errNotEvent},
		{"add@devices", Event{}, errNotEvent},
	} {
		if got, err := parseEvent([]byte(tt.datagram)); got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("parseEvent(%q) = %+v, %v; want %+v, %v", tt.datagram, got, err, tt.want, tt.err)
		}
	}
}

func FuzzParseEvent(f *testing.F) {
	f.Add([]byte("add@/devices/usb1\x00MODALIAS=usb:v1\x00"))
	f.Add([]byte("libudev\x00\xfe\xed\xca\xfe"))
	f.Fuzz(func(t *testing.T, datagram []byte) {
		event, err := parseEvent(datagram)
		if err == nil && (event.Action == "" || !strings.HasPrefix(event.Path, "/")) {
			t.Errorf("parseEvent(%q) = %+v without error", datagram, event)
		}
	})
}

// Real events of the real kernel: writing "add" to a device's uevent file has
// it announced again.
func TestFollow(t *testing.T) {
	events, err := Listen()
	if err != nil {
		t.Fatal(err)
	}
	l, _ := newTest(t)
	ctx, cancel := context.WithCancel(t.Context())
	seen := make(chan Event, 1000)
	ended := make(chan error)
	go func() { ended <- l.Follow(ctx, events, func(e Event) { seen <- e }) }()
	if err := os.WriteFile("/sys/class/mem/null/uevent", []byte("add"), 0); err != nil {
		t.Fatal(err)
	}
	for deadline := time.After(time.Minute); ; {
		select {
		case event := <-seen:
			if event.Device != "null" {
				continue // the machine has devices of its own
			}
			if event.Action != "add" || event.Subsystem != "mem" {
				t.Errorf("event = %+v; want add of mem", event)
			}
		case <-deadline:
			t.Error("waited a minute for the event of /dev/null")
		}
		break
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Follow = %v; want nil when its context ends", err)
	}
}
