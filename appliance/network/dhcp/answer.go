package dhcp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/iana"

	"causeway/appliance/model"
)

// desk answers the hosts of one port, and those behind relays that send to it.
// Its methods are called with server.mu held.
type desk struct {
	server *Server
	port   model.Port
	self   netip.Prefix // the appliance on this port
	pools  []model.DHCPPool
	lease  time.Duration
}

// answer is what a message leads to. Without a reply there is silence.
type answer struct {
	reply *dhcpv4.DHCPv4
	to    netip.AddrPort
	mac   MAC // of a host that cannot be asked for by ARP yet; zero: the kernel finds it
	// probe is an address that is asked for on the link before the reply, an
	// offer, is sent: see settle.
	probe netip.Addr
}

// clientMax is the longest client identifier, in octets (RFC 2132 §9.14).
const clientMax = 255

// clientKey is what tells hosts apart: the client identifier, else one made of
// the MAC as hosts make it, so that a boot loader and its system are the same.
func clientKey(m *dhcpv4.DHCPv4) string {
	if id := m.Options.Get(dhcpv4.OptionClientIdentifier); len(id) >= 2 && len(id) <= clientMax {
		return string(id)
	}
	return string([]byte{byte(iana.HWTypeEthernet)}) + string(m.ClientHWAddr)
}

// hostName is the name that a host gives itself, without what no name has.
func hostName(m *dhcpv4.DHCPv4) string {
	name := m.HostName()
	if len(name) > 63 || strings.Trim(name, domainChar) != "" {
		return ""
	}
	return name
}

// answer says what a message leads to (RFC 2131 §4.3).
func (d *desk) answer(m *dhcpv4.DHCPv4) answer {
	if m.OpCode != dhcpv4.OpcodeBootRequest || m.HWType != iana.HWTypeEthernet || len(m.ClientHWAddr) != len(MAC{}) {
		return answer{}
	}
	pools := d.poolsFor(m)
	if len(pools) == 0 {
		return answer{}
	}
	switch m.MessageType() {
	case dhcpv4.MessageTypeDiscover:
		return d.discover(m, pools)
	case dhcpv4.MessageTypeRequest:
		return d.request(m, pools)
	case dhcpv4.MessageTypeDecline:
		d.decline(m, pools)
	case dhcpv4.MessageTypeRelease:
		d.release(m)
	case dhcpv4.MessageTypeInform:
		return d.inform(m)
	}
	return answer{}
}

// poolsFor are the pools of the network that a message comes from: the
// relay's, or the port's own. What a relay forwarded once, its hosts then send
// straight to us; their own address says where they are.
func (d *desk) poolsFor(m *dhcpv4.DHCPv4) []model.DHCPPool {
	if relay := addr(m.GatewayIPAddr); !relay.IsUnspecified() {
		return d.poolsAt(relay)
	}
	if pools := d.poolsAt(addr(m.ClientIPAddr)); len(pools) > 0 {
		return pools
	}
	return d.poolsAt(d.self.Addr())
}

// poolsAt are the pools of the network that has the address.
func (d *desk) poolsAt(address netip.Addr) []model.DHCPPool {
	var pools []model.DHCPPool
	for _, pool := range d.pools {
		if pool.Start.Contains(address) {
			pools = append(pools, pool)
		}
	}
	return pools
}

func (d *desk) discover(m *dhcpv4.DHCPv4, pools []model.DHCPPool) answer {
	table, client := d.server.table, clientKey(m)
	b := table.of(client, pools)
	if table.alive(b) {
		if b.probing {
			return answer{} // the probe's end sends the offer
		}
		return d.offer(m, b.address)
	}
	if !d.server.newcomers.take() {
		return answer{}
	}
	asked := addr(m.RequestedIPAddress())
	if b != nil {
		asked = b.address
	}
	address, found := table.choose(pools, asked)
	if !found {
		return answer{} // Conditions says so
	}
	a := d.offer(m, address)
	if d.self.Contains(address) { // no ARP goes through a relay
		a.probe = address
	}
	table.offer(address, client, MAC(m.ClientHWAddr), a.probe.IsValid())
	return a
}

