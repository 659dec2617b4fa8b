package dhcp

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv4"
	"go.etcd.io/bbolt"

	"causeway/appliance/model"
)

// office is a server whose LAN1 is 192.168.42.1/24 with the pool .10 to .12,
// and which serves 203.0.113.0/24 behind a relay. The test is its clock.
type office struct {
	*testing.T
	*Server
	desk *desk
	now  time.Duration
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{T: t, now: time.Hour}
	o.Server = NewServer(ServerOptions{
		File: filepath.Join(t.TempDir(), "dhcp.db"), Boot: func() time.Duration { return o.now }, Log: quiet(),
		NameServers: func() []netip.Addr {
			return []netip.Addr{netip.MustParseAddr("2001:db8::53"), netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.0.2.53")}
		},
		TimeServers: just("192.0.2.123"),
	})
	relayed := pool("203.0.113.100/24", 2)
	relayed.Router = netip.MustParseAddr("203.0.113.1")
	o.Apply(lanServer("192.168.42.1/24", pool("192.168.42.10/24", 3), relayed))
	want := o.services[model.Port{}]
	o.desk = &desk{o.Server, model.Port{}, want.Self, want.DHCP.Pools, time.Duration(want.DHCP.LeaseTime) * time.Minute}
	o.open()
	t.Cleanup(func() { o.table.store.close() })
	return o
}

// open reads the file, as at the start of the process.
func (o *office) open() {
	o.Helper()
	file, records, err := openStore(o.o.File)
	if err != nil {
		o.Fatal(err)
	}
	o.table = loadBindings(file, records, o.o.Boot)
}

// restart is a power cut: nothing that is not in the file is left, and the
// clock begins anew.
func (o *office) restart() {
	o.Helper()
	if err := o.table.store.close(); err != nil {
		o.Fatal(err)
	}
	o.now = time.Minute
	o.newcomers, o.writes = bucket{now: o.o.Boot}, bucket{now: o.o.Boot}
	o.open()
}

// host is the n-th one.
func host(n int) MAC { return MAC{2, 0, 0, 1, byte(n >> 8), byte(n)} }

// from makes a message of a host.
func from(mac MAC, kind dhcpv4.MessageType, more ...dhcpv4.Modifier) *dhcpv4.DHCPv4 {
	m, err := dhcpv4.New(append([]dhcpv4.Modifier{dhcpv4.WithMessageType(kind), dhcpv4.WithHwAddr(mac[:])}, more...)...)
	if err != nil {
		panic(err)
	}
	return m
}

func asking(address string) dhcpv4.Modifier {
	return dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(ip(address)))
}

func having(address string) dhcpv4.Modifier { return dhcpv4.WithClientIP(ip(address)) }

func ofServer(address string) dhcpv4.Modifier {
	return dhcpv4.WithOption(dhcpv4.OptServerIdentifier(ip(address)))
}

func through(relay string) dhcpv4.Modifier {
	return func(m *dhcpv4.DHCPv4) { m.GatewayIPAddr = ip(relay) }
}

func named(id string) dhcpv4.Modifier {
	return dhcpv4.WithOption(dhcpv4.OptClientIdentifier([]byte(id)))
}

// says gives an answer in a few words.
func says(a answer) string {
	if a.reply == nil {
		return "silence"
	}
	text := fmt.Sprint(a.reply.MessageType())
	if ip := addr(a.reply.YourIPAddr); !ip.IsUnspecified() {
		text += " " + ip.String()
	}
	return text
}

// ask has a message answered, and an address probed that nobody has.
func (o *office) ask(m *dhcpv4.DHCPv4) answer {
	o.mu.Lock()
	defer o.mu.Unlock()
	a := o.desk.answer(m)
	if a.probe.IsValid() {
		a = o.desk.settle(m, a, MAC{})
	}
	return a
}

// lease lets a host get an address, and gives it.
func (o *office) lease(mac MAC, more ...dhcpv4.Modifier) string {
	o.Helper()
	offer := o.ask(from(mac, dhcpv4.MessageTypeDiscover, more...))
	if offer.reply == nil {
		return "silence"
	}
	address := addr(offer.reply.YourIPAddr).String()
	ack := o.ask(from(mac, dhcpv4.MessageTypeRequest, append(more, asking(address), ofServer("192.168.42.1"))...))
	if got := says(ack); got != "ACK "+address {
		o.Errorf("%v: %s was offered, and then: %s", mac, address, got)
	}
	return address
}

