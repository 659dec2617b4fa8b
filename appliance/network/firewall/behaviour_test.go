package firewall

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"causeway/appliance/model"
)

func TestSIPPassesUntracked(t *testing.T) {
	s := newSite(t)
	s.apply(builtIn())
	sip, closed := s.socket(s.box, "192.168.42.1:5060"), s.socket(s.box, "192.168.42.1:5061")
	caller := s.socket(s.host1, "192.168.42.2:5070")
	s.send(caller, "192.168.42.1:5061")
	s.send(caller, "192.168.42.1:5060")
	s.send(sip, s.receive(sip).String())
	if from := s.receive(caller); from.Port() != 5060 {
		t.Errorf("the answer came from %v; want port 5060", from)
	}
	s.nothingAt("a port that nothing opens", closed)
	if got := s.connections(); got != "" {
		t.Errorf("tracked after SIP and a refused packet:\n%s\nwant nothing", got)
	}
	for what, want := range map[string]uint64{"SIP, udp 192.168.42.1:5060": 1, "all else": 1, "answers": 0} {
		if got := s.counted(lan1, what); got != want {
			t.Errorf("%s: counted %d packets; want %d", what, got, want)
		}
	}

	// What the box asks is tracked, and its answer passes.
	asking, asked := s.socket(s.box, "192.168.42.1:40000"), s.socket(s.host1, "192.168.42.2:53")
	s.send(asking, "192.168.42.2:53")
	s.send(asked, s.receive(asked).String())
	s.receive(asking)
	if got := s.connections(); !strings.Contains(got, "dport=53") {
		t.Errorf("tracked after a question:\n%s\nwant it", got)
	}
}

func TestStrongHost(t *testing.T) {
	s := newSite(t)
	c := builtIn()
	c.SIP = listeners("192.168.42.1:5060", "192.168.43.1:5060", "192.0.2.9:5060")
	s.box.run(t, "ip", "address", "add", "192.0.2.9/32", "dev", "lo")
	s.apply(c)
	other, own, nobodys := s.socket(s.box, "192.168.43.1:5060"), s.socket(s.box, "192.168.42.1:5060"), s.socket(s.box, "192.0.2.9:5060")
	caller := s.socket(s.host1, "192.168.42.2:5070")
	s.send(caller, "192.168.43.1:5060")
	s.send(caller, "192.168.42.1:5060")
	s.receive(own)
	s.nothingAt("LAN2's listener from LAN1", other)
	s.send(caller, "192.0.2.9:5060")
	s.receive(nobodys)
	if got := s.counted(lan1, "to an address of another port"); got != 1 {
		t.Errorf("counted %d packets to another port's address; want 1", got)
	}
	s.send(s.socket(s.host2, "192.168.43.2:5070"), "192.168.43.1:5060")
	s.receive(other)
}

