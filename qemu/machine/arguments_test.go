package machine

import (
	"os"
	"strings"
	"testing"
)

// TestArguments checks what each part of a configuration adds to QEMU's
// command line, and what it must not.
func TestArguments(t *testing.T) {
	board, err := FindBoard("x86_64")
	if err != nil {
		t.Fatal(err)
	}
	tap, err := os.Open(os.DevNull) // not one made of a number: its end would close a file of others
	if err != nil {
		t.Fatal(err)
	}
	defer tap.Close()
	for _, test := range []struct {
		name      string
		config    Config
		want, not []string
	}{
		{
			"defaults", Config{Kernel: &Kernel{"vmlinux", "root.cpio", "console=ttyS0 panic=5"}},
			[]string{"-accel tcg,thread=multi", "-m 256", "-smp 2", "-nodefaults", "-device i6300esb", "-action watchdog=reset",
				"-kernel vmlinux -initrd root.cpio -append console=ttyS0 panic=5", "socket,id=monitor,fd=3"},
			[]string{"virtio-net", "virtio-blk", "pflash", "fw_cfg", "mux=on", "tpm", "-incoming"},
		},
		{
			"from disk", Config{Disk: "a,b.img"},
			[]string{"if=pflash,unit=0,format=raw,readonly=on,file=" + board.Firmware,
				"if=pflash,unit=1,format=raw,file=/tmp/vars", "format=raw,cache.no-flush=on,file=a,,b.img", "virtio-blk-pci,id=disk0,drive=disk,bootindex=0"},
			[]string{"-kernel", "-append"},
		},
		{
			"logged", Config{Kernel: &Kernel{}, Disk: "a,b.img", DiskLog: "log"},
			[]string{"-drive if=none,id=disk,discard=unmap,driver=blklogwrites", "file.filename=a,,b.img", "log.filename=log", "drive=disk"},
			[]string{"share-rw"},
		},
		{
			"logged with its variables", Config{Disk: "a,b.img", DiskLog: "log", diskSize: 1 << 20},
			[]string{"-blockdev node-name=logged,discard=unmap,driver=blklogwrites", "file.filename=a,,b.img", "drive=disk,bootindex=0,share-rw=on",
				"node-name=disk,driver=raw,discard=unmap,size=1048576,file=logged", "node-name=variables,driver=raw,offset=1048576,file=logged",
				"-machine pflash1=variables"},
			[]string{"/tmp/vars", "-drive if=none"},
		},
		{
			"two taps, LAN1 first", Config{NICs: []NIC{{Tap: tap}, {Tap: tap}}},
			[]string{"tap,id=lan1,fd=4", "netdev=lan1,mac=52:54:00:43:57:01", "tap,id=lan2,fd=5", "netdev=lan2,mac=52:54:00:43:57:02"},
			[]string{"user,"},
		},
		{
			"user network", Config{NICs: []NIC{{User: UserNetwork{Network: "192.168.42.0/24", Host: "192.168.42.2", Forwards: []string{"udp:127.0.0.1:5042-192.168.42.1:5060"}}}}},
			[]string{"user,id=lan1,net=192.168.42.0/24,host=192.168.42.2,hostfwd=udp:127.0.0.1:5042-192.168.42.1:5060"},
			[]string{"tap,", "lan2"},
		},
		{
			"an installer's stick", Config{Disk: "a.img", Stick: "b.img"},
			[]string{"drive=disk,bootindex=0", "-device qemu-xhci,id=usb", "file=b.img", "usb-storage,id=stick,drive=stick,bus=usb.0,removable=on,bootindex=1"},
			nil,
		},
		{
			"from the network", Config{NICs: []NIC{{User: UserNetwork{Network: "192.168.42.0/24", Host: "192.168.42.2", Boot: "out/causeway.efi"}}}},
			[]string{"host=192.168.42.2,tftp=out,bootfile=causeway.efi", "romfile=,bootindex=2"},
			nil,
		},
		{
			"a TPM before the taps", Config{TPM: "state", NICs: []NIC{{Tap: tap}}},
			[]string{"-chardev socket,id=tpm,fd=4 -tpmdev emulator,id=tpm,chardev=tpm -device tpm-tis,tpmdev=tpm", "tap,id=lan1,fd=5"},
			nil,
		},
		{
			"one that goes on", Config{Saved: "the saved/state"}, []string{"-incoming defer"},
			nil,
		},
		{
			"a person's", Config{Terminal: true, SetupFile: "my.conf", MemoryMB: 512, CPUs: 4, Disk: "my.img"},
			[]string{"mux=on", "-mon chardev=serial", "name=opt/causeway/config,file=my.conf", "-m 512", "-smp 4", "format=raw,file=my.img"},
			[]string{"no-flush"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.config.Board = board
			files, given := []*os.File{tap}, 1
			if test.config.TPM != "" {
				files, given = append(files, tap), 2
			}
			line := strings.Join(test.config.arguments(host{}, "/tmp/vars", &files), " ")
			for _, want := range test.want {
				if !strings.Contains(line, want) {
					t.Errorf("arguments lack %q:\n%s", want, line)
				}
			}
			for _, not := range test.not {
				if strings.Contains(line, not) {
					t.Errorf("arguments hold %q:\n%s", not, line)
				}
			}
			if got, want := len(files), given+strings.Count(line, "tap,"); got != want {
				t.Errorf("%d files are handed over; want %d", got, want)
			}
		})
	}
}