// expectFile holds the addresses in the file against want; lapsed ones have a "-".
func (o *office) expectFile(what string, want ...string) {
	o.Helper()
	records := map[netip.Addr]record{}
	if err := o.table.store.db.View(func(tx *bbolt.Tx) error { return read(tx, records) }); err != nil {
		o.Fatal(err)
	}
	got := map[string]bool{}
	for address, r := range records {
		text := address.String()
		if r.Lapsed {
			text = "-" + text
		}
		got[text] = true
	}
	wanted := map[string]bool{}
	for _, w := range want {
		wanted[w] = true
	}
	if diff := cmp.Diff(wanted, got); diff != "" {
		o.Errorf("%s: the file (-want +got):\n%s", what, diff)
	}
}

func TestLease(t *testing.T) {
	o := newOffice(t)
	discover := from(host(1), dhcpv4.MessageTypeDiscover)
	a := o.desk.answer(discover)
	if says(a) != "OFFER 192.168.42.10" || a.probe != netip.MustParseAddr("192.168.42.10") {
		t.Errorf("DISCOVER: %s, probe %v; want the first of the pool, probed", says(a), a.probe)
	}
	if again := o.desk.answer(discover); again.reply != nil {
		t.Errorf("DISCOVER while it is probed: %s; want silence", says(again))
	}
	a = o.desk.settle(discover, a, MAC{})
	if a.probe.IsValid() {
		t.Error("after the probe another is asked for")
	}
	o.expectFile("an offer")
	if again := o.desk.answer(discover); says(again) != "OFFER 192.168.42.10" || again.probe.IsValid() {
		t.Errorf("DISCOVER again: %s, probe %v; want the same, not probed again", says(again), again.probe)
	}
	ack := o.ask(from(host(1), dhcpv4.MessageTypeRequest, asking("192.168.42.10"), ofServer("192.168.42.1"),
		dhcpv4.WithOption(dhcpv4.OptHostName("phone-1"))))
	o.expectFile("when the ACK leaves", "192.168.42.10")
	m := ack.reply
	type said struct {
		Address, Mask, Router, Server   string
		NameServers, TimeServers        string
		Lease, Renew, Rebind            time.Duration
		Transaction, Hardware, ClientIP string
	}
	want := said{"192.168.42.10", "ffffff00", "[192.168.42.1]", "192.168.42.1", "[192.0.2.53]", "[192.0.2.123]",
		24 * time.Hour, 12 * time.Hour, 21 * time.Hour, m.TransactionID.String(), host(1).String(), "0.0.0.0"}
	got := said{m.YourIPAddr.String(), m.SubnetMask().String(), fmt.Sprint(m.Router()), m.ServerIdentifier().String(),
		fmt.Sprint(m.DNS()), fmt.Sprint(m.NTPServers()), m.IPAddressLeaseTime(0), m.IPAddressRenewalTime(0), m.IPAddressRebindingTime(0),
		m.TransactionID.String(), m.ClientHWAddr.String(), m.ClientIPAddr.String()}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ACK (-want +got):\n%s", diff)
	}
	if b := o.table.byAddress[netip.MustParseAddr("192.168.42.10")]; b.host != "phone-1" {
		t.Errorf("host name %q; want phone-1", b.host)
	}
}

// TestConflict in a pool: the address is set aside for an hour.
func TestConflictInPool(t *testing.T) {
	o := newOffice(t)
	m := from(host(1), dhcpv4.MessageTypeDiscover)
	a := o.desk.settle(m, o.desk.answer(m), strangeMAC)
	if says(a) != "OFFER 192.168.42.11" || !a.probe.IsValid() {
		t.Errorf("the first address is in use: %s, probe %v; want the next, probed too", says(a), a.probe)
	}
	if a = o.desk.settle(m, a, host(1)); says(a) != "OFFER 192.168.42.11" || a.probe.IsValid() {
		t.Errorf("the host itself has the address: %s, probe %v; want it offered", says(a), a.probe)
	}
	o.now += 59 * time.Minute
	if got := []string{o.lease(host(2)), o.lease(host(3)), o.lease(host(4))}; got[0] != "192.168.42.12" || got[1] != "192.168.42.11" || got[2] != "silence" {
		t.Errorf("within the hour: %q; want .10 left out", got)
	}
	o.now += 2 * time.Minute
	if got := o.lease(host(4)); got != "192.168.42.10" {
		t.Errorf("after the hour: %s; want 192.168.42.10", got)
	}
}

