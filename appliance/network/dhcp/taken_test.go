package dhcp

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"causeway/appliance/model"
)

func TestConflict(t *testing.T) {
	onBench(t, func(b *bench) {
		b.bind()
		b.hub.occupy("192.168.42.100")
		b.ask(release)
		b.hub.messages()
		b.ask(renew)
		b.after(30 * time.Second)
		b.expect("in use", boot()-30*time.Second, "0 DISCOVER", "0 REQUEST asks 192.168.42.100 of 192.168.42.1",
			"0 DECLINE asks 192.168.42.100 of 192.168.42.1",
			"11 DISCOVER", "11 REQUEST asks 192.168.42.100 of 192.168.42.1", "12 DECLINE asks 192.168.42.100 of 192.168.42.1")
		b.expectState("in use", "selecting: 02:00:00:00:00:66 has the address 192.168.42.100 that the server 192.168.42.1 gives")
		b.expectTold("in use", "")
		b.hub.messages()
		b.after(time.Hour)
		if n := len(b.hub.messages()); n > 3*15 {
			t.Errorf("%d messages in an hour of conflicts; want a try every five minutes at last", n)
		}
	})
}

func TestServerTakesItsOfferBack(t *testing.T) {
	onBench(t, func(b *bench) {
		b.bind()
		b.ask(release)
		b.hub.answer(func(s sent) []*dhcpv4.DHCPv4 {
			if s.MessageType() == dhcpv4.MessageTypeRequest {
				return []*dhcpv4.DHCPv4{nak(s)}
			}
			return b.serve(s)
		})
		b.ask(renew)
		b.hub.messages()
		b.after(time.Hour)
		if n := len(b.hub.messages()); n > 2*16 {
			t.Errorf("%d messages in an hour of NAKs; want a try every five minutes at last", n)
		}
		b.expectState("NAKs", "selecting: the server 192.168.42.1 takes back its offer of 192.168.42.100")
	})
}

// TestManyServers has thousands of bad offers before a good one.
func TestManyServers(t *testing.T) {
	onBench(t, func(b *bench) {
		b.bind()
		b.ask(release)
		bad := func(s sent) *dhcpv4.DHCPv4 {
			return answering(s, dhcpv4.MessageTypeOffer, mask(0, 0, 0, 0))
		}
		b.hub.answer(only(dhcpv4.MessageTypeDiscover, repeat(bad, 5000)...))
		b.hub.messages()
		b.ask(renew)
		b.after(10 * time.Second)
		b.expect("bad offers", boot()-10*time.Second, "0 DISCOVER", "4 DISCOVER")
		b.expectState("bad offers", "selecting: the answer of 192.168.42.1 (02:00:00:00:00:fe) is refused: the mask of length 0")
		b.hub.answer(func(s sent) []*dhcpv4.DHCPv4 {
			return append(only(dhcpv4.MessageTypeDiscover, repeat(bad, queued-1)...)(s), b.serve(s)...)
		})
		b.after(time.Minute)
		b.expectState("a good one among them", "bound: ")
	})
}

func TestCollision(t *testing.T) {
	config := lanClient()
	lan2 := model.NewLAN(model.Port{LAN: model.LAN2})
	lan2.Address = netip.MustParsePrefix("192.168.0.1/16")
	config.LANs = append(config.LANs, lan2)
	const reason = "its network 192.168.42.0/24 overlaps 192.168.0.0/16 of LAN2"
	onBench(t, func(b *bench) {
		b.bind()
		b.client.Apply(config)
		b.expectTold("another port takes the network", "")
		b.after(10 * time.Second)
		b.expectState("the same network is offered", "selecting: the answer of 192.168.42.1 (02:00:00:00:00:fe) is refused: "+reason)
		b.client.Apply(lanClient())
		b.after(20 * time.Second)
		b.expectTold("the other port has gone", theLease)
	})
	// The network of another lease counts too.
	onBench(t, func(b *bench) {
		b.bind()
		config := lanClient()
		lan2 := model.NewLAN(model.Port{LAN: model.LAN2})
		lan2.DHCP.Mode = model.DHCPClient
		config.LANs = append(config.LANs, lan2)
		b.client.Apply(config)
		b.hub.changed("lan2", Link{Index: 8, MAC: ownMAC, Carrier: true})
		b.after(10 * time.Second)
		if s := b.client.Status(); len(s) != 2 || !strings.Contains(s[1].Problem, "the lease of LAN1") {
			t.Errorf("LAN2: %+v; want the same network refused", s)
		}
		b.expectTold("LAN2 asks")
	})
}
