package logging

import (
	"fmt"
	"slices"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// serversMax is how many syslog servers can be configured.
const serversMax = 4

// ports are the transports and their ports: registered for syslog, syslog-conn
// and syslog-tls. RFC 6587 names no port for TCP; IOS takes 601 too.
var ports = map[string]int{"udp": 514, "tcp": 601, "tls": 6514}

// levels are the severities as the configuration writes them, worst first.
func levels() config.Choice {
	var levels config.Choice
	for _, s := range severities {
		levels = append(levels, s.level)
	}
	return levels
}

// Commands declares the commands of this subject.
func Commands() []config.Command {
	return []config.Command{{
		Mode:   config.Global,
		Syntax: "logging host HOST [TRANSPORT] [port PORT] [level LEVEL]",
		No:     "logging host [HOST [TRANSPORT] [port PORT] [level LEVEL]]", Many: true,
		Args: []config.Argument{
			{Name: "HOST", Type: config.Host{}, Help: "Address or name of a syslog server; up to 4"},
			{Name: "TRANSPORT", Type: config.Choice{"udp", "tcp", "tls"}, Default: "udp", Help: "How it is reached"},
			{Name: "PORT", Type: config.Port, Help: "Its port; 514 for udp, 601 for tcp, 6514 for tls unless given"},
			{Name: "LEVEL", Type: levels(), Default: severities[information].level, Help: "What is sent: lines this severe or worse"},
		},
		Help:   "Send the log and alarms to a syslog server (RFC 5424)",
		Apply:  setServer,
		Negate: removeServer,
		Render: func(c *model.Config, _ config.Args) []config.Args {
			var lines []config.Args
			for _, server := range c.Logging.Servers {
				line := config.Args{"HOST": server.Host, "TRANSPORT": server.Transport, "LEVEL": severities[server.Level].level}
				if server.Port != ports[server.Transport] {
					line["PORT"] = server.Port
				}
				lines = append(lines, line)
			}
			return lines
		},
	}}
}

// setServer adds a server, or changes the one of that host.
func setServer(c *model.Config, a config.Args) error {
	server := model.LogServer{Host: a.Text("HOST"), Transport: a.Text("TRANSPORT"), Port: a.Int("PORT")}
	if server.Port == 0 {
		server.Port = ports[server.Transport]
	}
	server.Level = slices.Index(levels(), a.Text("LEVEL"))
	if i := find(c, server.Host); i >= 0 {
		c.Logging.Servers[i] = server
		return nil
	}
	if len(c.Logging.Servers) == serversMax {
		return fmt.Errorf("there can be no more than %d syslog servers", serversMax)
	}
	c.Logging.Servers = append(c.Logging.Servers, server)
	return nil
}

// removeServer removes the server of a host, however it is reached, or all.
func removeServer(c *model.Config, a config.Args) error {
	if !a.Has("HOST") {
		c.Logging.Servers = nil
		return nil
	}
	i := find(c, a.Text("HOST"))
	if i < 0 {
		return config.BadArgument("HOST", "%s is not a syslog server", a.Text("HOST"))
	}
	c.Logging.Servers = slices.Delete(c.Logging.Servers, i, i+1)
	return nil
}

func find(c *model.Config, host string) int {
	return slices.IndexFunc(c.Logging.Servers, func(s model.LogServer) bool { return s.Host == host })
}