func TestReturningHosts(t *testing.T) {
	o := newOffice(t)
	first, second := o.lease(host(1)), o.lease(host(2))
	o.now += 25 * time.Hour
	if got := o.lease(host(3)); got != "192.168.42.12" {
		t.Errorf("a new host gets %s; want the address that nobody had", got)
	}
	if got := o.lease(host(2)); got != second {
		t.Errorf("the second host comes back a day later to %s; want %s", got, second)
	}
	if got := o.lease(host(4)); got != first {
		t.Errorf("when there is no fresh one, a new host gets %s; want %s, which lapsed first", got, first)
	}
	if got := o.lease(host(1)); got != "silence" {
		t.Errorf("the first host comes back to a full pool: %s; want silence", got)
	}
	// Client identifiers tell hosts apart, not MACs; and one that a host makes
	// of its MAC is the same as none.
	o.now += 48 * time.Hour
	a, b := o.lease(host(5), named("\x00one")), o.lease(host(5), named("\x00two"))
	if a == b {
		t.Errorf("two client identifiers of one MAC both get %s", a)
	}
	mac := host(6)
	if a, b := o.lease(mac), o.lease(mac, named("\x01"+string(mac[:]))); a != b {
		t.Errorf("a host gets %s without its client identifier and %s with it", a, b)
	}
}

// TestRequests walks RFC 2131 §4.3.2. Host 1 has 192.168.42.10, host 2 had .11
// until it lapsed, host 3 is offered .12.
func TestRequests(t *testing.T) {
	const us = "192.168.42.1"
	for name, test := range map[string]struct {
		mac  MAC
		more []dhcpv4.Modifier
		want string
	}{
		"SELECTING its offer":                     {host(3), mods(asking("192.168.42.12"), ofServer(us)), "ACK 192.168.42.12"},
		"SELECTING again":                         {host(1), mods(asking("192.168.42.10"), ofServer(us)), "ACK 192.168.42.10"},
		"SELECTING another server":                {host(3), mods(asking("192.168.42.99"), ofServer("192.168.42.9")), "silence"},
		"SELECTING another's":                     {host(3), mods(asking("192.168.42.10"), ofServer(us)), "NAK"},
		"SELECTING what nobody offered":           {host(4), mods(asking("192.168.42.12"), ofServer(us)), "NAK"},
		"SELECTING nothing":                       {host(3), mods(ofServer(us)), "NAK"},
		"INIT-REBOOT":                             {host(1), mods(asking("192.168.42.10")), "ACK 192.168.42.10"},
		"INIT-REBOOT of a lapsed one":             {host(2), mods(asking("192.168.42.11")), "ACK 192.168.42.11"},
		"INIT-REBOOT of another than its own":     {host(1), mods(asking("192.168.42.11")), "NAK"},
		"INIT-REBOOT of a stranger":               {host(4), mods(asking("192.168.42.11")), "silence"},
		"INIT-REBOOT from another network":        {host(4), mods(asking("192.168.77.7")), "NAK"},
		"INIT-REBOOT of what is only offered":     {host(3), mods(asking("192.168.42.12")), "silence"},
		"INIT-REBOOT without an address":          {host(1), nil, "silence"},
		"renewal":                                 {host(1), mods(having("192.168.42.10")), "ACK 192.168.42.10"},
		"renewal by broadcast":                    {host(1), mods(having("192.168.42.10"), dhcpv4.WithBroadcast(true)), "ACK 192.168.42.10"},
		"renewal of a lapsed one":                 {host(2), mods(having("192.168.42.11")), "ACK 192.168.42.11"},
		"renewal of what was forgotten":           {host(4), mods(having("192.168.42.11")), "ACK 192.168.42.11"},
		"renewal of another's":                    {host(4), mods(having("192.168.42.10")), "NAK"},
		"renewal of what another server gave":     {host(4), mods(having("192.168.42.99")), "silence"},
		"renewal from a network that is not ours": {host(4), mods(having("198.51.100.7")), "silence"},
		"renewal behind the relay":                {host(4), mods(having("203.0.113.100")), "ACK 203.0.113.100"},
		"through the relay":                       {host(4), mods(asking("203.0.113.100"), through("203.0.113.1"), ofServer(us)), "NAK"},
		"through a relay that is not ours":        {host(1), mods(asking("192.168.42.10"), through("198.51.100.1")), "silence"},
	} {
		o := newOffice(t)
		o.lease(host(2), asking("192.168.42.11"))
		o.now += 24*time.Hour + time.Second
		o.lease(host(1), asking("192.168.42.10"))
		o.ask(from(host(3), dhcpv4.MessageTypeDiscover, asking("192.168.42.12")))
		if got := says(o.ask(from(test.mac, dhcpv4.MessageTypeRequest, test.more...))); got != test.want {
			t.Errorf("%s: %s; want %s", name, got, test.want)
		}
	}
}

