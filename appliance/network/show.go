package network

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/vishvananda/netlink"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
)

// observer is where the commands look: they need no privilege.
type observer struct {
	kernel *Netlink
	files  fs.FS // the root directory, for /sys
	echo   func(context.Context, echoRequest) (time.Duration, error)
	probe  func(context.Context, probeRequest) (hop, error)
}

// ExecCommands declares what an operator may ask of the network.
func ExecCommands() []exec.Command {
	return observer{kernel: NewNetlink(), files: os.DirFS("/"), echo: echo, probe: probe}.commands()
}

func (o observer) commands() []exec.Command {
	lan := config.Argument{Name: "LAN", Type: config.LAN{}, Help: "Port of the appliance, or a VLAN on it; all if not given"}
	host := config.Argument{Name: "HOST", Type: config.Host{}, Help: "Address or name of the host to reach"}
	from := config.Argument{Name: "SOURCE", Type: source{}, Help: "Port or address of the appliance to send from"}
	return []exec.Command{
		{
			Syntax: "show interfaces [LAN]", Args: []config.Argument{lan},
			Help: "The ports and their VLANs as the kernel has them", Run: o.showInterfaces,
		},
		{Syntax: "show ip interface brief", Help: "Addresses and state of the ports in a row each", Run: o.showBrief},
		{Syntax: "show ip route", Help: "IPv4 routes of the kernel, and those configured that it does not have", Run: o.showRoutes(netip.Addr.Is4)},
		{Syntax: "show ipv6 route", Help: "IPv6 routes of the kernel, and those configured that it does not have", Run: o.showRoutes(netip.Addr.Is6)},
		{Syntax: "show arp", Help: "Ethernet addresses of the IPv4 neighbours", Run: o.showNeighbours(netlink.FAMILY_V4)},
		{Syntax: "show ipv6 neighbors", Help: "Ethernet addresses of the IPv6 neighbours", Run: o.showNeighbours(netlink.FAMILY_V6)},
		{
			Syntax: "ping HOST [repeat COUNT] [size OCTETS] [timeout SECONDS] [source SOURCE]",
			Args: []config.Argument{
				{Name: "HOST", Type: pinged{}, Help: host.Help},
				{Name: "COUNT", Type: config.Integer{Min: 1, Max: 1_000_000}, Default: 5, Help: "How many to send"},
				{Name: "OCTETS", Type: config.Integer{Min: 72, Max: 9000}, Default: 100, Help: "Size of the IP packet"},
				{Name: "SECONDS", Type: config.Integer{Min: 1, Max: 3600}, Default: 2, Help: "How long to wait for each answer"},
				from,
			},
			Help: "Send ICMP echo requests; Ctrl-C ends it", Run: o.ping,
		},
		{
			Syntax: "ping sip HOST [port PORT] [transport TRANSPORT] [count COUNT]", Level: exec.Privileged,
			Args: []config.Argument{
				{Name: "HOST", Type: config.Host{}, Help: "Address or name of the SIP server"},
				{Name: "PORT", Type: config.Port, Help: "Its port (default: as DNS says, else 5060 or 5061)"},
				{Name: "TRANSPORT", Type: config.Choice{"udp", "tcp", "tls"}, Help: "How it is reached (default: as DNS says, else udp)"},
				{Name: "COUNT", Type: config.Integer{Min: 1, Max: 1000}, Default: 5, Help: "How many to send, one a second"},
			},
			Help: "Send SIP OPTIONS requests; Ctrl-C ends it", Run: pingSIP,
		},
		{
			Syntax: "traceroute HOST [source SOURCE]", Args: []config.Argument{host, from},
			Help: "Show the routers on the way to a host; Ctrl-C ends it", Run: o.traceroute,
		},
	}
}

// counters are the kernel's counters of an interface, in pairs of what came in
// and what went out (Documentation/ABI/testing/sysfs-class-net-statistics).
var counters = []struct{ name, in, out string }{
	{"packets", "rx_packets", "tx_packets"},
	{"octets", "rx_bytes", "tx_bytes"},
	{"errors", "rx_errors", "tx_errors"},
	{"dropped", "rx_dropped", "tx_dropped"},
}

func (o observer) showInterfaces(ctx context.Context, s exec.Session, a config.Args) error {
	var status model.ControlStatus
	err := s.Call(ctx, "control", "control.status", nil, &status)
	shown := status.Interfaces
	if err != nil { // the kernel answers without control
		for _, name := range (config.LAN{}).Known() {
			shown = append(shown, model.InterfaceStatus{LAN: name})
		}
	}
	found := false
	for _, i := range shown {
		if a.Has("LAN") && i.LAN != a.Port("LAN").String() {
			continue
		}
		found = true
		if err == nil {
			showStatus(s, i, status.Interfaces)
		}
		o.showHardware(s, i.LAN)
	}
	if err == nil && !found {
		return fmt.Errorf("%v is not configured", a.Port("LAN"))
	}
	return err
}

