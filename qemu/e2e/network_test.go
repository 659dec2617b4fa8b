//go:build e2e

package e2e

import (
	"flag"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/qemu/lab"
	"causeway/qemu/machine"
	"causeway/qemu/smoke"
)

// Addresses of the lab beside its usual ones.
var (
	peer2LAN1 = netip.MustParseAddr("192.168.42.3") // a second time server
	box6      = netip.MustParseAddr("2001:db8:42::1")
	peer6     = netip.MustParsePrefix("2001:db8:42::2/64")
	boxVLAN   = netip.MustParseAddr("192.168.100.1")
	hostVLAN  = netip.MustParseAddr("192.168.100.2")
	firstFree = netip.MustParseAddr("192.168.42.100") // of the pool of LAN1
	lastFree  = netip.MustParseAddr("192.168.42.109")
	leased    = netip.MustParseAddr("192.168.43.100") // by the DHCP server on LAN2
	farCaller = netip.MustParsePrefix("198.51.100.10/32")
)

var portsFlag = flag.String("ports", "1-700,1812-1813,2022,3799,5060-5061,8080,8443", "scan these `ports` of TCP and of UDP")

// network is a box whose configuration uses the peers of the lab.
type network struct {
	*smoke.Box
	peers *lab.Peers
	whole *testing.T // the test that the peers live as long as
}

