// Package model holds the plain values that cross subjects: the configuration,
// the grant, call events, and what the processes tell each other. It imports
// no other package of the project and knows no rule but those of its own types.
package model

import (
	"cmp"
	"fmt"
	"net/netip"
	"time"
)

// Config is one whole configuration: what one commit makes. It is a value:
// nobody changes one that has been handed out. Each section is owned by the
// subject named beside it, which declares the commands that fill it.
type Config struct {
	HostName    string       // network: RFC 1123 label, 1–63 characters
	Access      Access       // access: who may log in
	LANs        []LAN        // network: in the order of their ports, each once (NET-1)
	Routes      []IPRoute    // network: static routes
	FirewallOff bool         // firewall
	NameServers []netip.Addr // resolver: upstream DNS servers in order (NET-6)
	Hosts       []Host       // resolver: names that are known without asking
	COM         COM          // resolver: names that must resolve (NET-7, NET-8)
	TimeServers []string     // clock: NTP servers, address or host name (NET-9)
	Time        Time         // clock
	SIP         SIP          // routing: networks, and where calls go
	Admission   Admission    // admission: who may call now
	License     License      // license: how many may
	Alarms      Alarms       // alarm: thresholds
	Logging     Logging      // logging: where log lines and alarms go
	Metrics     Metrics      // metrics: what scrapers get
	Backup      Backup       // backup: when, where to, for whom
	CallHome    CallHome     // callhome: what the vendor is told
	SBC         SBC          // routing, billing, admission: the border controller of the source documents
}

// Host is a host name that is known without asking a server.
type Host struct {
	Name      string       // in lower case, without a dot at its end
	Addresses []netip.Addr // at least one
}

// Time is what the clock needs to know beside its servers.
type Time struct {
	Prefer   string   // the one of the TimeServers that decides when they disagree; empty: none
	Disabled bool     // no server is asked
	Zone     TimeZone // the zero value is UTC
}

// TimeZone is a zone of the IANA database, or one that is always the same
// number of minutes east of UTC. (NET-10)
type TimeZone struct {
	Name    string // "Europe/Berlin"; of a fixed one any name
	Fixed   bool
	Minutes int // of a fixed one: -720 to 840
}

// Location is the zone for printing times. The error says that the IANA
// database has no zone of that name.
func (z TimeZone) Location() (*time.Location, error) {
	if z.Fixed {
		return time.FixedZone(z.Name, z.Minutes*60), nil
	}
	location, err := time.LoadLocation(z.Name)
	if err != nil {
		return nil, fmt.Errorf("time zone %s: %w", z.Name, err)
	}
	return location, nil
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

// Metrics says whether Prometheus may scrape the box.
type Metrics struct {
	On   bool
	Port int // TCP, 1–65535; 0: DefaultMetricsPort
}

// DefaultMetricsPort is the TCP port that metrics are served at.
const DefaultMetricsPort = 9464

// TCPPort is the port that counts.
func (m Metrics) TCPPort() uint16 { return uint16(cmp.Or(m.Port, DefaultMetricsPort)) }
