package network

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"text/tabwriter"

	"github.com/vishvananda/netlink"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
)

// interfaceNames are the kernel's names of the interfaces, and the ports, by
// the kernel's numbers.
type interfaceNames struct {
	names map[int]string
	ports map[int]model.Port
}

func (n *Netlink) interfaceNames() (interfaceNames, error) {
	links, err := retried(n.handle.LinkList)
	if err != nil {
		return interfaceNames{}, fmt.Errorf("list interfaces: %w", err)
	}
	names := interfaceNames{names: make(map[int]string, len(links))}
	names.ports, _ = portsOf(links)
	for _, l := range links {
		names.names[l.Attrs().Index] = l.Attrs().Name
	}
	return names, nil
}

// port gives the port whose interface has the number, or another's name.
func (n interfaceNames) port(index int) (port model.Port, other string) {
	if port, ours := n.ports[index]; ours {
		return port, ""
	}
	return model.Port{}, cmp.Or(n.names[index], "?") // it went away meanwhile
}

// neighbourStates names the kernel's states of a neighbour (rtnetlink(7)).
var neighbourStates = map[int]string{
	netlink.NUD_INCOMPLETE: "no answer yet",
	netlink.NUD_REACHABLE:  "reachable",
	netlink.NUD_STALE:      "not used lately",
	netlink.NUD_DELAY:      "being checked",
	netlink.NUD_PROBE:      "being checked",
	netlink.NUD_FAILED:     "no answer",
	netlink.NUD_PERMANENT:  "permanent",
	netlink.NUD_NOARP:      "needs none",
}

func (o observer) showNeighbours(family int) func(context.Context, exec.Session, config.Args) error {
	return func(_ context.Context, s exec.Session, _ config.Args) error {
		neighbours, err := retried(func() ([]netlink.Neigh, error) { return o.kernel.handle.NeighList(0, family) })
		if err != nil {
			return fmt.Errorf("read neighbours: %w", err)
		}
		names, err := o.kernel.interfaceNames()
		if err != nil {
			return err
		}
		slices.SortFunc(neighbours, func(a, b netlink.Neigh) int { return slices.Compare(a.IP.To16(), b.IP.To16()) })
		table := tabwriter.NewWriter(s, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "Address\tEthernet address\tPort\tState")
		for _, n := range neighbours {
			if n.State == netlink.NUD_NOARP {
				continue // broadcast, multicast, loopback
			}
			ethernet := "-"
			if len(n.HardwareAddr) > 0 {
				ethernet = n.HardwareAddr.String()
			}
			port, device := names.port(n.LinkIndex)
			if device == "" {
				device = port.String()
			}
			fmt.Fprintf(table, "%v\t%s\t%s\t%s\n", n.IP, ethernet, device, neighbourStates[n.State])
		}
		return table.Flush()
	}
}