// configuredNetwork boots a box and has it use everything of the network.
func configuredNetwork(t *testing.T, image machine.Image) network {
	t.Helper()
	peers, err := lab.OpenPeers(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	box, _ := goOn(t, image)
	n := network{box, peers, t}
	for _, address := range []netip.Prefix{netip.PrefixFrom(peer2LAN1, 24), peer6, farCaller} {
		if err := n.Lab.LAN1.Address("lan1", address); err != nil {
			t.Fatal(err)
		}
	}
	commit(t, n.Box,
		"lan LAN1", "ipv6 address "+box6.String()+"/64", "dhcp mode server", "dhcp pool "+firstFree.String()+" 10", "exit",
		"lan LAN1.100", "ip address "+boxVLAN.String()+" 255.255.255.0", "exit",
		"lan LAN2", "nat", "exit",
		"ip route 0.0.0.0 0.0.0.0 192.168.42.2 LAN1",
		"ip route 0.0.0.0 0.0.0.0 192.168.43.2 LAN2 20",
		"ip name-server 192.168.42.2",
		"ntp server 192.168.42.2", "ntp server 192.168.42.3", "ntp server 192.168.43.2")
	return n
}

// peer has one end with the test, which shows what it printed if it fails.
func (n network) peer(t *testing.T, process *lab.Process, err error) *lab.Process {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	n.whole.Cleanup(func() {
		process.Kill()
		if n.whole.Failed() {
			n.whole.Logf("%s", process.Output())
		}
	})
	return process
}

func (n network) named(t *testing.T) *lab.Process {
	t.Helper()
	named, err := n.Lab.LAN1.Named(n.whole.Context(), n.peers, n.whole.TempDir(), lab.PeerLAN1)
	return n.peer(t, named, err)
}

// TestNetwork is one box between the peers of the lab. It is alone on the
// processor: calls go on in it, of which none may be repeated.
func TestNetwork(t *testing.T) {
	onFirstBoard(t, func(t *testing.T, image machine.Image) {
		n := configuredNetwork(t, image)
		// They are asked all the time, so that the clock has chosen when it is
		// looked at.
		for _, at := range []netip.Addr{lab.PeerLAN1, peer2LAN1} {
			chronyd, err := n.Lab.LAN1.Chronyd(t.Context(), n.peers, t.TempDir(), at)
			n.peer(t, chronyd, err)
		}
		liar, err := n.Lab.LAN2.Lie(lab.PeerLAN2, 48*time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { liar.Close() })
		named := n.named(t)

		for _, part := range []struct {
			name string
			test func(*testing.T)
		}{
			{"addresses and routes", n.addresses},
			{"IPv6 and a VLAN", n.reachable},
			{"names", n.names},
			{"no name server answers", func(t *testing.T) { n.namesWithoutServer(t, named) }},
			{"a lease is given", n.dhcpServer},
			{"hosts of LAN1 are hidden behind LAN2", n.nat},
			{"SSH", n.ssh},
			{"only documented ports are open", n.scan},
			{"calls go on while the default route moves", n.routeMoves},
			{"the liar is found out", n.time},
			{"a lease is taken", n.dhcpClient},
		} {
			t.Run(part.name, part.test)
		}
		undenied(t, n.Box)
		powerOff(t, n.Box)
	})
}

func (n network) addresses(t *testing.T) {
	contains(t, "show ip interface brief", awaitCommand(t, n.Box, "show ip interface brief", boxVLAN.String()),
		lab.BoxLAN1.Addr().String(), lab.BoxLAN2.Addr().String())
	contains(t, "show ip route", command(t, n.Box, "show ip route"), "192.168.42.2", "192.168.43.2")
}

func (n network) reachable(t *testing.T) {
	ctx := within(t, time.Minute)
	for _, address := range []netip.Addr{box6, lab.BoxLAN1.Addr()} {
		if err := n.Lab.LAN1.Ping(ctx, address); err != nil {
			t.Error(err)
		}
	}
	if err := n.Lab.LAN1.PingVLAN(ctx, "lan1", 100, hostVLAN, boxVLAN); err != nil {
		t.Error(err)
	}
}

// names asks for what the COM, the file store (NET-7, NET-8) and SIP (RFC 3263
// §4) need.
func (n network) names(t *testing.T) {
	for _, test := range []struct {
		line string
		want []string
	}{
		{"nslookup avaya-sub.com", []string{"192.168.42.2"}},
		{"nslookup storage.googleapis.com", []string{"192.168.42.2"}},
		{"nslookup sip.example.com type NAPTR", []string{"SIP+D2U", "_sip._udp.sip.example.com"}},
		{"nslookup _sip._udp.sip.example.com type SRV", []string{"proxy1.example.com", "proxy2.example.com", "backup.example.com", "5062"}},
		{"nslookup proxy1.example.com type AAAA", []string{"2001:db8::11"}},
		{"nslookup fleeting.example.com", []string{"192.0.2.99"}},
		{"nslookup large.example.com type TXT", []string{"0000000000", "6666666666"}}, // over TCP
		{"show dns", []string{"192.168.42.2", "avaya-sub.com", "storage.googleapis.com"}},
	} {
		for _, want := range test.want {
			awaitCommand(t, n.Box, test.line, want)
		}
	}
}

// namesWithoutServer stops the only name server, and starts it again.
func (n network) namesWithoutServer(t *testing.T, named *lab.Process) {
	named.Kill()
	t.Run("what is known is still found", func(t *testing.T) {
		contains(t, "nslookup of a name that is fresh", command(t, n.Box, "nslookup avaya-sub.com"), "192.168.42.2")
		contains(t, "nslookup of a name that is stale",
			awaitCommand(t, n.Box, "nslookup fleeting.example.com", "for want of a new answer"), "192.0.2.99")
		if answer := command(t, n.Box, "nslookup backup.example.com"); strings.Contains(answer, "192.0.2.13") {
			t.Errorf("a name that nobody can know was found:\n%s", answer)
		}
	})
	n.named(t)
	awaitCommand(t, n.Box, "nslookup backup.example.com", "192.0.2.13")
}

func (n network) dhcpServer(t *testing.T) {
	lease, err := n.Lab.LAN1.DHCPLease(within(t, time.Minute), n.peers, t.TempDir(), "lan1")
	if err != nil {
		t.Fatal(err)
	}
	address, err := netip.ParseAddr(lease["ip_address"])
	if err != nil || address.Less(firstFree) || lastFree.Less(address) ||
		lease["subnet_mask"] != "255.255.255.0" || lease["routers"] != lab.BoxLAN1.Addr().String() {
		t.Errorf("the lease is %v; want an address from %v to %v and the box as router", lease, firstFree, lastFree)
	}
	contains(t, "show dhcp binding", command(t, n.Box, "show dhcp binding"), lease["ip_address"])
}

// nat sends a datagram from LAN1 through the box to LAN2, and its answer back.
func (n network) nat(t *testing.T) {
	far, err := n.Lab.LAN2.ListenUDP(netip.AddrPortFrom(lab.PeerLAN2, 4000))
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	if err := n.Lab.LAN1.Route(netip.PrefixFrom(lab.PeerLAN2, 24).Masked(), lab.BoxLAN1.Addr()); err != nil {
		t.Fatal(err)
	}
	near := probe(t, n.Lab.LAN1, netip.AddrPortFrom(lab.PeerLAN1, 0))
	question := near.Request("OPTIONS", "sip:nobody@"+lab.PeerLAN2.String())
	if err := near.Send(question, netip.AddrPortFrom(lab.PeerLAN2, 4000)); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 2048)
	far.SetReadDeadline(time.Now().Add(time.Minute))
	_, from, err := far.ReadFromUDPAddrPort(buffer)
	if err != nil {
		t.Fatal(err)
	}
	if got := from.Addr().Unmap(); got != lab.BoxLAN2.Addr() {
		t.Errorf("what LAN1 sent came to LAN2 from %v; want %v", got, lab.BoxLAN2.Addr())
	}
	if _, err := far.WriteToUDPAddrPort([]byte("SIP/2.0 404 Not here\r\n\r\n"), from); err != nil {
		t.Fatal(err)
	}
	if _, _, err := near.Expect(within(t, time.Minute), "SIP/2.0 404"); err != nil {
		t.Error(err)
	}
}

// documented are the ports that answer whoever asks, by docs/network.md.
var documented = map[string][]string{
	"LAN1": {"tcp 22", "tcp 443", "udp 67", "udp 5060"}, // there is a user, and the DHCP server is on
	"LAN2": {"udp 5060"},
}

