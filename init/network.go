package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"causeway/board"
)

// lanNames are what LAN1 and LAN2 are called as interfaces.
var lanNames = [2]string{"lan1", "lan2"}

// readNICs lists the network interfaces that sysfs shows.
func (m *machine) readNICs() ([]board.NIC, error) {
	class := m.path("sys/class/net")
	entries, err := os.ReadDir(class)
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	var nics []board.NIC
	for _, entry := range entries {
		dir := filepath.Join(class, entry.Name())
		nic := board.NIC{Name: entry.Name()}
		if mac, err := os.ReadFile(filepath.Join(dir, "address")); err == nil {
			nic.MAC = strings.TrimSpace(string(mac))
		}
		// Without a device it is lo, a VLAN or the like.
		if path, err := filepath.EvalSymlinks(filepath.Join(dir, "device")); err == nil {
			_, nic.BusPath, _ = strings.Cut(path, "/sys/devices/")
		}
		nics = append(nics, nic)
	}
	return nics, nil
}

// rename is one step of naming the LANs.
type rename struct{ from, to string }

// planLANs gives the renames that make LAN1 and LAN2 of the interfaces, and
// what is missing. One that has its name keeps it: nothing moves while calls
// are on.
func planLANs(nics []board.NIC, lan1MAC, lan2MAC string) (renames []rename, missing []string) {
	named := func(name string) bool {
		return slices.ContainsFunc(nics, func(nic board.NIC) bool { return nic.Name == name })
	}
	lans, missing := board.AssignLANs(nics, lan1MAC, lan2MAC)
	for i, name := range lans {
		if name != "" && !named(lanNames[i]) && !slices.Contains(lanNames[:], name) {
			renames = append(renames, rename{name, lanNames[i]})
		}
	}
	return renames, missing
}

// nameLANs names the network ports, and says which are missing.
func (m *machine) nameLANs() (missing []string, err error) {
	nics, err := m.readNICs()
	if err != nil {
		return nil, err
	}
	renames, missing := planLANs(nics, m.word("causeway.lan1"), m.word("causeway.lan2"))
	var errs []error
	for _, r := range renames {
		if err := m.kernel.RenameLink(r.from, r.to); err != nil {
			errs = append(errs, fmt.Errorf("name %s %s: %w", r.from, r.to, err))
			continue
		}
		m.log.Printf("%s: is %s", r.to, r.from)
	}
	return missing, errors.Join(errs...)
}
