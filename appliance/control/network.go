package control

import (
	"context"
	"net/netip"
	"path/filepath"
	"time"

	"causeway/appliance/clock"
	"causeway/appliance/logging"
	"causeway/appliance/model"
	"causeway/appliance/network"
	"causeway/appliance/network/dhcp"
	"causeway/appliance/network/firewall"
	"causeway/appliance/resolver"
)

// buildNetwork makes what connects the box with its networks: the ports, their
// firewall, DHCP, DNS and time. built is when the image was made.
func (c *control) buildNetwork(built time.Time) {
	o := c.options
	if o.Kernel == nil {
		o.Kernel = network.NewNetlink()
	}
	if o.Tables == nil {
		o.Tables = firewall.Netlink{}
	}
	c.firewall = firewall.New(o.Tables, o.Log)
	c.network = network.NewReconciler(o.Kernel, o.Log)
	c.dhcpClient = dhcp.NewClient(dhcp.ClientOptions{
		Dir:     filepath.Join(o.Run, "control"),
		Boot:    clock.BootTime,
		Changed: c.applyLeases,
		Log:     o.Log,
	})
	c.dhcpServer = dhcp.NewServer(dhcp.ServerOptions{
		File:        filepath.Join(o.ConfigDir, "dhcp.db"),
		NameServers: func() []netip.Addr { return c.resolver.Upstreams() },
		TimeServers: c.timeServers,
		Boot:        clock.BootTime,
		Log:         o.Log,
	})
	o.Resolver.Log = o.Log
	c.resolver = resolver.New(o.Resolver)
	drift, trusted := clock.Files(o.ConfigDir)
	c.trusted = clock.OpenTrusted(c.moved.under(clock.TrustedOptions{
		File: trusted, Floor: built, Boot: logging.BootID(), Uptime: clock.BootTime, Clock: o.Adjust, Log: o.Log,
	}))
	c.clock = clock.New(clock.Options{
		Lookup:   c.resolver.LookupHost,
		Query:    clock.Query,
		Adjust:   o.Adjust,
		Hardware: clock.HardwareClock,
		Save:     func(ctx context.Context) error { return c.call(ctx, "init", "clock", nil, nil) },
		Floor:    built,
		Drift:    drift,
		Trusted:  c.trusted,
		Log:      o.Log,
	})
}

// runNetwork brings the ports up once the firewall stands.
func (c *control) runNetwork(ctx context.Context) error {
	select {
	case <-c.firewall.Settled():
		return c.network.Run(ctx)
	case <-ctx.Done():
		return nil
	}
}

// applyLeases hands what DHCP servers gave us to those it concerns.
func (c *control) applyLeases(leases []model.Lease) {
	c.firewall.ApplyLeases(leases)
	c.network.ApplyLeases(leases)
	c.resolver.ApplyLeases(leases)
	c.clock.ApplyLeases(leases)
}

// watchSteps tells those who wait for a time of day that the clock was set, by
// whomever, and has it in the log: entries before and after it are not in order.
func (c *control) watchSteps(ctx context.Context) error {
	return clock.WatchSteps(ctx, func(step clock.Step) {
		c.log.Warn("the clock was set", "ahead_by", step.Offset)
		c.reload.ClockSet()
	})
}

// timeServers are the configured NTP servers that stand as addresses: DHCP has
// no room for names (RFC 2132 §8.3).
func (c *control) timeServers() (list []netip.Addr) {
	for _, host := range c.configuration.InForce().Config.TimeServers {
		if address, err := netip.ParseAddr(host); err == nil {
			list = append(list, address)
		}
	}
	return list
}
