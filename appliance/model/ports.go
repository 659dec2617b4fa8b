package model

// The services that listen at TCP ports.
const (
	ServiceDNS     = "the box's own DNS"
	ServiceSSH     = "SSH"
	ServiceMetrics = "the metrics service"
	ServiceWeb     = "the HTTPS server"
	ServiceSIP     = "SIP"
)

// TCPServiceAt names the service that has a TCP port, if asker may not have it
// as well; empty: none. SIP is not looked for: it has its ports at some addresses
// alone, and whoever adds one asks here.
func (c *Config) TCPServiceAt(port uint16, asker string) string {
	for _, s := range []struct {
		name string
		port uint16
		on   bool
	}{
		{ServiceDNS, 53, asker != ServiceSIP}, // on the loopback alone
		{ServiceSSH, c.Access.SSH.TCPPort(), !c.Access.SSH.Off},
		{ServiceMetrics, c.Metrics.TCPPort(), c.Metrics.On},
		{ServiceWeb, c.Access.Web.TCPPort(), c.Access.Web.On},
	} {
		if s.on && s.port == port && s.name != asker {
			return s.name
		}
	}
	return ""
}
