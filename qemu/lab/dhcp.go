package lab

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// DHCPServer is what ISC's dhcpd gives away on one LAN, on which the host At
// is everything: server, router, name server and time server.
type DHCPServer struct {
	Network     netip.Prefix
	At          netip.Addr
	First, Last netip.Addr
	LeaseTime   int // in seconds
}

// DHCPServer starts ISC's dhcpd in the namespace on that device. dir is an
// empty folder for its files.
func (n *Namespace) DHCPServer(ctx context.Context, peers *Peers, dir, device string, s DHCPServer) (*Process, error) {
	path := func(name string) string { return filepath.Join(dir, name) }
	mask := netip.AddrFrom4(maskOf(s.Network.Bits()))
	config := fmt.Sprintf(`authoritative;
default-lease-time %[1]d; max-lease-time %[1]d;
subnet %[2]s netmask %[3]s {
	range %[4]s %[5]s;
	option routers %[6]s;
	option domain-name-servers %[6]s;
	option ntp-servers %[6]s;
}
`, s.LeaseTime, s.Network.Masked().Addr(), mask, s.First, s.Last, s.At)
	for name, text := range map[string]string{"dhcpd.conf": config, "leases": ""} {
		if err := os.WriteFile(path(name), []byte(text), 0o600); err != nil {
			return nil, fmt.Errorf("prepare dhcpd: %w", err)
		}
	}
	command, err := peers.Command(ctx, "dhcpd", "-4", "-f", "-d", "-user", "root", "-group", "root",
		"-cf", path("dhcpd.conf"), "-lf", path("leases"), "-pf", path("pid"), device)
	if err != nil {
		return nil, err
	}
	dhcpd, err := n.Run("dhcpd", command)
	if err != nil {
		return nil, err
	}
	if _, err := dhcpd.Await(ctx, `^Server starting service`); err != nil {
		dhcpd.Kill()
		return nil, err
	}
	return dhcpd, nil
}

func maskOf(bits int) (mask [4]byte) {
	for bit := range bits {
		mask[bit/8] |= 0x80 >> (bit % 8)
	}
	return mask
}

// dhclientScript is called by dhclient with all that it knows in the
// environment. It prints that, and changes nothing on this machine.
const dhclientScript = "#!/bin/sh\nenv | sed -n 's/^\\(reason\\|new_[a-z_]*\\)=/dhclient: &/p'\n"

const dhclientConfig = `initial-interval 1;
request subnet-mask, routers, domain-name-servers, ntp-servers;
`

// DHCPLease asks for an address on that device with ISC's dhclient, and gives
// what the server said of it by dhclient's names: "ip_address", "routers",
// "domain_name_servers", "dhcp_lease_time". The device gets no address. dir is
// an empty folder for dhclient's files.
func (n *Namespace) DHCPLease(ctx context.Context, peers *Peers, dir, device string) (map[string]string, error) {
	path := func(name string) string { return filepath.Join(dir, name) }
	for name, text := range map[string]string{"script": dhclientScript, "dhclient.conf": dhclientConfig} {
		if err := os.WriteFile(path(name), []byte(text), 0o700); err != nil {
			return nil, fmt.Errorf("prepare dhclient: %w", err)
		}
	}
	command, err := peers.Command(ctx, "dhclient", "-4", "-d", "-1", "-sf", path("script"),
		"-cf", path("dhclient.conf"), "-lf", path("leases"), "-pf", path("pid"), device)
	if err != nil {
		return nil, err
	}
	dhclient, err := n.Run("dhclient", command)
	if err != nil {
		return nil, err
	}
	defer dhclient.Kill()
	if _, err := dhclient.Await(ctx, `^bound to `); err != nil {
		return nil, err
	}
	lease := map[string]string{}
	for line := range strings.Lines(dhclient.Output()) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "dhclient: new_"); ok {
			name, value, _ := strings.Cut(text, "=")
			lease[name] = value
		}
	}
	return lease, nil
}
