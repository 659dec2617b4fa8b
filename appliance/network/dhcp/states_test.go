package dhcp

import (
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"causeway/appliance/model"
)

func TestAcquire(t *testing.T) {
	onBench(t, func(b *bench) {
		b.expectState("at first", "probing: ")
		for _, s := range b.hub.messages() {
			kind := s.MessageType()
			var asked []uint8
			for _, code := range s.ParameterRequestList() {
				asked = append(asked, code.Code())
			}
			slices.Sort(asked)
			if want := []uint8{1, 3, 6, 12, 15, 26, 42, 51, 54, 58, 59}; !slices.Equal(asked, want) {
				t.Errorf("%v asks for %v; want %v", kind, asked, want)
			}
			if id := s.Options.Get(dhcpv4.OptionClientIdentifier); string(id) != "\x01"+string(ownMAC[:]) {
				t.Errorf("%v has the client identifier %x", kind, id)
			}
			if s.HostName() != "box" || s.to != everyone || !s.source.IsUnspecified() || s.IsBroadcast() {
				t.Errorf("%v = %v to %v from %v; want it of box, from 0.0.0.0 to everyone", kind, s.Summary(), s.to, s.source)
			}
		}
		if c := b.client.Conditions(); len(c) != 1 || c[0].Name != "dhcp-no-lease" || c[0].Object != "LAN1" {
			t.Errorf("Conditions without a lease = %v", c)
		}
		b.expectTold("before the probe is over")
		b.bind()
		if len(b.hub.declared) != 1 || b.hub.declared[0] != netip.MustParseAddr("192.168.42.100") {
			t.Errorf("announced %v; want the address once", b.hub.declared)
		}
		if c := b.client.Conditions(); len(c) != 0 {
			t.Errorf("Conditions with a lease = %v; want none", c)
		}
	})
}

func TestBackOff(t *testing.T) {
	onBench(t, func(b *bench) {
		b.bind()
		b.hub.answer(silent)
		b.ask(release)
		b.hub.messages()
		b.ask(renew)
		b.after(4 * time.Minute)
		b.expect("no server", boot()-4*time.Minute, "0 DISCOVER", "4 DISCOVER", "12 DISCOVER", "28 DISCOVER", "60 DISCOVER", "124 DISCOVER", "188 DISCOVER")
		b.expectState("no server", "selecting: no DHCP server answers")
		b.hub.plug(Link{Index: 7, MAC: ownMAC})
		b.after(time.Hour)
		b.expect("unplugged", 0)
		b.expectState("unplugged", "without a link: ")
		b.hub.answer(b.serve)
		b.hub.plug(Link{Index: 7, MAC: ownMAC, Carrier: true})
		b.after(2 * time.Second)
		b.expectState("plugged in", "bound: ")
	})
}

func TestSecondsSinceItBegan(t *testing.T) {
	onBench(t, func(b *bench) {
		b.bind()
		b.hub.answer(silent)
		b.ask(release)
		b.ask(renew)
		b.hub.messages()
		b.after(30 * time.Second)
		for _, s := range b.hub.messages() {
			if s.NumSeconds == 0 {
				t.Errorf("a DISCOVER sent again says 0 seconds")
			}
		}
		b.after(20 * time.Hour)
		for _, s := range b.hub.messages() {
			if s.at > 19*time.Hour && s.NumSeconds != 0xffff {
				t.Errorf("after 19 hours a DISCOVER says %d seconds; want the most it can", s.NumSeconds)
			}
		}
	})
}

func TestRenew(t *testing.T) {
	const unicast = " REQUEST is 192.168.42.100 to 192.168.42.1 02:00:00:00:00:fe"
	onBench(t, func(b *bench) {
		got := b.bind()
		b.after(30 * time.Minute)
		b.expect("T1", got, "1800"+unicast)
		b.expectState("renewed", "bound: ")
		b.after(29 * time.Minute)
		b.expect("before the next T1", got)
		b.hub.answer(silent)
		got = b.obtained()
		b.after(30*time.Minute + 30*time.Second)
		b.expect("the server is gone: half of what is left each time, a minute at least", got,
			"1800"+unicast, "2475"+unicast, "2812"+unicast, "2981"+unicast, "3065"+unicast, "3125"+unicast,
			"3150 REQUEST is 192.168.42.100", "3375 REQUEST is 192.168.42.100", "3487 REQUEST is 192.168.42.100", "3547 REQUEST is 192.168.42.100")
		b.expectState("rebinding", "rebinding: the server 192.168.42.1 does not renew the lease")
		b.expectTold("until it expires")
		b.after(2 * time.Minute)
		b.expectState("expired", "selecting: ")
		b.expectTold("expired", "")
		if lines := b.wire(got); len(lines) < 2 || lines[0] != "3600 DISCOVER" {
			t.Errorf("expired: %q; want a DISCOVER at once", lines)
		}
	})
}