// settle ends the probe of an offer: holder has the address, or nobody if
// that is zero. It gives what is to be sent now.
func (d *desk) settle(m *dhcpv4.DHCPv4, a answer, holder MAC) answer {
	table := d.server.table
	b := table.byAddress[a.probe]
	if b == nil || !b.probing || b.client != clientKey(m) {
		return answer{} // the binding was cleared
	}
	b.probing = false
	if holder == (MAC{}) || holder == b.mac { // a host may still have what it asks for
		a.probe = netip.Addr{}
		return a
	}
	d.server.o.Log.Warn("an address of a DHCP pool is in use by a host that did not get it here",
		"lan", d.port, "address", b.address, "mac", holder)
	table.setAside(b.address, holder)
	return d.answer(m)
}

// request answers a REQUEST (RFC 2131 §4.3.2 tells the four kinds apart).
func (d *desk) request(m *dhcpv4.DHCPv4, pools []model.DHCPPool) answer {
	table, client := d.server.table, clientKey(m)
	server, asked, host := addr(m.ServerIdentifier()), addr(m.RequestedIPAddress()), addr(m.ClientIPAddr)
	switch {
	case server.IsValid() && server != d.self.Addr(): // the host took the offer of another server
		if b := table.of(client, pools); b != nil && b.standing == offered && !b.probing {
			b.until = table.now()
		}
		return answer{}
	case server.IsValid(): // SELECTING
		b := table.byAddress[asked]
		if b == nil || b.client != client || b.probing {
			return d.refuse(m, "the offer is no longer there")
		}
	case host.IsUnspecified(): // INIT-REBOOT
		if !asked.IsValid() {
			return answer{}
		}
		if !pools[0].Start.Contains(asked) { // all are of one network
			return d.refuse(m, "wrong network")
		}
		if b := table.of(client, pools); b == nil || b.standing != leased {
			return answer{} // we know nothing of it; another server may
		} else if b.address != asked {
			return d.refuse(m, "another address is yours")
		}
	default: // RENEWING, REBINDING
		asked = host
		if _, in := poolOf(pools, asked); !in {
			if b := table.byAddress[asked]; b != nil && b.client == client {
				return d.refuse(m, "no longer in a pool")
			}
			return answer{} // another server's, perhaps
		}
	}
	if _, in := poolOf(pools, asked); !in {
		return d.refuse(m, "not in a pool")
	}
	// A host that renews what nobody else has keeps it, even if we have
	// forgotten it, and even if it was set aside because of this very host.
	mac := MAC(m.ClientHWAddr)
	if b := table.byAddress[asked]; table.alive(b) && b.client != client &&
		(b.standing != aside || b.mac != mac && b.mac != (MAC{})) {
		return d.refuse(m, "the address is another's")
	}
	err := table.grant(asked, client, mac, hostName(m), d.lease, d.server.writes.take)
	if err != nil {
		if !errors.Is(err, errTooMany) {
			d.server.o.Log.Error("a DHCP lease is not given: it could not be made durable", "lan", d.port, "error", err)
		}
		return answer{}
	}
	d.server.o.Log.Debug("DHCP lease given", "lan", d.port, "address", asked, "mac", mac)
	return d.lend(m, dhcpv4.MessageTypeAck, asked)
}

// decline takes an address out of use that the host found at another one.
func (d *desk) decline(m *dhcpv4.DHCPv4, pools []model.DHCPPool) {
	table, address := d.server.table, addr(m.RequestedIPAddress())
	b := table.byAddress[address]
	if _, in := poolOf(pools, address); !in || b == nil || b.client != clientKey(m) || b.standing == aside ||
		addr(m.ServerIdentifier()) != d.self.Addr() {
		return
	}
	d.server.o.Log.Warn("a host says that the address it got by DHCP is in use",
		"lan", d.port, "address", address, "mac", MAC(m.ClientHWAddr))
	table.setAside(address, MAC{})
}

// release ends the lease of a host that does not need it any more.
func (d *desk) release(m *dhcpv4.DHCPv4) {
	table := d.server.table
	b := table.byAddress[addr(m.ClientIPAddr)]
	if b == nil || b.standing != leased || b.client != clientKey(m) || addr(m.ServerIdentifier()) != d.self.Addr() {
		return
	}
	table.release(b)
}

// inform tells a host that has an address what else there is to know (§4.3.5).
func (d *desk) inform(m *dhcpv4.DHCPv4) answer {
	host := addr(m.ClientIPAddr)
	for _, pool := range d.pools {
		if pool.Start.Contains(host) && usable(netip.PrefixFrom(host, pool.Start.Bits())) == nil {
			return d.send(m, d.reply(m, dhcpv4.MessageTypeAck, d.describe(pool)...))
		}
	}
	return answer{}
}

