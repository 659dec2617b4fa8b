package dhcp

import (
	"fmt"
	"net/netip"
	"slices"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// Limits of the pools.
const (
	poolsMax     = 8      // of a port, as IP Office has them
	addressesMax = 65_536 // of all pools together: each may come to take memory
)

// defaultMask is that of a pool on a port without an address.
const defaultMask = 24

// modes are the words of "dhcp mode".
var modes = []model.DHCPMode{model.DHCPServer, model.DHCPClient, model.DHCPDisabled}

// Commands declares the commands of this subject. They are typed in the mode
// of a port.
func Commands() []config.Command {
	var words config.Choice
	for _, mode := range modes {
		words = append(words, mode.String())
	}
	return []config.Command{
		{
			Mode: "config-lan", Syntax: "dhcp mode MODE", No: "dhcp mode [MODE]",
			Args:  []config.Argument{{Name: "MODE", Type: words, Help: "Give addresses, ask for one, or neither"}},
			Help:  "Set the part of the port in DHCP",
			Apply: setMode,
			Negate: func(c *model.Config, a config.Args) error {
				dhcpOf(c, a).Mode = model.DHCPDisabled
				return nil
			},
			Check: checkMode,
			Render: func(c *model.Config, in config.Args) []config.Args {
				if mode := dhcpOf(c, in).Mode; mode != model.DHCPDisabled {
					return []config.Args{{"MODE": mode.String()}}
				}
				return nil
			},
		},
		{
			Mode: "config-lan", Syntax: "dhcp pool START COUNT [mask MASK] [router ROUTER]",
			No: "dhcp pool START [COUNT [mask MASK] [router ROUTER]]",
			Args: []config.Argument{
				{Name: "START", Type: config.IPv4{}, Help: "First address that is given away"},
				{Name: "COUNT", Type: config.Integer{Min: 1, Max: addressesMax}, Help: "How many there are"},
				{Name: "MASK", Type: config.Mask{}, Help: "Mask of the hosts; that of the port if not given"},
				{Name: "ROUTER", Type: config.IPv4{}, Help: "Default router of the hosts; 0.0.0.0 for the appliance"},
			},
			Help:   "Give away a range of addresses",
			Apply:  addPool,
			Negate: removePool,
			Check:  checkPool,
			Render: renderPools,
		},
		{
			Mode: "config-lan", Syntax: "dhcp lease-time MINUTES", No: "dhcp lease-time [MINUTES]",
			Args: []config.Argument{{Name: "MINUTES", Type: config.Integer{Min: 2, Max: 43_200}, Help: "How long a host may keep an address"}},
			Help: "Set how long a lease lasts",
			Apply: func(c *model.Config, a config.Args) error {
				dhcpOf(c, a).LeaseTime = a.Int("MINUTES")
				return nil
			},
			Negate: func(c *model.Config, a config.Args) error {
				dhcpOf(c, a).LeaseTime = model.DefaultLeaseTime
				return nil
			},
			Render: func(c *model.Config, in config.Args) []config.Args {
				if minutes := dhcpOf(c, in).LeaseTime; minutes != model.DefaultLeaseTime {
					return []config.Args{{"MINUTES": minutes}}
				}
				return nil
			},
		},
	}
}

// dhcpOf is that of the port whose mode the line stands in.
func dhcpOf(c *model.Config, a config.Args) *model.DHCP { return &c.LAN(a.Port("LAN")).DHCP }

func setMode(c *model.Config, a config.Args) error {
	for _, mode := range modes {
		if mode.String() == a.Text("MODE") {
			dhcpOf(c, a).Mode = mode
		}
	}
	return nil
}

func checkMode(c *model.Config, a config.Args) error {
	lan := c.LAN(a.Port("LAN"))
	switch lan.DHCP.Mode {
	case model.DHCPClient:
		if lan.Address.IsValid() {
			return config.BadArgument("MODE", "client and the address %v of %v exclude each other", lan.Address.Addr(), lan.Port)
		}
	case model.DHCPServer:
		if !lan.Address.IsValid() {
			return config.BadArgument("MODE", "server needs an ip address on %v", lan.Port)
		}
		own := func(pool model.DHCPPool) bool { return lan.Address.Contains(pool.Start.Addr()) }
		if !slices.ContainsFunc(lan.DHCP.Pools, own) {
			return config.BadArgument("MODE", "server needs a dhcp pool on the network %v of %v", lan.Address.Masked(), lan.Port)
		}
	}
	return nil
}

// addPool adds a pool, or replaces the one that begins with the same address.
func addPool(c *model.Config, a config.Args) error {
	lan := c.LAN(a.Port("LAN"))
	start, mask := a.Addr("START"), defaultMask
	switch {
	case a.Has("MASK"):
		mask = a.Int("MASK")
	case lan.Address.Contains(start):
		mask = lan.Address.Bits()
	}
	pool := model.DHCPPool{Start: netip.PrefixFrom(start, mask), Count: a.Int("COUNT")}
	if router := a.Addr("ROUTER"); a.Has("ROUTER") && !router.IsUnspecified() {
		pool.Router = router
	}
	if err := wellFormed(pool); err != nil {
		return err
	}
	same := func(have model.DHCPPool) bool { return have.Start.Addr() == start }
	if i := slices.IndexFunc(lan.DHCP.Pools, same); i >= 0 {
		lan.DHCP.Pools[i] = pool
		return nil
	}
	if len(lan.DHCP.Pools) == poolsMax {
		return fmt.Errorf("there can be no more than %d pools on a port", poolsMax)
	}
	lan.DHCP.Pools = append(lan.DHCP.Pools, pool)
	return nil
}

// wellFormed holds a pool against its own mask.
func wellFormed(pool model.DHCPPool) error {
	network := pool.Start.Masked()
	if err := usable(pool.Start); err != nil {
		return config.BadArgument("START", "%v", err)
	}
	hosts := 1 << (32 - network.Bits())
	if pool.Count > hosts || !network.Contains(end(pool)) {
		return config.BadArgument("COUNT", "%d addresses from %v on reach beyond the network %v", pool.Count, pool.Start.Addr(), network)
	}
	if err := usable(netip.PrefixFrom(end(pool), network.Bits())); err != nil {
		return config.BadArgument("COUNT", "the last of %d addresses: %v", pool.Count, err)
	}
	if !pool.Router.IsValid() {
		return nil
	}
	if !network.Contains(pool.Router) {
		return config.BadArgument("ROUTER", "%v is not on the network %v", pool.Router, network)
	}
	if err := usable(netip.PrefixFrom(pool.Router, network.Bits())); err != nil {
		return config.BadArgument("ROUTER", "%v", err)
	}
	if contains(pool, pool.Router) {
		return config.BadArgument("ROUTER", "%v is in the pool itself", pool.Router)
	}
	return nil
}

func removePool(c *model.Config, a config.Args) error {
	dhcp := dhcpOf(c, a)
	before := len(dhcp.Pools)
	dhcp.Pools = slices.DeleteFunc(dhcp.Pools, func(p model.DHCPPool) bool { return p.Start.Addr() == a.Addr("START") })
	if len(dhcp.Pools) == before {
		return config.BadArgument("START", "no pool begins with %v", a.Addr("START"))
	}
	return nil
}

// checkPool holds a pool against the port and all other pools.
func checkPool(c *model.Config, a config.Args) error {
	lan := c.LAN(a.Port("LAN"))
	i := slices.IndexFunc(lan.DHCP.Pools, func(p model.DHCPPool) bool { return p.Start.Addr() == a.Addr("START") })
	if i < 0 {
		return nil // a later line removed it
	}
	pool, total := lan.DHCP.Pools[i], 0
	for _, other := range c.LANs {
		if other.Address.IsValid() && contains(pool, other.Address.Addr()) {
			return config.BadArgument("START", "the pool has %v in it, the address of %v itself", other.Address.Addr(), other.Port)
		}
		if other.Port != lan.Port && other.Address.IsValid() && other.Address.Overlaps(pool.Start) {
			return config.BadArgument("START", "the pool is on the network %v of %v", other.Address.Masked(), other.Port)
		}
		for j, p := range other.DHCP.Pools {
			total += p.Count
			if (other.Port != lan.Port || j != i) && !end(p).Less(pool.Start.Addr()) && !end(pool).Less(p.Start.Addr()) {
				return config.BadArgument("START", "the pool overlaps the one from %v to %v of %v", p.Start.Addr(), end(p), other.Port)
			}
		}
	}
	switch {
	case total > addressesMax:
		return config.BadArgument("COUNT", "all pools together have %d addresses; %d are possible", total, addressesMax)
	case !lan.Address.IsValid():
		return nil // checkMode says so where it matters
	case pool.Start.Overlaps(lan.Address) && pool.Start.Masked() != lan.Address.Masked():
		return config.BadArgument("START", "the network %v of the pool is not the network %v of %v", pool.Start.Masked(), lan.Address.Masked(), lan.Port)
	case !pool.Start.Overlaps(lan.Address) && !pool.Router.IsValid():
		return config.BadArgument("START", "the pool is not on the network %v of %v: it needs a router", lan.Address.Masked(), lan.Port)
	}
	return nil
}

// renderPools writes the mask of each, so that no line depends on another.
func renderPools(c *model.Config, in config.Args) []config.Args {
	var lines []config.Args
	for _, pool := range dhcpOf(c, in).Pools {
		line := config.Args{"START": pool.Start.Addr(), "COUNT": pool.Count, "MASK": pool.Start.Bits()}
		if pool.Router.IsValid() {
			line["ROUTER"] = pool.Router
		}
		lines = append(lines, line)
	}
	return lines
}