func TestRebindTakesAnotherServer(t *testing.T) {
	onBench(t, func(b *bench) {
		b.bind()
		b.hub.answer(func(s sent) []*dhcpv4.DHCPv4 {
			if s.to != everyone {
				return nil
			}
			return []*dhcpv4.DHCPv4{answering(s, dhcpv4.MessageTypeAck, dhcpv4.WithOption(dhcpv4.OptServerIdentifier(ip("192.168.42.2"))))}
		})
		b.after(53 * time.Minute)
		if s := b.client.Status()[0]; s.State != "bound" || s.Lease.Server != netip.MustParseAddr("192.168.42.2") {
			t.Errorf("after T2: %+v; want the lease of the other server", s)
		}
	})
}

// TestAnswersToARenewal walks what a server may say at T1.
func TestAnswersToARenewal(t *testing.T) {
	ack := func(more ...dhcpv4.Modifier) func(sent) *dhcpv4.DHCPv4 {
		return func(s sent) *dhcpv4.DHCPv4 { return answering(s, dhcpv4.MessageTypeAck, more...) }
	}
	for name, test := range map[string]struct {
		answer func(sent) *dhcpv4.DHCPv4
		state  string
	}{
		"ACK":                 {ack(), "bound"},
		"NAK":                 {nak, "selecting"},
		"another address":     {ack(dhcpv4.WithYourIP(ip("192.168.42.101"))), "renewing"},
		"another transaction": {ack(dhcpv4.WithTransactionID(dhcpv4.TransactionID{})), "renewing"},
		"another client":      {ack(dhcpv4.WithHwAddr(strangeMAC[:])), "renewing"},
		"another server":      {ack(dhcpv4.WithOption(dhcpv4.OptServerIdentifier(ip("192.168.42.9")))), "renewing"},
		"a mask of 0":         {ack(mask(0, 0, 0, 0)), "renewing"},
		"an OFFER":            {ack(dhcpv4.WithMessageType(dhcpv4.MessageTypeOffer)), "renewing"},
		"a request of a neighbour": {func(s sent) *dhcpv4.DHCPv4 {
			m := answering(s, dhcpv4.MessageTypeAck)
			m.OpCode = dhcpv4.OpcodeBootRequest
			return m
		}, "renewing"},
	} {
		t.Run(name, func(t *testing.T) {
			onBench(t, func(b *bench) {
				b.bind()
				b.hub.answer(only(dhcpv4.MessageTypeRequest, test.answer))
				b.after(31 * time.Minute)
				b.expectState("after T1", test.state+": ")
				if test.state == "selecting" {
					b.expectTold("after T1", "")
				} else {
					b.expectTold("after T1")
				}
			})
		})
	}
}

func TestLeaseForEver(t *testing.T) {
	onBench(t, func(b *bench) {
		b.bind()
		b.hub.answer(only(dhcpv4.MessageTypeRequest, func(s sent) *dhcpv4.DHCPv4 {
			return answering(s, dhcpv4.MessageTypeAck, dhcpv4.WithLeaseTime(infinite))
		}))
		b.ask(renew)
		b.hub.messages()
		b.after(1000 * time.Hour)
		b.expect("for ever", 0)
		b.expectState("for ever", "bound: ")
		if s := b.client.Status()[0]; s.Expire != -1 {
			t.Errorf("Expire = %v; want -1", s.Expire)
		}
	})
}

func TestLinkFlap(t *testing.T) {
	up, none := Link{Index: 7, MAC: ownMAC, Carrier: true}, Link{Index: 7, MAC: ownMAC}
	const verify = "0 REQUEST asks 192.168.42.100"
	t.Run("confirmed", func(t *testing.T) {
		onBench(t, func(b *bench) {
			b.bind()
			b.hub.plug(none, up) // over before anybody looks
			synctest.Wait()
			b.expect("after the flap", boot(), verify)
			b.expectState("after the flap", "bound: ")
			b.expectTold("after the flap")
		})
	})
	t.Run("another network", func(t *testing.T) {
		onBench(t, func(b *bench) {
			b.bind()
			b.hub.answer(only(dhcpv4.MessageTypeRequest, nak))
			b.hub.plug(none)
			b.after(time.Minute)
			b.expect("unplugged", 0)
			b.hub.plug(up)
			synctest.Wait()
			b.expect("moved", boot(), verify, "0 DISCOVER")
			b.expectTold("moved", "")
		})
	})
	t.Run("nobody answers", func(t *testing.T) {
		onBench(t, func(b *bench) {
			got := b.bind()
			b.hub.answer(silent)
			b.hub.plug(none, up)
			b.after(30 * time.Second)
			b.expect("no answer", boot()-30*time.Second, verify, "4 REQUEST asks 192.168.42.100", "12 REQUEST asks 192.168.42.100", "28 DISCOVER")
			b.expectTold("no answer: the lease stays in force")
			b.after(time.Hour)
			b.expectState("at last", "selecting: ")
			b.expectTold("at last", "")
			if all := b.wire(got); slices.ContainsFunc(all, func(line string) bool { return !strings.HasSuffix(line, "DISCOVER") }) {
				t.Errorf("until the lease expired: %q; want nothing but DISCOVER", all)
			}
		})
	})
	t.Run("nobody answers, then another server", func(t *testing.T) {
		onBench(t, func(b *bench) {
			b.bind()
			b.hub.answer(silent)
			b.hub.plug(none, up)
			b.after(30 * time.Second)
			b.hub.answer(func(s sent) []*dhcpv4.DHCPv4 {
				all := b.serve(s)
				for _, m := range all {
					m.YourIPAddr = ip("192.168.42.7")
				}
				return all
			})
			b.after(time.Minute)
			b.expectTold("the other server", "LAN1 192.168.42.7/24")
		})
	})
	t.Run("expired meanwhile", func(t *testing.T) {
		onBench(t, func(b *bench) {
			b.bind()
			b.hub.plug(none)
			b.after(59 * time.Minute)
			b.expectTold("unplugged: the lease stays in force")
			b.after(2 * time.Minute)
			b.expectTold("expired", "")
			b.expect("unplugged", 0)
		})
	})
	t.Run("another NIC", func(t *testing.T) {
		onBench(t, func(b *bench) {
			b.bind()
			b.hub.plug(Link{}, Link{Index: 9, MAC: strangeMAC, Carrier: true})
			synctest.Wait()
			b.expect("with another MAC", boot(), "0 DISCOVER")
			b.expectTold("with another MAC", "")
		})
	})
}

