package dhcp

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/link"
)

// Binding is one address of the answer of control.dhcp-bindings.
type Binding struct {
	Address netip.Addr    `json:"address"`
	MAC     MAC           `json:"mac"`    // of a conflict: who has it; zero: not known
	Client  string        `json:"client"` // the client identifier in hexadecimal; of a conflict empty
	Host    string        `json:"host"`
	State   string        `json:"state"` // "leased", "offered", "conflict", "lapsed"
	Left    time.Duration `json:"left"`  // until it lapses; of a lapsed one 0
}

// Bindings is that answer.
type Bindings struct {
	Bindings []Binding `json:"bindings"` // the first of them in the order of addresses
	Total    int       `json:"total"`
}

// bindingsMax is how many are in one answer.
const bindingsMax = 2048

// ClearQuery says what control.dhcp-clear forgets: an address, or all if it
// is invalid.
type ClearQuery struct {
	Address netip.Addr `json:"address"`
}

// Methods are what control serves of the server.
func (s *Server) Methods() link.Methods {
	return link.Methods{
		"control.dhcp-bindings": func(context.Context) (Bindings, error) { return s.list() },
		"control.dhcp-clear":    link.ForOperators(s.clear),
	}
}

var errNotRunning = errors.New("the DHCP server does not run: see the log")

func (s *Server) list() (Bindings, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.table == nil {
		return Bindings{}, errNotRunning
	}
	now := s.o.Boot()
	var all []Binding
	for _, b := range s.table.byAddress {
		one := Binding{b.address, b.mac, hex.EncodeToString([]byte(b.client)), b.host, b.standing.String(), b.until - now}
		if one.Left <= 0 {
			one.State, one.Left = "lapsed", 0
		}
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b Binding) int { return a.Address.Compare(b.Address) })
	return Bindings{all[:min(len(all), bindingsMax)], len(all)}, nil
}

// clear forgets bindings. A host that renews afterwards has its address back
// if nobody else has it.
func (s *Server) clear(_ context.Context, q ClearQuery) (struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.table == nil {
		return struct{}{}, errNotRunning
	}
	var addresses []netip.Addr
	for address := range s.table.byAddress {
		if !q.Address.IsValid() || q.Address == address {
			addresses = append(addresses, address)
		}
	}
	if q.Address.IsValid() && len(addresses) == 0 {
		return struct{}{}, fmt.Errorf("there is no binding of %v", q.Address)
	}
	return struct{}{}, s.table.clear(addresses)
}

// ExecCommands declares what an operator may ask and do.
func ExecCommands() []exec.Command {
	lan := []config.Argument{{Name: "LAN", Type: config.LAN{}, Help: "Port that is a DHCP client"}}
	address := []config.Argument{{Name: "ADDRESS", Type: config.IPv4{}, Help: "Address that a host has"}}
	return []exec.Command{
		{Syntax: "show dhcp lease", Help: "What DHCP servers gave to the ports", Run: showLeases},
		{Syntax: "show dhcp binding", Help: "What the DHCP server gave to hosts", Run: showBindings},
		{Syntax: "clear dhcp binding ADDRESS", Args: address, Level: exec.Privileged,
			Help: "Forget which host has an address", Run: clearBinding},
		{Syntax: "clear dhcp binding all", Level: exec.Privileged,
			Help: "Forget which hosts have addresses", Run: clearAll},
		{Syntax: "dhcp renew LAN", Args: lan, Level: exec.Privileged,
			Help: "Renew a lease now, or ask for one again", Run: askPort("control.dhcp-renew")},
		{Syntax: "dhcp release LAN", Args: lan, Level: exec.Privileged,
			Help: "Give an address back, and ask for none until renew", Run: askPort("control.dhcp-release")},
	}
}

func askPort(method string) func(context.Context, exec.Session, config.Args) error {
	return func(ctx context.Context, s exec.Session, a config.Args) error {
		return s.Call(ctx, "control", method, PortQuery{a.Port("LAN")}, nil)
	}
}

func clearBinding(ctx context.Context, s exec.Session, a config.Args) error {
	return s.Call(ctx, "control", "control.dhcp-clear", ClearQuery{a.Addr("ADDRESS")}, nil)
}

func clearAll(ctx context.Context, s exec.Session, _ config.Args) error {
	return s.Call(ctx, "control", "control.dhcp-clear", ClearQuery{}, nil)
}

func showLeases(ctx context.Context, s exec.Session, _ config.Args) error {
	var leases []LeaseStatus
	if err := s.Call(ctx, "control", "control.leases", nil, &leases); err != nil {
		return err
	}
	if len(leases) == 0 {
		fmt.Fprintln(s, "No port is a DHCP client")
	}
	for i, l := range leases {
		if i > 0 {
			fmt.Fprintln(s)
		}
		showLease(s, l)
	}
	return nil
}

func showLease(s exec.Session, l LeaseStatus) {
	exec.Field(s, "LAN", l.Lease.Port)
	exec.Field(s, "State", l.State)
	if l.Problem != "" {
		exec.Field(s, "Problem", l.Problem)
	}
	if !l.Held {
		return
	}
	exec.Field(s, "Address", l.Lease.Address)
	exec.Field(s, "Router", said(l.Lease.Router))
	exec.Field(s, "Name servers", list(l.Lease.NameServers))
	exec.Field(s, "Time servers", list(l.Lease.TimeServers))
	exec.Field(s, "Domain", cmp.Or(l.Domain, "none"))
	if l.MTU > 0 {
		exec.Field(s, "MTU", l.MTU)
	}
	exec.Field(s, "Server", l.Lease.Server)
	exec.Field(s, "Obtained", seconds(l.Obtained)+" ago")
	for _, t := range []struct {
		name string
		left time.Duration
	}{{"Renews", l.Renew}, {"Rebinds", l.Rebind}, {"Expires", l.Expire}} {
		when := "never"
		if t.left >= 0 {
			when = "in " + seconds(t.left)
		}
		exec.Field(s, t.name, when)
	}
}

func said(a netip.Addr) string {
	if !a.IsValid() {
		return "none"
	}
	return a.String()
}

func list(all []netip.Addr) string {
	var words []string
	for _, a := range all {
		words = append(words, a.String())
	}
	return cmp.Or(strings.Join(words, " "), "none")
}

func seconds(d time.Duration) string { return d.Round(time.Second).String() }

func showBindings(ctx context.Context, s exec.Session, _ config.Args) error {
	var b Bindings
	if err := s.Call(ctx, "control", "control.dhcp-bindings", nil, &b); err != nil {
		return err
	}
	if b.Total == 0 {
		fmt.Fprintln(s, "No host has an address of the DHCP server")
		return nil
	}
	table := tabwriter.NewWriter(s, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "Address\tMAC\tState\tLapses\tHost")
	for _, one := range b.Bindings {
		mac, lapses := one.MAC.String(), "in "+seconds(one.Left)
		if one.MAC == (MAC{}) {
			mac = "unknown"
		}
		if one.Left == 0 {
			lapses = "-"
		}
		fmt.Fprintf(table, "%v\t%s\t%s\t%s\t%s\n", one.Address, mac, one.State, lapses, cmp.Or(one.Host, "-"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if more := b.Total - len(b.Bindings); more > 0 {
		fmt.Fprintf(s, "and %d more\n", more)
	}
	return nil
}
