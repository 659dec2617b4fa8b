package dhcp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// What is taken of an answer at most.
const (
	listMax    = 8                // servers of one kind
	leaseMin   = 10 * time.Second // shorter ones are a storm
	infinite   = 0xffffffff       // seconds (RFC 2131 §3.3)
	mtuMin     = 68               // RFC 2132 §5.1
	mtuMax     = 9000
	maskUnset  = -1
	domainChar = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-"
)

// judge makes a lease of an OFFER or ACK. The error says why it is refused; the
// note, what of it is left out. Whether it collides with another port is for
// Client.take to say.
func judge(r Received, now time.Duration) (l lease, note string, err error) {
	m := r.Message
	bits := maskUnset
	if mask := m.SubnetMask(); mask != nil {
		bits = maskBits(mask)
	}
	l.Address = netip.PrefixFrom(addr(m.YourIPAddr), bits)
	l.Server = addr(m.ServerIdentifier())
	l.Via = r.From
	switch {
	case bits == maskUnset:
		return l, "", errors.New("it gives no valid mask")
	case !hostAddress(l.Server):
		return l, "", errors.New("it does not say which server it is of")
	case l.Address.Addr() == l.Server:
		return l, "", fmt.Errorf("it gives away the server's own address %v", l.Server)
	}
	if err := usable(l.Address); err != nil {
		return l, "", err
	}
	if err := l.setTimes(m, now); err != nil {
		return l, "", err
	}
	if routers := addrs(m.Options, dhcpv4.OptionRouter); len(routers) > 0 {
		router := routers[0]
		if reason := unfitRouter(router, l.Address); reason == "" {
			l.Router = router
		} else {
			note = fmt.Sprintf("router %v left out: %s", router, reason)
		}
	}
	l.NameServers = hosts(addrs(m.Options, dhcpv4.OptionDomainNameServer))
	l.TimeServers = hosts(addrs(m.Options, dhcpv4.OptionNTPServers))
	if domain := m.DomainName(); len(domain) <= 253 && strings.Trim(domain, domainChar) == "" {
		l.Domain = domain
	}
	if mtu, err := dhcpv4.GetUint16(dhcpv4.OptionInterfaceMTU, m.Options); err == nil && mtu >= mtuMin && mtu <= mtuMax {
		l.MTU = int(mtu)
	}
	return l, note, nil
}

// maskBits is the length of a contiguous mask, else maskUnset.
func maskBits(mask []byte) int {
	if len(mask) != 4 {
		return maskUnset
	}
	value := binary.BigEndian.Uint32(mask)
	for bits := range 33 {
		if value == ^uint32(1<<(32-bits)-1) {
			return bits
		}
	}
	return maskUnset
}

// usable says why a host cannot have the address on that network.
func usable(address netip.Prefix) error {
	a := address.Addr()
	switch {
	case !hostAddress(a):
		return fmt.Errorf("%v is not the address of a host", a)
	case !address.IsValid() || address.Bits() < 1:
		return fmt.Errorf("the mask of length %d is not that of a LAN", address.Bits())
	case address.Bits() >= 31: // RFC 3021
		return nil
	case a == address.Masked().Addr():
		return fmt.Errorf("%v is the address of the network itself", a)
	case a == lastOf(address):
		return fmt.Errorf("%v is the broadcast address of its network", a)
	}
	return nil
}

// hostAddress reports whether one host may have the address.
func hostAddress(a netip.Addr) bool {
	if !a.Is4() || a.IsLoopback() || a.IsMulticast() {
		return false
	}
	first := a.As4()[0]
	return first != 0 && first < 240
}

// lastOf is the last address of the network.
func lastOf(network netip.Prefix) netip.Addr {
	first := network.Masked().Addr().As4()
	last := binary.BigEndian.Uint32(first[:]) | uint32(1<<(32-network.Bits())-1)
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, last)))
}

func unfitRouter(router netip.Addr, address netip.Prefix) string {
	switch {
	case !address.Contains(router):
		return fmt.Sprintf("not on %v", address.Masked())
	case router == address.Addr():
		return "the appliance itself"
	}
	if err := usable(netip.PrefixFrom(router, address.Bits())); err != nil {
		return err.Error()
	}
	return ""
}

// setTimes reads the lease time, T1 and T2 (RFC 2131 §4.4.5). A T2 that
// makes no sense becomes seven eighths of the lease time, a T1 four sevenths of T2.
func (l *lease) setTimes(m *dhcpv4.DHCPv4, now time.Duration) error {
	const unsaid = -1
	total := m.IPAddressLeaseTime(unsaid)
	switch {
	case total == unsaid:
		return errors.New("it gives no lease time")
	case total == infinite*time.Second:
		l.Obtained, l.Renew, l.Rebind, l.Expire = now, forever, forever, forever
		return nil
	case total < leaseMin:
		return fmt.Errorf("the lease time %v is shorter than %v", total, leaseMin)
	}
	t1, t2 := m.IPAddressRenewalTime(unsaid), m.IPAddressRebindingTime(unsaid)
	if t2 <= 0 || t2 >= total {
		t2 = total - total/8
	}
	if t1 <= 0 || t1 >= t2 {
		t1 = t2 / 7 * 4
	}
	t1, t2 = max(t1, leaseMin/2), max(t2, leaseMin*3/4) // a hostile T1 of a second is a storm too
	l.Obtained, l.Renew, l.Rebind, l.Expire = now, now+t1, now+t2, now+total
	return nil
}

// addrs reads a list of IPv4 addresses.
func addrs(options dhcpv4.Options, code dhcpv4.OptionCode) []netip.Addr {
	var all []netip.Addr
	for _, ip := range dhcpv4.GetIPs(code, options) {
		all = append(all, addr(ip))
	}
	return all
}

// hosts are the first few that are addresses of hosts.
func hosts(all []netip.Addr) []netip.Addr {
	var found []netip.Addr
	for _, a := range all {
		if hostAddress(a) && len(found) < listMax {
			found = append(found, a)
		}
	}
	return found
}
