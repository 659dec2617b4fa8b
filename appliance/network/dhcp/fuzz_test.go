package dhcp

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// FuzzAnswer sends what it likes to a server: whatever comes, answers go to
// the networks of its pools only, and give away addresses of the pools only.
func FuzzAnswer(f *testing.F) {
	circuit := dhcpv4.WithGeneric(dhcpv4.OptionRelayAgentInformation, []byte{1, 4, 'p', 'o', 'r', 't'})
	for _, m := range []*dhcpv4.DHCPv4{
		from(host(1), dhcpv4.MessageTypeDiscover),
		from(host(1), dhcpv4.MessageTypeDiscover, asking("192.168.42.11"), named("\x00phone"), dhcpv4.WithBroadcast(true)),
		from(host(2), dhcpv4.MessageTypeDiscover, through("203.0.113.1"), circuit),
		from(host(1), dhcpv4.MessageTypeRequest, asking("192.168.42.10"), ofServer("192.168.42.1")),
		from(host(1), dhcpv4.MessageTypeRequest, asking("192.168.77.7")),
		from(host(1), dhcpv4.MessageTypeRequest, having("192.168.42.10")),
		from(host(1), dhcpv4.MessageTypeDecline, asking("192.168.42.10"), ofServer("192.168.42.1")),
		from(host(1), dhcpv4.MessageTypeRelease, having("192.168.42.10"), ofServer("192.168.42.1")),
		from(host(1), dhcpv4.MessageTypeInform, having("192.168.42.77")),
	} {
		f.Add(m.ToBytes())
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		m, err := dhcpv4.FromBytes(packet)
		if err != nil {
			return
		}
		o := newOffice(t)
		o.lease(host(1))
		for range 2 {
			a := o.ask(m)
			if a.reply == nil {
				continue
			}
			to := a.to.Addr()
			inside := to == broadcastAddress
			for _, pool := range o.desk.pools {
				inside = inside || pool.Start.Contains(to)
			}
			if !inside {
				t.Errorf("%s goes to %v, which is on no network of ours", says(a), a.to)
			}
			given := addr(a.reply.YourIPAddr)
			if _, in := poolOf(o.desk.pools, given); !in && !given.IsUnspecified() {
				t.Errorf("%s is of no pool", says(a))
			}
			if _, err := dhcpv4.FromBytes(a.reply.ToBytes()); err != nil {
				t.Errorf("%s cannot be read: %v", says(a), err)
			}
			for address := range o.table.byAddress {
				if _, in := poolOf(o.desk.pools, address); !in {
					t.Errorf("there is a binding of %v, which is of no pool", address)
				}
			}
		}
	})
}

// FuzzJudge has a server say what it likes: a lease that is taken is one that
// a host can have, for a time that makes sense.
func FuzzJudge(f *testing.F) {
	for _, change := range []dhcpv4.Modifier{
		func(*dhcpv4.DHCPv4) {}, mask(0, 0, 0, 0), mask(255, 255, 255, 254), dhcpv4.WithLeaseTime(infinite),
		dhcpv4.WithLeaseTime(infinite - 1), times(time.Hour, time.Second, 2*time.Second), dhcpv4.WithRouter(ip("192.168.42.0")),
	} {
		f.Add(good(change).ToBytes())
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		m, err := dhcpv4.FromBytes(packet)
		if err != nil {
			return
		}
		const now = time.Hour
		l, _, err := judge(Received{m, serverMAC}, now)
		if err != nil {
			return
		}
		a := l.Address
		if a.Bits() < 1 || !a.Addr().Is4() || a.Addr().IsMulticast() || a.Addr().IsUnspecified() || a.Addr().IsLoopback() {
			t.Errorf("the address %v is taken", a)
		}
		if l.Router.IsValid() && (!a.Contains(l.Router) || l.Router == a.Addr()) {
			t.Errorf("the router %v is taken for %v", l.Router, a)
		}
		if l.Expire != forever && (l.Renew < now+leaseMin/2 || l.Renew > l.Rebind || l.Rebind > l.Expire || l.Expire < now+leaseMin) {
			t.Errorf("T1 %v, T2 %v and the end %v are taken at %v", l.Renew, l.Rebind, l.Expire, now)
		}
		if len(l.NameServers) > listMax || len(l.TimeServers) > listMax || len(l.Domain) > 253 {
			t.Errorf("too much is taken: %+v", l)
		}
	})
}

// FuzzRecall reads what may stand in the file of a port.
func FuzzRecall(f *testing.F) {
	f.Add([]byte(`{"Lease":{"Port":"LAN1","Address":"192.168.42.100/24","Router":"","Server":"192.168.42.1","Via":"02:00:00:00:00:fe","Owner":"02:00:00:00:00:01","Obtained":1,"Renew":2,"Rebind":3,"Expire":9223372036854775807},"Released":false}`))
	f.Add([]byte(`{"Released":true}`))
	f.Add([]byte(`{"Lease":{"Port":"LAN1","Address":"0.0.0.0/0"}}`))
	f.Add([]byte(`{"Lease":{"Port":"LAN1","Address":"192.168.42.100/24","Server":"","Expire":9223372036854775807}}`))
	f.Add([]byte(`{"Lease":{"Port":"LAN1","Address":"192.168.42.100/24","Server":"192.168.42.1","Renew":9223372036854775807,"Expire":7200000000000}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "dhcp-lan1.json"), text, 0o600); err != nil {
			t.Fatal(err)
		}
		const now = time.Hour
		k, err := recall(dir, lanClient().LANs[0].Port, now)
		if err != nil || k.Lease == nil {
			return
		}
		if l := k.Lease; l.Expire <= now || l.Obtained > now || l.Port != lanClient().LANs[0].Port || usable(l.Address) != nil ||
			!hostAddress(l.Server) || l.Renew > l.Rebind || l.Rebind > l.Expire {
			t.Errorf("recall(%s) = %+v", text, l)
		}
	})
}