func mods(all ...dhcpv4.Modifier) []dhcpv4.Modifier { return all }

// TestWhereAnswersGo walks RFC 2131 §4.1.
func TestWhereAnswersGo(t *testing.T) {
	broadcast := dhcpv4.WithBroadcast(true)
	o := newOffice(t)
	o.lease(host(1))
	for name, test := range map[string]struct {
		m    *dhcpv4.DHCPv4
		want string
		mac  MAC
	}{
		"unicast to one without an address": {from(host(1), dhcpv4.MessageTypeDiscover), "192.168.42.10:68", host(1)},
		"broadcast flag":                    {from(host(1), dhcpv4.MessageTypeDiscover, broadcast), "255.255.255.255:68", MAC{}},
		"DISCOVER with a foreign address":   {from(host(1), dhcpv4.MessageTypeDiscover, having("192.168.42.77")), "192.168.42.10:68", host(1)},
		"renewal":                           {from(host(1), dhcpv4.MessageTypeRequest, having("192.168.42.10"), broadcast), "192.168.42.10:68", MAC{}},
		"INFORM":                            {from(host(1), dhcpv4.MessageTypeInform, having("192.168.42.77")), "192.168.42.77:68", MAC{}},
		"NAK":                               {from(host(2), dhcpv4.MessageTypeRequest, having("192.168.42.10")), "255.255.255.255:68", MAC{}},
		"relay":                             {from(host(3), dhcpv4.MessageTypeDiscover, through("203.0.113.1")), "203.0.113.1:67", MAC{}},
		"NAK through the relay":             {from(host(3), dhcpv4.MessageTypeRequest, asking("192.168.42.10"), through("203.0.113.1")), "203.0.113.1:67", MAC{}},
	} {
		a := o.ask(test.m)
		if a.to.String() != test.want || a.mac != test.mac {
			t.Errorf("%s: %s goes to %v %v; want %s %v", name, says(a), a.to, a.mac, test.want, test.mac)
		}
		if name == "NAK through the relay" && !a.reply.IsBroadcast() {
			t.Errorf("%s: the relay is not asked to broadcast it", name)
		}
	}
}

func TestRelay(t *testing.T) {
	o := newOffice(t)
	circuit := dhcpv4.WithGeneric(dhcpv4.OptionRelayAgentInformation, []byte{1, 4, 'p', 'o', 'r', 't'})
	m := from(host(1), dhcpv4.MessageTypeDiscover, through("203.0.113.1"), circuit, named("\x00phone"))
	a := o.desk.answer(m)
	if says(a) != "OFFER 203.0.113.100" || a.probe.IsValid() {
		t.Errorf("DISCOVER: %s, probe %v; want an address behind the relay, without ARP", says(a), a.probe)
	}
	for _, code := range []dhcpv4.OptionCode{dhcpv4.OptionRelayAgentInformation, dhcpv4.OptionClientIdentifier} {
		if got, want := a.reply.Options.Get(code), m.Options.Get(code); string(got) != string(want) {
			t.Errorf("%v comes back as %q; want %q", code, got, want)
		}
	}
	if got := fmt.Sprint(a.reply.Router(), a.reply.GatewayIPAddr); got != "[203.0.113.1] 203.0.113.1" {
		t.Errorf("router and relay %s; want those of that network", got)
	}
}

