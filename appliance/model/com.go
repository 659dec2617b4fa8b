package model

import (
	"cmp"
	"net"
	"slices"
	"strconv"
	"time"
)

// COM is the link to the remote management (COM-1…22): who the box is there,
// where it dials, and what may be done through the link. There is a link when
// CustomerID and Server are there, and neither Off nor Secondary.
type COM struct {
	Domain     string // the COM domain (NET-7); empty: DefaultCOMDomain
	FileStore  string // the host that files are fetched from and brought to (NET-8, COM-21); empty: DefaultFileStore
	CustomerID string // came by e-mail (COM-2)
	Server     string // host name of the subscription server (COM-2, COM-7)
	Off        bool   // com shutdown
	Secondary  bool   // another system of the solution has the link (COM-4)
	ProxyHost  string // HTTP proxy on the way: address or host name; empty: none
	ProxyPort  int    // its TCP port; 0: DefaultCOMProxyPort
	// HeartbeatSeconds between two heartbeats, 10–300; 0: what COM asks for.
	HeartbeatSeconds int
	TLS13            bool   // com tls max 1.3; otherwise exactly TLS 1.2 (COM-9)
	GraceEnd         string // GraceEndsFeatures or GraceEndsCalls; empty: GraceEndsFeatures
	// Services that are switched on, sorted; none by default (COM-10, COM-11).
	Services  []string
	Group     string        // what COMAdmin may do (COM-17); empty: GroupPrivileged
	Operators []COMOperator // in the order of their names
}

// Dials says whether the box is to have a link of its own.
func (c *COM) Dials() bool { return c.CustomerID != "" && c.Server != "" && !c.Off && !c.Secondary }

// Serves says whether a service is switched on.
func (c *COM) Serves(service string) bool { return slices.Contains(c.Services, service) }

// Operator gives the operator of a name, or nil.
func (c *COM) Operator(name string) *COMOperator {
	i := slices.IndexFunc(c.Operators, func(o COMOperator) bool { return o.Name == name })
	if i < 0 {
		return nil
	}
	return &c.Operators[i]
}

// Proxy is the HTTP proxy on the way to COM and to the file store, "host:port";
// empty: there is none.
func (c *COM) Proxy() string {
	if c.ProxyHost == "" {
		return ""
	}
	return net.JoinHostPort(c.ProxyHost, strconv.Itoa(cmp.Or(c.ProxyPort, DefaultCOMProxyPort)))
}

// Admin is the group whose rights the link has (COM-17).
func (c *COM) Admin() string { return cmp.Or(c.Group, GroupPrivileged) }

// COMOperator is somebody whose signature the box heeds: what comes over the
// link and changes something is signed by one of them.
type COMOperator struct {
	Name string // 1–32 characters, like that of a User
	Key  string // ecdsa-sha2-nistp256 or ssh-ed25519, as authorized_keys has it (sshd(8))
}

// The services that COM may be let do, each with its switch (COM-11).
const (
	COMAlarms    = "alarms"     // it is told of alarms and events
	COMBackup    = "backup"     // backups, and their restoration
	COMConfig    = "config"     // to look at the configuration and change it
	COMCLI       = "cli"        // commands, and consoles
	COMFiles     = "files"      // to read logs, call records and crash files
	COMFirmware  = "firmware"   // to bring firmware, and put it on trial
	COMMetrics   = "metrics"    // what the box counts
	COMTunnelWeb = "tunnel-web" // to the pages of the box
	COMTunnelSSH = "tunnel-ssh" // to the SSH server of the box
)

// COMServices are all of them, sorted.
func COMServices() []string {
	return []string{COMAlarms, COMBackup, COMCLI, COMConfig, COMFiles, COMFirmware, COMMetrics, COMTunnelSSH, COMTunnelWeb}
}

// What ends with the grace.
const (
	GraceEndsFeatures = "features" // the subscription functions
	GraceEndsCalls    = "calls"    // and calls, where a subscription governs them
)

// Defaults and bounds of COM.
const (
	DefaultCOMProxyPort = 8080
	DefaultHeartbeat    = 30 * time.Second
	// COMGrace is how long everything works without the link (COM-12).
	COMGrace = 30 * 24 * time.Hour
)

// COMPorts are the TCP ports that are tried in turn (COM-8).
var COMPorts = [...]uint16{443, 8443}

// Prospect is what a source of licences allows, and what from when on.
type Prospect struct {
	Now     Allowance
	Changes bool          // Then comes in the place of Now
	Left    time.Duration // until then
	Then    Allowance
}

// At gives what is allowed after d from now on.
func (p *Prospect) At(d time.Duration) Allowance {
	if p.Changes && d >= p.Left {
		return p.Then
	}
	return p.Now
}