func (n network) scan(t *testing.T) {
	for _, lan := range []struct {
		name    string
		from    *lab.Namespace
		address netip.Addr
	}{
		{"LAN1", n.Lab.LAN1, lab.BoxLAN1.Addr()},
		{"LAN2", n.Lab.LAN2, lab.BoxLAN2.Addr()},
		{"LAN1", n.Lab.LAN1, box6},
	} {
		scanPorts(t, lan.from, n.peers, lan.address, *portsFlag, documented[lan.name])
	}
}

// scanPorts has nmap look at ports of an address of a box: none but those are
// open, those that are closed are silent.
func scanPorts(t *testing.T, from *lab.Namespace, peers *lab.Peers, address netip.Addr, ports string, open []string) {
	t.Helper()
	scan, err := from.Scan(within(t, 10*time.Minute), peers, t.TempDir(), address, ports, ports)
	if err != nil {
		t.Fatal(err)
	}
	for _, port := range scan.Open {
		if !slices.Contains(open, port) {
			t.Errorf("%s is open at %s; documented are %v", port, address, open)
		}
	}
	if address.Is4() && !slices.Contains(scan.Open, "udp 5060") {
		t.Errorf("the open ports of %s are %v; want SIP among them: %v", address, scan.Open, scan.Count)
	}
	if scan.Count["closed"] > 0 {
		t.Errorf("%s says of %d ports that they are closed; want silence: %v", address, scan.Count["closed"], scan.Count)
	}
}

// routeMoves has a caller behind the router of LAN1 place calls while the
// default route moves to LAN2: answers go on leaving by the LAN that the
// questions come from.
func (n network) routeMoves(t *testing.T) {
	contains(t, "show ip route", command(t, n.Box, "show ip route"), "192.168.42.2")
	const calls, rate = 80, 10
	pair := smoke.Pair{
		Caller: lab.Caller, Callee: lab.Callee, Calls: calls, Rate: rate, Hold: time.Second, From: farCaller.Addr(),
	}
	placed := make(chan error, 1)
	go func() {
		_, err := smoke.Place(within(t, 2*time.Minute), n.Lab, pair)
		placed <- err
	}()
	time.Sleep(2 * time.Second) // some calls are up
	commit(t, n.Box,
		"no ip route 0.0.0.0 0.0.0.0 192.168.43.2 LAN2",
		"no ip route 0.0.0.0 0.0.0.0 192.168.42.2 LAN1",
		"ip route 0.0.0.0 0.0.0.0 192.168.43.2 LAN2",
		"ip route 0.0.0.0 0.0.0.0 192.168.42.2 LAN1 20")
	select {
	case err := <-placed:
		t.Fatalf("the calls ended before the default route had moved: %v", err)
	default:
	}
	if err := <-placed; err != nil {
		t.Error(err)
	}
}

// time waits until the clock has chosen: the liar is two days ahead.
func (n network) time(t *testing.T) {
	await(t, n.Box, "show ntp associations", "chrony followed and the liar found out", func(answer string) bool {
		return strings.Contains(answer, "\n* 192.168.42.") && strings.Contains(answer, "\nx 192.168.43.2 ")
	})
	shown := regexp.MustCompile(`(?m)^UTC: (\S+)$`).FindStringSubmatch(command(t, n.Box, "show clock"))
	if shown == nil {
		t.Fatal("show clock has no UTC")
	}
	clock, err := time.Parse(time.RFC3339, shown[1])
	if off := time.Since(clock).Abs(); err != nil || off > time.Minute {
		t.Errorf("the clock is %v, %v; off by %v", clock, err, off)
	}
}

// dhcpClient has LAN2 take its address, its default route and its name server
// from a DHCP server.
func (n network) dhcpClient(t *testing.T) {
	named, err := n.Lab.LAN2.Named(n.whole.Context(), n.peers, n.whole.TempDir(), lab.PeerLAN2)
	n.peer(t, named, err)
	dhcpd, err := n.Lab.LAN2.DHCPServer(n.whole.Context(), n.peers, n.whole.TempDir(), "lan2", lab.DHCPServer{
		Network: netip.PrefixFrom(lab.PeerLAN2, 24), At: lab.PeerLAN2, First: leased, Last: leased, LeaseTime: 600,
	})
	n.peer(t, dhcpd, err)
	commit(t, n.Box, "no ip name-server 192.168.42.2", "no ip route 0.0.0.0 0.0.0.0",
		"lan LAN2", "no ip address", "dhcp mode client", "exit")
	contains(t, "show dhcp lease", awaitCommand(t, n.Box, "show dhcp lease", leased.String()), lab.PeerLAN2.String())
	awaitCommand(t, n.Box, "show ip interface brief", leased.String())
	await(t, n.Box, "show ip route", "a default route by LAN2",
		regexp.MustCompile(`(?m)^\S+ +0\.0\.0\.0/0 +192\.168\.43\.2 +LAN2 `).MatchString)
	awaitCommand(t, n.Box, "nslookup backup.example.com server 192.168.43.2", "192.0.2.13")
	awaitCommand(t, n.Box, "show dns", "192.168.43.2")
	if err := n.Lab.LAN2.Ping(within(t, time.Minute), leased); err != nil {
		t.Error(err)
	}
}
