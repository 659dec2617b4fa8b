package lab

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beevik/ntp"
)

func openPeers(t *testing.T) *Peers {
	t.Helper()
	peers, err := OpenPeers(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	return peers
}

func aMinute(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// stop ends a peer at the end of the test.
func stop(t *testing.T, process *Process, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := process.Stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestNamed asks bind9 with its own dig for the names that tests rely on.
func TestNamed(t *testing.T) {
	l, peers, ctx := newLab(t), openPeers(t), aMinute(t)
	if _, err := l.Box(); err != nil {
		t.Fatal(err)
	}
	named, err := l.LAN1.Named(ctx, peers, t.TempDir(), PeerLAN1)
	stop(t, named, err)
	for _, test := range []struct{ name, kind, want string }{
		{"avaya-sub.com", "A", "192.168.42.2\n"},
		{"storage.googleapis.com", "A", "192.168.42.2\n"},
		{"sip.example.com", "NAPTR", "30 50 \"s\" \"SIP+D2U\" \"\" _sip._udp.sip.example.com.\n"},
		{"_sip._udp.sip.example.com", "SRV", "20 0 5062 backup.example.com.\n"},
		{"www.example.net", "A", ""},
	} {
		command, err := peers.Command(ctx, "dig", "@"+PeerLAN1.String(), "+short", test.name, test.kind)
		if err != nil {
			t.Fatal(err)
		}
		var output strings.Builder
		command.Stdout = &output
		if err := l.Home.Start(command); err != nil {
			t.Fatal(err)
		}
		if err := command.Wait(); err != nil {
			t.Fatalf("dig %s %s: %v: %s", test.name, test.kind, err, output.String())
		}
		if got := output.String(); !strings.Contains(got, test.want) || test.want == "" && got != "" {
			t.Errorf("dig %s %s = %q; want %q", test.name, test.kind, got, test.want)
		}
	}
}

// TestTimeServers asks chrony and the liar: both look good, one is.
func TestTimeServers(t *testing.T) {
	l, peers, ctx := newLab(t), openPeers(t), aMinute(t)
	if _, err := l.Box(); err != nil {
		t.Fatal(err)
	}
	chronyd, err := l.LAN1.Chronyd(ctx, peers, t.TempDir(), PeerLAN1)
	stop(t, chronyd, err)
	const lie = 48 * time.Hour
	liar, err := l.LAN2.Lie(PeerLAN2, lie)
	if err != nil {
		t.Fatal(err)
	}
	defer liar.Close()
	for _, test := range []struct {
		server netip.Addr
		offset time.Duration
	}{{PeerLAN1, 0}, {PeerLAN2, lie}} {
		var answer *ntp.Response
		err := l.Home.Do(func() (err error) {
			answer, err = ntp.QueryWithOptions(test.server.String(), ntp.QueryOptions{Timeout: time.Minute})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := answer.Validate(); err != nil {
			t.Errorf("the answer of %s: %v", test.server, err)
		}
		if off := (answer.ClockOffset - test.offset).Abs(); off > time.Second+answer.RTT {
			t.Errorf("the clock of %s differs by %v from this machine's; want %v", test.server, answer.ClockOffset, test.offset)
		}
	}
}

// TestDHCPPeers has dhclient get a lease of dhcpd.
func TestDHCPPeers(t *testing.T) {
	l, peers, ctx := newLab(t), openPeers(t), aMinute(t)
	box, err := l.Box()
	if err != nil {
		t.Fatal(err)
	}
	dhcpd, err := l.LAN2.DHCPServer(ctx, peers, t.TempDir(), "lan2", DHCPServer{
		Network: netip.PrefixFrom(PeerLAN2, maskBits), At: PeerLAN2,
		First: PeerLAN2.Next(), Last: PeerLAN2.Next(), LeaseTime: 600,
	})
	stop(t, dhcpd, err)
	lease, err := box.DHCPLease(ctx, peers, t.TempDir(), "lan2")
	if err != nil {
		t.Fatalf("%v\ndhcpd printed:\n%s", err, dhcpd.Output())
	}
	for name, want := range map[string]string{
		"ip_address": PeerLAN2.Next().String(), "subnet_mask": "255.255.255.0", "dhcp_lease_time": "600",
		"routers": PeerLAN2.String(), "domain_name_servers": PeerLAN2.String(), "ntp_servers": PeerLAN2.String(),
	} {
		if lease[name] != want {
			t.Errorf("the lease's %s = %q; want %q", name, lease[name], want)
		}
	}
}

// TestScan has nmap look at a host with one open port of each protocol.
func TestScan(t *testing.T) {
	l, peers, ctx := newLab(t), openPeers(t), aMinute(t)
	box, err := l.Box()
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := box.Probe(BoxLAN1)
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	go func() {
		for {
			question, from, err := proxy.Receive(ctx)
			if err != nil {
				return
			}
			if question.StartLine() == "OPTIONS sip:"+BoxLAN1.Addr().String()+" SIP/2.0" {
				proxy.Send(question.Reply("200 OK", proxy.Contact()), from)
			}
		}
	}()
	named, err := box.Named(ctx, peers, t.TempDir(), BoxLAN1.Addr())
	stop(t, named, err)
	scan, err := l.LAN1.Scan(ctx, peers, t.TempDir(), BoxLAN1.Addr(), "50-59", "53,5060-5062")
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"tcp 53", "udp 53", "udp 5060"}; !slices.Equal(scan.Open, want) || scan.Count["closed"] != 11 {
		t.Errorf("Scan = %+v; want %v open and 11 closed", scan, want)
	}
}