func TestInform(t *testing.T) {
	o := newOffice(t)
	a := o.ask(from(host(1), dhcpv4.MessageTypeInform, having("192.168.42.77")))
	if says(a) != "ACK" || a.reply.Options.Has(dhcpv4.OptionIPAddressLeaseTime) || len(a.reply.Router()) != 1 {
		t.Errorf("INFORM: %s; want what there is to know, and no lease", a.reply.Summary())
	}
	for _, foreign := range []string{"198.51.100.7", "192.168.42.255", "0.0.0.0", "255.255.255.255"} {
		if a := o.ask(from(host(1), dhcpv4.MessageTypeInform, having(foreign))); a.reply != nil {
			t.Errorf("INFORM from %s: %s; want silence", foreign, says(a))
		}
	}
	if len(o.table.byAddress) != 0 {
		t.Errorf("bindings of INFORM: %v; want none", o.table.byAddress)
	}
}

func TestDeclineAndRelease(t *testing.T) {
	const us = "192.168.42.1"
	o := newOffice(t)
	address := o.lease(host(1))
	tell := func(mac MAC, kind dhcpv4.MessageType, more ...dhcpv4.Modifier) {
		if a := o.ask(from(mac, kind, more...)); a.reply != nil {
			t.Errorf("%v: %s; want silence", kind, says(a))
		}
	}
	alive := func() bool { return o.table.alive(o.table.of(clientKey(from(host(1), 0)), o.desk.pools)) }
	tell(host(2), dhcpv4.MessageTypeRelease, having(address), ofServer(us))
	tell(host(2), dhcpv4.MessageTypeDecline, asking(address), ofServer(us))
	tell(host(1), dhcpv4.MessageTypeRelease, having(address), ofServer("192.168.42.9"))
	tell(host(1), dhcpv4.MessageTypeDecline, asking(address), ofServer("192.168.42.9"))
	tell(host(1), dhcpv4.MessageTypeRelease, having("192.168.42.12"), ofServer(us))
	if !alive() {
		t.Error("somebody else ended the lease")
	}
	tell(host(1), dhcpv4.MessageTypeRelease, having(address), ofServer(us))
	if alive() {
		t.Error("RELEASE did not end the lease")
	}
	o.sweep()
	o.expectFile("released", "-"+address)
	if got := o.lease(host(1)); got != address {
		t.Errorf("it comes back to %s; want %s", got, address)
	}
	tell(host(1), dhcpv4.MessageTypeDecline, asking(address), ofServer(us))
	if got := o.lease(host(1)); got == address {
		t.Errorf("after DECLINE it gets %s again", got)
	}
	o.sweep()
	o.expectFile("declined", "192.168.42.11")
}

// TestStrangeMessages are answered with silence.
func TestStrangeMessages(t *testing.T) {
	o := newOffice(t)
	discover := func(change func(*dhcpv4.DHCPv4)) *dhcpv4.DHCPv4 {
		return from(host(1), dhcpv4.MessageTypeDiscover, change)
	}
	for name, m := range map[string]*dhcpv4.DHCPv4{
		"a reply":             discover(func(m *dhcpv4.DHCPv4) { m.OpCode = dhcpv4.OpcodeBootReply }),
		"no Ethernet":         discover(func(m *dhcpv4.DHCPv4) { m.HWType = 32 }),
		"a MAC of 16 octets":  discover(func(m *dhcpv4.DHCPv4) { m.ClientHWAddr = make(net.HardwareAddr, 16) }),
		"no message type":     discover(dhcpv4.WithoutOption(dhcpv4.OptionDHCPMessageType)),
		"an OFFER":            discover(dhcpv4.WithMessageType(dhcpv4.MessageTypeOffer)),
		"a relay that is not": discover(through("198.51.100.1")),
	} {
		if a := o.ask(m); a.reply != nil || len(o.table.byAddress) != 0 {
			t.Errorf("%s: %s; want silence", name, says(a))
		}
	}
	// What is odd and no more is answered all the same.
	long := strings.Repeat("x", 300)
	if got := o.lease(host(1), named(long), dhcpv4.WithOption(dhcpv4.OptHostName("a\x1b[2J\nb"))); got != "192.168.42.10" {
		t.Errorf("a client identifier that is too long: %s; want the host known by its MAC", got)
	}
	if b := o.table.byAddress[netip.MustParseAddr("192.168.42.10")]; b.host != "" {
		t.Errorf("host name %q; want none", b.host)
	}
}