// A SIP socket, which is connected to nobody, hears that its peer is not
// there, although nothing is tracked (RFC 3261 §18.4).
func TestErrorsPass(t *testing.T) {
	s := newSite(t)
	s.box.run(t, "ip", "address", "add", "2001:db8:42::1/64", "dev", "lan1", "nodad")
	s.host1.run(t, "ip", "address", "add", "2001:db8:42::2/64", "dev", "eth0", "nodad")
	s.box.run(t, "ip", "route", "add", "203.0.113.0/24", "via", "192.168.42.2")
	s.host1.run(t, "ip", "route", "add", "unreachable", "203.0.113.0/24")
	s.host1.run(t, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
	c := builtIn()
	c.LANs[0].Address6 = netip.MustParsePrefix("2001:db8:42::1/64")
	c.SIP = listeners("192.168.42.1:5060", "[2001:db8:42::1]:5060")
	s.apply(c)
	for _, test := range []struct {
		what, local, peer string
		level, option     int
		want              unix.Errno
	}{
		{"a closed port", "192.168.42.1:5060", "192.168.42.2:9", unix.IPPROTO_IP, unix.IP_RECVERR, unix.ECONNREFUSED},
		{"a closed port over IPv6", "[2001:db8:42::1]:5060", "[2001:db8:42::2]:9", unix.IPPROTO_IPV6, unix.IPV6_RECVERR, unix.ECONNREFUSED},
		{"what a router cannot reach", "192.168.42.1:5060", "203.0.113.1:5060", unix.IPPROTO_IP, unix.IP_RECVERR, unix.EHOSTUNREACH},
		{"a neighbour that is not there", "192.168.42.1:5060", "192.168.42.99:5060", unix.IPPROTO_IP, unix.IP_RECVERR, unix.EHOSTUNREACH},
	} {
		sip := s.socket(s.box, test.local)
		raw, err := sip.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), test.level, test.option, 1) })
		if err != nil {
			t.Fatal(err)
		}
		s.send(sip, test.peer)
		sip.SetReadDeadline(time.Now().Add(30 * time.Second))
		if _, _, err := sip.ReadFromUDPAddrPort(make([]byte, 100)); !errors.Is(err, test.want) {
			t.Errorf("%s: read = %v; want %v", test.what, err, test.want)
		}
		sip.Close()
	}
}

func TestPing(t *testing.T) {
	s := newSite(t)
	c := builtIn()
	c.LANs[1].NoPing = true
	s.apply(c)
	s.ping(s.host2, "192.168.43.1")
	answered := s.ping(s.host1, "192.168.42.1")
	answered.SetReadDeadline(time.Now().Add(30 * time.Second))
	if _, from, err := answered.ReadFrom(make([]byte, 100)); err != nil || from.String() != "192.168.42.1" {
		t.Errorf("ping of LAN1: answer from %v, %v", from, err)
	}
	for port, what := range map[model.Port]string{lan1: "ping", lan2: "all else"} {
		if got := s.counted(port, what); got != 1 {
			t.Errorf("%v has counted %d packets of %s; want the ping", port, got, what)
		}
	}
}

// The limit holds for who goes on pinging, too: the kernel takes all of one
// host's for one connection.
func TestPingLimit(t *testing.T) {
	s := newSite(t)
	s.apply(builtIn())
	const sent = 5 * pingLimit
	host := s.ping(s.host1, "192.168.42.1")
	host.SetReadDeadline(time.Now().Add(30 * time.Second))
	if _, _, err := host.ReadFrom(make([]byte, 100)); err != nil {
		t.Fatalf("the first ping: %v", err)
	}
	for range sent - 1 {
		s.again(host, "192.168.42.1")
	}
	eventually(t, "counted", func() string {
		accepted, dropped := s.counted(lan1, "ping"), s.counted(lan1, "all else")
		if answers := s.counted(lan1, "answers"); answers > 0 || accepted+dropped != sent {
			return fmt.Sprintf("%d pings accepted, %d dropped, %d taken for answers; want %d and none", accepted, dropped, answers, sent)
		}
		return ""
	})
}

// What a service had let in ends with the service, also for who has used it.
func TestServiceCloses(t *testing.T) {
	s := newSite(t)
	c := builtIn()
	c.LANs[0].DHCP.Mode = model.DHCPServer
	s.apply(c)
	server, client := s.socket(s.box, "192.168.42.1:67"), s.socket(s.host1, "192.168.42.2:68")
	s.send(client, "192.168.42.1:67")
	s.send(server, s.receive(server).String())
	s.receive(client)
	s.apply(builtIn())
	s.send(client, "192.168.42.1:67")
	sip := s.socket(s.box, "192.168.42.1:5060")
	s.send(client, "192.168.42.1:5060")
	s.receive(sip)
	s.nothingAt("a service that was closed", server)
}

