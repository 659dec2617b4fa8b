package routing

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"text/tabwriter"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
	"causeway/appliance/routing/servergroup"
)

// Adjacencies is the answer of proxy.adjacencies: those in force, by name.
type Adjacencies struct {
	SBC string            `json:"sbc"`
	All []AdjacencyStatus `json:"all"`
}

// AdjacencyStatus is one adjacency.
type AdjacencyStatus struct {
	Adjacency model.Adjacency `json:"adjacency"`
	// Listens are where it sends its messages to: "udp 192.168.42.1:5060".
	// Without one it is not attached.
	Listens []string `json:"listens"`
}

// adjacencies are those of the plan; nil has none.
func (p *Plan) adjacencies() (o Adjacencies) {
	if p == nil {
		return o
	}
	o.SBC = p.sbc.Name
	for _, a := range p.sbc.Adjacencies {
		status := AdjacencyStatus{Adjacency: a}
		for _, n := range p.networks {
			for _, l := range n.Listens {
				if n.Name == a.Network && (a.Transport == "" || a.Transport == l.Transport.String()) {
					status.Listens = append(status.Listens, fmt.Sprintf("%v %v", l.Transport, l.Address))
				}
			}
		}
		o.All = append(o.All, status)
	}
	return o
}

// state is the word of CUBE.
func (a *AdjacencyStatus) state() string {
	if len(a.Listens) == 0 {
		return "Detached"
	}
	return "Attached"
}

func adjacencyExecCommands() []exec.Command {
	sbc := config.Argument{Name: "SBC", Type: config.Name{}, Help: "Name of the session border controller"}
	name := config.Argument{Name: "ADJACENCY", Type: config.Name{}, Help: "Name of the adjacency"}
	return []exec.Command{
		{Syntax: "show sbc SBC sbe adjacencies", Args: []config.Argument{sbc}, Help: "The adjacencies, their state and their calls", Run: showAdjacencies},
		{Syntax: "show sbc SBC sbe adjacencies ADJACENCY detail", Args: []config.Argument{sbc, name}, Help: "Everything about one adjacency", Run: showAdjacency},
	}
}

// neighbourhood is what the proxy says of its adjacencies.
type neighbourhood struct {
	Adjacencies
	calls  map[string]model.AdjacencyTraffic
	groups []servergroup.GroupStatus
}

// askNeighbourhood asks for it, if the box's SBC is the one that was named.
func askNeighbourhood(ctx context.Context, s exec.Session, sbc string) (n neighbourhood, err error) {
	if err := s.Call(ctx, "proxy", "proxy.adjacencies", nil, &n.Adjacencies); err != nil {
		return n, err
	}
	if n.SBC != sbc {
		return n, fmt.Errorf("there is no SBC %s", sbc)
	}
	if err := s.Call(ctx, "proxy", "proxy.adjacency-calls", nil, &n.calls); err != nil {
		return n, err
	}
	return n, s.Call(ctx, "proxy", "proxy.server-groups", nil, &n.groups)
}

// peers are the elements of server groups that are the adjacency's, each once. One
// is shut down that is so in all of its groups.
func (n *neighbourhood) peers(a *model.Adjacency) (peers []servergroup.ElementStatus) {
	for _, g := range n.groups {
		for _, e := range g.Elements {
			if g.Network != a.Network || e.Adjacency != a.Name {
				continue
			}
			i := slices.IndexFunc(peers, func(p servergroup.ElementStatus) bool { return p.Element == e.Element })
			if i < 0 {
				peers = append(peers, e)
			} else {
				peers[i].Shutdown = peers[i].Shutdown && e.Shutdown
			}
		}
	}
	return peers
}

// peersText is how many of the peers are up and not shut down, "2/3 up", as far as
// any are known.
func peersText(peers []servergroup.ElementStatus) string {
	up := 0
	for _, p := range peers {
		if p.State == "up" && !p.Shutdown {
			up++
		}
	}
	if len(peers) == 0 {
		return "-"
	}
	return fmt.Sprintf("%d/%d up", up, len(peers))
}

