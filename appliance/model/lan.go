package model

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// LANName tells the two ports of the appliance apart.
type LANName uint8

// The two ports.
const (
	LAN1 LANName = iota
	LAN2
	LANCount
)

// String is the port's printed name.
func (n LANName) String() string {
	if n == LAN1 {
		return "LAN1"
	}
	return "LAN2"
}

// Port is what an address is bound to: a port of the appliance, or a VLAN on
// one (IEEE 802.1Q).
type Port struct {
	LAN  LANName
	VLAN int // 1–4094; 0 is the port itself, untagged
}

// ParsePort reads "LAN1" or "LAN1.100".
func ParsePort(name string) (Port, error) {
	port, vlan, tagged := strings.Cut(name, ".")
	for lan := range LANCount {
		if port != lan.String() {
			continue
		}
		if !tagged {
			return Port{LAN: lan}, nil
		}
		id, err := strconv.Atoi(vlan)
		if err != nil || id < 1 || id > 4094 || strconv.Itoa(id) != vlan {
			return Port{}, fmt.Errorf("%s: %q is not a VLAN from 1 to 4094", name, vlan)
		}
		return Port{lan, id}, nil
	}
	return Port{}, fmt.Errorf("%s is neither LAN1 nor LAN2, nor a VLAN on one such as LAN1.100", name)
}

// String is the printed name: "LAN1", "LAN1.100".
func (p Port) String() string {
	if p.VLAN == 0 {
		return p.LAN.String()
	}
	return fmt.Sprintf("%v.%d", p.LAN, p.VLAN)
}

// Interface is the kernel's name of it: "lan1", "lan1.100".
func (p Port) Interface() string { return strings.ToLower(p.String()) }

// Compare orders ports: LAN1, its VLANs, LAN2, its VLANs.
func (p Port) Compare(q Port) int {
	return cmp.Or(cmp.Compare(p.LAN, q.LAN), cmp.Compare(p.VLAN, q.VLAN))
}

// MarshalText makes a Port a word in JSON.
func (p Port) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads that word.
func (p *Port) UnmarshalText(text []byte) (err error) {
	*p, err = ParsePort(string(text))
	return err
}

// LAN is what is configured of one port. NewLAN gives the defaults.
type LAN struct {
	Port     Port
	Shutdown bool
	Address  netip.Prefix // the IPv4 host address with its mask; invalid: none
	Address6 netip.Prefix // likewise for IPv6
	DHCP     DHCP
	MTU      int    // octets: 576–9000, and 1280 or more with IPv6
	Speed    int    // Mbit/s: 10, 100, 1000, 2500, 10000; 0: negotiated
	Duplex   string // "full" or "half"; empty: negotiated
	DSCP     int    // of the SIP packets that leave here: 0–63
	NAT      bool   // hosts of the other ports are hidden behind this one's address
	NoPing   bool   // ICMP echo requests are not answered here
}

// The defaults of a LAN.
const (
	DefaultMTU  = 1500
	DefaultDSCP = 24 // CS3
)

// NewLAN gives a port as it is when nothing is said of it.
func NewLAN(port Port) LAN {
	return LAN{Port: port, MTU: DefaultMTU, DSCP: DefaultDSCP, DHCP: DHCP{LeaseTime: DefaultLeaseTime}}
}

// LAN gives what is configured of the port; nil if nothing is.
func (c *Config) LAN(port Port) *LAN {
	i, found := slices.BinarySearchFunc(c.LANs, port, func(l LAN, p Port) int { return l.Port.Compare(p) })
	if !found {
		return nil
	}
	return &c.LANs[i]
}

// DHCP is the part that a port takes in DHCP (RFC 2131).
type DHCP struct {
	Mode      DHCPMode
	Pools     []DHCPPool // of a server, at most 8
	LeaseTime int        // of a server, in minutes: 2–43,200
}

// DHCPMode is that part.
type DHCPMode uint8

// The parts.
const (
	DHCPDisabled DHCPMode = iota
	DHCPServer
	DHCPClient
)

// DefaultLeaseTime is a day.
const DefaultLeaseTime = 1440

// String is the word of the configuration.
func (m DHCPMode) String() string {
	switch m {
	case DHCPServer:
		return "server"
	case DHCPClient:
		return "client"
	}
	return "disabled"
}

// DHCPPool is a range of addresses that a server gives away.
type DHCPPool struct {
	Start  netip.Prefix // the first address, with the mask its clients get
	Count  int          // of addresses: 1–65,536
	Router netip.Addr   // default route of its clients; invalid: the appliance itself
}

// Lease is what a DHCP server has given a port.
type Lease struct {
	Port        Port
	Address     netip.Prefix
	Router      netip.Addr // invalid: none
	NameServers []netip.Addr
	TimeServers []netip.Addr
	Server      netip.Addr
}

// IPRoute is one static route.
type IPRoute struct {
	Destination netip.Prefix // masked
	Gateway     netip.Addr   // of the family of Destination
	Port        Port
	Metric      int // 1–255; 1 when not given
}