// A datagram of SIP may be longer than what fits in a packet (RFC 3261 §18.1.1
// has the sender use TCP then; many do not).
func TestFragments(t *testing.T) {
	s := newSite(t)
	s.box.run(t, "ip", "address", "add", "2001:db8:42::1/64", "dev", "lan1", "nodad")
	s.host1.run(t, "ip", "address", "add", "2001:db8:42::2/64", "dev", "eth0", "nodad")
	c := builtIn()
	c.LANs[0].Address6 = netip.MustParsePrefix("2001:db8:42::1/64")
	c.SIP = listeners("192.168.42.1:5060", "[2001:db8:42::1]:5060")
	s.apply(c)
	for box, host := range map[string]string{"192.168.42.1:5060": "192.168.42.2:5060", "[2001:db8:42::1]:5060": "[2001:db8:42::2]:5060"} {
		sip, caller := s.socket(s.box, box), s.socket(s.host1, host)
		long := make([]byte, 9000)
		for _, way := range []struct {
			from, to *net.UDPConn
			address  string
		}{{caller, sip, box}, {sip, caller, host}} {
			if _, err := way.from.WriteToUDPAddrPort(long, netip.MustParseAddrPort(way.address)); err != nil {
				t.Fatal(err)
			}
			s.receive(way.to)
		}
	}
	if got := s.connections(); got != "" {
		t.Errorf("tracked after SIP in fragments:\n%s\nwant nothing", got)
	}
}

// A phone behind NAT that sends from the port that the proxy listens on gets
// its answers itself.
func TestPhoneBehindNAT(t *testing.T) {
	s := newSite(t)
	s.forward()
	c := builtIn()
	c.LANs[1].NAT = true
	s.apply(c)
	proxy := s.socket(s.box, "192.168.43.1:5060")
	phone, outside := s.socket(s.host1, "192.168.42.2:5060"), s.socket(s.host2, "192.168.43.2:5060")
	s.send(phone, "192.168.43.2:5060")
	s.send(outside, s.receive(outside).String())
	s.receive(phone)
	s.nothingAt("the proxy", proxy)
}

func TestNAT(t *testing.T) {
	s := newSite(t)
	s.forward()
	c := builtIn()
	c.LANs[1].NAT = true
	s.apply(c)
	inside, outside := s.socket(s.host1, "192.168.42.2:4000"), s.socket(s.host2, "192.168.43.2:4000")
	s.send(inside, "192.168.43.2:4000")
	seen := s.receive(outside)
	if seen.Addr() != netip.MustParseAddr("192.168.43.1") {
		t.Errorf("the outside sees %v; want the address of LAN2", seen)
	}
	uninvited := s.socket(s.host1, "192.168.42.2:4001")
	s.send(outside, "192.168.42.2:4001")
	s.send(outside, seen.String())
	s.receive(inside)
	s.nothingAt("from outside to inside", uninvited)

	c = builtIn() // without NAT nothing is forwarded
	s.apply(c)
	s.send(inside, "192.168.43.2:4000")
	eventually(t, "dropped", func() string {
		if report, err := s.firewall.Report(); err != nil || len(report.Forward) != 1 || report.Forward[0].Packets != 1 {
			return "nothing"
		}
		return ""
	})
	s.nothingAt("without NAT", outside)
}

