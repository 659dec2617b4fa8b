package network

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strings"
	"text/tabwriter"
	"time"

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
	port := config.Argument{Name: "LAN", Type: config.Choice{"LAN1", "LAN2"}, Help: "Port of the appliance; both if not given"}
	host := config.Argument{Name: "HOST", Type: config.Host{}, Help: "Address or name of the host to reach"}
	from := config.Argument{Name: "SOURCE", Type: source{}, Help: "Port or address of the appliance to send from"}
	return []exec.Command{
		{
			Syntax: "show interfaces [LAN]", Args: []config.Argument{port},
			Help: "LAN1 and LAN2 as the kernel has them", Run: o.showInterfaces,
		},
		{Syntax: "show ip interface brief", Help: "Address and state of LAN1 and LAN2 in a row each", Run: o.showBrief},
		{Syntax: "show ip route", Help: "Routes of the kernel, and those configured that it does not have", Run: o.showRoutes},
		{Syntax: "show arp", Help: "Ethernet addresses of the neighbours", Run: o.showNeighbours},
		{
			Syntax: "ping HOST [repeat COUNT] [size OCTETS] [timeout SECONDS] [source SOURCE]",
			Args: []config.Argument{
				host,
				{Name: "COUNT", Type: config.Integer{Min: 1, Max: 1_000_000}, Default: 5, Help: "How many to send"},
				{Name: "OCTETS", Type: config.Integer{Min: 72, Max: 9000}, Default: 100, Help: "Size of the IP packet"},
				{Name: "SECONDS", Type: config.Integer{Min: 1, Max: 3600}, Default: 2, Help: "How long to wait for each answer"},
				from,
			},
			Help: "Send ICMP echo requests; Ctrl-C ends it", Run: o.ping,
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
	for lan := range model.LANCount {
		name := lan.String()
		if a.Has("LAN") && name != a.Text("LAN") {
			continue
		}
		for _, i := range status.Interfaces {
			if i.LAN == name {
				exec.Field(s, name+" link", i.Link)
				exec.Field(s, name+" MAC address", cmp.Or(i.MAC, "none"))
				exec.Field(s, name+" IP address", cmp.Or(i.Address, "none"))
				exec.Field(s, name+" problem", cmp.Or(i.Problem, "none"))
			}
		}
		o.showHardware(s, name)
	}
	return err // the kernel answers without control
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

func (o observer) showBrief(_ context.Context, s exec.Session, _ config.Args) error {
	state, err := o.kernel.Read()
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(s, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "Interface\tIP-Address\tStatus\tProtocol")
	for lan, i := range state.LANs {
		status := "administratively down"
		switch {
		case !i.Present:
			status = "missing"
		case i.Up:
			status = "up"
		}
		protocol := "down"
		if i.Up && i.Carrier {
			protocol = "up"
		}
		addresses := i.Addresses
		if len(addresses) == 0 {
			addresses = []netip.Prefix{{}}
		}
		for _, address := range addresses {
			shown := "unassigned"
			if address.IsValid() {
				shown = address.String()
			}
			fmt.Fprintf(table, "%v\t%s\t%s\t%s\n", model.LANName(lan), shown, status, protocol)
		}
	}
	return table.Flush()
}
