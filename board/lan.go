package board

import (
	"cmp"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// NIC is a network interface as the kernel found it.
type NIC struct {
	Name string // "eth0"
	MAC  string // as in /sys/class/net/NAME/address
	// BusPath is the path of its device under /sys/devices, such as
	// "pci0000:00/0000:00:02.0/virtio0". Empty for what has no device (lo, a
	// VLAN, a bridge): such a one is never LAN1 or LAN2.
	BusPath string
}

// AssignLANs says which interfaces are LAN1 and LAN2, by name; "" where there
// is none, and then missing says why, a sentence each.
//
// A port whose MAC address is given (causeway.lan1=, causeway.lan2=) is the
// interface with that address and no other. The rest is assigned in bus order:
// first what sits on PCI, by domain, bus, device and function as numbers, from
// the root bridge down; then everything else (USB, virtio-mmio) by its path.
func AssignLANs(nics []NIC, lan1MAC, lan2MAC string) (lans [2]string, missing []string) {
	nics = slices.DeleteFunc(slices.Clone(nics), func(n NIC) bool { return n.BusPath == "" })
	slices.SortFunc(nics, compareBus)
	wanted := [2]string{lan1MAC, lan2MAC}

	take := func(lan int, fits func(NIC) bool) bool {
		i := slices.IndexFunc(nics, fits)
		if i < 0 {
			return false
		}
		lans[lan] = nics[i].Name
		nics = slices.Delete(nics, i, i+1)
		return true
	}
	for lan, mac := range wanted {
		if mac != "" && !take(lan, func(n NIC) bool { return sameMAC(n.MAC, mac) }) {
			missing = append(missing, fmt.Sprintf("LAN%d: no network interface has the MAC address %q", lan+1, mac))
		}
	}
	for lan, mac := range wanted {
		if mac == "" && !take(lan, func(NIC) bool { return true }) {
			missing = append(missing, fmt.Sprintf("LAN%d: no network interface is left for it", lan+1))
		}
	}
	return lans, missing
}

func sameMAC(a, b string) bool {
	x, errX := net.ParseMAC(a)
	y, errY := net.ParseMAC(b)
	return errX == nil && errY == nil && slices.Equal(x, y)
}

// compareBus orders interfaces by where they are plugged in.
func compareBus(a, b NIC) int {
	x, xPCI := pciAddress(a.BusPath)
	y, yPCI := pciAddress(b.BusPath)
	switch {
	case xPCI && yPCI:
		if c := slices.Compare(x, y); c != 0 {
			return c
		}
	case xPCI:
		return -1
	case yPCI:
		return 1
	}
	// Ports of one device, and what is not on PCI: by path, digits as numbers,
	// so that usb10 comes after usb9.
	return cmp.Or(compareNatural(a.BusPath, b.BusPath), compareNatural(a.Name, b.Name))
}

var (
	pciFunction = regexp.MustCompile(`^([0-9a-f]{4,8}):([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])$`)
	digits      = regexp.MustCompile(`[0-9]+`)
)

// pciAddress gives the PCI functions along a device's path, bridges first,
// four numbers each (domain, bus, device, function). A device behind a USB
// controller is not on PCI, although its path begins there.
func pciAddress(path string) (address []uint64, ok bool) {
	for element := range strings.SplitSeq(path, "/") {
		if strings.HasPrefix(element, "usb") {
			return nil, false
		}
		function := pciFunction.FindStringSubmatch(element)
		if function == nil {
			continue
		}
		for _, part := range function[1:] {
			n, err := strconv.ParseUint(part, 16, 64)
			if err != nil {
				return nil, false
			}
			address = append(address, n)
		}
	}
	return address, len(address) > 0
}

// compareNatural orders texts with the numbers in them taken as numbers.
func compareNatural(a, b string) int {
	pad := func(s string) string {
		return digits.ReplaceAllStringFunc(s, func(d string) string { return fmt.Sprintf("%20s", d) })
	}
	return strings.Compare(pad(a), pad(b))
}