func showAdjacencies(ctx context.Context, s exec.Session, a config.Args) error {
	n, err := askNeighbourhood(ctx, s, a.Text("SBC"))
	if err != nil {
		return err
	}
	fmt.Fprintf(s, "SBC Service %q\n", n.SBC)
	table := tabwriter.NewWriter(s, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "Name\tType\tState\tNetwork\tPeers\tOpen in/out\tCalls in/out\tRefused")
	for i := range n.All {
		one := &n.All[i]
		calls := n.calls[one.Adjacency.Name]
		fmt.Fprintf(table, "%s\tSIP\t%s\t%s\t%s\t%d/%d\t%d/%d\t%d/%d\n", one.Adjacency.Name, one.state(), one.Adjacency.Network,
			peersText(n.peers(&one.Adjacency)), calls.In.Open, calls.Out.Open, calls.In.Offered, calls.Out.Offered,
			calls.In.Offered-calls.In.Admitted, calls.Out.Offered-calls.Out.Admitted)
	}
	return table.Flush()
}

func showAdjacency(ctx context.Context, s exec.Session, a config.Args) error {
	n, err := askNeighbourhood(ctx, s, a.Text("SBC"))
	if err != nil {
		return err
	}
	i := slices.IndexFunc(n.All, func(one AdjacencyStatus) bool { return one.Adjacency.Name == a.Text("ADJACENCY") })
	if i < 0 {
		return fmt.Errorf("there is no adjacency %s", a.Text("ADJACENCY"))
	}
	one := &n.All[i]
	fmt.Fprintf(s, "SBC Service %q\n", n.SBC)
	fmt.Fprintf(s, "Adjacency %s (SIP)\n", one.Adjacency.Name)
	exec.Field(s, "Status", one.state())
	exec.Field(s, "Network", one.Adjacency.Network)
	for _, listen := range one.Listens {
		exec.Field(s, "Signaling address", listen)
	}
	for _, remote := range one.Adjacency.Addresses {
		exec.Field(s, "Signaling-peer", remoteText(remote))
	}
	if len(one.Adjacency.Addresses) == 0 {
		exec.Field(s, "Signaling-peer", "all of network "+one.Adjacency.Network)
	}
	exec.Field(s, "Transport", cmp.Or(one.Adjacency.Transport, "any"))
	exec.Field(s, "Account", cmp.Or(one.Adjacency.Account, "none"))
	exec.Field(s, "Group", cmp.Or(one.Adjacency.Group, "none"))
	peers := n.peers(&one.Adjacency)
	for _, p := range peers {
		exec.Field(s, "Peer "+p.Element, p.Service())
		exec.Field(s, "  since", exec.Time(s, p.Since, time.DateTime))
		exec.Field(s, "  reason", p.Reason)
	}
	if len(peers) == 0 {
		exec.Field(s, "Peer", "in no server group by its address, so its state is not known")
	}
	calls := n.calls[one.Adjacency.Name]
	last := "none"
	if !calls.LastAnswer.IsZero() {
		last = exec.Time(s, calls.LastAnswer, time.DateTime)
	}
	exec.Field(s, "Last call that it answered", last)
	showAdjacencyCalls(s, "in", &calls.In)
	showAdjacencyCalls(s, "out", &calls.Out)
	return nil
}

// showAdjacencyCalls prints the calls in one direction.
func showAdjacencyCalls(s exec.Session, direction string, calls *model.AdjacencyCalls) {
	exec.Field(s, "Open calls "+direction, calls.Open)
	exec.Field(s, "Calls "+direction+" since the proxy started", calls.Offered)
	exec.Field(s, "  refused by the box", calls.Offered-calls.Admitted)
	exec.Field(s, "  answered", calls.Answered)
}

// remoteText is where a neighbour is: "192.0.2.7", "192.0.2.0/24".
func remoteText(remote netip.Prefix) string {
	if remote.IsSingleIP() {
		return remote.Addr().String()
	}
	return remote.String()
}
