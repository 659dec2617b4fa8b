package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/term"

	"causeway/qemu/machine"
)

// runConsole boots an image in front of a person.
func runConsole(ctx context.Context, args []string) error {
	var flags imageFlags
	var config string
	var memory int
	var tpm bool
	err := parse("run", args, func(set *flag.FlagSet) {
		flags.declare(set)
		set.StringVar(&config, "config", "", "hand this configuration `file` to the appliance")
		set.IntVar(&memory, "memory", 256, "memory of the machine in `MiB`")
		set.BoolVar(&tpm, "tpm", false, "give the machine a TPM; it must boot from disk")
	})
	if err != nil {
		return err
	}
	image, fromDisk, err := flags.open(ctx)
	if err != nil {
		return err
	}
	setup := machine.Config{
		Board: image.Board, MemoryMB: memory, SetupFile: config, Terminal: true,
		Certificate: image.Certificate(),
	}
	if setup.Disk, err = keptDisk(image, fromDisk); err != nil {
		return err
	}
	setup.Variables = filepath.Join(filepath.Dir(setup.Disk), "variables.fd")
	if tpm {
		setup.TPM = filepath.Join(filepath.Dir(setup.Disk), "tpm")
	}
	if !fromDisk {
		if setup.Kernel, err = image.Kernel(); err != nil {
			return err
		}
	}
	lan1, err := freePort("udp", portLAN1)
	if err != nil {
		return err
	}
	lan2, err := freePort("udp", max(portLAN2, lan1+1))
	if err != nil {
		return err
	}
	pages, err := freePort("tcp", portPages)
	if err != nil {
		return err
	}
	setup.NICs = []machine.NIC{
		{User: machine.UserLAN1(lan1, pages)},
		{User: machine.UserLAN2(lan2)},
	}
	fmt.Printf(welcome, image.Board.Name, setup.Disk, lan1, lan2, pages)

	if state, err := term.GetState(int(os.Stdin.Fd())); err == nil {
		defer term.Restore(int(os.Stdin.Fd()), state) // QEMU that is killed leaves it raw
	}
	m, err := machine.Start(ctx, setup)
	if err != nil {
		return err
	}
	defer m.Close()
	shutdown, err := m.Wait(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("\nThe machine has ended (%s).\n", shutdown.Reason)
	return nil
}

// welcome tells how to reach the appliance. In user-mode networking the guest
// sees this host as .2 on each LAN: that is what a callee must say it is, or
// every ACK and BYE is lost.
const welcome = `Causeway on %[1]s; its disk is %[2]s.

  this host           the appliance
  127.0.0.1:%-5[3]d UDP LAN1 192.168.42.1:5060
  127.0.0.1:%-5[4]d UDP LAN2 192.168.43.1:5060
  127.0.0.1:%-5[5]d TCP LAN1 192.168.42.1:443, the pages: https://localhost:%[5]d

The appliance sends calls from LAN1 to 192.168.43.2:5060, which is port 5060 of
this host. A new one asks a few questions first: Enter will do for all but the
password of the administrator. A first call, from two more terminals with
Debian's sip-tester installed:

  go run ./qemu ladder callee >/tmp/callee.xml && sipp -sf /tmp/callee.xml -i 127.0.0.1 -p 5060 -key contact 192.168.43.2:5060
  go run ./qemu ladder caller >/tmp/caller.xml && sipp -sf /tmp/caller.xml -key contact 192.168.42.2:5060 -m 1 -d 3000 127.0.0.1:%[3]d

Ctrl-A X leaves, Ctrl-A H helps.

`

// The first ports of this host that lead to the appliance's LANs. 5060 stays
// free for a callee.
const (
	portLAN1  = 5042
	portLAN2  = 5043
	portPages = 9443
)

// keptDisk gives the disk of an image that stays between runs, made at the
// first.
func keptDisk(image machine.Image, fromDisk bool) (string, error) {
	dir := filepath.Join(image.Dir, "run")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("keep the disk: %w", err)
	}
	path := filepath.Join(dir, "data.img")
	if fromDisk {
		path = filepath.Join(dir, "disk.img")
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		return path, err
	}
	if fromDisk {
		return path, image.CopyDisk(path)
	}
	return path, machine.CreateDisk(path, 1<<30)
}

// freePort gives the first port of the loopback address, UDP or TCP, from port on
// that nobody has.
func freePort(network string, port uint16) (uint16, error) {
	for ; port != 0; port++ {
		var taken io.Closer
		var err error
		if address := fmt.Sprintf("127.0.0.1:%d", port); network == "udp" {
			taken, err = net.ListenPacket(network, address)
		} else {
			taken, err = net.Listen(network, address)
		}
		if err == nil {
			return port, taken.Close()
		}
	}
	return 0, fmt.Errorf("no %s port of 127.0.0.1 is free", network)
}
