// Package model holds the plain values that cross subjects: the configuration,
// the grant, call events, and what the processes tell each other. It imports
// no other package of the project and knows no rule but those of its own types.
package model

import (
	"net/netip"
)

// Config is one whole configuration: what one commit makes. It is a value:
// nobody changes one that has been handed out. Each section is owned by the
// subject named beside it, which declares the commands that fill it.
type Config struct {
	HostName    string        // network: RFC 1123 label, 1–63 characters
	LANs        [LANCount]LAN // network: LAN1 and LAN2 (NET-1)
	Routes      []IPRoute     // network: static routes
	NameServers []netip.Addr  // resolver: upstream DNS servers in order
	TimeServers []string      // clock: NTP servers, address or host name
	SIP         SIP           // routing: networks and where their calls go
	Alarms      Alarms        // alarm: thresholds
	Logging     Logging       // logging: where log lines and alarms go
	SBC         SBC           // routing, billing, admission: the border controller of the source documents
}

// LANName tells the two ports of the appliance apart.
type LANName uint8

// The two ports. They index Config.LANs.
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

// LAN is one port. An invalid Address means: no address.
type LAN struct {
	Address netip.Prefix // the host address with its mask, not the network
}

// IPRoute is one static route.
type IPRoute struct {
	Destination netip.Prefix // masked
	Gateway     netip.Addr
	LAN         LANName
	Metric      int // 1–255; 1 when not given
}

// SIP is what the proxy needs to know.
type SIP struct {
	Networks []SIPNetwork
}

// Network gives the network with that name, or nil.
func (s *SIP) Network(name string) *SIPNetwork {
	for i := range s.Networks {
		if s.Networks[i].Name == name {
			return &s.Networks[i]
		}
	}
	return nil
}

// SIPNetwork is a named set of listen points that are treated alike (CUSP's
// "sip network"). NextHop says where a new request goes that came in here.
type SIPNetwork struct {
	Name    string
	Listens []SIPListen
	NextHop SIPNextHop
}

// SIPListen is one listen point. The transport is UDP.
type SIPListen struct {
	Address netip.AddrPort
}

// SIPNextHop is where new requests of a network go: to Address, out of
// the network named Network. An invalid Address means there is none, and new
// requests are answered 404.
type SIPNextHop struct {
	Address netip.AddrPort
	Network string
}

// Alarms are the thresholds that the operator set, in percent of what there
// is; 0 is the default of the table of alarms.
type Alarms struct {
	CPU     int // busy
	Memory  int // used
	Storage int // used, of each volume
}

// Logging says where log lines and alarms are sent, besides to harddisk:.
type Logging struct {
	Servers []LogServer
}

// LogServer is one syslog server; a configuration has no two of the same Host.
type LogServer struct {
	Host      string // address or host name
	Transport string // "udp", "tcp" or "tls"
	Port      int    // 1–65535
	Level     int    // lines of this RFC 5424 severity or worse are sent: 0 (worst) to 7
}
