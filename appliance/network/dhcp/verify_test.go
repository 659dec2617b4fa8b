package dhcp

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// TestVerified: a lease of a link that was away is not taken for granted until
// a server has confirmed it, whatever comes between.
func TestVerified(t *testing.T) {
	up, unplugged := Link{Index: 7, MAC: ownMAC, Carrier: true}, Link{Index: 7, MAC: ownMAC}
	const verify = "0 REQUEST asks 192.168.42.100"
	for name, between := range map[string]func(b *bench){
		"the interface was gone": func(b *bench) {
			b.hub.plug(Link{})
			synctest.Wait()
			b.hub.plug(Link{Index: 9, MAC: ownMAC, Carrier: true})
		},
		"nothing could be sent": func(b *bench) {
			b.hub.fail(errors.New("no buffer space available"))
			b.hub.plug(unplugged, up)
			b.after(time.Second)
			b.hub.fail(nil)
			b.after(time.Second)
		},
		"an operator renews it while a server is looked for": func(b *bench) {
			b.hub.answer(silent)
			b.hub.plug(unplugged, up)
			b.after(30 * time.Second)
			b.hub.messages()
			b.hub.answer(b.serve)
			b.ask(renew)
		},
	} {
		t.Run(name, func(t *testing.T) {
			onBench(t, func(b *bench) {
				b.bind()
				between(b)
				synctest.Wait()
				b.expect("back", boot(), verify)
				b.expectState("back", "bound: ")
				b.expectTold("back")
				b.ask(renew)
				b.expect("once it is verified", boot(), "0 REQUEST is 192.168.42.100 to 192.168.42.1 02:00:00:00:00:fe")
			})
		})
	}
}

// TestHeldAddressInUse: a host took the address while the link was down.
func TestHeldAddressInUse(t *testing.T) {
	onBench(t, func(b *bench) {
		b.bind()
		b.hub.answer(silent)
		b.hub.plug(Link{Index: 7, MAC: ownMAC}, Link{Index: 7, MAC: ownMAC, Carrier: true})
		b.after(30 * time.Second)
		b.expectTold("nobody answers")
		b.hub.occupy("192.168.42.100")
		b.hub.answer(b.serve)
		b.after(40 * time.Second)
		b.expectTold("another host has it", "")
	})
}

// TestEndsInTime: a lease ends while its verification is tried.
func TestEndsInTime(t *testing.T) {
	onBench(t, func(b *bench) {
		got := b.bind()
		b.hub.answer(silent)
		b.after(got + time.Hour - 6*time.Second - boot())
		b.hub.plug(Link{Index: 7, MAC: ownMAC}, Link{Index: 7, MAC: ownMAC, Carrier: true})
		b.after(5 * time.Second)
		b.expectTold("a second before the end")
		b.after(2 * time.Second)
		b.expectTold("a second after it", "")
	})
}

// TestRequestIsOfTheDiscover holds a REQUEST against RFC 2131 §3.1, 3, and
// table 5: it has the transaction and the seconds of the DISCOVER.
func TestRequestIsOfTheDiscover(t *testing.T) {
	onBench(t, func(b *bench) {
		b.bind()
		b.ask(release)
		b.hub.answer(silent)
		b.ask(renew)
		b.after(20 * time.Second)
		b.hub.answer(offersOnly)
		b.hub.messages()
		b.after(18 * time.Second)
		all := b.hub.messages()
		if len(all) != 3 {
			t.Errorf("%d messages; want DISCOVER and two REQUESTs", len(all))
		}
		for _, s := range all {
			if s.TransactionID != all[0].TransactionID || s.NumSeconds != 28 {
				t.Errorf("%v: transaction %v, %d s; want %v, 28 s", s.MessageType(), s.TransactionID, s.NumSeconds, all[0].TransactionID)
			}
		}
	})
}

// TestSecondsOfARenewal: they are counted from T1 on, or from when a lease
// ended (RFC 2131 table 1).
func TestSecondsOfARenewal(t *testing.T) {
	onBench(t, func(b *bench) {
		b.bind()
		b.hub.answer(silent)
		b.after(30 * time.Minute)
		b.after(30*time.Minute + time.Second)
		all := b.hub.messages()
		if len(all) < 3 {
			t.Errorf("%d messages; want some", len(all))
			return
		}
		for _, i := range []int{0, len(all) - 1} {
			if all[i].NumSeconds != 0 {
				t.Errorf("%v after %v: %d s; want 0: it is the first of its kind", all[i].MessageType(), all[i].at-bootBase, all[i].NumSeconds)
			}
		}
		if all[1].NumSeconds != 675 {
			t.Errorf("the second renewal: %d s; want 675", all[1].NumSeconds)
		}
	})
}

// TestRenewForEver: a lease without end is renewed by an operator, and the
// first message is lost.
func TestRenewForEver(t *testing.T) {
	onBench(t, func(b *bench) {
		b.bind()
		endless := only(dhcpv4.MessageTypeRequest, func(s sent) *dhcpv4.DHCPv4 {
			return answering(s, dhcpv4.MessageTypeAck, dhcpv4.WithLeaseTime(infinite))
		})
		b.hub.answer(endless)
		b.ask(renew)
		b.hub.answer(silent)
		b.ask(renew)
		b.hub.answer(endless)
		b.after(24 * time.Hour)
		b.expectState("a day later", "bound: ")
	})
}

// TestDisturbedWhileRebinding: what ends the tries does not end the lease.
func TestDisturbedWhileRebinding(t *testing.T) {
	for name, disturb := range map[string]func(b *bench){
		"a restart": func(b *bench) { b.stop(); b.boot(lanClient()) },
		"a link flap": func(b *bench) {
			b.hub.plug(Link{Index: 7, MAC: ownMAC})
			synctest.Wait()
			b.hub.plug(Link{Index: 7, MAC: ownMAC, Carrier: true})
		},
		"a renewal": func(b *bench) { b.ask(renew) },
	} {
		t.Run(name, func(t *testing.T) {
			onBench(t, func(b *bench) {
				b.bind()
				b.hub.answer(silent)
				b.after(55 * time.Minute)
				b.expectState("after T2", "rebinding: ")
				disturb(b)
				b.after(time.Second)
				if s := b.client.Status()[0]; !s.Held {
					t.Errorf("%+v; want the lease, which lasts five minutes more", s)
				}
			})
		})
	}
}
