package resolver

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/miekg/dns"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/link"
)

// What control.resolve takes and answers.
type (
	Name struct {
		Name string `json:"name"` // a host's, or an address literal
	}
	Addresses struct {
		Addresses []netip.Addr `json:"addresses"` // at least one, IPv4 before IPv6
	}
)

// Knowledge is the answer of control.dns: the servers in their order, and all
// that is kept of their answers.
type Knowledge struct {
	Servers []Server `json:"servers"`
	Status  string   `json:"status"` // as Resolver.Status
	Cached  []Cached `json:"cached"` // by name, then type
	Room    int      `json:"room"`   // for so many answers
}

// Server is one name server.
type Server struct {
	Address netip.Addr    `json:"address"`
	Silent  bool          `json:"silent"` // it did not answer when it was last asked
	Since   time.Duration `json:"since"`  // how long ago that was
}

// Cached is one answer that is kept.
type Cached struct {
	Name      string        `json:"name"`
	Type      string        `json:"type"`      // "A", "AAAA"
	Addresses []netip.Addr  `json:"addresses"` // none: it is known that there are none
	Left      time.Duration `json:"left"`      // for so long
}

// Methods are what control serves of the resolver, to any process of the box.
func (r *Resolver) Methods() link.Methods {
	return link.Methods{
		"control.resolve": func(ctx context.Context, n Name) (Addresses, error) {
			addresses, err := r.LookupHost(ctx, n.Name)
			return Addresses{addresses}, err
		},
		"control.dns": func(context.Context) (Knowledge, error) { return r.knowledge(), nil },
	}
}

func (r *Resolver) knowledge() Knowledge {
	known := Knowledge{Status: r.Status(), Room: cacheSize}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	for _, u := range r.upstreams {
		server := Server{Address: u.address}
		if !u.failed.IsZero() {
			server.Silent, server.Since = true, now.Sub(u.failed)
		}
		known.Servers = append(known.Servers, server)
	}
	for question, entry := range r.cache.entries {
		if left := entry.expires.Sub(now); left > 0 {
			known.Cached = append(known.Cached, Cached{
				strings.TrimSuffix(question.Name, "."), dns.TypeToString[question.Qtype], entry.answer.addresses, left,
			})
		}
	}
	slices.SortFunc(known.Cached, func(a, b Cached) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Type, b.Type))
	})
	return known
}

// ExecCommands declares what an operator may ask of the resolver.
func ExecCommands() []exec.Command {
	return []exec.Command{
		{Syntax: "show hosts", Help: "Host names whose addresses are known", Run: showHosts},
		{Syntax: "show ip dns statistics", Help: "Name servers and what is kept of their answers", Run: showStatistics},
	}
}

// ask asks control what the resolver knows.
func ask(ctx context.Context, s exec.Session) (known Knowledge, err error) {
	err = s.Call(ctx, "control", "control.dns", nil, &known)
	return known, err
}

func showHosts(ctx context.Context, s exec.Session, _ config.Args) error {
	known, err := ask(ctx, s)
	if err != nil {
		return err
	}
	if len(known.Cached) == 0 {
		fmt.Fprintln(s, "No host name was looked up lately")
		return nil
	}
	for _, c := range known.Cached {
		fmt.Fprintf(s, "%s, type %s, for %s:\n", c.Name, c.Type, c.Left.Round(time.Second))
		for _, address := range c.Addresses {
			fmt.Fprintf(s, "  %v\n", address)
		}
		if len(c.Addresses) == 0 {
			fmt.Fprintln(s, "  no address")
		}
	}
	return nil
}

func showStatistics(ctx context.Context, s exec.Session, _ config.Args) error {
	known, err := ask(ctx, s)
	if err != nil {
		return err
	}
	exec.Field(s, "Status", known.Status)
	if err := printServers(s, known.Servers); err != nil {
		return err
	}
	without := 0
	for _, c := range known.Cached {
		if len(c.Addresses) == 0 {
			without++
		}
	}
	exec.Field(s, "Answers kept", len(known.Cached))
	exec.Field(s, "Of these without address", without)
	exec.Field(s, "Room for answers", known.Room)
	return nil
}

func printServers(s exec.Session, servers []Server) error {
	if len(servers) == 0 {
		return nil
	}
	table := tabwriter.NewWriter(s, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "Name server\tState")
	for _, server := range servers {
		state := "no failure"
		if server.Silent {
			state = fmt.Sprintf("did not answer %s ago", server.Since.Round(time.Second))
			if server.Since < avoidTime {
				state += ", asked last"
			}
		}
		fmt.Fprintf(table, "%v\t%s\n", server.Address, state)
	}
	return table.Flush()
}