// offer makes an OFFER of the address.
func (d *desk) offer(m *dhcpv4.DHCPv4, address netip.Addr) answer {
	return d.lend(m, dhcpv4.MessageTypeOffer, address)
}

// lend makes an OFFER or ACK of an address of our pools.
func (d *desk) lend(m *dhcpv4.DHCPv4, kind dhcpv4.MessageType, address netip.Addr) answer {
	pool, _ := poolOf(d.pools, address)
	reply := d.reply(m, kind, append(d.describe(pool),
		dhcpv4.WithYourIP(address.AsSlice()),
		dhcpv4.WithOption(dhcpv4.OptIPAddressLeaseTime(d.lease)),
		dhcpv4.WithOption(dhcpv4.OptRenewTimeValue(d.lease/2)),
		dhcpv4.WithOption(dhcpv4.OptRebindingTimeValue(d.lease*7/8)))...)
	return d.send(m, reply)
}

// refuse makes a NAK. It goes to everyone, because the host may have an
// address that does not work here (§4.3.2).
func (d *desk) refuse(m *dhcpv4.DHCPv4, why string) answer {
	reply := d.reply(m, dhcpv4.MessageTypeNak, dhcpv4.WithOption(dhcpv4.OptMessage(why)))
	if relay := addr(m.GatewayIPAddr); !relay.IsUnspecified() {
		reply.SetBroadcast()
		return answer{reply: reply, to: netip.AddrPortFrom(relay, serverPort)}
	}
	return answer{reply: reply, to: netip.AddrPortFrom(broadcastAddress, clientPort)}
}

// reply begins an answer: what every one has. The client identifier (RFC 6842)
// and the relay's information (RFC 3046 §2.2) go back as they came.
func (d *desk) reply(m *dhcpv4.DHCPv4, kind dhcpv4.MessageType, more ...dhcpv4.Modifier) *dhcpv4.DHCPv4 {
	reply, err := dhcpv4.NewReplyFromRequest(m, append([]dhcpv4.Modifier{
		dhcpv4.WithMessageType(kind),
		dhcpv4.WithOption(dhcpv4.OptServerIdentifier(d.self.Addr().AsSlice())),
	}, more...)...)
	if err != nil {
		panic(fmt.Sprintf("dhcp: no random numbers: %v", err)) // getrandom(2) does not fail
	}
	return reply
}

// describe says what hosts of the pool are to know.
func (d *desk) describe(pool model.DHCPPool) []dhcpv4.Modifier {
	router := pool.Router
	if !router.IsValid() {
		router = d.self.Addr()
	}
	modifiers := []dhcpv4.Modifier{
		dhcpv4.WithNetmask(net.CIDRMask(pool.Start.Bits(), 32)),
		dhcpv4.WithRouter(router.AsSlice()),
	}
	if servers := hosts(d.server.o.NameServers()); len(servers) > 0 {
		modifiers = append(modifiers, dhcpv4.WithDNS(ipsOf(servers)...))
	}
	if servers := hosts(d.server.o.TimeServers()); len(servers) > 0 {
		modifiers = append(modifiers, dhcpv4.WithOption(dhcpv4.OptNTPServers(ipsOf(servers)...)))
	}
	return modifiers
}

func ipsOf(all []netip.Addr) []net.IP {
	var ips []net.IP
	for _, a := range all {
		ips = append(ips, a.AsSlice())
	}
	return ips
}

// send says where a reply goes (RFC 2131 §4.1).
func (d *desk) send(m, reply *dhcpv4.DHCPv4) answer {
	relay, host := addr(m.GatewayIPAddr), addr(m.ClientIPAddr)
	switch {
	case !relay.IsUnspecified():
		return answer{reply: reply, to: netip.AddrPortFrom(relay, serverPort)}
	case host == addr(reply.YourIPAddr), m.MessageType() == dhcpv4.MessageTypeInform:
		reply.ClientIPAddr = m.ClientIPAddr
		return answer{reply: reply, to: netip.AddrPortFrom(host, clientPort)}
	case m.IsBroadcast():
		return answer{reply: reply, to: netip.AddrPortFrom(broadcastAddress, clientPort)}
	}
	return answer{reply: reply, to: netip.AddrPortFrom(addr(reply.YourIPAddr), clientPort), mac: MAC(m.ClientHWAddr)}
}
