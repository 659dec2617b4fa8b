package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	probing "github.com/prometheus-community/pro-bing"
	"golang.org/x/sys/unix"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
)

// source is a port of the appliance or an address. Its value is a string:
// "LAN1", "LAN1.100" or the address.
type source struct{}

// Parse reads a port or an address.
func (source) Parse(word string) (any, error) {
	if port, err := (config.LAN{}).Parse(word); err == nil {
		return fmt.Sprint(port), nil
	}
	address, err := config.Address{}.Parse(word)
	if err != nil {
		return nil, fmt.Errorf("%s is neither a port such as LAN1 or LAN1.100 nor an IP address", word)
	}
	return fmt.Sprint(address), nil
}

// Format prints the port or address.
func (source) Format(value any) string { return fmt.Sprint(value) }

// String gives the notations.
func (source) String() string { return config.LAN{}.String() + "|A.B.C.D|X:X::X" }

// Known gives the ports without VLANs, for completion.
func (source) Known() []string { return config.LAN{}.Known() }

// way is from where to where packets are to go.
type way struct {
	target netip.Addr
	source netip.Addr // invalid: as the kernel chooses
}

// findWay turns HOST and SOURCE of a command into addresses of one family.
func findWay(ctx context.Context, s exec.Session, a config.Args) (way, error) {
	targets, err := resolve(ctx, s, a.Text("HOST"))
	if err != nil {
		return way{}, err
	}
	if !a.Has("SOURCE") {
		return way{target: targets[0]}, nil
	}
	sources, err := sourceAddresses(ctx, s, a.Text("SOURCE"))
	if err != nil {
		return way{}, err
	}
	for _, target := range targets {
		for _, source := range sources {
			if target.Is4() == source.Is4() {
				return way{target, source}, nil
			}
		}
	}
	return way{}, fmt.Errorf("%s and %s are not both IPv4 or both IPv6", a.Text("HOST"), a.Text("SOURCE"))
}

// resolve gives the addresses of a host, at least one: a name is for control
// to look up.
func resolve(ctx context.Context, s exec.Session, host string) ([]netip.Addr, error) {
	if address, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{address}, nil
	}
	var found struct {
		Addresses []netip.Addr `json:"addresses"`
	}
	if err := s.Call(ctx, "control", "control.resolve", map[string]string{"name": host}, &found); err != nil {
		return nil, err
	}
	if len(found.Addresses) == 0 {
		return nil, fmt.Errorf("%s has no address", host)
	}
	return found.Addresses, nil
}

// sourceAddresses gives the addresses that a source stands for.
func sourceAddresses(ctx context.Context, s exec.Session, source string) ([]netip.Addr, error) {
	if address, err := netip.ParseAddr(source); err == nil {
		return []netip.Addr{address}, nil
	}
	var status model.ControlStatus
	if err := s.Call(ctx, "control", "control.status", nil, &status); err != nil {
		return nil, err
	}
	var addresses []netip.Addr
	for _, i := range status.Interfaces {
		for _, text := range strings.Split(i.Address, ", ") {
			if prefix, err := netip.ParsePrefix(text); err == nil && i.LAN == source {
				addresses = append(addresses, prefix.Addr())
			}
		}
	}
	if len(addresses) == 0 {
		return nil, fmt.Errorf("%s has no address", source)
	}
	return addresses, nil
}

// echoRequest is one echo request to send.
type echoRequest struct {
	way
	size    int // of the IP packet, in octets; 72 at least
	timeout time.Duration
}

// errNoEcho means that no answer came in time.
var errNoEcho = errors.New("no answer")

// ping sends one request after the other: the next when the answer came or did
// not come in time, as IOS does.
func (o observer) ping(ctx context.Context, s exec.Session, a config.Args) error {
	way, err := findWay(ctx, s, a)
	if err != nil {
		return err
	}
	request := echoRequest{way, a.Int("OCTETS"), time.Duration(a.Int("SECONDS")) * time.Second}
	fmt.Fprintf(s, "Sending %d, %d-octet ICMP echoes to %v, timeout is %d seconds:\n",
		a.Int("COUNT"), request.size, way.target, a.Int("SECONDS"))
	if way.source.IsValid() {
		fmt.Fprintf(s, "Packets are sent from %v\n", way.source)
	}
	var sent int
	var times []time.Duration
	for ; sent < a.Int("COUNT"); sent++ {
		took, err := o.echo(ctx, request)
		if ctx.Err() != nil {
			break
		}
		mark := "."
		switch {
		case err == nil:
			mark = "!"
			times = append(times, took)
		case !errors.Is(err, errNoEcho):
			fmt.Fprintln(s)
			if sent > 0 {
				printSuccess(s, sent, times)
			}
			return fmt.Errorf("ping %v: %w", way.target, plainly(err))
		}
		if (sent+1)%marksInLine == 0 && sent+1 < a.Int("COUNT") {
			mark += "\n"
		}
		if _, err := fmt.Fprint(s, mark); err != nil {
			return err // the operator has seen enough
		}
	}
	fmt.Fprintln(s)
	printSuccess(s, sent, times)
	return nil
}

// plainly is the kernel's reason alone, where it has one: what is around it
// names system calls.
func plainly(err error) error {
	var reason unix.Errno
	if errors.As(err, &reason) {
		return reason
	}
	return err
}

// marksInLine is how many answers ping prints in a line.
const marksInLine = 70

// printSuccess prints how many of the requests were answered, and how fast.
func printSuccess(s exec.Session, sent int, times []time.Duration) {
	percent := 0
	if sent > 0 {
		percent = 100 * len(times) / sent
	}
	fmt.Fprintf(s, "Success rate is %d percent (%d/%d)", percent, len(times), sent)
	if len(times) > 0 {
		var sum time.Duration
		for _, t := range times {
			sum += t
		}
		fmt.Fprintf(s, ", round-trip min/avg/max = %.1f/%.1f/%.1f ms", milliseconds(slices.Min(times)),
			milliseconds(sum/time.Duration(len(times))), milliseconds(slices.Max(times)))
	}
	fmt.Fprintln(s)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// Sizes of what stands before the data of an echo request.
const (
	ipv4Header = 20
	ipv6Header = 40
	icmpHeader = 8
)

// echo sends one echo request over a datagram socket, which any process of a
// group in net.ipv4.ping_group_range may have, and waits for its answer.
func echo(ctx context.Context, r echoRequest) (time.Duration, error) {
	header := ipv4Header
	if r.target.Is6() {
		header = ipv6Header
	}
	pinger := probing.New(r.target.String())
	pinger.SetIPAddr(&net.IPAddr{IP: r.target.AsSlice(), Zone: r.target.Zone()})
	pinger.SetLogger(probing.NoopLogger{})
	pinger.Count, pinger.Timeout = 1, r.timeout
	pinger.Size = r.size - header - icmpHeader
	if r.source.IsValid() {
		pinger.Source = r.source.String()
	}
	if err := pinger.RunWithContext(ctx); err != nil {
		return 0, err
	}
	answers := pinger.Statistics().Rtts
	if len(answers) == 0 {
		return 0, errNoEcho
	}
	return answers[0], nil
}