// showStatus prints what control knows of a port.
func showStatus(s exec.Session, i model.InterfaceStatus, all []model.InterfaceStatus) {
	linkState := cmp.Or(i.Link, "unknown")
	if i.Shutdown {
		linkState = "administratively down"
	}
	exec.Field(s, i.LAN+" link", linkState)
	exec.Field(s, i.LAN+" MAC address", cmp.Or(i.MAC, "none"))
	exec.Field(s, i.LAN+" IP address", cmp.Or(i.Address, "none"))
	if i.DHCP {
		exec.Field(s, i.LAN+" IPv4 address from", "DHCP lease")
	}
	var vlans []string
	for _, other := range all {
		if vlan, on := strings.CutPrefix(other.LAN, i.LAN+"."); on {
			vlans = append(vlans, vlan)
		}
	}
	if len(vlans) > 0 {
		exec.Field(s, i.LAN+" VLANs", strings.Join(vlans, ", "))
	}
	exec.Field(s, i.LAN+" problem", cmp.Or(i.Problem, "none"))
}

// showHardware prints what the kernel knows of a port beside its addresses;
// nothing of one that is not there.
func (o observer) showHardware(s exec.Session, lan string) {
	dir := "sys/class/net/" + strings.ToLower(lan) + "/"
	mtu := o.line(dir + "mtu")
	if mtu == "" {
		return
	}
	speed := o.line(dir + "speed")
	if speed == "" || strings.HasPrefix(speed, "-") { // no carrier, or a virtual NIC
		speed = "unknown"
	}
	exec.Field(s, lan+" speed (Mbit/s)", speed)
	exec.Field(s, lan+" duplex", cmp.Or(o.line(dir+"duplex"), "unknown"))
	exec.Field(s, lan+" MTU (octets)", mtu)
	exec.Field(s, lan+" carrier changes", o.line(dir+"carrier_changes"))
	for _, c := range counters {
		exec.Field(s, lan+" "+c.name, fmt.Sprintf("%s in, %s out",
			cmp.Or(o.line(dir+"statistics/"+c.in), "?"), cmp.Or(o.line(dir+"statistics/"+c.out), "?")))
	}
}

// line reads a file of one line; empty where there is none, or where the
// driver has nothing to say.
func (o observer) line(name string) string {
	text, err := fs.ReadFile(o.files, name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// showBrief prints the addresses of the ports as the kernel has them; control
// says where they come from.
func (o observer) showBrief(ctx context.Context, s exec.Session, _ config.Args) error {
	state, _, err := o.kernel.readPorts()
	if err != nil {
		return err
	}
	var status model.ControlStatus
	if err := s.Call(ctx, "control", "control.status", nil, &status); err != nil {
		fmt.Fprintf(s, "%% %v\n%% Where the addresses come from is not known\n", err)
	}
	table := tabwriter.NewWriter(s, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "Interface\tIP-Address\tMethod\tStatus\tProtocol")
	for _, port := range state.allPorts() {
		i, present := state.Interfaces[port]
		known := slices.IndexFunc(status.Interfaces, func(s model.InterfaceStatus) bool { return s.LAN == port.String() })
		addresses := i.Addresses
		if len(addresses) == 0 {
			addresses = []netip.Prefix{{}}
		}
		for _, address := range addresses {
			shown, method := "unassigned", "unset"
			if address.IsValid() {
				shown, method = address.String(), "manual"
				switch {
				case known < 0:
					method = "unknown"
				case address.Addr().Is4() && status.Interfaces[known].DHCP:
					method = "DHCP"
				}
			}
			fmt.Fprintf(table, "%v\t%s\t%s\t%s\n", port, shown, method, i.lineState(present))
		}
	}
	return table.Flush()
}

// lineState is the state of an interface and of its line, in two columns.
func (i Interface) lineState(present bool) string {
	switch {
	case !present:
		return "missing\tdown"
	case !i.Up:
		return "administratively down\tdown"
	case !i.Carrier:
		return "up\tdown"
	}
	return "up\tup"
}

// allPorts gives LAN1 and LAN2, and the VLANs that exist, in order.
func (s *State) allPorts() []model.Port {
	ports := s.ports()
	for name := range model.LANCount {
		if port := (model.Port{LAN: name}); !slices.Contains(ports, port) {
			ports = append(ports, port)
		}
	}
	slices.SortFunc(ports, model.Port.Compare)
	return ports
}
