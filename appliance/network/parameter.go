package network

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"causeway/appliance/model"
)

// portParameters are those of each port, and of "default", which an interface
// that comes begins with (the kernel's networking/ip-sysctl.rst).
var portParameters = []struct{ directory, name, value string }{
	// What comes in need only be answerable by some port (RFC 3704 §2.4):
	// the answer may be routed by the port's own table.
	{"net/ipv4/conf", "rp_filter", "2"},
	// Neighbours hear of our addresses when a link comes up or a NIC tells
	// the kernel that it moved to another switch. Announce does it when an
	// address comes.
	{"net/ipv4/conf", "arp_notify", "1"},
	// An IPv6 address is used at once, and told to the neighbours (RFC 4861
	// §7.2.6). To look for a duplicate first would take the box off the LAN
	// for one to two seconds after each flap of a link, and anybody there
	// could keep it off by answering (RFC 3756 §4.1.3). The kernel's flag
	// "nodad" of an address would do as well, but then it tells nobody.
	{"net/ipv6/conf", "accept_dad", "0"},
	{"net/ipv6/conf", "ndisc_notify", "1"},
	// A route whose cable is out gives way to the next one.
	{"net/ipv4/conf", "ignore_routes_with_linkdown", "1"},
	{"net/ipv6/conf", "ignore_routes_with_linkdown", "1"},
	// Addresses and routes are those of the configuration only.
	{"net/ipv6/conf", "accept_ra", "0"},
}

// forwarding lets packets through from one port to another.
const forwarding = "net/ipv4/ip_forward"

// boxParameters are those that are no port's. The kernel changes the one of
// redirects whenever forwarding changes.
func boxParameters(forward bool) []Parameter {
	list := []Parameter{
		{Name: forwarding, Value: "0"},
		{Name: "net/ipv4/conf/all/accept_redirects", Value: "0"},
		{Name: "net/ipv4/conf/all/rp_filter", Value: "2"},
	}
	if forward {
		list[0].Value = "1"
	}
	return list
}

// parametersOf are those of an interface.
func parametersOf(port model.Port, name string) []Parameter {
	var list []Parameter
	for _, p := range portParameters {
		list = append(list, Parameter{port, p.directory + "/" + name + "/" + p.name, p.value})
	}
	return list
}

// parameters are all that the appliance sets, for the ports in the order in
// which they are to be set.
func parameters(ports []model.Port, forward bool) []Parameter {
	list := append(boxParameters(forward), parametersOf(model.Port{}, "default")...)
	for _, port := range ports {
		list = append(list, parametersOf(port, port.Interface())...)
	}
	return list
}

// sysctls is where the kernel has its parameters.
const sysctls = "/proc/sys"

// readParameters gives the values of parameters. One that does not exist is
// left out: an interface has none of IPv6 while its MTU is below 1280.
func readParameters(list []Parameter) (map[string]string, error) {
	values := make(map[string]string, len(list))
	for _, p := range list {
		value, err := os.ReadFile(filepath.Join(sysctls, p.Name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read parameter %s: %w", p.Name, err)
		}
		values[p.Name] = strings.TrimSpace(string(value))
	}
	return values, nil
}

// set gives the kernel the value.
func (p Parameter) set() error {
	return os.WriteFile(filepath.Join(sysctls, p.Name), []byte(p.Value+"\n"), 0)
}