func TestRestartIsNotOnTheWire(t *testing.T) {
	onBench(t, func(b *bench) {
		got := b.bind()
		b.stop()
		b.after(10 * time.Minute)
		b.boot(lanClient())
		b.expectTold("after the restart", theLease)
		b.expectState("after the restart", "bound: ")
		b.after(19 * time.Minute)
		b.expect("after the restart", 0)
		b.after(time.Minute)
		b.expect("T1", got, "1800 REQUEST is 192.168.42.100 to 192.168.42.1 02:00:00:00:00:fe")
		b.stop()
		b.after(2 * time.Hour)
		b.boot(lanClient())
		if got := b.client.Status()[0]; got.Held {
			t.Errorf("after a lease time without the process: %+v; want no lease", got)
		}
	})
}

func TestRelease(t *testing.T) {
	onBench(t, func(b *bench) {
		b.bind()
		b.ask(release)
		b.expect("released", boot(), "0 RELEASE of 192.168.42.1 is 192.168.42.100 to 192.168.42.1 02:00:00:00:00:fe")
		b.expectState("released", "released: an operator released it")
		b.expectTold("released", "")
		b.stop()
		b.boot(lanClient())
		b.hub.plug(Link{}, b.hub.link)
		b.after(time.Hour)
		b.expect("after a restart", 0)
		b.expectState("after a restart", "released: ")
		b.ask(renew)
		b.after(2 * time.Second)
		b.expectTold("renew", theLease)
	})
}

func TestNoClientAnyMore(t *testing.T) {
	onBench(t, func(b *bench) {
		b.bind()
		static := lanServer("192.168.42.100/24")
		static.LANs[0].DHCP.Mode = model.DHCPDisabled
		b.client.Apply(static)
		b.after(time.Hour)
		b.expectTold("disabled", "")
		b.expect("disabled: the address may be configured by hand now", 0)
		if entries, err := os.ReadDir(b.dir); err != nil || len(entries) != 0 {
			t.Errorf("files left: %v, %v; want none", entries, err)
		}
		if _, err := b.client.asking(renew)(t.Context(), PortQuery{}); err == nil {
			t.Error("renew of a port that is no client = nil; want an error")
		}
	})
}

// TestOffAndOn: a port that is no client for a moment begins anew.
func TestOffAndOn(t *testing.T) {
	onBench(t, func(b *bench) {
		b.bind()
		b.client.Apply(&model.Config{})
		b.client.Apply(lanClient())
		b.after(2 * time.Second)
		b.expectTold("off and on", "", theLease)
		b.client.Apply(lanClient())
		b.hub.messages()
		b.after(time.Minute)
		b.expect("the same configuration again", 0)
	})
}

// offersOnly is a server that offers and never acknowledges.
func offersOnly(s sent) []*dhcpv4.DHCPv4 {
	if s.MessageType() == dhcpv4.MessageTypeDiscover {
		return []*dhcpv4.DHCPv4{answering(s, dhcpv4.MessageTypeOffer)}
	}
	return nil
}

// TestHeldWhileTriesFail: a lease that nobody verified ends in time, however
// long the next try waits.
func TestHeldWhileTriesFail(t *testing.T) {
	onBench(t, func(b *bench) {
		b.bind()
		b.hub.answer(offersOnly)
		b.hub.plug(Link{Index: 7, MAC: ownMAC}, Link{Index: 7, MAC: ownMAC, Carrier: true})
		b.after(59 * time.Minute)
		b.expectTold("before the end")
		b.after(2 * time.Minute)
		b.expectTold("after the end", "")
	})
}

// TestWireFails has the kernel refuse to send for a while.
func TestWireFails(t *testing.T) {
	onBench(t, func(b *bench) {
		b.bind()
		b.ask(release)
		b.hub.fail(errors.New("no buffer space available"))
		b.ask(renew)
		b.after(time.Minute)
		b.hub.fail(nil)
		b.after(5 * time.Second)
		b.expectState("it sends again", "bound: ")
	})
}