func TestIPv6(t *testing.T) {
	s := newSite(t)
	s.box.run(t, "ip", "address", "add", "2001:db8:42::1/64", "dev", "lan1", "nodad")
	s.host1.run(t, "ip", "address", "add", "2001:db8:42::2/64", "dev", "eth0", "nodad")
	s.host1.run(t, "ip", "address", "add", "2001:db8:99::2/64", "dev", "eth0", "nodad")
	c := builtIn()
	c.LANs[0].Address6 = netip.MustParsePrefix("2001:db8:42::1/64")
	c.SIP = listeners("[2001:db8:42::1]:5060")
	s.apply(c)
	sip, closed := s.socket(s.box, "[2001:db8:42::1]:5060"), s.socket(s.box, "[2001:db8:42::1]:5061")
	caller := s.socket(s.host1, "[2001:db8:42::2]:5070")
	s.send(caller, "[2001:db8:42::1]:5061")
	s.send(caller, "[2001:db8:42::1]:5060")
	s.send(sip, s.receive(sip).String())
	s.receive(caller)
	s.nothingAt("a port that nothing opens", closed)
	if got := s.connections(); got != "" {
		t.Errorf("tracked after SIP:\n%s\nwant nothing", got)
	}
	// From where there is no route to: the rule that the kernel has for IPv4.
	s.host1.run(t, "ip", "-6", "route", "add", "2001:db8:42::1/128", "dev", "eth0", "src", "2001:db8:99::2", "metric", "1")
	s.send(s.socket(s.host1, "[2001:db8:99::2]:5070"), "[2001:db8:42::1]:5061")
	eventually(t, "dropped", func() string {
		if s.counted(lan1, "from where no route leads back") == 0 {
			return "nothing"
		}
		return ""
	})
}

func TestDHCPServer(t *testing.T) {
	s := newSite(t)
	c := builtIn()
	c.LANs[0].DHCP.Mode = model.DHCPServer
	s.apply(c)
	server := s.socket(s.box, "0.0.0.0:67")
	s.send(s.socket(s.host2, "192.168.43.2:68"), "192.168.43.1:67")
	client := s.socket(s.host1, "0.0.0.0:68")
	s.send(client, "255.255.255.255:67")
	if from := s.receive(server); from.Addr().Unmap() != netip.MustParseAddr("192.168.42.2") {
		t.Errorf("received from %v; want LAN1 only", from)
	}
	s.nothingAt("LAN2", server)
}

// What others do to the table is undone; what they do elsewhere is left alone,
// and counters stay.
func TestTamper(t *testing.T) {
	s := newSite(t)
	c := builtIn()
	s.apply(c)
	sip, caller := s.socket(s.box, "192.168.42.1:5060"), s.socket(s.host1, "192.168.42.2:5070")
	for _, command := range []string{
		"delete table inet causeway",
		"flush chain inet causeway input",
		"flush ruleset",
		"insert rule inet causeway input accept",
		"add chain inet causeway open { type filter hook input priority -10; }",
		"chain inet causeway input { policy accept; }",
		"delete element inet causeway sip4 { lan1 . 192.168.42.1 . 5060 }",
		"add element inet causeway listeners4 { 192.168.42.1 . 53 }",
		"add set inet causeway strange { type ipv4_addr; }",
	} {
		s.box.run(t, "nft", command)
		began := time.Now()
		s.stands(c)
		t.Logf("%s: undone after %v", command, time.Since(began))
	}
	s.send(caller, "192.168.42.1:5060")
	s.receive(sip)
	s.box.run(t, "nft", "add table inet other")
	s.box.run(t, "nft", "delete table inet other")
	s.firewall.Apply(c)
	s.send(caller, "192.168.42.1:5060")
	s.receive(sip)
	if got := s.counted(lan1, "SIP, udp 192.168.42.1:5060"); got != 2 {
		t.Errorf("counted %d packets of SIP; want 2", got)
	}
}

// While one table takes the place of another, no packet finds the box open.
func TestNeverOpen(t *testing.T) {
	s := newSite(t)
	rules := plan(builtIn(), nil)
	s.apply(builtIn())
	closed, caller := s.socket(s.box, "192.168.42.1:5061"), s.socket(s.host1, "192.168.42.2:5070")
	flood, stop := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(flood)
		for {
			select {
			case <-stop:
				return
			default:
				caller.WriteToUDPAddrPort([]byte("hello"), netip.MustParseAddrPort("192.168.42.1:5061"))
			}
		}
	}()
	for range 100 {
		if err := s.box.tables.Replace(rules); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	<-flood
	s.nothingAt("while the table was replaced", closed)
}
